"""What is kept of a run: every row of its series and every episode, its changes, and the newest moments.

In memory. The interface is narrow, append and read, so that a file can stand behind it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.records.moments import Moments
from ppo_scope.wire.metrics import EPISODE_COLUMNS
from ppo_scope.wire.run import Change, Evaluation

Rows = NDArray[np.float64]

MAX_ROWS = 500_000
"""Updates whose row of scalars is kept; the older half of them goes when there are more."""
MAX_EPISODES = 1_000_000
MAX_GAP = 10_000
"""Updates without a row that are kept as rows of NaN between two with one; beyond that the table begins anew."""
MAX_CHANGES = 10_000
MAX_EVALUATIONS = 1000


@dataclass(frozen=True)
class Slice:
    """Rows of consecutive updates, the first of them `first`, and the episodes that ended in the same updates."""

    columns: tuple[str, ...]
    first: int
    rows: Rows
    episodes: Rows


class Table:
    """Rows that are appended, in one block of memory that doubles when it is full, up to `limit` rows."""

    def __init__(self, width: int, limit: int) -> None:
        self.dropped = 0
        self._limit = limit
        self._length = 0
        self._block: Rows = np.empty((min(256, limit), width))

    def __len__(self) -> int:
        return self._length

    @property
    def rows(self) -> Rows:
        """A view of what is kept, valid until the next `append`."""
        return self._block[: self._length]

    def append(self, rows: Rows) -> None:
        """Add rows at the end; beyond the limit, the older half of what is kept goes.

        Raises:
            ValueError: the rows have another width.
        """
        if rows.ndim != 2 or rows.shape[1] != self._block.shape[1]:
            raise ValueError(f"rows of shape {rows.shape} do not fit a table of {self._block.shape[1]} columns")
        self.dropped += max(0, len(rows) - self._limit)
        rows = rows[-self._limit :]
        length = self._length + len(rows)
        if length > self._limit:
            kept = self.rows[max(self._length // 2, length - self._limit) :].copy()
            self.dropped += self._length - len(kept)
            self._block[: len(kept)] = kept
            self._length, length = len(kept), len(kept) + len(rows)
        if length > len(self._block):
            block = np.empty((min(self._limit, max(length, 2 * len(self._block))), self._block.shape[1]))
            block[: self._length] = self.rows
            self._block = block
        self._block[self._length : length] = rows
        self._length = length

    def widen(self, columns: int) -> None:
        """Add so many columns, of NaN."""
        self._block = np.concatenate([self._block, np.full((len(self._block), columns), np.nan)], axis=1)

    def sort(self) -> None:
        """By the first column; rows that are alike there keep their order."""
        self.rows[:] = self.rows[np.argsort(self.rows[:, 0], kind="stable")]


def lost(rows: Rows) -> NDArray[np.bool_]:
    """[R]: which rows hold nothing at all."""
    return np.asarray(np.isnan(rows).all(axis=1))


def unbroken(missing: NDArray[np.bool_]) -> tuple[int, int]:
    """Where the first rows that are not missing begin, and where they end; the end of all where there are none."""
    there = np.flatnonzero(~missing)
    begins = int(there[0]) if len(there) else len(missing)
    behind = np.flatnonzero(missing[begins:])
    return begins, begins + int(behind[0]) if len(behind) else len(missing)


class History:
    """The history of one run. Bounds: `MAX_…` of this file, and those of `moments`."""

    def __init__(self, max_rows: int = MAX_ROWS) -> None:
        self.columns: tuple[str, ...] = ()
        self.changes: deque[Change] = deque(maxlen=MAX_CHANGES)
        self.changes_made = 0
        self.evaluations: dict[int, Evaluation] = {}
        """By their updates, in order."""
        self.findings: list[dict[str, Any]] = []
        """What has been wrong with the run so far, as the newest snapshot tells it."""
        self._max_rows = max_rows
        self._rows: Table | None = None
        self._start = 0
        self._episodes = Table(len(EPISODE_COLUMNS), MAX_EPISODES)
        self.moments = Moments()

    @property
    def first(self) -> int:
        """The oldest update whose row is kept."""
        return self._start + (self._rows.dropped if self._rows else 0)

    @property
    def last(self) -> int:
        """The newest update whose row is kept; one less than `first` where there is none."""
        return self.first + (len(self._rows) if self._rows else 0) - 1

    def change(self, change: Change) -> bool:
        """A setting took effect; it has its place by its update, however late it is told. False: it is known."""
        at = len(self.changes)
        while at and self.changes[at - 1]["update"] >= change["update"]:
            at -= 1
            if self.changes[at] == change:
                return False
        while at < len(self.changes) and self.changes[at]["update"] == change["update"]:
            at += 1
        if len(self.changes) == MAX_CHANGES:
            self.changes.popleft()
            at -= 1
        self.changes.insert(max(0, at), change)
        self.changes_made += 1
        return True

    def evaluated(self, evaluation: Evaluation) -> None:
        """It has its place by its update, however late it is told; of one update the newest counts."""
        known = self.evaluations
        in_order = evaluation["update"] >= max(known, default=0)
        known[evaluation["update"]] = evaluation
        if not in_order:
            self.evaluations = known = dict(sorted(known.items()))
        if len(known) > MAX_EVALUATIONS:
            del known[next(iter(known))]

    def append_series(self, columns: list[str], first: int, rows: Rows, episodes: Rows) -> None:
        """Add the rows of the updates from `first` on, and episodes.

        Rows that were lost before them do not keep them out: the updates between have rows of NaN, which are filled
        where they come later, and after a gap that is too large for that, the table begins anew. Updates that have a
        row already keep it. Values have their place by the names of their columns; new ones are added to the others.

        Raises:
            ValueError: the rows do not fit their columns.
        """
        if rows.ndim != 2 or rows.shape[1] != len(columns):
            raise ValueError(f"rows of shape {rows.shape} do not fit {len(columns)} columns")
        if self._rows is None or first - self.last > MAX_GAP:
            self.columns, self._start = tuple(columns), first
            self._rows = Table(len(columns), self._max_rows)
        elif tuple(columns) != self.columns:
            rows = self._by_name(columns, rows)
        known = self.last + 1 - first
        if known < 0:
            self._rows.append(np.full((-known, len(self.columns)), np.nan))
        elif known > 0:
            self._fill(first, rows[:known], episodes)
            rows, episodes = rows[known:], episodes[episodes[:, 0] > self.last]
        self._rows.append(rows)
        self._episodes.append(episodes)

    def _by_name(self, columns: list[str], rows: Rows) -> Rows:
        """The same rows with the columns of the table, which is made wider for those that it has not."""
        assert self._rows is not None
        new = tuple(name for name in columns if name not in self.columns)
        self.columns += new
        self._rows.widen(len(new))
        placed = np.full((len(rows), len(self.columns)), np.nan)
        placed[:, [self.columns.index(name) for name in columns]] = rows
        return placed

    def _fill(self, first: int, rows: Rows, episodes: Rows) -> None:
        """Put rows and episodes where they were lost."""
        assert self._rows is not None
        start = max(first, self.first)
        here = self._rows.rows[start - self.first : max(0, first + len(rows) - self.first)]
        missing = lost(here)
        if missing.any():
            here[missing] = rows[start - first :][missing]
            updates = start + np.flatnonzero(missing)
            self._episodes.append(episodes[np.isin(episodes[:, 0], updates)])
            self._episodes.sort()

    def amend(self, update: int, rows: Rows) -> None:
        """An update has been made anew: its row is another one, and what was kept of it is gone.

        Raises:
            ValueError: there is no such row.
        """
        if self._rows is None or len(rows) != 1 or not self.first <= update <= self.last:
            raise ValueError(f"the row of update {update} cannot be amended")
        self._rows.rows[update - self.first] = rows[0]
        self.moments.forget(update)

    def page(self, start: int | None, end: int | None, rows: int, episodes: int) -> tuple[Slice, int | None]:
        """As `slice`, with at most so many episodes, unless one update has more; and the update to go on from.

        No row in it is one that was lost: it begins behind such rows, and ends before the next.
        """
        first = max(self.first, self.first if start is None else start)
        end = self.last if end is None else min(self.last, end)
        last = min(end, first + rows - 1)
        updates = self._episodes.rows[:, 0]
        too_many = int(np.searchsorted(updates, first)) + episodes
        if too_many < len(updates):
            last = min(last, max(first, int(updates[too_many]) - 1))
        if self._rows is None or first > last:
            return self.slice(first, last), None
        begins, ends = unbroken(lost(self._rows.rows[first - self.first : last + 1 - self.first]))
        first, last = first + begins, first + ends - 1
        return self.slice(first, last), last + 1 if last < end else None

    def sketch(self, column: str, points: int) -> list[float | None]:
        """At most so many values of a column, evenly spread over the updates that are kept, the newest among them."""
        if self._rows is None or column not in self.columns or not len(self._rows):
            return []
        values = self._rows.rows[:, self.columns.index(column)]
        at = np.linspace(0, len(values) - 1, min(points, len(values))).round().astype(int)
        return [float(value) if np.isfinite(value) else None for value in values[at]]

    def taken(self, columns: tuple[str, ...]) -> Rows:
        """[R, len(columns)]: a copy of these columns, as far as rows are kept; NaN where there is no such column."""
        rows = self._rows.rows if self._rows is not None else np.empty((0, 0))
        found = np.full((len(rows), len(columns)), np.nan)
        for n, name in enumerate(columns):
            if name in self.columns:
                found[:, n] = rows[:, self.columns.index(name)]
        return found

    def slice(self, start: int | None = None, end: int | None = None, limit: int = MAX_ROWS) -> Slice:
        """The rows of the updates `start` to `end`, both included, as far as they are kept; at most `limit` rows."""
        first = max(self.first, self.first if start is None else start)
        last = min(self.last, self.last if end is None else end, first + limit - 1)
        rows = np.empty((0, len(self.columns)))
        if self._rows is not None and last >= first:
            rows = self._rows.rows[first - self.first : last + 1 - self.first].copy()
        updates = self._episodes.rows[:, 0]
        low, high = np.searchsorted(updates, [first, last + 1])
        return Slice(self.columns, first, rows, self._episodes.rows[low : max(low, high)].copy())
