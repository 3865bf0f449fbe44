"""How the return has gone so far in a run: whether it is at its best, and whether episodes differ at all."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ppo_scope.diagnosis.judging import Row, last

EPISODES = 10
"""So many have ended before their mean counts as what the run began with."""
RISEN = 1.5
"""A mean has risen once it is this many deviations of single episodes above what the run began with, or the worst of
the latest episodes is: what random actions return may scatter by more than all that can be gained (CliffWalking)."""
SLIGHT = 0.01
"""A rise by less than this part of the return is none."""
AT_BEST = 0.9
"""Of all that was ever gained."""


@dataclass
class Progress:
    """What is remembered of all updates."""

    start: float = math.nan
    start_deviation: float = math.nan
    best: float = -math.inf
    risen: bool = False
    """Whether the latest episodes have ever been better than that, every one of them."""
    low: float = math.inf
    high: float = -math.inf

    def take_in(self, row: Row) -> Row:
        """Look at an update.

        Returns:
            `gain`: what is kept of the best rise of the mean return, NaN before it has risen; `at_best`: 1 where that
            is nearly all of it, or the reward threshold is reached, and the latest episodes have not fallen from there;
            `returns_differ`: 1 once two episodes have; `return_best` and `return_worst`, of any of them.
        """
        mean, episodes = last([row], "episodic_return_mean"), row.get("episodes", 0.0)
        if episodes:
            self.low, self.high = min(self.low, row["return_low"]), max(self.high, row["return_high"])
        if episodes >= EPISODES:
            if math.isnan(self.start):
                self.start, self.start_deviation = mean, row["return_deviation"]
            self.best, self.risen = max(self.best, mean), self.risen or row["return_low"] > self.start
        gained = self.best - self.start
        scatter = 0.0 if self.risen else RISEN * self.start_deviation
        least = max(scatter, SLIGHT * max(abs(self.best), abs(self.start)))
        gain = (mean - self.start) / gained if gained > least else math.nan
        solved = episodes >= EPISODES and mean >= row.get("reward_threshold", math.nan)
        return {
            "return_best": self.high,
            "return_worst": self.low,
            "gain": gain,
            "at_best": float((solved or gain >= AT_BEST) and "fell_since" not in row),
            "returns_differ": float(self.high - self.low > 1e-9 * max(abs(self.low), abs(self.high))),
        }
