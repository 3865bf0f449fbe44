"""A game with a vector environment of its own that is another game, as ale_py's is: rewards clipped, frames skipped."""

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

SEEN, ACTIONS = gym.spaces.Box(0, 255, (4,), np.uint8), gym.spaces.Discrete(2)
PAID, LENGTH = 7.0, 8


class Game(gym.Env):
    """Pays 7 a step."""

    observation_space, action_space = SEEN, ACTIONS

    def __init__(self, obs_type="rgb", render_mode=None):
        self.obs_type, self.render_mode = obs_type, render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(4, np.uint8), {}

    def step(self, action):
        self.count += 1
        return np.zeros(4, np.uint8), PAID, False, False, {}


class Games(VectorEnv):
    """Pays 1, and knows no obs_type."""

    metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012 (as Gymnasium's are)

    def __init__(self, num_envs, max_episode_steps=0):
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = SEEN, ACTIONS
        self.observation_space, self.action_space = batch_space(SEEN, num_envs), batch_space(ACTIONS, num_envs)

    def reset(self, *, seed=None, options=None):
        return np.zeros((self.num_envs, 4), np.uint8), {}

    def step(self, actions):
        none = np.zeros(self.num_envs, np.bool_)
        return np.zeros((self.num_envs, 4), np.uint8), np.ones(self.num_envs), none, none, {}


gym.register("Game-v0", Game, vector_entry_point=Games, max_episode_steps=LENGTH)
