"""Episodes of a foreign loop, added up from its rewards and ends."""

from __future__ import annotations

from collections import deque

import numpy as np

from ppo_scope.attach.record import Episode
from ppo_scope.probes.record import Bools, Floats

LATEST = 100
"""Episodes that means are taken of."""


class Episodes:
    """Of N rows that go on from rollout to rollout."""

    def __init__(self) -> None:
        self.latest: deque[Episode] = deque(maxlen=LATEST)
        self._returns = np.zeros(0)
        self._lengths = np.zeros(0, np.int64)

    def take(self, rewards: Floats, ends: Bools, step: int, trained: Bools) -> list[Episode]:
        """Those that ended within a rollout [M, N] that began at this step of the run, in order of time.

        What is not `trained` is no transition: it adds to no length.
        """
        rows = rewards.shape[1]
        if len(self._returns) != rows:
            self._returns, self._lengths = np.zeros(rows), np.zeros(rows, np.int64)
        found = []
        steps = step + np.cumsum(trained.sum(1))
        begun = np.zeros(rows, np.int64)  # of the rollout's steps, from which on each row's episode is to be added up
        for t, row in np.argwhere(ends).tolist():
            episodic_return = _added(self._returns[row], rewards[begun[row] : t + 1, row])
            length = int(self._lengths[row] + trained[begun[row] : t + 1, row].sum())
            found.append(Episode(int(steps[t]), episodic_return, length))
            self._returns[row], self._lengths[row], begun[row] = 0.0, 0, t + 1
        whole = begun == 0
        self._returns[whole] = np.add.accumulate(
            np.vstack([self._returns[whole], rewards[:, whole]]), dtype=np.float64
        )[-1]
        self._lengths[whole] += trained[:, whole].sum(0)
        for row in np.flatnonzero(~whole).tolist():
            self._returns[row] = _added(0.0, rewards[begun[row] :, row])
            self._lengths[row] = trained[begun[row] :, row].sum()
        self.latest.extend(found)
        return found


def _added(before: float, rewards: Floats) -> float:
    """One after the other, as they come: in another order the last digit would be another."""
    return float(np.add.accumulate(np.append(np.float64(before), rewards), dtype=np.float64)[-1])
