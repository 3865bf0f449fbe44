"""The line from the old weights to the new ones, for every action space and for images; ratios after a step."""

import numpy as np
import pytest
import torch

from ppo_scope.ppo import losses
from ppo_scope.ppo.engine import clip_edges
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.probes import direction
from ppo_scope.probes.probes import measure
from tests.ppo.test_by_hand import by_torch
from tests.probes.test_gradients import CASES, moment_of, settings_of

LINE = frozenset({"direction"})


def at(arrays, factor):
    """(L_PG clipped or at a price, not clipped, KL) there."""
    return arrays["direction_losses"][:, arrays["direction_at"].tolist().index(factor)]


def judged(moment, theta):
    """The same three under the weights θ, sample by sample, over all whose Â has been used; torch's layers."""
    trainer, batch = moment.trainer, moment.batch
    known = torch.from_numpy(np.flatnonzero(moment.trained & ~np.isnan(moment.advantages_used)))
    with torch.no_grad():
        outputs, _ = trainer.network.at(theta, batch.observations[known])
        log_probs, _ = trainer.distribution.evaluate(outputs, batch.actions[known])
        ratio = (log_probs - batch.log_probs[known]).exp().double()
        used = torch.from_numpy(moment.advantages_used)[known].double()
        epsilon = moment.update.settings.clip_range
        kl = trainer.distribution.kl(batch.outputs[known], outputs).double()
        if moment.update.settings.objective == "kl_penalty":
            clipped = -ratio * used + moment.update.settings.kl_coef * kl
        else:
            clipped = torch.maximum(-ratio * used, -ratio.clamp(1 - epsilon, 1 + epsilon) * used)
        return [float(part.mean()) for part in (clipped, -ratio * used, kl)]


@pytest.mark.parametrize("case", CASES)
def test_the_line_is_what_the_weights_on_it_give(make, case):
    moment = moment_of(make(CASES[case]()), PhaseKind.STEP)
    arrays = measure(moment, LINE).arrays
    before, after = moment.update.theta_before, moment.trainer.network.theta.detach()
    assert not torch.equal(before, after)
    assert arrays["direction_at"].tolist() == np.linspace(-0.5, 2, 21, dtype=np.float32).tolist()
    for factor in (-0.5, 0.0, 0.5, 1.0, 2.0):
        expected = judged(moment, before + factor * (after - before))
        assert at(arrays, factor) == pytest.approx(expected, rel=1e-3, abs=2e-5), factor


@pytest.mark.parametrize("case", CASES)
def test_at_0_there_is_no_kl_and_no_clip(make, case):
    moment = moment_of(make(CASES[case]()), PhaseKind.STEP)
    arrays = measure(moment, LINE).arrays
    clipped, unclipped, kl = at(arrays, 0.0)
    used = moment.advantages_used[moment.trained & ~np.isnan(moment.advantages_used)]
    assert kl == pytest.approx(0, abs=1e-6)
    assert (clipped, unclipped) == (pytest.approx(-used.mean(dtype=np.float64), abs=1e-5),) * 2
    assert (arrays["direction_losses"][2] >= 0).all()


@pytest.mark.parametrize("case", CASES)
def test_at_1_it_is_what_the_final_weights_give(make, case):
    trainer = make(CASES[case]())
    moment = moment_of(trainer, PhaseKind.UPDATE, trainer.settings.epochs, trainer.settings.minibatches)
    clipped, unclipped, kl = at(measure(moment, LINE).arrays, 1.0)
    trained, settings = moment.trained, moment.update.settings
    ratio, used = (torch.from_numpy(array[trained]) for array in (np.exp(moment.logratio), moment.advantages_used))
    assert kl == pytest.approx(measure(moment, frozenset()).scalars["final_kl_exact"], rel=1e-3, abs=1e-6)
    assert unclipped == pytest.approx(float((-ratio * used).mean()), rel=1e-3, abs=2e-5)
    if settings.objective == "kl_penalty":
        final = measure(moment, frozenset()).scalars["final_policy_loss"]
        assert clipped == pytest.approx(unclipped + settings.kl_coef * kl, abs=1e-6) == pytest.approx(final, abs=2e-5)
        return
    assert clipped == pytest.approx(
        float(losses.clipped_policy_loss(ratio, used, clip_edges(settings)).mean()), rel=1e-3, abs=2e-5
    )


def test_by_numpy_and_by_torch_it_is_the_same_line(make):
    trainer = make(settings_of("box"))
    moment = moment_of(trainer, PhaseKind.STEP)
    dense = measure(moment, LINE).arrays["direction_losses"]
    by_torch(trainer)
    assert measure(moment, LINE).arrays["direction_losses"] == pytest.approx(dense, rel=1e-3, abs=1e-5)


def test_long_rollouts_are_judged_by_some_samples_spread_over_all(make, monkeypatch):
    monkeypatch.setattr(direction, "MOST", 10)
    moment = moment_of(make(settings_of("discrete")), PhaseKind.EPOCH)
    assert measure(moment, LINE).scalars["direction_samples"] == 10
    chosen, known = direction._chosen(moment), np.flatnonzero(moment.trained)
    assert (chosen[0], chosen[-1]) == (known[0], known[-1]) and len(set(chosen)) == 10


@pytest.mark.parametrize("kind", [PhaseKind.ADVANTAGES, PhaseKind.LOSS, PhaseKind.GRADIENT])
def test_without_a_step_there_is_no_direction(make, kind):
    place = (0, 0) if kind is PhaseKind.ADVANTAGES else (1, 1)
    assert not measure(moment_of(make(settings_of("discrete")), kind, *place), LINE).arrays


@pytest.mark.parametrize("case", CASES)
def test_the_ratios_of_a_minibatch_after_its_step(make, case):
    moment = moment_of(make(CASES[case]()), PhaseKind.STEP)
    found = measure(moment, frozenset({"ratio", "post_step"}))
    batch, trainer, minibatch = moment.batch, moment.trainer, moment.update.minibatches[-1]
    samples = minibatch.samples[minibatch.trained]
    with torch.no_grad():
        outputs, _ = trainer.network(batch.observations[samples])
        log_probs, _ = trainer.distribution.evaluate(outputs, batch.actions[samples])
    logratio = (log_probs - batch.log_probs[samples]).numpy()
    extremes = found.scalars["ratio_post_min"], found.scalars["ratio_post_max"]
    assert extremes == pytest.approx((np.exp(logratio.min()), np.exp(logratio.max())), rel=1e-4)
    counts, outside = found.arrays["ratio_post_counts"], found.arrays["ratio_post_outside"]
    assert counts.sum() + outside.sum() == len(logratio)
    limit = found.scalars["ratio_limit"]
    expected, _ = np.histogram(logratio, 64, (-limit, limit))
    assert np.abs(counts.astype(int) - expected).sum() <= 4, "but for a few on an edge"


def test_only_at_the_phase_step(make):
    for kind in (PhaseKind.LOSS, PhaseKind.GRADIENT):
        moment = moment_of(make(settings_of("discrete")), kind)
        assert "ratio_post_counts" not in measure(moment, frozenset({"post_step"})).arrays
