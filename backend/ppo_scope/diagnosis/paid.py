"""Whether what is trained on goes the way of what the episodes returned: of which two the better one is.

A loop trains on the rewards that its wrappers make of the environment's, and tells of episodes what the environment
itself had paid. Scaled rewards say the same of which episode is better; cut off or changed ones need not.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ppo_scope.diagnosis.judging import Row
from ppo_scope.probes.measurement import variance_of
from ppo_scope.probes.record import Rollout

LATEST = 100
"""Episodes that are held against each other."""
APART = 0.25
"""Of the deviation of what they returned, by which two are apart: near ones swap where a scale moves on its way."""


class Paid:
    """What each row's episode has been paid so far, and the latest whole ones; a shallow copy is one."""

    def __init__(self) -> None:
        self._sums: NDArray[np.float64] = np.zeros(0)
        self._lengths: NDArray[np.int64] = np.zeros(0, np.int64)
        self._both: tuple[tuple[float, float], ...] = ()  # (as told, as trained on)
        self._row: Row = {}

    def take_in(self, rollout: Rollout) -> Row:
        """Look at the rewards of an update.

        Returns:
            nothing where no episode was told of with as many steps as were seen of it; else `paid_episodes`, of so
            many; `paid_alike`, of how many pairs the better one is the better one by both, a tie being half of one;
            NaN where they hardly differ; and the means `paid_told`, `paid_trained`.
        """
        ended = self._added(rollout)
        told = rollout.episodes
        if len(told) == len(ended):
            new = [
                (one.episodic_return, paid)
                for one, (paid, length) in zip(told, ended, strict=True)
                if math.isfinite(one.episodic_return + paid)
                and length - one.length in (0, 1)  # the step of an autoreset pays nothing, and may count
            ]
            if new:
                self._both = (*self._both, *new)[-LATEST:]
                self._row = _compared(*np.array(self._both).T)
        return self._row

    def _added(self, rollout: Rollout) -> list[tuple[float, int]]:
        """(sum, length) of each episode that ended, in order of time."""
        trained, rewards = rollout.trained, np.where(rollout.trained, rollout.rewards, 0.0)
        rows = rewards.shape[1]
        if len(self._sums) != rows:
            self._sums, self._lengths = np.zeros(rows), np.zeros(rows, np.int64)
        # Every episode is summed by itself: of a running sum one reward that is none would stay in all that follow.
        sums, lengths = self._sums.copy(), self._lengths.copy()
        begun = np.zeros(rows, np.int64)
        found = []
        for at in np.flatnonzero(rollout.terminated | rollout.truncated).tolist():
            t, row = divmod(at, rows)
            steps = slice(begun[row], t + 1)
            paid, length = (
                sums[row] + rewards[steps, row].sum(dtype=np.float64),
                lengths[row] + trained[steps, row].sum(),
            )
            found.append((float(paid), int(length)))
            sums[row], lengths[row], begun[row] = 0.0, 0, t + 1
        going_on = np.arange(len(rewards))[:, None] >= begun
        self._sums = sums + np.where(going_on, rewards, 0.0).sum(0, dtype=np.float64)
        self._lengths = lengths + (trained & going_on).sum(0)
        return found


def _compared(told: NDArray[np.float64], trained: NDArray[np.float64]) -> Row:
    return {
        "paid_episodes": float(len(told)),
        "paid_alike": _alike(told, trained),
        "paid_told": float(np.add.reduce(told)) / len(told),
        "paid_trained": float(np.add.reduce(trained)) / len(trained),
        "paid_trained_scatter": math.sqrt(variance_of(trained)),
    }


def _alike(told: NDArray[np.float64], trained: NDArray[np.float64]) -> float:
    scatter = math.sqrt(variance_of(told))
    if not scatter > 0 or not told.max() - told.min() > APART * scatter:
        return math.nan
    if (told == trained).all():  # as a rule: then there is nothing to count
        return 1.0
    apart = told[:, None] - told > APART * scatter
    pairs = np.count_nonzero(apart)
    better, tied = (
        np.count_nonzero(apart & found) for found in (trained[:, None] > trained, trained[:, None] == trained)
    )
    return (better + tied / 2) / pairs
