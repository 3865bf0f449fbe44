"""Every probe at every phase, where there is one of something only and where there is a lot: it tells numbers."""

import warnings
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import register

from ppo_scope.diagnosis.health import Health
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import PROBES, measure, series_row
from ppo_scope.wire.metrics import SERIES_COLUMNS
from tests.moments import moment_at

ACTIONS = {
    "one": gym.spaces.Discrete(1),
    "two": gym.spaces.Discrete(2),
    "multi ones": gym.spaces.MultiDiscrete([1, 1]),
    "mixed": gym.spaces.MultiDiscrete([1, 3]),
    "switch": gym.spaces.MultiBinary(1),
    "box": gym.spaces.Box(-1, 1, (1,)),
}
SIZES = {
    "one transition": {"num_envs": 1, "rollout_steps": 1, "minibatches": 1},
    "minibatches of one": {"num_envs": 1, "rollout_steps": 4, "minibatches": 4},
    "one step": {"num_envs": 3, "rollout_steps": 1, "minibatches": 1},
    "one environment": {"num_envs": 1, "rollout_steps": 6, "minibatches": 2},
    "one unit": {"num_envs": 2, "rollout_steps": 3, "minibatches": 2, "hidden_sizes": [1], "shared_network": True},
}
UNDEFINED = {
    "advantage_used",
    "ratio_new",
    "gradient_policy",
    "gradient_value",
    "gradient_entropy",
    "gradient_total",
    "gradient_cosines",
    "delta",
    "advantage",
}
"""Arrays with NaN where a sample is no transition, is not known yet, or there is no angle."""


class Short(gym.Env):
    """Episodes of so many steps; pays the same for everything."""

    observation_space = gym.spaces.Box(-1, 1, (1,))

    def __init__(self, action="two", length=1):
        self.action_space, self.length = ACTIONS[action], length

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.count += 1
        return np.full(1, 0.1 * self.count, np.float32), 1.0, self.count >= self.length, False, {}


register("ppo_scope_tests/Short-v0", entry_point=Short, disable_env_checker=True)


def walk(settings, updates=2, kinds=frozenset(PhaseKind), each=lambda phase: phase):
    """Everything that is measured of a run, at every phase of these kinds."""
    trainer, health, seen = Trainer(Settings.parse({"epochs": 2, **settings})), Health(), []
    try:
        for phase in trainer.phases():
            if phase.kind in kinds:
                moment = moment_at(trainer, each(phase))
                found = measure(moment, frozenset(PROBES))
                sound(found, moment)
                seen.append(found)
                if phase.kind is PhaseKind.UPDATE:
                    row = series_row(moment, 0.0)
                    health.take_in(moment, dict(zip(SERIES_COLUMNS, row, strict=True)))
                    health.findings()
            if phase.kind is PhaseKind.UPDATE and phase.update.index == updates:
                return seen
    finally:
        trainer.close()
    raise AssertionError


def sound(found, moment):
    """No infinity anywhere; NaN only where something is not defined."""
    for name, array in found.arrays.items():
        if np.issubdtype(array.dtype, np.floating):
            assert not np.isinf(array).any(), (name, moment.phase)
            if name not in UNDEFINED | {"minibatches"}:
                assert not np.isnan(array).any(), (name, moment.phase)
    for name, value in found.scalars.items():
        assert not np.isinf(value), (name, moment.phase)
    if "entropy_counts" in found.arrays:
        assert found.arrays["entropy_counts"].sum() == 2 * (moment.in_minibatch & moment.trained).sum()
        assert found.scalars["entropy_low"] < found.scalars["entropy_high"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("action", ACTIONS)
def test_where_there_is_only_one_of_something(action, size):
    """Episodes of one step each: every second row is a reset."""
    env = {"env": "ppo_scope_tests/Short-v0", "env_kwargs": {"action": action}}
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        walk({**env, **SIZES[size], "epochs": 1 + (size == "one unit")}, updates=2)


def test_a_rollout_of_nothing_but_resets():
    env = {"env": "ppo_scope_tests/Short-v0", "num_envs": 2, "rollout_steps": 1, "minibatches": 1}
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = walk(env, updates=2)
    assert "advantage_mean" not in found[-1].scalars, "the second update has no transition"


@pytest.mark.parametrize("objective", ["unclipped", "reinforce"])
def test_objectives_where_there_is_only_one_of_something(objective):
    env = {"env": "ppo_scope_tests/Short-v0", "objective": objective, "normalize_advantages": "off"}
    walk({**env, "num_envs": 1, "rollout_steps": 1, "minibatches": 1})


def test_more_environments_than_are_shown():
    env = {"env": "CartPole-v1", "num_envs": 4200, "rollout_steps": 2, "minibatches": 1, "epochs": 1}
    walk(env, updates=1, kinds=frozenset({PhaseKind.STEP, PhaseKind.UPDATE}))


def test_ratios_beyond_all_bounds_are_shown_as_the_loss_takes_them():
    """log r of 200 in either direction."""

    def far(phase):
        for minibatch in phase.update.minibatches:
            minibatch.logratio = minibatch.logratio.clone()
            minibatch.logratio[0], minibatch.logratio[1] = 200.0, -200.0
        return replace(phase)

    env = {"env": "CartPole-v1", "num_envs": 2, "rollout_steps": 8, "minibatches": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        seen = walk(env, updates=1, kinds=frozenset({PhaseKind.LOSS, PhaseKind.EPOCH}), each=far)
    assert seen[-1].scalars["ratio_max"] == pytest.approx(np.exp(80.0), rel=1e-4)
    assert seen[-1].arrays["ratio"].max() == pytest.approx(np.exp(80.0), rel=1e-4)


def test_ratios_that_are_all_nothing_have_no_effective_size_and_no_warning():
    """Single precision knows no exp(-200): all ratios of a minibatch are 0, and so is the mean of their squares."""

    def gone(phase):
        for minibatch in phase.update.minibatches:
            minibatch.logratio = torch.full_like(minibatch.logratio, -200.0)
        return replace(phase)

    env = {"env": "CartPole-v1", "num_envs": 2, "rollout_steps": 8, "minibatches": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        seen = walk(env, updates=1, kinds=frozenset({PhaseKind.LOSS, PhaseKind.EPOCH}), each=gone)
    assert np.isnan(seen[-1].scalars["effective_sample_size"])
    assert seen[-1].scalars["ratio_max"] == 0
