"""Every number of a snapshot against a slow computation of its own, and the promise that measuring changes nothing."""

import math

import numpy as np
import pytest
import torch

from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes import measurement, places, probes
from ppo_scope.wire.metrics import METRICS, MINIBATCH_COLUMNS, SERIES_COLUMNS
from tests.moments import moment_at

ALL = frozenset(probes.PROBES)
EPSILON = 0.05  # small, so that every region occurs
SETTINGS = {
    "num_envs": 4,
    "rollout_steps": 64,
    "learning_rate": 0.01,
    "clip_range": EPSILON,
    "env": "CartPole-v1",
    "normalize_rewards": False,
}


@pytest.fixture
def walk():
    """(trainer, phase) of the second update, stopped at the phase asked for."""
    trainers = []

    def _walk(kind, epoch=None, minibatch=None, **settings):
        trainer = Trainer(Settings.parse({**SETTINGS, **settings}))
        trainers.append(trainer)
        for phase in trainer.phases():
            here = phase.kind is kind and epoch in (None, phase.epoch) and minibatch in (None, phase.minibatch)
            if here and phase.update.index == 2:
                return trainer, phase
        raise AssertionError("no such phase")

    yield _walk
    for trainer in trainers:
        trainer.close()


def slow_minibatch(update, batch, minibatch, network):
    """The metrics of one minibatch, sample by sample, in double precision."""
    kept = minibatch.trained.nonzero().flatten().tolist()
    logratios = [minibatch.logratio[i].item() for i in kept]
    ratios = [math.exp(lr) for lr in logratios]
    advantages = [minibatch.advantages[i].item() for i in kept]
    old = torch.log_softmax(batch.outputs[minibatch.samples].double(), -1)
    new = torch.log_softmax(minibatch.outputs.double(), -1)
    n = len(kept)
    outside = [abs(r - 1) > EPSILON for r in ratios]
    held = [(a > 0 and r > 1 + EPSILON) or (a < 0 and r < 1 - EPSILON) for r, a in zip(ratios, advantages, strict=True)]
    return {
        "policy_loss": sum(
            max(-r * a, -min(max(r, 1 - EPSILON), 1 + EPSILON) * a) for r, a in zip(ratios, advantages, strict=True)
        )
        / n,
        "entropy": sum(-(new[i].exp() * new[i]).sum().item() for i in kept) / n,
        "kl_k1": sum(-lr for lr in logratios) / n,
        "kl_k3": sum((r - 1) - lr for r, lr in zip(ratios, logratios, strict=True)) / n,
        "kl_exact": sum((old[i].exp() * (old[i] - new[i])).sum().item() for i in kept) / n,
        "clip_fraction": sum(outside) / n,
        "held_fraction": sum(held) / n,
        "pulled_back_fraction": sum(o and not h for o, h in zip(outside, held, strict=True)) / n,
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "ratio_mean": sum(ratios) / n,
        "ratio_q05": float(np.quantile(ratios, 0.05)),
        "ratio_q95": float(np.quantile(ratios, 0.95)),
        "effective_sample_size": sum(ratios) ** 2 / (n * sum(r * r for r in ratios)),
    }


def test_minibatch_metrics_equal_a_slow_loop(walk):
    trainer, phase = walk(PhaseKind.STEP, 3, 2)
    moment = moment_at(trainer, phase)
    rows = moment.minibatch_rows
    assert rows.shape == (2 * 4 + 2, len(MINIBATCH_COLUMNS))
    for row, minibatch in zip(rows, phase.update.minibatches, strict=True):
        shown = dict(zip(MINIBATCH_COLUMNS, row, strict=True))
        for name, expected in slow_minibatch(phase.update, phase.update.batch, minibatch, trainer.network).items():
            assert shown[name] == pytest.approx(expected, abs=2e-6), name
        assert shown["value_term"] == pytest.approx(0.5 * shown["value_loss"])
        assert shown["entropy_term"] == pytest.approx(-0.01 * shown["entropy"])
        assert shown["loss"] == pytest.approx(
            shown["policy_loss"] + shown["value_term"] + shown["entropy_term"], rel=1e-5
        )
        assert shown["gradient_clip_factor"] == pytest.approx(min(1, 0.5 / shown["gradient_norm"]), rel=1e-4)
    assert rows[:, MINIBATCH_COLUMNS.index("held_fraction")].max() > 0
    assert rows[:, MINIBATCH_COLUMNS.index("pulled_back_fraction")].max() > 0


def test_an_update_aggregates_all_its_minibatches(walk):
    # With all that a number of the table is of.
    trainer, phase = walk(PhaseKind.UPDATE, objective="kl_penalty", desired_kl=0.01)
    moment = moment_at(trainer, phase)
    rows = moment.minibatch_rows
    assert len(rows) == 16
    shown = dict(zip(SERIES_COLUMNS, probes.series_row(moment, 0.25), strict=True))
    for column, name in zip(rows.T, MINIBATCH_COLUMNS, strict=True):
        expected = {"ratio_min": column.min(), "ratio_max": column.max()}.get(name, column.mean())
        assert shown[name] == pytest.approx(expected), name
    assert shown["seconds_probes"] == 0.25
    assert not any(math.isnan(value) for value in shown.values()), "every metric of the table must have been computed"
    assert {m.name for m in METRICS} == set(shown)


def test_the_end_of_an_update_is_measured_under_the_final_weights(walk):
    trainer, phase = walk(PhaseKind.UPDATE)
    batch = phase.update.batch
    outputs, values = trainer.network(batch.observations)
    log_probs = torch.log_softmax(outputs, -1).gather(-1, batch.actions[:, None])[:, 0]
    ratio = (log_probs - batch.log_probs).exp().detach().numpy()
    kept = batch.trained.numpy()
    shown = dict(zip(SERIES_COLUMNS, probes.series_row(moment_at(trainer, phase), 0.0), strict=True))
    assert shown["final_ratio_max"] == pytest.approx(ratio[kept].max(), rel=1e-5)
    assert shown["final_ratio_min"] == pytest.approx(ratio[kept].min(), rel=1e-5)
    targets, v = batch.targets.numpy()[kept], values.detach().numpy()[kept]
    assert shown["explained_variance"] == pytest.approx(1 - (targets - v).var() / targets.var(), abs=1e-5)
    before = batch.values.numpy()[kept]
    assert shown["explained_variance_before"] == pytest.approx(1 - (targets - before).var() / targets.var(), abs=1e-5)
    moved = (trainer.network.theta - phase.update.theta_before).norm() / phase.update.theta_before.norm()
    assert shown["theta_change"] == pytest.approx(moved.item())


def test_the_ratio_histogram_counts_every_transition_once(walk):
    trainer, phase = walk(PhaseKind.UPDATE)
    moment = moment_at(trainer, phase)
    found = probes.measure(moment, ALL)
    counts, outside = found.arrays["ratio_counts"], found.arrays["ratio_outside"]
    kept = moment.trained
    assert counts.sum() + outside.sum() == kept.sum() < kept.size
    codes = moment.regions[kept]
    for row, code in enumerate((Region.INSIDE, Region.HELD, Region.PULLED_BACK)):
        assert counts[row].sum() + outside[row].sum() == (codes == code).sum() > 0
    limit = found.scalars["ratio_limit"]
    edges = np.linspace(-limit, limit, measurement.BINS + 1)
    expected, _ = np.histogram(moment.logratio[kept].astype(np.float64), edges)
    # A value on an edge may fall to either side in single precision.
    assert np.abs(counts.sum(0).astype(int) - expected).sum() <= 4


def test_what_lies_beyond_the_widest_histogram_is_counted_outside(walk):
    trainer, phase = walk(PhaseKind.UPDATE)
    moment = moment_at(trainer, phase)
    first, last = np.flatnonzero(moment.trained)[[0, -1]]
    moment.logratio[first], moment.logratio[last] = -30.0, 30.0
    found = probes.PROBES["ratio"](moment)
    assert found.arrays["ratio_outside"].sum(0).tolist() == [1, 1]
    assert found.arrays["ratio_counts"].sum() == moment.trained.sum() - 2


def test_an_epoch_that_target_kl_has_ended_counts_samples_that_only_the_one_before_has_seen(make):
    trainer = make({**SETTINGS, "epochs": 10, "target_kl": 0.005})
    for phase in trainer.phases():
        assert phase.update is None or phase.update.index <= 100, "the extremes are those of the last epoch by chance"
        if phase.kind is PhaseKind.EPOCH and phase.update.stopped_by_kl and phase.epoch > 1 and phase.minibatch < 4:
            moment = moment_at(trainer, phase)
            found = probes.measure(moment, ALL).scalars
            ratio = moment.ratio[moment.trained]
            counted = found["ratio_counted_min"], found["ratio_counted_max"]
            assert counted == (ratio.min(), ratio.max())
            if counted != (found["ratio_min"], found["ratio_max"]):
                break


def test_before_the_first_step_the_ratio_is_a_spike_at_one(walk):
    for kind in (PhaseKind.ROLLOUT, PhaseKind.ADVANTAGES, PhaseKind.LOSS):
        trainer, phase = walk(kind)
        counts = probes.measure(moment_at(trainer, phase), ALL).arrays["ratio_counts"]
        assert counts[0, 31:33].sum() == counts.sum() > 0


def test_a_minibatch_covers_its_own_samples_only(walk):
    trainer, phase = walk(PhaseKind.LOSS, 2, 3)
    moment = moment_at(trainer, phase)
    found = probes.measure(moment, ALL)
    minibatch = phase.update.minibatches[-1]
    member = np.zeros(moment.trained.shape, bool)
    member[minibatch.samples.numpy()] = True
    assert found.arrays["ratio_counts"].sum() + found.arrays["ratio_outside"].sum() == (member & moment.trained).sum()
    assert np.array_equal(found.arrays["in_minibatch"].T.reshape(-1).astype(bool), member)
    assert found.arrays["advantage_used_counts"].sum() == (member & moment.trained).sum()
    used = moment.advantages_used[member & moment.trained]
    span = found.scalars["advantage_used_min"], found.scalars["advantage_used_max"]
    assert span == (used.min(), used.max())
    assert span != (found.scalars["advantage_used_low"], found.scalars["advantage_used_high"])
    ratio = found.arrays["ratio"].T.reshape(-1)[minibatch.samples.numpy()]
    assert ratio == pytest.approx(minibatch.logratio.exp().numpy())


def test_samples_are_laid_out_by_environment(walk):
    trainer, phase = walk(PhaseKind.UPDATE)
    arrays = probes.measure(moment_at(trainer, phase), ALL).arrays
    rollout = phase.update.rollout
    assert arrays["reward"].shape == (4, 64)
    assert np.array_equal(arrays["reward"], rollout.rewards.T)
    assert np.array_equal(arrays["episode_end"], (rollout.terminated + 2 * (rollout.truncated & ~rollout.terminated)).T)
    assert np.array_equal(arrays["region"] == Region.NOT_TRAINED, ~rollout.trained.T)
    assert np.isnan(arrays["advantage"][~rollout.trained.T]).all()
    assert np.isnan(arrays["advantage_used"][~rollout.trained.T]).all()
    assert np.isfinite(arrays["advantage_used"][rollout.trained.T]).all()
    target = arrays["advantage"] + arrays["value"]
    assert arrays["value_target"][rollout.trained.T] == pytest.approx(target[rollout.trained.T], abs=1e-5)


def test_residuals_are_what_the_advantages_were_accumulated_from(walk):
    """Sample by sample, by the networks themselves; the row after an end is none and has none."""
    trainer, phase = walk(PhaseKind.ADVANTAGES)
    found = probes.measure(moment_at(trainer, phase), ALL).arrays
    rollout, gamma = phase.update.rollout, phase.update.settings.discount
    with torch.no_grad():
        v = trainer.network(torch.from_numpy(rollout.observations).reshape(-1, 4))[1].view(65, 4).double().numpy()
    for n in range(4):
        following = 0.0
        for t in reversed(range(64)):
            if not rollout.trained[t, n]:
                assert math.isnan(found["delta"][n, t])
                following = 0.0
                continue
            delta = rollout.rewards[t, n] + gamma * v[t + 1, n] * (not rollout.terminated[t, n]) - v[t, n]
            assert found["delta"][n, t] == pytest.approx(delta, abs=1e-5)
            done = rollout.terminated[t, n] or rollout.truncated[t, n]
            following = delta + gamma * phase.update.settings.gae_lambda * (0.0 if done else following)
            assert found["advantage"][n, t] == pytest.approx(following, abs=1e-4)
    assert rollout.terminated.any() and not rollout.trained.all()


def test_residuals_are_of_the_rewards_that_the_advantages_take(walk):
    """Scaled ones, and under an objective whose loss knows no Â too: V_targ is made of them."""
    settings = {"normalize_rewards": True, "objective": "reinforce", "gae_lambda": 0.0}
    trainer, phase = walk(PhaseKind.UPDATE, **settings)
    found = probes.measure(moment_at(trainer, phase), ALL).arrays
    kept = found["region"] != Region.NOT_TRAINED
    assert found["delta"][kept] == pytest.approx((found["value_target"] - found["value"])[kept], abs=1e-5)
    assert not np.allclose(found["delta"][kept], found["advantage"][kept])


def test_flipped_signs_are_counted(walk):
    trainer, phase = walk(PhaseKind.UPDATE)
    arrays = probes.measure(moment_at(trainer, phase), ALL).arrays
    raw, used = arrays["advantage"], arrays["advantage_used"]
    kept = np.isfinite(raw)
    expected = ((raw[kept] > 0) != (used[kept] > 0)).mean()
    shown = probes.rollout_scalars(moment_at(trainer, phase))["flipped_fraction"]
    assert 0 < shown == pytest.approx(expected)


@pytest.mark.parametrize(
    ("num_envs", "rollout_steps", "shape"), [(80, 128, (32, 128)), (2, 5000, (1, 4096)), (32, 128, (32, 128))]
)
def test_samples_are_capped_whole_environments_first(walk, num_envs, rollout_steps, shape):
    trainer, phase = walk(PhaseKind.ROLLOUT, num_envs=num_envs, rollout_steps=rollout_steps)
    moment = moment_at(trainer, phase)
    arrays = probes.measure(moment, ALL).arrays
    chosen = arrays["environments"]
    assert arrays["region"].shape == shape
    assert len(set(chosen.tolist())) == len(chosen) == shape[0]
    assert np.array_equal(chosen, places.chosen_environments(moment)), "the choice does not change between frames"
    assert np.array_equal(arrays["reward"], phase.update.rollout.rewards[: shape[1], chosen].T)
    assert arrays["ratio_counts"].sum() == moment.trained.sum(), "histograms stay exact over the whole batch"


def test_an_update_that_target_kl_stopped_early_shows_only_what_was_used(walk):
    trainer, phase = walk(PhaseKind.UPDATE, target_kl=1e-6)
    assert len(phase.update.minibatches) < 4
    moment = moment_at(trainer, phase)
    used = moment.advantages_used
    assert np.isnan(used).any() and not np.isnan(used).all()
    found = probes.measure(moment, ALL)
    counts = found.arrays["ratio_counts"].sum(1) + found.arrays["ratio_outside"].sum(1)
    assert counts.sum() == moment.trained.sum(), "what was not used is counted too"
    assert counts[4] == (moment.regions == Region.UNKNOWN).sum() > 0
    shown = dict(zip(SERIES_COLUMNS, probes.series_row(moment, 0.0), strict=True))
    assert math.isfinite(shown["gradient_norm"])
    assert math.isnan(moment.minibatch_rows[-1, MINIBATCH_COLUMNS.index("gradient_norm")])


@pytest.mark.parametrize("kind", list(PhaseKind)[1:])
def test_measuring_changes_nothing(walk, kind):
    """Neither weights nor moments, generators, gradients or what the next update becomes."""
    trainer, phase = walk(kind)
    twin, _ = walk(kind)

    def state(t):
        return (
            t.weights_sha256(),
            [float(part.double().sum()) for part in t.optimisation._adam.state().values()],
            str(t._acting.bit_generator.state),
            str(t.optimisation._shuffling.bit_generator.state),
        )

    before = state(trainer)
    for name in sorted(ALL):
        probes.measure(moment_at(trainer, phase), frozenset({name}))
    probes.series_row(moment_at(trainer, phase), 0.0)
    assert state(trainer) == before == state(twin)
    assert trainer.network.theta.grad is None
    for t in (trainer, twin):
        next(p for p in t.phases() if p.kind is PhaseKind.UPDATE)
    assert trainer.weights_sha256() == twin.weights_sha256()


@pytest.mark.parametrize(("value", "rounded"), [(0, 1), (0.03, 0.05), (1, 1), (1.01, 2), (4, 5), (7, 10), (99, 100)])
def test_round_up(value, rounded):
    assert probes.round_up(value) == pytest.approx(rounded)


def test_the_first_ratio_is_checked_at_the_first_minibatch(walk):
    trainer, phase = walk(PhaseKind.STEP, 4, 4)
    phase.update.minibatches[0].logratio[phase.update.minibatches[0].trained.nonzero()[0]] = 0.25
    shown = probes.rollout_scalars(moment_at(trainer, phase))["first_ratio_error"]
    assert shown == pytest.approx(math.expm1(0.25), rel=1e-5)


def test_scalars_of_a_minibatch_are_those_of_its_samples(walk):
    trainer, phase = walk(PhaseKind.LOSS, 2, 3)
    shown = probes.rollout_scalars(moment_at(trainer, phase))
    minibatch = phase.update.minibatches[-1]
    raw = phase.update.batch.advantages[minibatch.samples][minibatch.trained]
    used = minibatch.advantages[minibatch.trained]
    assert shown["advantage_mean"] == pytest.approx(raw.double().mean().item(), rel=1e-6)
    assert shown["advantage_std"] == pytest.approx(raw.double().std().item(), rel=1e-6)
    assert shown["flipped_fraction"] == pytest.approx((raw * used < 0).float().mean().item())


def test_advantage_histograms_equal_numpys(walk):
    for kind in (PhaseKind.UPDATE, PhaseKind.LOSS):
        trainer, phase = walk(kind, 2 if kind is PhaseKind.LOSS else None)
        moment = moment_at(trainer, phase)
        found = probes.measure(moment, ALL)
        covered = moment.trained & moment.in_minibatch
        for name, values in (
            ("advantage", phase.update.batch.advantages.numpy()),
            ("advantage_used", moment.advantages_used),
        ):
            edges = np.linspace(found.scalars[f"{name}_low"], found.scalars[f"{name}_high"], measurement.BINS + 1)
            expected, _ = np.histogram(values[covered].astype(np.float64), edges)
            assert np.abs(found.arrays[f"{name}_counts"].astype(int) - expected).sum() <= 4
            assert found.arrays[f"{name}_counts"].sum() == covered.sum()


def test_the_final_kl_and_entropy_are_means_over_transitions(walk):
    trainer, phase = walk(PhaseKind.UPDATE)
    batch, shown = phase.update.batch, probes.rollout_scalars(moment_at(trainer, phase))
    new = torch.log_softmax(trainer.network(batch.observations)[0], -1)[batch.trained]
    old = torch.log_softmax(batch.outputs, -1)[batch.trained]
    assert shown["final_kl_exact"] == pytest.approx((old.exp() * (old - new)).sum(-1).mean().item(), rel=1e-3)
    assert shown["final_entropy"] == pytest.approx(-(new.exp() * new).sum(-1).mean().item(), rel=1e-4)


def test_the_final_losses_are_of_the_whole_rollout_under_the_final_weights(walk):
    trainer, phase = walk(PhaseKind.UPDATE)
    moment = moment_at(trainer, phase)
    batch, used, shown = phase.update.batch, torch.from_numpy(moment.advantages_used), probes.rollout_scalars(moment)
    outputs, values = trainer.network(batch.observations)
    log_probs = torch.log_softmax(outputs, -1).gather(1, batch.actions.long()[:, None])[:, 0]
    ratio = (log_probs - batch.log_probs).exp()
    epsilon = phase.update.settings.clip_range
    clipped = ratio.clamp(1 - epsilon, 1 + epsilon)
    objective = torch.minimum(ratio * used, clipped * used)[batch.trained & ~used.isnan()]
    assert shown["final_policy_loss"] == pytest.approx(-objective.mean().item(), rel=1e-3, abs=1e-6)
    error = (values.reshape(-1) - batch.targets)[batch.trained]
    assert shown["final_value_loss"] == pytest.approx(error.square().mean().item(), rel=1e-4)


def test_explained_variance_of_constant_targets_is_not_defined(walk):
    trainer, phase = walk(PhaseKind.UPDATE, discount=0.0)
    shown = probes.rollout_scalars(moment_at(trainer, phase))
    assert math.isnan(shown["explained_variance"])
    assert math.isnan(shown["explained_variance_before"])


def test_an_epoch_covers_its_own_minibatches(walk):
    trainer, phase = walk(PhaseKind.EPOCH, 2)
    moment = moment_at(trainer, phase)
    row = MINIBATCH_COLUMNS.index("loss")
    assert moment.aggregated()["loss"] == pytest.approx(moment.minibatch_rows[4:8, row].mean())


def test_without_a_norm_limit_nothing_is_scaled(walk):
    trainer, phase = walk(PhaseKind.UPDATE, max_grad_norm=None)
    assert moment_at(trainer, phase).aggregated()["gradient_clip_factor"] == 1.0


def test_the_band_of_a_wide_clip_range_fits_into_the_histogram(walk):
    trainer, phase = walk(PhaseKind.UPDATE, clip_range=0.45)
    assert probes.measure(moment_at(trainer, phase), ALL).scalars["ratio_limit"] >= -math.log(0.55)


def test_a_rollout_without_a_transition_is_no_error(walk):
    trainer, phase = walk(PhaseKind.UPDATE, num_envs=1, rollout_steps=1, minibatches=1, clip_range=0.2)
    for phase in trainer.phases():
        if phase.kind is PhaseKind.UPDATE:
            row = probes.series_row(moment_at(trainer, phase), 0.0)
            if not phase.update.rollout.trained.any():
                break
    assert math.isnan(row[SERIES_COLUMNS.index("loss")])
    found = probes.measure(moment_at(trainer, phase), ALL)
    assert found.arrays["ratio_counts"].sum() == 0


def test_a_minibatch_of_no_sample_counts_in_no_mean(walk):
    trainer, phase = walk(PhaseKind.UPDATE, num_envs=1, rollout_steps=32, minibatches=32)
    for phase in trainer.phases():
        empty = [not bool(m.trained.any()) for m in phase.update.minibatches]
        if phase.kind is PhaseKind.UPDATE and any(empty):
            break
    moment = moment_at(trainer, phase)
    assert np.isnan(moment.minibatch_rows[empty]).all(0)[MINIBATCH_COLUMNS.index("loss")]
    kept = [m.loss.item() for m, e in zip(phase.update.minibatches, empty, strict=True) if not e]
    assert moment.aggregated()["loss"] == pytest.approx(np.mean(kept))
    assert math.isfinite(moment.aggregated()["ratio_min"])


def test_normalised_rewards_are_told_as_the_advantages_took_them(walk):
    """At a termination nothing follows: δ is the reward minus V, with the reward as it was scaled."""
    trainer, phase = walk(PhaseKind.ADVANTAGES, normalize_rewards=True)
    found = probes.measure(moment_at(trainer, phase), frozenset({"values", "samples"})).arrays
    terminal = found["episode_end"] == 1
    assert terminal.sum() > 5
    assert found["delta"][terminal] == pytest.approx((found["reward_used"] - found["value"])[terminal], abs=1e-5)
    assert not np.allclose(found["reward_used"][terminal], found["reward"][terminal])
    trainer, phase = walk(PhaseKind.ADVANTAGES)
    assert "reward_used" not in probes.measure(moment_at(trainer, phase), frozenset({"values"})).arrays


@pytest.mark.parametrize(("wanted", "shown"), [(0, [0, 1, 2, 3]), (3, [2, 3, 4, 5]), (99, [2, 3, 4, 5])])
def test_the_environments_that_somebody_wants_to_see_are_the_ones_that_are_sent(walk, wanted, shown):
    trainer, phase = walk(PhaseKind.ROLLOUT, num_envs=6, rollout_steps=1024)
    moment = moment_at(trainer, phase)
    moment.environment = wanted
    arrays = probes.measure(moment, ALL).arrays
    assert arrays["environments"].tolist() == shown
    assert np.array_equal(arrays["reward"], phase.update.rollout.rewards[:, shown].T)
