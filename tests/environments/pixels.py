"""Observations that are images, of an environment that cannot be drawn otherwise."""

import gymnasium as gym
import numpy as np


class Pixels(gym.Env):
    """A bright bar that goes to the right, one column a step; the value of a pixel says where it is."""

    action_space = gym.spaces.Discrete(2)

    def __init__(self, shape=(40, 44, 3)):
        self.observation_space = gym.spaces.Box(0, 255, tuple(shape), np.uint8)
        self._count = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._count = 0
        return self._seen(), {}

    def step(self, action):
        self._count += 1
        return self._seen(), float(action), self._count == 9, False, {}

    def _seen(self):
        shape = self.observation_space.shape
        image = np.linspace(20, 120, int(np.prod(shape))).reshape(shape).astype(np.uint8)
        image[..., 4 * self._count : 4 * self._count + 4, :] = 250
        return image


gym.register("Pixels-v0", Pixels)
