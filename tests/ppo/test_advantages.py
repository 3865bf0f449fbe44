"""GAE against sums written out by hand and against the definition, term by term."""

import numpy as np
import pytest

from ppo_scope.ppo.advantages import gae

F = np.float32


def column(*values):
    return np.array(values, F)[:, None]


def flags(*values):
    return np.array(values, bool)[:, None]


def test_one_step_is_the_temporal_difference():
    advantages = gae(column(1), column(2), column(3), flags(False), flags(False), 0.5, 0.9)
    assert advantages == pytest.approx(1 + 0.5 * 3 - 2)


def test_termination_is_worth_nothing_afterwards():
    advantages = gae(column(1), column(2), column(3), flags(True), flags(False), 0.5, 0.9)
    assert advantages == pytest.approx(1 - 2)


def test_truncation_bootstraps_from_the_last_state():
    advantages = gae(column(1), column(2), column(3), flags(False), flags(True), 0.5, 0.9)
    assert advantages == pytest.approx(1 + 0.5 * 3 - 2)


def test_nothing_flows_back_over_an_episode_end():
    """Row 1 ends the episode, row 2 is the reset, row 3 belongs to the next one."""
    rewards, values = column(1, 1, 0, 7), column(0.5, 0.5, 0.25, 4, 4)
    for terminated, truncated in ((True, False), (False, True)):
        ends, cuts = flags(False, terminated, False, False), flags(False, truncated, False, False)
        advantages = gae(rewards, values[:-1], values[1:], ends, cuts, 0.9, 0.8)
        last = 1 + (0.9 * 0.25 if truncated else 0.0) - 0.5
        first = 1 + 0.9 * 0.5 - 0.5 + 0.9 * 0.8 * last
        assert advantages[1, 0] == pytest.approx(last)
        assert advantages[0, 0] == pytest.approx(first)
        other = gae(column(1, 1, 0, -7), column(0.5, 0.5, 0.25, -4), column(0.5, 0.25, -4, -4), ends, cuts, 0.9, 0.8)
        assert np.array_equal(advantages[:2], other[:2])


def naive(rewards, values, terminated, truncated, discount, gae_lambda):
    """Â_t = Σ_l (γλ)^l δ_{t+l} up to the episode's end, one sample at a time."""
    steps, num_envs = rewards.shape
    advantages = np.zeros((steps, num_envs))
    for n in range(num_envs):
        for t in range(steps):
            weight = 1.0
            for u in range(t, steps):
                following = 0.0 if terminated[u, n] else values[u + 1, n]
                advantages[t, n] += weight * (rewards[u, n] + discount * following - values[u, n])
                weight *= discount * gae_lambda
                if terminated[u, n] or truncated[u, n]:
                    break
    return advantages


@pytest.mark.parametrize("gae_lambda", [0.0, 0.95, 1.0])
def test_equals_the_sum_of_the_definition(gae_lambda):
    generator = np.random.default_rng(3)
    shape = (40, 5)
    rewards = generator.normal(size=shape).astype(F)
    values = generator.normal(size=(41, 5)).astype(F)
    terminated = generator.random(shape) < 0.1
    truncated = (generator.random(shape) < 0.1) & ~terminated
    rest = (terminated, truncated, 0.97, gae_lambda)
    assert gae(rewards, values[:-1], values[1:], *rest) == pytest.approx(naive(rewards, values, *rest), abs=1e-5)
