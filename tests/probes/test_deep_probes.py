"""Policy, gradients, direction, ratios after the step, and single transitions: each against what it is defined as."""

import numpy as np
import pytest
import torch

from ppo_scope.ppo import losses
from ppo_scope.ppo.engine import clip_edges
from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.cost import EXPENSIVE, ONLY_AT_REST, Budget
from ppo_scope.probes.gradients import layers_of
from ppo_scope.probes.probes import measure
from tests.moments import moment_at

SMALL = {"num_envs": 4, "rollout_steps": 32, "learning_rate": 0.003}
SETTINGS = [SMALL, {**SMALL, "shared_network": True}, {**SMALL, "env": "Pendulum-v1"}]


def moments(settings, kind, count=1):
    """Moments of that kind in the second update, while the trainer is there."""
    trainer = Trainer(Settings.parse(settings))
    for phase in trainer.phases():
        if phase.update.index == 2 and phase.kind is kind:
            yield moment_at(trainer, phase)
            count -= 1
        if not count or phase.update.index > 2:
            return


def found(moment, name):
    return measure(moment, frozenset({name}))


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("kind", [PhaseKind.LOSS, PhaseKind.GRADIENT])
def test_the_terms_gradients_sum_to_the_one_that_is_used(settings, kind):
    for moment in moments(settings, kind, 16):
        arrays = found(moment, "gradients").arrays
        total = np.sqrt(np.square(arrays["gradient_norms"][3]).sum())
        if kind is PhaseKind.GRADIENT:
            assert total == pytest.approx(float(moment.update.minibatches[-1].gradient_norm), rel=1e-4)
        assert (arrays["gradient_norms"] >= 0).all()


def test_with_two_networks_no_term_of_the_critic_reaches_the_policy():
    (moment,) = moments(SMALL, PhaseKind.LOSS)
    probe = found(moment, "gradients")
    layers = probe.notes["gradients"]["layers"]
    assert sorted(layers) == ["policy 1", "policy 2", "policy head", "value 1", "value 2", "value head"]
    norms = dict(zip(layers, probe.arrays["gradient_norms"].T, strict=True))
    for name, (policy, value, entropy, _) in norms.items():
        assert (value == 0) == name.startswith("policy"), name
        assert (policy == 0) == (entropy == 0) == name.startswith("value"), name
    assert np.isnan(probe.arrays["gradient_cosines"][[0, 2]]).all(), "of nothing there is no angle"
    assert not probe.arrays["gradient_shared"].any()


def test_cosines_where_the_trunk_is_shared():
    (moment,) = moments({**SMALL, "shared_network": True}, PhaseKind.LOSS)
    probe = found(moment, "gradients")
    layers = probe.notes["gradients"]["layers"]
    assert sorted(layers) == ["policy head", "trunk 1", "trunk 2", "value head"]
    network, update = moment.trainer.network, moment.update
    batch, minibatch = update.batch, update.minibatches[-1]
    outputs, values = network(batch.observations[minibatch.samples])
    log_probs, _ = moment.trainer.distribution.evaluate(outputs, batch.actions[minibatch.samples])
    weights = losses.mean_weights(minibatch.trained)
    ratio = losses.ratio_of(log_probs - batch.log_probs[minibatch.samples])
    one = losses.policy_loss("clip", log_probs, ratio, minibatch.advantages, losses.edges_of(0.2)) @ weights
    other = (values - batch.targets[minibatch.samples]).square() @ weights
    a, b = (torch.autograd.grad(term, network.theta, retain_graph=True)[0] for term in (one, other))
    for index, parts in enumerate(layers_of(network.parts()).values()):
        x, y = (torch.cat([g[part] for part in parts]).double() for g in (a, b))
        cosine = float(x @ y / (x.norm() * y.norm())) if x.any() and y.any() else float("nan")
        assert probe.arrays["gradient_cosines"][0, index] == pytest.approx(cosine, abs=1e-4, nan_ok=True)
    shared = dict(zip(layers, probe.arrays["gradient_shared"].tolist(), strict=True))
    assert shared == {"trunk 1": 1, "trunk 2": 1, "policy head": 0, "value head": 0}


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_line_begins_at_the_old_policy_and_passes_the_new_one(settings):
    (moment,) = moments(settings, PhaseKind.UPDATE)
    arrays = found(moment, "direction").arrays
    at = arrays["direction_at"].tolist()
    clipped, unclipped, kl = arrays["direction_losses"]
    start, end = at.index(0.0), at.index(1.0)
    used = moment.advantages_used[moment.trained]
    ratio = np.exp(moment.logratio[moment.trained])
    assert kl[start] == pytest.approx(0, abs=1e-7)
    assert clipped[start] == unclipped[start] == pytest.approx(-used.mean(), abs=1e-6)
    assert kl[end] == pytest.approx(measure(moment, frozenset()).scalars["final_kl_exact"], rel=1e-3, abs=1e-7)
    assert unclipped[end] == pytest.approx((-ratio * used).mean(), abs=1e-5)
    assert clipped[end] == pytest.approx(np.maximum(-ratio * used, -np.clip(ratio, 0.8, 1.2) * used).mean(), abs=1e-5)
    assert (clipped >= unclipped - 1e-6).all(), "the clip can only make it look worse"


def test_before_the_first_step_there_is_no_direction():
    (moment,) = moments(SMALL, PhaseKind.LOSS)
    assert not found(moment, "direction").arrays


def test_the_ratios_of_a_minibatch_after_its_step():
    for moment in moments(SMALL, PhaseKind.STEP, 16):
        probe = measure(moment, frozenset({"ratio", "post_step"}))
        minibatch = moment.update.minibatches[-1]
        outputs, _ = moment.trainer.network(moment.batch.observations[minibatch.samples])
        actions = moment.batch.actions[minibatch.samples]
        log_probs, _ = moment.trainer.distribution.evaluate(outputs, actions)
        after = (log_probs - moment.batch.log_probs[minibatch.samples]).detach().numpy()[minibatch.trained.numpy()]
        limit = probe.scalars["ratio_limit"]
        expected, _ = np.histogram(after, bins=64, range=(-limit, limit))
        assert np.abs(probe.arrays["ratio_post_counts"].astype(int) - expected).sum() <= 4  # some lie on an edge
        assert probe.arrays["ratio_post_counts"].sum() + probe.arrays["ratio_post_outside"].sum() == len(after)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("kind", [PhaseKind.STEP, PhaseKind.UPDATE])
def test_the_policy_before_and_now(settings, kind):
    (moment,) = moments(settings, kind)
    probe = found(moment, "policy")
    places, before, now = (probe.arrays[name] for name in ("policy_places", "policy_before", "policy_now"))
    samples = places[:, 1] * 4 + places[:, 0]
    assert moment.trained[samples].all()
    outputs, _ = moment.trainer.network(moment.batch.observations[samples])
    if settings.get("env") == "Pendulum-v1":
        mean, log_std = outputs.detach().chunk(2, dim=-1)
        assert np.allclose(now, torch.cat([mean, log_std.exp()], dim=-1), atol=1e-5)
    else:
        assert np.allclose(now, outputs.detach().softmax(-1), atol=1e-5)
        assert np.allclose(before.sum(1), 1, atol=1e-5)
        assert probe.arrays["policy_shift"].sum() == pytest.approx(0, abs=1e-6)
        assert probe.scalars["entropy_high"] == pytest.approx(np.log(2), abs=1e-6)
    covered = (moment.in_minibatch & moment.trained).sum()
    assert probe.arrays["entropy_counts"].sum(1).tolist() == [covered, covered]
    assert len(probe.notes["policy"]["columns"]) == before.shape[1] == sum(probe.notes["policy"]["groups"])


@pytest.mark.parametrize(
    "settings",
    [
        *SETTINGS,
        {**SMALL, "objective": "unclipped"},
        {**SMALL, "value_clip_range": 0.1},
        {**SMALL, "objective": "kl_penalty", "kl_coef": 3.0},
    ],
)
def test_each_samples_gradient_is_what_autograd_gives_for_it_alone(settings):
    *_, moment = moments({**settings, "clip_range": 0.02, "learning_rate": 0.01}, PhaseKind.UPDATE)
    arrays = found(moment, "transitions").arrays
    network, batch, live = moment.trainer.network, moment.batch, moment.update.settings
    rng = np.random.default_rng(1)
    for index in rng.choice(np.flatnonzero(moment.trained), 24, replace=False):
        t, n = divmod(int(index), 4)
        one = slice(index, index + 1)
        outputs, values = network(batch.observations[one])
        log_probs, entropies = moment.trainer.distribution.evaluate(outputs, batch.actions[one])
        ratio = losses.ratio_of(log_probs - batch.log_probs[one])
        used = torch.from_numpy(moment.advantages_used[one])
        objective = losses.policy_loss(live.objective, log_probs, ratio, used, clip_edges(live)).sum()
        if live.objective == "kl_penalty":
            objective = objective + live.kl_coef * moment.trainer.distribution.kl(batch.outputs[one], outputs).sum()
        value = losses.value_loss(values, batch.targets[one], batch.values[one], live.value_clip_range).sum()
        terms = {"policy": objective, "value": live.value_coef * value, "entropy": -live.entropy_coef * entropies.sum()}
        for name, term in {**terms, "total": sum(terms.values())}.items():
            (gradient,) = torch.autograd.grad(term, network.theta, retain_graph=True)
            norm = float(gradient.norm())
            assert arrays[f"gradient_{name}"][n, t] == pytest.approx(norm, rel=1e-3, abs=1e-6), name
        assert np.allclose(arrays["observation"][n, t], moment.update.rollout.observations[t, n].reshape(-1))


def test_a_samples_policy_gradient_is_zero_where_it_is_held_and_nowhere_else():
    *_, moment = moments({**SMALL, "clip_range": 0.02, "learning_rate": 0.01}, PhaseKind.UPDATE)
    arrays = measure(moment, frozenset({"transitions", "samples"})).arrays
    known = ~np.isnan(arrays["gradient_policy"])
    held = arrays["region"] == Region.HELD
    assert held.any()
    assert np.array_equal(arrays["gradient_policy"][known] == 0, held[known])
    assert np.array_equal(known, arrays["region"] != Region.NOT_TRAINED)
    for other in ("gradient_value", "gradient_entropy"):
        assert (arrays[other][held] > 0).all(), "what is held moves the weights all the same"


@pytest.mark.parametrize("settings", SETTINGS)
def test_looking_leaves_nothing_behind(settings):
    def weights(watched):
        trainer = Trainer(Settings.parse(settings))
        for phase in trainer.phases():
            measure(moment_at(trainer, phase), watched)
            assert trainer.network.theta.grad is None
            if phase.kind is PhaseKind.UPDATE and phase.update.index == 2:
                return trainer.weights_sha256()
        raise AssertionError

    names = frozenset({"policy", "gradients", "direction", "post_step", "transitions"})
    assert weights(names) == weights(frozenset())


def test_dear_probes_are_rationed_at_full_speed():
    budget = Budget()
    watched = EXPENSIVE | ONLY_AT_REST | {"ratio"}
    assert budget.affordable(watched) == EXPENSIVE | {"ratio"}
    with budget.spending("gradients"):
        sum(range(1_000_000))
    assert budget.affordable(watched) == watched - {"gradients"} - ONLY_AT_REST
    assert budget.costs["gradients"] > 0
