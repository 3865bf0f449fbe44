"""Pictures of single steps: what is drawn from a noted state is what the environment itself drew at that step."""

import gymnasium as gym
import numpy as np
import pytest

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.acting import CannotRender, encode
from ppo_scope.probes.looks import ROLLOUTS, Looks


def walked(env, updates=1, noting=True):
    """A trainer after so many rollouts, and the looks that were noted."""
    trainer = Trainer(Settings.parse({"env": env, "num_envs": 2, "rollout_steps": 16, "minibatches": 2, "epochs": 1}))
    looks = Looks(trainer)
    trainer._collector._between_steps = looks.after_step
    phases = trainer.phases()
    for _ in range(updates):
        if noting:
            looks.begin()
        for phase in phases:
            if phase.kind is PhaseKind.UPDATE:
                break
    return trainer, looks, phase.update


@pytest.mark.parametrize("env", ["CartPole-v1", "MountainCar-v0", "Pendulum-v1", "Acrobot-v1"])
def test_the_picture_is_the_one_that_the_environment_draws_when_it_is_there(env):
    """The same actions in an environment of its own, which draws itself at every step."""
    trainer, looks, update = walked(env)
    vector = gym.make_vec(env, num_envs=2, render_mode="rgb_array")
    vector.reset(seed=trainer.settings.seed)
    distribution = trainer.distribution
    for t in range(16):
        drawn = [encode(picture) for picture in vector.render()]
        assert [looks.draw(1, n, t) for n in range(2)] == drawn, f"step {t}"
        vector.step(distribution.to_environment(update.rollout.actions[t]))


def test_noting_changes_nothing():
    noted, _, _ = walked("CartPole-v1", updates=3)
    plain, _, _ = walked("CartPole-v1", updates=3, noting=False)
    assert noted.weights_sha256() == plain.weights_sha256()


def test_what_was_not_noted_is_refused_with_the_reason():
    _, looks, _ = walked("CartPole-v1", noting=False)
    with pytest.raises(CannotRender, match="while the run is stepped"):
        looks.draw(1, 0, 0)
    _, looks, _ = walked("CartPole-v1")
    with pytest.raises(CannotRender, match="no such sample"):
        looks.draw(1, 2, 0)
    with pytest.raises(CannotRender, match="no such sample"):
        looks.draw(1, 0, 17)


def test_only_the_latest_rollouts_are_remembered():
    _, looks, _ = walked("CartPole-v1", updates=ROLLOUTS + 2)
    assert isinstance(looks.draw(ROLLOUTS + 2, 0, 3), bytes)
    with pytest.raises(CannotRender):
        looks.draw(2, 0, 3)


def test_an_environment_whose_looks_are_not_known():
    class Blind(gym.Env):
        observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
        action_space = gym.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return np.zeros(2, np.float32), {}

        def step(self, action):
            return np.zeros(2, np.float32), 0.0, False, False, {}

    gym.register("ppo_scope_tests/Blind-v0", entry_point=Blind)
    _, looks, _ = walked("ppo_scope_tests/Blind-v0")
    with pytest.raises(CannotRender, match="cannot be drawn"):
        looks.draw(1, 0, 0)
