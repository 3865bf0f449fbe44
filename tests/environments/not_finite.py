"""An observation that is no number, in the first rollout."""

import gymnasium as gym
import numpy as np


class Nan(gym.Env):
    observation_space, action_space = gym.spaces.Box(-1, 1, (3,)), gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.t += 1
        seen = np.full(3, np.nan if self.t == 11 else 0.1, np.float32)
        return seen, 1.0, self.t >= 20, False, {}


gym.register("Nan-v0", Nan)
