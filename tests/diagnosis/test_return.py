"""Whether a return that has risen and then fallen for good is told of, with its cause; and that scatter is no fall."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from ppo_scope.diagnosis.fall import Fall
from ppo_scope.diagnosis.paid import Paid
from ppo_scope.ppo.rollout import Episode
from tests.diagnosis.test_health import named, run


def told(updates):
    """What `Fall` says after each update, of their episodes' returns."""
    fall = Fall()
    return [fall.take_in(index, returns) for index, returns in enumerate(updates, 1)]


def test_a_run_that_one_update_has_ruined_is_told_when_it_fell_from_what_to_what_and_why():
    """It has learned; at update 21 one step far too long is made, and from then on none that could mend it."""
    seen, health = run(28, changes=[(20, "learning_rate", 1.0), (21, "learning_rate", 1e-5)])
    assert not any("return_fell" in found for found in seen[:22])
    spike, fell = named(health, "kl_spike"), named(health, "return_fell")
    assert 21 <= fell["since"] <= 23 and fell["explained_by"] == "kl_spike" and spike["since"] == 21
    assert (spike["severity"], fell["severity"]) == ("warning", "warning")
    assert "returned" in fell["summary"] and "±" in fell["summary"] and "is left" in fell["summary"]
    (row,) = (row for row in health.history() if row["name"] == "return_fell")
    assert row["since"] == fell["since"]


@pytest.mark.parametrize("seed", range(5))
def test_episodes_that_scatter_have_not_fallen(seed):
    """Of a heavy tail, and of a run that is at its best but for an update in ten."""
    generator = np.random.default_rng(seed)
    scattered = told(generator.standard_t(2, (400, 4)))
    risen = [np.full(4, 20.0) + i for i in range(40)]
    dips = [np.full(20, 90.0) if generator.random() < 0.1 else np.full(2, 500.0) for _ in range(300)]
    assert not any("fell_since" in row for row in [*scattered, *told([*risen, *dips])])


@pytest.mark.parametrize("seed", range(3))
def test_half_of_what_was_gained_is_missed_and_a_recovery_is_seen(seed):
    generator = np.random.default_rng(seed)
    means = [20.0] * 10 + [400.0] * 20 + [150.0] * 20 + [390.0] * 20
    rows = told(mean + generator.normal(0, 40, 6) for mean in means)
    fell = [place for place, row in enumerate(rows, 1) if "fell_since" in row]
    assert 34 <= fell[0] <= 37 and 48 <= fell[-1] <= 54
    assert {row["fell_since"] for row in rows if "fell_since" in row} <= {30, 31, 32}


def test_a_run_that_began_at_its_best_can_fall_too():
    """One that goes on from a checkpoint has gained nothing here."""
    rows = told([np.full(5, 480.0) + np.arange(5)] * 10 + [np.full(20, 9.0)] * 5)
    assert rows[-1]["fell_since"] == 11 and np.isnan(rows[-1]["fall_kept"])


@pytest.mark.parametrize("once", [math.nan, math.inf, 1e17])
def test_one_wild_reward_spoils_the_sum_of_its_own_episode_alone(once):
    """Two rows whose episodes take four steps, in rollouts of six."""
    paid, random, whole = Paid(), np.random.default_rng(1), {0: np.zeros(0), 1: np.zeros(0)}
    for number in range(4):
        rewards = random.random((6, 2)).astype(np.float32)
        if number == 1:
            rewards[1, 0] = once
        ends = (np.arange(6) + 6 * number) % 4 == 3
        for row in whole:
            whole[row] = np.append(whole[row], rewards[:, row].astype(np.float64))
        told = [
            Episode(0, whole[row][4 * k : 4 * k + 4].sum(), 4)
            for k in range(6)
            for row in whole
            if 6 * number <= 4 * k + 3 < 6 * number + 6
        ]
        rollout = SimpleNamespace(rewards=rewards, trained=np.ones((6, 2), np.bool_), episodes=told)
        rollout.terminated, rollout.truncated = np.repeat(ends[:, None], 2, 1), np.zeros((6, 2), np.bool_)
        row = paid.take_in(rollout)
    assert row["paid_episodes"] == (12 if math.isfinite(once) else 11)
    assert row["paid_trained"] == pytest.approx(row["paid_told"]) and row["paid_alike"] > 0.9
