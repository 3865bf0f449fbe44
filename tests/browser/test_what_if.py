"""What-if: what the page computes for another ε, c₁ and c₂ is what the trainer would have computed."""

import math

import numpy as np
import pytest
import torch

from ppo_scope.ppo import losses
from ppo_scope.probes.moment import UNKNOWN_REGION
from tests.live import LiveServer

OBJECTIVES = ("clip", "unclipped", "actor_critic", "reinforce")
CLIP_RANGES = (0.0, 0.1, 0.2, 0.3, 0.37, 0.5, 0.99, 1.0)

WHAT_IF = """async ({ batch, values }) => {
    const { whatIf } = await import(new URL("state/what-if.js", document.baseURI).href);
    const floats = (list) => Float32Array.from(list, (x) => x ?? NaN);
    const outcome = whatIf({ ...batch, ratio: floats(batch.ratio), advantages: floats(batch.advantages) }, values);
    return { ...outcome, codes: [...outcome.codes] };
}"""


@pytest.fixture(scope="module")
def what_if(chromium, tmp_path_factory):
    """`whatIf` of the page, in the page."""
    server = LiveServer("--paused", folder=tmp_path_factory.mktemp("what-if"))
    context = chromium.new_context()
    page = context.new_page()
    page.goto(server.base)

    def evaluate(batch, clip_range=0.2, value_coef=0.5, entropy_coef=0.01):
        values = {"clip_range": clip_range, "value_coef": value_coef, "entropy_coef": entropy_coef}
        return page.evaluate(WHAT_IF, {"batch": batch.as_json(), "values": values})

    yield evaluate
    context.close()
    server.stop()


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
        """Ratios exactly at 1 ± ε in single precision, and the next ones on either side."""
        for edge in (np.float32(1.0 - clip_range), np.float32(1.0 + clip_range)):
            for ratio in (edge, np.nextafter(edge, np.float32(0)), np.nextafter(edge, np.float32(9))):
                self.ratio[random.integers(0, len(self.ratio), 12)] = ratio
        self.ratio[:4] = [0.0, np.inf, np.float32(3e38), 1.0]

    @property
    def covered(self):
        return self.trained & (self.members == 1)

    def tensors(self):
        return (torch.from_numpy(array) for array in (self.ratio, self.advantages, self.trained))

    def regions(self, clip_range):
        """As the probe `samples` gives them."""
        codes = losses.regions(*self.tensors(), clip_range, self.objective).numpy()
        above, below = (side.numpy() for side in losses.beyond(torch.from_numpy(self.ratio), clip_range))
        codes[(above | below) & np.isnan(self.advantages) & self.trained] = UNKNOWN_REGION
        return codes

    def as_json(self):
        return {
            "objective": self.objective,
            "ratio": [float(r) if np.isfinite(r) else 3.4e39 for r in self.ratio],  # infinite in single precision
            "advantages": [None if np.isnan(a) else float(a) for a in self.advantages],
            "regions": self.regions(0.2).tolist(),
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
        above, below = (side.numpy() for side in losses.beyond(torch.from_numpy(batch.ratio), clip_range))
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
        policy_loss = losses.policy_loss("clip", torch.zeros(()), ratio, advantages, clip_range).double().mean().item()
        assert found["policy_loss"] == pytest.approx(policy_loss, rel=1e-12)
        assert found["value_term"] == pytest.approx(value_coef * batch.value_loss)
        assert found["entropy_term"] == pytest.approx(-entropy_coef * batch.entropy)
        total = policy_loss + value_coef * batch.value_loss - entropy_coef * batch.entropy
        assert found["loss"] == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("objective", OBJECTIVES[1:])
def test_without_a_clip_its_range_changes_no_loss(what_if, objective):
    batch = Batch(7, 0.2, objective)
    for clip_range in (0.1, 0.4):
        found = what_if(batch, clip_range)["terms"]
        assert found["policy_loss"] == batch.policy_loss
        assert found["loss"] == pytest.approx(batch.policy_loss + 0.5 * batch.value_loss - 0.01 * batch.entropy)


def test_each_sample_of_the_policy_loss_is_the_trainers_to_the_last_bit(what_if):
    """One sample a batch: its mean is that sample's term."""
    random = np.random.default_rng(3)
    for _ in range(40):
        batch = Batch(0, 0.2, size=4)
        batch.ratio = np.full(4, np.exp(random.normal(0, 0.4)), np.float32)
        batch.advantages = np.full(4, random.normal(), np.float32)
        batch.trained, batch.members = np.array([True] * 4), np.array([1, 0, 0, 0], np.uint8)
        clip_range = float(random.uniform(0, 0.6))
        ratio, advantages, _ = batch.tensors()
        expected = losses.policy_loss("clip", torch.zeros(()), ratio, advantages, clip_range)[0].item()
        assert what_if(batch, clip_range)["terms"]["policy_loss"] == expected


def test_of_no_sample_there_is_no_mean(what_if):
    batch = Batch(1, 0.2)
    batch.advantages[:] = np.nan
    found = what_if(batch)["terms"]
    assert found["policy_loss"] is None
    assert found["loss"] is None
    batch.members[:] = 0
    found = what_if(batch)
    assert found["samples"] == 0
    assert math.isnan(found["fractions"]["clip"])
