"""An environment that draws from the generators of the whole process, and from its own spaces."""

import random

import gymnasium as gym
import numpy as np
import torch


class Lots(gym.Env):
    """Sees four random numbers, each from elsewhere; pays as it likes."""

    observation_space, action_space = gym.spaces.Box(-1, 1, (4,)), gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return self._drawn(), {}

    def step(self, action):
        return self._drawn(), random.random(), random.random() < 0.1, False, {}

    def _drawn(self):
        sampled = self.observation_space.sample()[0]
        return np.array([random.random(), np.random.rand(), torch.rand(1).item(), sampled], np.float32)


gym.register("Lots-v0", Lots)
