"""Observations of several parts: numbers, a choice, bits and a picture. What is seen says nothing of what is paid."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces

LENGTH = 20


class Several(gym.Env):
    """Action 1 is paid for."""

    observation_space = spaces.Dict(
        {
            "where": spaces.Box(-1, 1, (3,)),
            "choice": spaces.Discrete(4),
            "bits": spaces.MultiBinary(2),
            "picture": spaces.Box(0, 255, (36, 36, 1), np.uint8),
        }
    )
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.done = 0
        return self._seen(), {}

    def step(self, action):
        self.done += 1
        return self._seen(), float(action), self.done == LENGTH, False, {}

    def _seen(self):
        draw = self.np_random.integers
        return {
            "where": self.np_random.uniform(-1, 1, 3).astype(np.float32),
            "choice": draw(4),
            "bits": draw(2, size=2, dtype=np.int8),
            "picture": draw(256, size=(36, 36, 1), dtype=np.uint8),
        }
