"""An environment of pictures that costs next to nothing itself: what is measured with it is all ours."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

SIDE = 84
LENGTH = 200
"""Steps of an episode."""


class Images(gym.Env[Any, Any]):
    """A bright square falls down a dark picture; pushing it to the middle is rewarded."""

    observation_space = gym.spaces.Box(0, 255, (SIDE, SIDE, 1), np.uint8)
    action_space = gym.spaces.Discrete(4)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """At the top, somewhere."""
        super().reset(seed=seed)
        self._column, self._steps = int(self.np_random.integers(SIDE - 8)), 0
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        """One row down, and one to a side."""
        self._steps += 1
        self._column = int(np.clip(self._column + (int(action) - 1) * 2, 0, SIDE - 8))
        return self._seen(), 1.0 - abs(self._column - 38) / 38, False, self._steps >= LENGTH, {}

    def _seen(self) -> Any:
        picture = np.zeros((SIDE, SIDE, 1), np.uint8)
        row = self._steps % (SIDE - 8)
        picture[row : row + 8, self._column : self._column + 8] = 255
        return picture


gym.register("Images-v0", Images)
