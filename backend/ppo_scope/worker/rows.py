"""The series: a row of scalars for each finished update, and the episodes that ended in it. None is left out."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import series_row_in_steps
from ppo_scope.probes.record import Episode
from ppo_scope.probes.steps import Steps, alone
from ppo_scope.wire.codes import Kind
from ppo_scope.wire.metrics import EPISODE_COLUMNS, SERIES_COLUMNS
from ppo_scope.worker.outlet import Outlet

KEPT = 4096
"""Rows that are kept after they were sent, for a server that has not got them."""

Table = NDArray[np.float64]


class Rows:
    """Collected, and sent together."""

    def __init__(self, outlet: Outlet, complain: Callable[[str, Exception], None]) -> None:
        """`complain`: what could not be measured, and why."""
        self._outlet, self._complain = outlet, complain
        self._last = 0  # update whose row is the newest
        self._flushed = 0.0
        self._rows: list[Sequence[float] | NDArray[np.float64]] = []
        self._episodes: list[tuple[int, Episode]] = []
        self._sent: deque[tuple[int, Table, Table]] = deque()  # (first update, rows, episodes)

    def add(self, moment: Moment, seconds: float, steps: int) -> dict[str, float]:
        """Note the row of the update that has just finished, and its episodes; what the row says.

        `seconds`: what measuring has cost since the row before; `steps`: of the environments so far.
        """
        row = alone(row_of(moment, seconds, steps, self._complain))
        self.note(moment.update.index, row, moment.update.rollout.episodes)
        return named(row)

    def note(self, update: int, row: Sequence[float] | NDArray[np.float64], episodes: Sequence[Episode]) -> None:
        """The same, where the row has been measured."""
        if update != self._last + 1:
            self.flush()  # rows that are sent together follow each other
        self._rows.append(row)
        self._last = update
        self._episodes += [(update, episode) for episode in episodes]

    @property
    def age(self) -> float:
        """Seconds since rows were sent."""
        return time.monotonic() - self._flushed

    def flush(self) -> None:
        """Send what has not been sent."""
        if not self._rows:
            return
        self._flushed = time.monotonic()
        ended = [(update, e.step, e.episodic_return, e.length) for update, e in self._episodes]
        rows, episodes = np.array(self._rows, np.float64), np.array(ended, np.float64).reshape(-1, len(EPISODE_COLUMNS))
        self._send(self._last - len(self._rows) + 1, rows, episodes)
        self._rows, self._episodes = [], []

    def again(self, first: int) -> None:
        """Send anew what was sent of the updates from `first` on, as far as it is kept."""
        owed = [sent for sent in self._sent if sent[0] + len(sent[1]) > first]
        if owed:  # in one frame: of several that come at once a page gets the last
            start = owed[0][0]
            table = np.full((owed[-1][0] + len(owed[-1][1]) - start, len(SERIES_COLUMNS)), math.nan)
            for begins, rows, _ in owed:
                table[begins - start : begins - start + len(rows)] = rows  # an update that was lost has a row of NaN
            arrays = {"rows": table, "episodes": np.concatenate([episodes for *_, episodes in owed])}
            self._outlet.send(Kind.SERIES, arrays, **_header(start))

    def _send(self, first: int, rows: Table, episodes: Table) -> None:
        self._outlet.send(Kind.SERIES, {"rows": rows, "episodes": episodes}, **_header(first))
        self._sent.append((first, rows, episodes))
        while self._sent[-1][0] - self._sent[0][0] > KEPT:
            self._sent.popleft()

    def amend(self, moment: Moment, steps: int) -> dict[str, float]:
        """Send another row for an update that was made anew; what it says."""
        row = alone(row_of(moment, 0.0, steps, self._complain))
        rows = np.array([row], np.float64)
        for first, sent, _ in self._sent:
            if first <= moment.update.index < first + len(sent):
                sent[moment.update.index - first] = row
        self._outlet.send(Kind.SERIES, {"rows": rows}, first=moment.update.index, columns=SERIES_COLUMNS, amends=True)
        return named(row)


def row_of(
    moment: Moment, seconds: float, steps: int, complain: Callable[[str, Exception], None]
) -> Steps[list[float]]:
    """Of an update that has ended; of what cannot be measured, the number of steps is left."""
    try:
        return (yield from series_row_in_steps(moment, seconds))
    except Exception as error:
        complain("series", error)
        return [float(steps) if name == "steps" else math.nan for name in SERIES_COLUMNS]


def named(row: list[float]) -> dict[str, float]:
    """By the columns of the series."""
    return dict(zip(SERIES_COLUMNS, row, strict=True))


def _header(first: int) -> dict[str, Any]:
    return {"first": first, "columns": SERIES_COLUMNS, "episode_columns": EPISODE_COLUMNS}
