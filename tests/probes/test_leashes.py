"""What is told of the leashes: the KL of each sample and its price, and the coefficients in force."""

import math

import numpy as np
import pytest
import torch

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import measure, row_values, series_row
from ppo_scope.wire.metrics import MINIBATCH_COLUMNS, SERIES_COLUMNS
from tests.moments import moment_at

SMALL = {"num_envs": 4, "rollout_steps": 32, "minibatches": 2, "epochs": 3, "learning_rate": 0.01}
PENALTY = {**SMALL, "objective": "kl_penalty", "kl_coef": 3.0}


def moments(kind, update, settings, epoch=None):
    """At this phase of this update."""
    trainer = Trainer(Settings.parse(settings))
    for phase in trainer.phases():
        if phase.kind is kind and phase.update.index == update and epoch in (None, phase.epoch):
            yield moment_at(trainer, phase)
        if phase.kind is PhaseKind.UPDATE and phase.update.index == update:
            trainer.close()
            return


def slow_kl(old, new):
    """One sample's, over its actions."""
    p, q = torch.softmax(old.double(), 0).tolist(), torch.softmax(new.double(), 0).tolist()
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def test_the_kl_of_each_sample_is_that_of_the_minibatch_that_saw_it_last():
    for moment in moments(PhaseKind.LOSS, 2, PENALTY):
        update = moment.update
        expected = np.zeros(128)
        for minibatch in update.minibatches:
            for i, now in zip(minibatch.samples.tolist(), minibatch.outputs, strict=True):
                expected[i] = slow_kl(update.batch.outputs[i], now)
        found = measure(moment, frozenset({"samples"})).arrays["exact_kl"]
        assert found.dtype == np.float32
        assert found == pytest.approx(expected.reshape(32, 4).T, rel=1e-3, abs=2e-6)
    assert expected.max() > 0.001


def test_at_the_end_it_is_that_of_the_final_weights_and_beta_is_moved_by_its_mean():
    (moment,) = moments(PhaseKind.UPDATE, 1, {**PENALTY, "kl_coef_target": 1e-4})
    found = measure(moment, frozenset({"samples"})).arrays["exact_kl"]
    values = row_values(moment)
    assert values["final_kl_exact"] == pytest.approx(found.T.reshape(-1)[moment.trained].mean(), rel=1e-5)
    assert values["final_kl_exact"] > 1.5e-4
    assert (values["kl_coef"], moment.trainer.standing()["kl_coef"]) == (3.0, 6.0)


@pytest.mark.parametrize("objective", ["clip", "unclipped"])
def test_where_the_kl_has_no_price_nothing_is_told_of_one(objective):
    (moment,) = moments(PhaseKind.UPDATE, 1, {**SMALL, "objective": objective})
    assert "exact_kl" not in measure(moment, frozenset({"samples"})).arrays
    row = dict(zip(SERIES_COLUMNS, series_row(moment, 0.0), strict=True))
    for name in ("penalty", "kl_coef", "learning_rate_raised", "learning_rate_lowered", "learning_rate_pinned"):
        assert math.isnan(row[name]), name
    assert (row["clip_range"], row["entropy_coef"], row["learning_rate"]) == (0.2, 0.01, 0.01)


def test_the_price_is_the_part_of_the_policy_loss_that_the_surrogate_is_not():
    (moment,) = moments(PhaseKind.UPDATE, 2, PENALTY)
    for row, minibatch in zip(moment.minibatch_rows, moment.update.minibatches, strict=True):
        shown = dict(zip(MINIBATCH_COLUMNS, row, strict=True))
        kept = minibatch.trained
        surrogate = -(minibatch.logratio.exp() * minibatch.advantages)[kept].mean().item()
        beta = moment.update.settings.kl_coef
        assert shown["penalty"] == pytest.approx(beta * shown["kl_exact"], rel=1e-6)
        assert shown["policy_loss"] == pytest.approx(surrogate + shown["penalty"], abs=1e-5)
        assert shown["held_fraction"] == 0
    values = row_values(moment)
    assert values["penalty"] > 0
    used = torch.from_numpy(moment.advantages_used[moment.trained])
    final = -(torch.from_numpy(moment.ratio[moment.trained]) * used).mean().item()
    assert values["final_policy_loss"] == pytest.approx(final + beta * values["final_kl_exact"], abs=1e-5)


def test_epsilon_in_force_is_the_one_that_samples_are_told_by():
    given = {**SMALL, "anneal_clip_range": True, "total_steps": 400}
    (moment,) = moments(PhaseKind.UPDATE, 3, given)
    epsilon = row_values(moment)["clip_range"]
    assert 0 < epsilon < 0.15
    outside = np.abs(moment.ratio[moment.trained] - 1) > epsilon
    codes = moment.regions[moment.trained]
    assert np.array_equal(np.isin(codes, (2, 3)), outside)
    assert row_values(moment)["clip_fraction"] > 0
    (moment,) = moments(PhaseKind.UPDATE, 1, given)
    assert row_values(moment)["clip_range"] == 0.2
