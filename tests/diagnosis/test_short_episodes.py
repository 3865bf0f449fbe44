"""Whether episodes that have become one step long are told of before what follows from them; a bandit has no others."""

import gymnasium as gym
import numpy as np
import pytest

from ppo_scope.diagnosis.checks import CHECKS
from ppo_scope.diagnosis.judging import ENDS_UNTOLD, Found
from tests.diagnosis.test_health import named, run

(CHECK,) = (check for check in CHECKS if check.name == "short_episodes")


class Line(gym.Env):
    """A walk to the goal, cut after 100 steps. `forgets`: what reset() does not set back, the time or being there."""

    def __init__(self, forgets=None, bandit=False):
        self.action_space, self.observation_space = gym.spaces.Discrete(2), gym.spaces.Box(0, 1, (1,), np.float32)
        self.forgets, self.bandit, self.time, self.there = forgets, bandit, 0, False

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(0, 10))
        self.time = self.time if self.forgets == "time" else 0
        self.there = self.there and self.forgets == "goal"
        return np.array([self.place / 20], np.float32), {}

    def step(self, action):
        self.time += 1
        self.place = max(0, self.place + (1 if action else -1))
        self.there = self.there or self.place >= 14
        paid = float(action) if self.bandit else 1.0 if self.place >= 14 else -0.01
        return np.array([self.place / 20], np.float32), paid, self.there or self.bandit, self.time >= 100, {}


gym.register("ppo_scope_tests/Line-v0", Line)
LINE = {"env": "ppo_scope_tests/Line-v0", "num_envs": 4, "rollout_steps": 256}


@pytest.mark.parametrize(
    ("forgets", "severity", "words"),
    [("time", "error", "have cut an episode"), ("goal", "note", "have ended an episode")],
)
def test_an_environment_that_does_not_set_back_what_ends_it_is_named_before_what_follows(forgets, severity, words):
    """A policy may have found out how to end each at once: where the return is at its best it is a note."""
    seen, health = run(6, **LINE, env_kwargs={"forgets": forgets})
    assert not any("short_episodes" in found for found in seen[:2]) and "short_episodes" in seen[-1]
    found = named(health, "short_episodes")
    assert words in found["summary"] and "of up to" in found["summary"] and "reset()" in found["remedy"]
    assert found["severity"] == severity and health.findings()[0] == found
    assert "no_signal" not in seen[-1] or named(health, "no_signal")["explained_by"] == "short_episodes"


@pytest.mark.parametrize("how", [{}, {"bandit": True}])
def test_episodes_that_are_as_long_as_they_are_meant_to_be_are_no_finding(how):
    seen, _ = run(6, **LINE, env_kwargs=how)
    assert not any("short_episodes" in found for found in seen)


def test_a_few_short_ones_are_none():
    short = {"share_of_ends": 1.0, "share_of_cuts": 0.0, "longest_episode": 100.0, "update": 9.0}
    assert isinstance(CHECK.look([short] * 3), Found)
    assert CHECK.look([{**short, "share_of_ends": 0.5}, short, short]) is None
    assert CHECK.look([{**short, "longest_episode": 3.0}] * 3) is None
    assert CHECK.look([{**short, "ends_untold": 1.0}] * 3) == ENDS_UNTOLD
