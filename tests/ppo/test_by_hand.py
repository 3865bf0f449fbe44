"""The gradient derived by hand against the one that torch finds, and whole runs by either."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces

from ppo_scope.ppo import losses
from ppo_scope.ppo.engines import NumpyEngine, TorchEngine, engine_of
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from tests.ppo.test_images import PICTURE
from tests.ppo.test_spaces import ACTIONS, sampled

OBJECTIVES = ("reinforce", "actor_critic", "unclipped", "clip", "kl_penalty")


@pytest.fixture
def make():
    def _make(action, **settings):
        given = {"num_envs": 4, "rollout_steps": 32, "minibatches": 2, "learning_rate": 0.02, "value_coef": 0.7}
        return Trainer(Settings.parse({"env": sampled("box", action), **given, "entropy_coef": 0.05, **settings}))

    return _make


def by_torch(trainer):
    """Go on by the other engine."""
    trainer.optimisation.engine = TorchEngine(trainer.network, trainer.distribution)


def late_minibatch(trainer):
    """((samples, rule, part) of a loss, the loss), taken where ratios have left 1."""
    engine, calls = trainer.optimisation.engine, []
    original = engine.losses

    def noted(samples, rule):
        find = original(samples, rule)
        return lambda part: calls.append((samples, rule, part)) or find(part)

    engine.losses = noted
    for phase in trainer.phases():
        if phase.kind is PhaseKind.LOSS and (phase.epoch, phase.minibatch) == (4, 1):
            engine.losses = original
            return calls[-1], phase.update.minibatches[-1]
    raise AssertionError


def ours_used(given):
    """Â of the samples of a minibatch."""
    samples, _, part = given
    return samples.advantages[part]


def loss_of(trainer, samples, rule, part):
    return trainer.optimisation.engine.losses(samples, rule)(part)


@pytest.mark.parametrize("shared_network", [False, True])
@pytest.mark.parametrize("value_clip_range", [None, 0.05])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("action", ACTIONS)
def test_by_hand_and_by_torch_agree(make, action, objective, value_clip_range, shared_network):
    trainer = make(action, objective=objective, value_clip_range=value_clip_range, shared_network=shared_network)
    given, ours = late_minibatch(trainer)
    assert ours.logratio.abs().max() > 0.05, "the ratios must have moved for this to mean anything"
    gradient = ours.differentiate()
    by_torch(trainer)
    theirs = loss_of(trainer, *given)
    for name in ("policy_loss", "value_loss", "entropy", "loss"):
        assert getattr(ours, name).item() == pytest.approx(getattr(theirs, name).item(), rel=1e-5, abs=1e-6), name
    assert torch.allclose(ours.logratio, theirs.logratio, atol=2e-6)
    expected = theirs.differentiate()
    assert (gradient - expected).norm() <= 2e-6 * expected.norm()
    trainer.close()


@pytest.mark.parametrize("action", ACTIONS)
def test_they_agree_where_the_ratio_may_rise_further_than_it_may_fall_and_counts_to_a_cap(make, action):
    trainer = make(action, clip_range=0.01, clip_range_high=0.03, ratio_cap=1.05)
    given, ours = late_minibatch(trainer)
    ratio = ours.logratio.exp()
    above, below = losses.beyond(ratio, losses.edges_of(0.01, 0.03))
    assert above.any() and below.any(), "both edges must have been passed for this to mean anything"
    assert ((ratio > 1.05) & (ours_used(given) < 0)).any(), "and the cap"
    gradient = ours.differentiate()
    by_torch(trainer)
    theirs = loss_of(trainer, *given)
    assert ours.policy_loss.item() == pytest.approx(theirs.policy_loss.item(), rel=1e-5, abs=1e-6)
    expected = theirs.differentiate()
    assert (gradient - expected).norm() <= 2e-6 * expected.norm()
    samples, rule, part = given
    for other in (replace(rule, clip_range_high=None), replace(rule, ratio_cap=None)):
        otherwise = loss_of(trainer, samples, other, part).policy_loss.item()
        assert otherwise != pytest.approx(theirs.policy_loss.item(), rel=1e-5), "each must matter"
    trainer.close()


@pytest.mark.parametrize("normalize_observations", [False, True])
def test_a_run_by_torch_is_the_same_run(normalize_observations):
    """The way of a GPU, walked on the CPU: torch's layers, autograd, tensors for coefficients, no waiting."""

    def run(asynchronous):
        settings = {"num_envs": 4, "rollout_steps": 32, "normalize_observations": normalize_observations}
        trainer = Trainer(Settings.parse(settings), asynchronous=asynchronous)
        if asynchronous:
            by_torch(trainer)
        for phase in trainer.phases():
            if phase.kind is PhaseKind.UPDATE and phase.update.index == 2:
                trainer.change("clip_range", 0.1)
                trainer.change("clip_range_high", 0.3)
                trainer.change("ratio_cap", 1.5)
                trainer.change("learning_rate", 0.001)
            if phase.kind is PhaseKind.UPDATE and phase.update.index == 4:
                trainer.close()
                return trainer.network.theta.detach()
        raise AssertionError

    assert torch.allclose(run(False), run(True), atol=1e-5)


def test_extreme_ratios_stay_finite(make):
    trainer = make("discrete")
    given, _ = late_minibatch(trainer)
    log_probs = given[0].log_probs
    log_probs[:] = torch.from_numpy(np.random.default_rng(0).choice([-1e4, 0, 1e4], len(log_probs)))
    minibatch = loss_of(trainer, *given)
    assert torch.isfinite(minibatch.loss)
    assert torch.isfinite(minibatch.differentiate()).all()
    trainer.close()


def test_a_gradient_is_taken_once(make):
    trainer = make("discrete")
    phase = next(p for p in trainer.phases() if p.kind is PhaseKind.GRADIENT)
    with pytest.raises(RuntimeError, match="taken already"):
        phase.update.minibatches[0].differentiate()
    trainer.close()


def test_the_spaces_of_these_tests_are_all_that_are_promised():
    promised = {spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary, spaces.Box}
    assert {type(space) for space in ACTIONS.values()} == promised


def test_the_engine_is_chosen_by_where_the_network_is_and_what_it_sees(make):
    trainer = make("discrete")
    assert isinstance(engine_of(trainer.network, trainer.distribution), NumpyEngine)
    pixels = Trainer(Settings.parse(PICTURE))
    assert isinstance(pixels.optimisation.engine, TorchEngine)
    pixels.close()
    trainer.network.device = torch.device("meta")
    assert isinstance(engine_of(trainer.network, trainer.distribution), TorchEngine)
    trainer.close()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_mask_of_arrays_is_the_mask_of_tensors(objective):
    generator = np.random.default_rng(0)
    at_edges = np.array([0.8, 1.3, np.nextafter(np.float32(0.8), 0), np.nextafter(np.float32(1.3), 2)], np.float32)
    ratio = np.concatenate([at_edges, generator.uniform(0.5, 1.5, 200).astype(np.float32)])
    advantages = generator.standard_normal(len(ratio)).astype(np.float32)
    trained = generator.random(len(ratio)) > 0.1
    given, edges = (ratio, advantages, trained), losses.edges_of(0.2, 0.3, 1.4)
    codes = losses.regions(*given, edges, objective)
    assert codes.dtype == np.uint8
    assert np.array_equal(codes, losses.regions(*map(torch.from_numpy, given), edges, objective).numpy())


def test_the_loss_is_composed_as_its_gradient_is_weighed():
    terms = 0.3, 5.0, 0.7
    weighed = sum(w * term for w, term in zip(losses.term_weights(0.5, 0.01), terms, strict=True))
    assert losses.total(*terms, 0.5, 0.01) == pytest.approx(weighed) == pytest.approx(0.3 + 2.5 - 0.007)
