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
        for t, (reward, end) in enumerate(zip(rewards, ends, strict=True)):
            self._returns += reward
            self._lengths += trained[t]
            for row in np.flatnonzero(end):
                found.append(Episode(int(steps[t]), float(self._returns[row]), int(self._lengths[row])))
                self._returns[row], self._lengths[row] = 0.0, 0
        self.latest.extend(found)
        return found
