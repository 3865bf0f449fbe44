"""Running statistics that bring observations and rewards to a scale of about 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

CLIP = 10.0
"""Where normalised observations and scaled rewards are cut off, on both sides."""
EPSILON = 1e-8
"""Of the variance, so that what never varies is divided by something."""


class RunningStatistics:
    """Mean and variance [*shape] of everything seen so far, in double precision.

    Source: the parallel formula of Chan et al. 1983; as Stable-Baselines3's VecNormalize and Gymnasium use it.
    """

    def __init__(self, shape: tuple[int, ...] = ()) -> None:
        self.count = 0
        self.mean = np.zeros(shape)
        self.variance = np.ones(shape)

    def update(self, values: NDArray[np.floating]) -> None:
        """Take in values [K, *shape]."""
        count = len(values)
        if count == 0:
            return
        mean, variance = values.mean(0, dtype=np.float64), values.var(0, dtype=np.float64)
        if self.count == 0:
            self.count, self.mean, self.variance = count, mean, variance
            return
        total = self.count + count
        delta = mean - self.mean
        self.variance = (
            self.variance * self.count + variance * count + np.square(delta) * self.count * count / total
        ) / total
        self.mean = self.mean + delta * count / total
        self.count = total

    def state(self) -> dict[str, Any]:
        """All that it knows; what it takes in later does not change it."""
        return {"count": self.count, "mean": self.mean, "variance": self.variance}

    def return_to(self, state: dict[str, Any]) -> None:
        """Become what it was then."""
        self.count, self.mean, self.variance = state["count"], np.array(state["mean"]), np.array(state["variance"])

    @property
    def deviation(self) -> NDArray[np.float64]:
        """√(variance + 1e-8)"""
        deviation: NDArray[np.float64] = np.sqrt(self.variance + EPSILON)
        return deviation


class RewardScale:
    """Divides rewards by the deviation of the discounted return, so that values stay near 1 whatever is paid.

    The rewards that are shown stay as the environment gave them; only the advantages see the scaled ones.

    Source: Huang et al. 2022, detail 6 of the nine for continuous actions.
    """

    def __init__(self, num_envs: int) -> None:
        self._returns = np.zeros(num_envs)
        self.statistics = RunningStatistics()

    def __call__(self, rewards: Floats, ends: Bools, trained: Bools, discount: float) -> Floats:
        """Take in a rollout and scale it: [M, N] of rewards, episode ends, and which rows are transitions."""
        returns = np.where(trained, rewards.astype(np.float64), 0.0)  # whatever is paid for a reset
        before = self._returns
        any_ends: list[bool] = np.any(ends, axis=1).tolist()
        for row, end, some in zip(returns, ends, any_ends, strict=True):
            row += before * discount
            before = np.where(end, 0.0, row) if some else row
        self._returns = before.copy()
        self.statistics.update(returns[trained])
        scaled: Floats = np.clip(rewards / self.statistics.deviation, -CLIP, CLIP).astype(np.float32)
        return scaled

    def state(self) -> dict[str, Any]:
        """All that it knows; what it takes in later does not change it."""
        return {"returns": self._returns, "statistics": self.statistics.state()}

    def return_to(self, state: dict[str, Any]) -> None:
        """Become what it was then."""
        self._returns = np.array(state["returns"])
        self.statistics.return_to(state["statistics"])
