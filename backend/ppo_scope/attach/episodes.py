"""Episodes of a foreign loop, added up from its rewards and ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import reduce
from operator import add, itemgetter

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

    def take(
        self, rewards: Floats, ends: Bools, step: int, trained: Bools, played: Bools | None = None
    ) -> list[Episode]:
        """Those that ended within a rollout [M, N] that began at this step of the run, in order of time.

        What is not `trained`, or not `played`, is no transition: it adds to no return and no length. An end that is
        told there is that of the steps before, once: where there are none since the end before, nothing has ended.
        """
        rows = rewards.shape[1]
        if len(self._returns) != rows:
            self._returns, self._lengths = np.zeros(rows), np.zeros(rows, np.int64)
        steps, played = (step + np.cumsum(trained.sum(1))).tolist(), trained if played is None else played
        everywhere = bool(played.all())
        if not everywhere:
            rewards = np.where(played, rewards, np.float32(0))
        found = []
        ending = np.flatnonzero(ends.any(0)).tolist()
        for row in ending:
            given, counted, begun = rewards[:, row].tolist(), played[:, row], 0
            total, length = float(self._returns[row]), int(self._lengths[row])
            for t in np.flatnonzero(ends[:, row]).tolist():
                total = _added(total, given[begun : t + 1])
                length += t + 1 - begun if everywhere else int(counted[begun : t + 1].sum())
                if length:
                    found.append((t, row, Episode(steps[t], total, length)))
                total, length, begun = 0.0, 0, t + 1
            self._returns[row] = _added(total, given[begun:])
            self._lengths[row] = len(given) - begun if everywhere else counted[begun:].sum()
        whole = np.ones(rows, np.bool_)
        whole[ending] = False
        if whole.any():
            self._returns[whole] = np.add.accumulate(
                np.vstack([self._returns[whole], rewards[:, whole]]), dtype=np.float64
            )[-1]
            self._lengths[whole] += played[:, whole].sum(0)
        episodes = [episode for *_, episode in sorted(found, key=itemgetter(0, 1))]
        self.latest.extend(episodes)
        return episodes


def _added(before: float, rewards: Sequence[float]) -> float:
    """One after the other, as they come: in another order the last digit would be another."""
    return reduce(add, rewards, before)
