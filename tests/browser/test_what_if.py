"""What-if: what the page computes for another ε, β, c₁ and c₂ is what the trainer would have computed."""

import math

import numpy as np
import pytest
import torch

from ppo_scope.ppo import losses
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import measure
from tests.browser.conftest import empty_page
from tests.moments import moment_at

OBJECTIVES = ("clip", "unclipped", "actor_critic", "reinforce", "kl_penalty")
CLIP_RANGES = (
    (0.0, None, None),
    (0.1, None, 3.0),
    (0.2, 0.28, None),
    (0.3, 0.05, 1.4),
    (0.37, None, None),
    (0.5, 4.0, 6.0),
    (0.99, 0.0, None),
    (1.0, None, 2.5),
)
"""ε, ε⁺ and c."""
USUAL = 0.2, None, None

WHAT_IF = """async ({ batch, values }) => {
    const { whatIf } = await import(new URL("ppo/what-if.js", document.baseURI).href);
    const floats = (list) => Float32Array.from(list, (x) => x ?? NaN);
    const outcome = whatIf({ ...batch, ratio: floats(batch.ratio), advantages: floats(batch.advantages) }, values);
    return { ...outcome, codes: [...outcome.codes] };
}"""


OF_SNAPSHOT = """async ({ header, arrays, values }) => {
    const load = (path) => import(new URL(path, document.baseURI).href);
    const [{ batchOf, valuesInUse }, { whatIf }] = [await load("state/previewed.js"), await load("ppo/what-if.js")];
    for (const name of ["ratio", "advantage_used", "exact_kl"])
        if (arrays[name]) arrays[name] = Float32Array.from(arrays[name], (x) => x ?? NaN);
    const [batch, used] = [batchOf({ header, arrays }), valuesInUse({ header, arrays })];
    const plain = (outcome) => ({ ...outcome, codes: [...outcome.codes] });
    return { now: plain(whatIf(batch, used)), then: plain(whatIf(batch, { ...used, ...values })) };
}"""


@pytest.fixture(scope="module")
def loaded(window, files):
    """A page that modules can be imported in."""
    page = empty_page(window, files)
    yield page
    page.close()


@pytest.fixture
def what_if(loaded):
    """`whatIf` of the page, in the page."""

    def evaluate(batch, clip_range=USUAL, value_coef=0.5, entropy_coef=0.01):
        values = {**named(clip_range), "value_coef": value_coef, "entropy_coef": entropy_coef}
        return loaded.evaluate(WHAT_IF, {"batch": batch.as_json(), "values": values})

    return evaluate


def named(clip_range):
    return dict(zip(("clip_range", "clip_range_high", "ratio_cap"), clip_range, strict=True))


class Batch:
    """Samples as a snapshot has them: float32, NaN where Â was not used, autoreset rows, some in no minibatch."""

    def __init__(self, seed, clip_range, objective="clip", size=600):
        random = np.random.default_rng(seed)
        self.objective = objective
        self.ratio = np.exp(random.normal(0, random.choice([0.05, 0.3, 2.0]), size)).astype(np.float32)
        self.advantages = random.normal(0, 1, size).astype(np.float32)
        self._put_edges(random, clip_range)
        self.advantages[random.random(size) < 0.1] = 0.0
        self.advantages[random.random(size) < 0.02] = -0.0
        self.advantages[random.random(size) < 0.1] = np.nan
        self.trained = random.random(size) > 0.1
        self.advantages[~self.trained] = np.nan
        self.members = (random.random(size) < 0.5).astype(np.uint8)
        self.value_loss, self.entropy, self.policy_loss = random.random(3).tolist()

    def _put_edges(self, random, clip_range):
        """Ratios exactly at the edges in single precision, and the next ones on either side."""
        for edge in map(np.float32, filter(math.isfinite, losses.edges_of(*clip_range))):
            for ratio in (edge, np.nextafter(edge, np.float32(0)), np.nextafter(edge, np.float32(9))):
                self.ratio[random.integers(0, len(self.ratio), 12)] = ratio
        self.ratio[:4] = [0.0, np.inf, np.float32(3e38), 1.0]

    @property
    def covered(self):
        return self.trained & (self.members == 1)

    def tensors(self):
        return (torch.from_numpy(array) for array in (self.ratio, self.advantages, self.trained))

    def beyond(self, clip_range):
        return (side.numpy() for side in losses.beyond(torch.from_numpy(self.ratio), losses.edges_of(*clip_range)))

    def regions(self, clip_range):
        """As the probe `samples` gives them."""
        codes = losses.regions(*self.tensors(), losses.edges_of(*clip_range), self.objective).numpy()
        above, below = self.beyond(clip_range)
        codes[(above | below) & np.isnan(self.advantages) & self.trained] = losses.Region.UNKNOWN
        return codes

    def as_json(self):
        return {
            "objective": self.objective,
            "ratio": [float(r) if np.isfinite(r) else 3.4e39 for r in self.ratio],  # infinite in single precision
            "advantages": [None if np.isnan(a) else float(a) for a in self.advantages],
            "regions": self.regions(USUAL).tolist(),
            "members": self.members.tolist(),
            "policyLoss": self.policy_loss,
            "valueLoss": self.value_loss,
            "entropy": self.entropy,
        }


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("clip_range", CLIP_RANGES)
def test_regions_and_counts_are_exactly_the_trainers(what_if, objective, clip_range):
    for seed in range(3):
        batch = Batch(seed, clip_range, objective)
        found, codes = what_if(batch, clip_range), batch.regions(clip_range)
        assert found["codes"] == codes.tolist()
        counted = codes[batch.members == 1]
        expected = {str(code): int((counted == code).sum()) for code in (0, 1, 2, 3, 4, 255)}
        assert found["counts"] == expected
        assert found["samples"] == batch.covered.sum()
        above, below = batch.beyond(clip_range)
        samples = batch.covered.sum()
        assert found["fractions"]["clip"] == ((above | below) & batch.covered).sum() / samples
        assert found["fractions"]["held"] == expected["2"] / samples
        assert found["fractions"]["pulledBack"] == expected["3"] / samples


@pytest.mark.parametrize("clip_range", CLIP_RANGES)
def test_the_terms_of_the_loss_are_the_trainers(what_if, clip_range):
    for seed in range(5):
        batch = Batch(100 + seed, clip_range)
        batch.ratio = np.minimum(batch.ratio, np.float32(50))  # else one sample's term is all that a sum shows
        value_coef, entropy_coef = 0.1 * seed, 0.02 * seed
        found = what_if(batch, clip_range, value_coef, entropy_coef)["terms"]
        used = batch.covered & ~np.isnan(batch.advantages)
        ratio, advantages = torch.from_numpy(batch.ratio[used]), torch.from_numpy(batch.advantages[used])
        terms = losses.policy_loss("clip", torch.zeros(()), ratio, advantages, losses.edges_of(*clip_range))
        policy_loss = terms.double().mean().item()
        assert found["policy_loss"] == pytest.approx(policy_loss, rel=1e-12)
        assert found["value_term"] == pytest.approx(value_coef * batch.value_loss)
        assert found["entropy_term"] == pytest.approx(-entropy_coef * batch.entropy)
        total = policy_loss + value_coef * batch.value_loss - entropy_coef * batch.entropy
        assert found["loss"] == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("objective", OBJECTIVES[1:])
def test_without_a_clip_its_range_changes_no_loss(what_if, objective):
    batch = Batch(7, USUAL, objective)
    for clip_range in ((0.1, None, None), (0.4, None, None), (0.2, 0.5, 1.6)):
        found = what_if(batch, clip_range)["terms"]
        assert found["policy_loss"] == batch.policy_loss
        assert found["loss"] == pytest.approx(batch.policy_loss + 0.5 * batch.value_loss - 0.01 * batch.entropy)


def test_each_sample_of_the_policy_loss_is_the_trainers_to_the_last_bit(what_if):
    """One sample a batch: its mean is that sample's term."""
    random = np.random.default_rng(3)
    for _ in range(40):
        batch = Batch(0, USUAL, size=4)
        batch.ratio = np.full(4, np.exp(random.normal(0, 0.4)), np.float32)
        batch.advantages = np.full(4, random.normal(), np.float32)
        batch.trained, batch.members = np.array([True] * 4), np.array([1, 0, 0, 0], np.uint8)
        high, cap = (random.choice([None, float(random.uniform(*ends))]) for ends in ((0, 0.6), (1.6, 2.0)))
        clip_range = float(random.uniform(0, 0.6)), high, cap
        ratio, advantages, _ = batch.tensors()
        expected = losses.policy_loss("clip", torch.zeros(()), ratio, advantages, losses.edges_of(*clip_range))[
            0
        ].item()
        assert what_if(batch, clip_range)["terms"]["policy_loss"] == expected


def test_a_ratio_beyond_all_numbers_counts_as_the_trainers_largest(what_if):
    """What is measured is infinite there; the trainer's own ratio stays finite."""
    batch = Batch(0, USUAL, size=4)
    batch.ratio, batch.advantages = np.full(4, np.inf, np.float32), np.full(4, -0.5, np.float32)
    batch.trained, batch.members = np.array([True] * 4), np.array([1, 1, 0, 0], np.uint8)
    ratio, advantages = losses.ratio_of(torch.full((1,), 100.0)), torch.from_numpy(batch.advantages[:1])
    expected = losses.policy_loss("clip", torch.zeros(()), ratio, advantages, losses.edges_of(0.2)).item()
    assert np.isfinite(expected)
    assert what_if(batch)["terms"]["policy_loss"] == pytest.approx(expected, rel=1e-6)


def test_of_no_sample_there_is_no_mean(what_if):
    batch = Batch(1, USUAL)
    batch.advantages[:] = np.nan
    found = what_if(batch)["terms"]
    assert found["policy_loss"] is None
    assert found["loss"] is None
    batch.members[:] = 0
    found = what_if(batch)
    assert found["samples"] == 0
    assert math.isnan(found["fractions"]["clip"])


SMALL = {"seed": 7, "num_envs": 4, "rollout_steps": 64, "learning_rate": 0.005}
RUNS = [
    *({"objective": objective} for objective in OBJECTIVES),
    {"value_clip_range": 0.2},
    {"normalize_advantages": "off"},
    {"normalize_advantages": "batch"},
    {"clip_range": 0.0},
    {"clip_range": 1.0},
    {"clip_range": 0.05, "clip_range_high": 0.15, "ratio_cap": 1.2},
    {"shared_network": True, "target_kl": 0.001},  # ends early: some advantages have not been used
    {
        "env": "Pendulum-v1",
        "rollout_steps": 256,
    },  # Gaussian; long enough for truncated episodes and their autoreset rows
]


def moments_of(settings):
    """Snapshots of a run, as (header, arrays, found): at two minibatches and at the end of its second update."""
    trainer = Trainer(Settings.parse({**SMALL, **settings}))
    for phase in trainer.phases():
        at_minibatch = phase.kind is PhaseKind.LOSS and (phase.epoch, phase.minibatch) in {(1, 2), (2, 1)}
        if phase.update.index == 2 and (at_minibatch or phase.kind is PhaseKind.UPDATE):
            found = measure(moment_at(trainer, phase), frozenset({"samples", "ratio"}))
            live = {name: getattr(phase.update.settings, name) for name in phase.update.settings.live()}
            scalars = {name: None if math.isnan(value) else value for name, value in found.scalars.items()}
            yield {"settings": live, "phase": phase.kind.value, "scalars": scalars}, found.arrays
        if phase.update.index == 2 and phase.kind is PhaseKind.UPDATE:
            trainer.close()
            return


def as_json(array):
    return [None if math.isnan(value) else value for value in array.ravel().tolist()]


CHANGED = 0.07, 0.11, 1.15


@pytest.mark.parametrize("settings", RUNS, ids=lambda settings: " ".join(f"{k}={v}" for k, v in settings.items()))
def test_of_real_snapshots_the_page_finds_what_the_trainer_says_and_would_say(loaded, settings):
    names = ("ratio", "region", "advantage_used", "in_minibatch")
    seen = 0
    for header, arrays in moments_of(settings):
        seen += 1
        ratio, region, used, member = (torch.from_numpy(np.ascontiguousarray(arrays[name])).ravel() for name in names)
        scalars, objective = header["scalars"], header["settings"]["objective"]
        values = {**named(CHANGED), "value_coef": 0.9, "entropy_coef": 0.03, "kl_coef": 7.0}
        if objective == "kl_penalty":
            arrays_sent = (*names, "exact_kl")
        else:
            arrays_sent, values["kl_coef"] = names, None
        given = {name: as_json(arrays[name]) for name in arrays_sent}
        found = loaded.evaluate(OF_SNAPSHOT, {"header": header, "arrays": given, "values": values})
        now, then = found["now"], found["then"]
        assert now["codes"] == region.tolist()
        policy, value, entropy = (
            ("final_policy_loss", "final_value_loss", "final_entropy")
            if header["phase"] == "update"
            else ("policy_loss", "value_loss", "entropy")
        )
        assert now["terms"]["policy_loss"] == pytest.approx(scalars[policy], rel=1e-5, abs=2e-7)
        if header["phase"] == "loss":
            covered = int(((region != 0) & (member == 1)).sum())
            assert now["terms"]["loss"] == pytest.approx(scalars["loss"], rel=1e-5, abs=2e-7)
            assert now["samples"] == covered == arrays["ratio_counts"].sum() + arrays["ratio_outside"].sum()
            assert now["fractions"]["clip"] == pytest.approx(scalars["clip_fraction"], rel=1e-6)
            assert now["fractions"]["held"] == pytest.approx(scalars["held_fraction"], rel=1e-6)

        trained = region != 0
        edges = losses.edges_of(*CHANGED)
        codes = losses.regions(ratio, used, trained, edges, objective)
        above, below = losses.beyond(ratio, edges)
        codes[(above | below) & used.isnan() & trained] = losses.Region.UNKNOWN
        assert then["codes"] == codes.tolist()
        expected = scalars[policy]
        if objective == "clip":
            judged = trained & (member == 1) & ~used.isnan()
            terms = losses.policy_loss("clip", torch.zeros(()), ratio[judged], used[judged], edges)
            expected = terms.double().mean().item()
        if objective == "kl_penalty":
            judged = trained & (member == 1) & ~used.isnan()
            kl = torch.from_numpy(np.ascontiguousarray(arrays["exact_kl"])).ravel()[judged].double()
            expected = (-(ratio[judged] * used[judged]).double().mean() + 7.0 * kl.mean()).item()
            assert kl.mean() > 0
        close = {"rel": 1e-6} if objective == "kl_penalty" else {"rel": 1e-9, "abs": 1e-12}
        assert then["terms"]["policy_loss"] == pytest.approx(expected, **close)
        total = expected + 0.9 * scalars[value] - 0.03 * scalars[entropy]
        assert then["terms"]["loss"] == pytest.approx(total, **close)
    assert seen >= 2


PREVIEW_OF = """async ({ header, attached, values }) => {
    const { previewOf } = await import(new URL("state/previewed.js", document.baseURI).href);
    const arrays = { ratio: [1.1, 0.9], advantage_used: [1, -1], region: [1, 1], in_minibatch: [1, 1] };
    const preview = { ...values, clip_range_high: null, ratio_cap: null, kl_coef: null };
    const run = { settings: { num_envs: 1, rollout_steps: 2 }, attached };
    const { now, then, limited } = previewOf({ snapshot: { header, arrays }, preview, run, comparison: null });
    return { now: now.terms, then: then.terms, limited };
}"""


@pytest.mark.parametrize(
    ("attached", "value_clip_range", "moved", "limited"),
    [
        ({"limits_values": True}, 0.2, {"clip_range": 0.05}, True),
        ({"limits_values": True}, 0.2, {"value_coef": 1.0}, False),
        ({"limits_values": True}, None, {"clip_range": 0.05}, False),
        ({"limits_values": False}, 0.2, {"clip_range": 0.05}, False),  # a coincidence
        (None, 0.2, {"clip_range": 0.05}, False),  # one of ours
    ],
)
def test_where_the_clip_range_is_that_of_v_as_well_nobody_knows_what_the_value_loss_would_be(
    loaded, attached, value_clip_range, moved, limited
):
    used = {"clip_range": 0.2, "value_coef": 0.5, "entropy_coef": 0.01}
    settings = {**used, "objective": "clip", "value_clip_range": value_clip_range}
    scalars = {"policy_loss": 0.0, "value_loss": 4.0, "entropy": 1.0}
    header = {"phase": "loss", "settings": settings, "scalars": scalars}
    found = loaded.evaluate(PREVIEW_OF, {"header": header, "attached": attached, "values": {**used, **moved}})
    assert found["limited"] is limited and found["now"]["value_loss"] == 4.0
    unknown = {name for name, value in found["then"].items() if value is None}
    assert unknown == ({"value_loss", "value_term", "loss"} if limited else set())
    assert found["then"]["policy_loss"] == pytest.approx(-0.05 if "clip_range" in moved else -0.1, rel=1e-5)


@pytest.mark.parametrize("phase", ["loss", "update"])
@pytest.mark.parametrize("estimate", ["k1", "k2", "k3", "kl_forward", None])
def test_a_penalty_is_in_what_l_would_be(loaded, estimate, phase):
    """r is 1.1 and 0.9, and β 0.5; an exact KL, and that to a reference policy, is what it was in the minibatch: r does
    not tell it, so that what it is after the update is not known.
    """
    used = {"clip_range": 0.2, "value_coef": 0.5, "entropy_coef": 0.01}
    settings = {**used, "objective": "clip", "kl_coef": 0.5, **({"kl_estimate": estimate} if estimate else {})}
    scalars = {"policy_loss": 0.0, "value_loss": 4.0, "entropy": 1.0, "penalty": 0.1}
    scalars |= {"final_policy_loss": 0.0, "final_value_loss": 4.0, "final_entropy": 1.0}
    header = {"phase": phase, "settings": settings, "scalars": scalars}
    found = loaded.evaluate(PREVIEW_OF, {"header": header, "attached": None, "values": {**used, "clip_range": 0.05}})
    logratio = torch.log(torch.tensor([1.1, 0.9]).double())
    each = {"k1": -logratio, "k2": logratio.square() / 2, "k3": logratio.exp() - 1 - logratio}
    for which, policy_loss in (("now", -0.1), ("then", -0.05)):
        price = 0.5 * float(each[estimate].mean()) if estimate in each else 0.1 if phase == "loss" else None
        whole = policy_loss + 0.5 * 4.0 - 0.01 + price if price is not None else None
        assert found[which]["loss"] == pytest.approx(whole, abs=1e-6)
