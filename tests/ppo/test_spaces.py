"""Training in every space that is promised: it learns from it, repeats bit for bit, and its ratio starts at 1."""

from copy import deepcopy

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.envs.registration import register

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.spaces import describe
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import PROBES, measure, series_row
from ppo_scope.wire.metrics import SERIES_COLUMNS
from tests.moments import moment_at

ACTIONS = {
    "discrete": spaces.Discrete(3, start=2),
    "multi_discrete": spaces.MultiDiscrete(np.array([[2, 3], [4, 2]])),
    "multi_binary": spaces.MultiBinary((2, 2)),
    "box": spaces.Box(np.array([[-1.0], [0.0]], np.float32), np.array([[1.0], [0.5]], np.float32)),
}
OBSERVATIONS = {
    "box": spaces.Box(-1, 1, (2, 3), np.float64),
    "discrete": spaces.Discrete(5, start=-1),
    "dict": spaces.Dict({"a": spaces.Box(-1, 1, (2,)), "b": spaces.Discrete(3), "c": spaces.MultiBinary(2)}),
    "tuple": spaces.Tuple((spaces.Discrete(2), spaces.Dict({"x": spaces.Box(-1, 1, (1,))}))),
    "bytes": spaces.Box(0, 255, (4,), np.uint8),
}
SIZES = {"box": 6, "discrete": 5, "dict": 7, "tuple": 3, "bytes": 4}


PLAIN = {"multi_discrete_flat": spaces.MultiDiscrete([2, 3, 4])}, {"flat": spaces.Box(-1, 1, (3,), np.float32)}
"""Actions and observations that other libraries know too."""


class Sampled(gym.Env):
    """Random observations; pays for an action near the largest one, and checks that it gets actions of its space."""

    def __init__(self, observation, action):
        actions, observations = ({**ACTIONS, **PLAIN[0]}, {**OBSERVATIONS, **PLAIN[1]})
        self.observation_space, self.action_space = deepcopy(observations[observation]), actions[action]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.count = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        self.count += 1
        return self.observation_space.sample(), float(np.mean(action)), False, self.count == 9, {}


def sampled(observation, action):
    """The id of such an environment."""
    name = f"ppo_scope_tests/{observation}-{action}-v0"
    if name not in gym.registry:
        register(name, entry_point=Sampled, kwargs={"observation": observation, "action": action})
    return name


CLOCKS = ("seconds_", "steps_per_second")
"""Columns that tell of time begin like that."""


@pytest.fixture
def make():
    def _make(observation, action, **settings):
        values = {
            "env": sampled(observation, action),
            "num_envs": 3,
            "rollout_steps": 20,
            "minibatches": 2,
            "learning_rate": 0.003,
            **settings,
        }
        return Trainer(Settings.parse(values))

    return _make


def run(trainer, updates=3):
    for phase in trainer.phases():
        if phase.kind is PhaseKind.LOSS and phase.minibatch == phase.epoch == 1:
            minibatch = phase.update.minibatches[0]
            assert minibatch.logratio[minibatch.trained].abs().max() < 1e-5
        if phase.kind is PhaseKind.UPDATE and phase.update.index == updates:
            moment = moment_at(trainer, phase)
            found = measure(moment, frozenset(PROBES))
            trainer.close()
            row = dict(zip(SERIES_COLUMNS, series_row(moment, 0.0), strict=True))
            return found, [value for name, value in row.items() if not name.startswith(CLOCKS)]
    raise AssertionError


@pytest.mark.parametrize("shared_network", [False, True])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_every_space_trains_and_repeats_bit_for_bit(make, observation, action, shared_network):
    first, second = (make(observation, action, shared_network=shared_network) for _ in range(2))
    (found, row), again = run(first), run(second)
    assert first.weights_sha256() == second.weights_sha256()
    np.testing.assert_array_equal(row, again[1])
    assert all(np.isfinite(found.scalars[name]) for name in ("loss", "kl_exact", "entropy", "gradient_norm"))
    assert found.scalars["kl_exact"] >= 0


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_observations_are_flattened_to_the_right_size(name):
    assert describe(OBSERVATIONS[name], ACTIONS["discrete"]).observation_shape == (SIZES[name],)


@pytest.mark.parametrize("action", ACTIONS)
def test_the_policy_learns_to_do_what_is_paid(make, action):
    trainer = make("box", action, num_envs=8, rollout_steps=64, minibatches=4, learning_rate=0.01)
    means = []
    for phase in trainer.phases():
        if phase.kind is PhaseKind.UPDATE:
            means.append(phase.update.rollout.rewards[phase.update.rollout.trained].mean())
            if phase.update.index == 25:
                break
    trainer.close()
    space = ACTIONS[action]
    best = float(np.mean(getattr(space, "high", getattr(space, "nvec", np.array(2)) - 1)))
    if action == "discrete":
        best = 4.0
    assert means[-1] > means[0] + 0.5 * (best - means[0])
