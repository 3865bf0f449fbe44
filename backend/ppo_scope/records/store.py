"""A run on disk: one SQLite file with its settings, series, episodes, changes, events and kept states.

Readable without a process, and by others while it is written (WAL). A commit is on the disk when it returns: what was
committed outlives the process and the power. Nothing in it is ever executed: JSON, numbers, and states of `trees.py`.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.records import tables
from ppo_scope.wire.run import Change

FILE = "run.sqlite"
MARKS = ("", "pause", "change", "checkpoint", "fork", "end")
"""Why a state is marked, by the number that stands in the table: the later, the more it weighs."""
PAUSE, CHANGE, CHECKPOINT, FORK, END = MARKS[1:]
THINNED = ("", PAUSE, CHANGE)
"""Marks whose states go at last where there is no room for them, in this order; the others' never."""
NEWEST = 2**62
"""An update that is behind all others."""
SAID = 100
"""Characters of what SQLite says, which may have much of the damage in it."""
OF_UPDATES = ("series", "episodes", "rollouts", "judged")
"""Tables of what has happened in an update."""

Rows = NDArray[np.float64]


class CannotRead(ValueError):
    """There is no run that could be read; the message says why, in one line."""


@dataclass(frozen=True)
class KeptState:
    """What is kept of an update: the state before its rollout, this rollout, or both."""

    update: int
    size: int
    """Bytes, with the rollout."""
    marked: bool
    """Not thinned out as long as others are there to go."""
    replayable: bool
    """Whether the rollout that followed is kept too, so that the update can be made again."""
    resumable: bool
    """Whether the run can go on from here."""
    mark: str = ""
    """One of `MARKS`: why it is marked."""


class Store:
    """Of one run. Used by one thread at a time; each `with` of `writing` is one commit.

    Raises:
        CannotRead: there is no run, or one that this version cannot read.
        OSError, sqlite3.Error: the disk is full, the folder cannot be written, and so on.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.folder = folder
        if create:
            folder.mkdir(parents=True, exist_ok=False)
        elif not (folder / FILE).is_file():
            raise CannotRead(f"{folder} holds no run: there is no {FILE} in it")
        try:
            self._connection = tables.opened(folder / FILE, create=create)
        except (sqlite3.DatabaseError, tables.Unknown) as error:
            if create:
                shutil.rmtree(folder, ignore_errors=True)  # half a run is none
                raise
            raise CannotRead(f"{folder} cannot be read: {error}") from None

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """All that is written within is committed together, or not at all."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:  # a full disk may have ended it already
                self._connection.execute("ROLLBACK")
            raise

    # Written

    def say(self, **about: Any) -> None:
        """Note facts of the run, each as JSON, in place of what was said before."""
        pairs = [(name, json.dumps(value)) for name, value in about.items()]
        self._connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", pairs)

    def append(self, columns: Iterable[str], first: int, rows: Rows, episodes: Rows) -> None:
        """Rows [R, C] of the updates from `first` on, and the episodes [E, 4] that ended in them.

        An update that is there already is replaced with its episodes: the run has gone on from before it.
        """
        number = self._columns(tuple(columns))
        numbers = np.ascontiguousarray(rows, np.float64)
        last = first + len(rows) - 1
        self._connection.execute('DELETE FROM episodes WHERE "update" BETWEEN ? AND ?', (first, last))
        self._connection.executemany(
            "INSERT OR REPLACE INTO series VALUES (?, ?, ?)",
            ((first + n, number, row.tobytes()) for n, row in enumerate(numbers)),
        )
        self._connection.executemany(
            "INSERT INTO episodes VALUES (?, ?, ?, ?)", ((int(e[0]), *map(float, e[1:])) for e in episodes)
        )

    def amend(self, columns: Iterable[str], update: int, row: Rows) -> None:
        """Another row [C] for an update that was made anew; its episodes are the same."""
        values = (update, self._columns(tuple(columns)), np.ascontiguousarray(row, np.float64).tobytes())
        self._connection.execute("INSERT OR REPLACE INTO series VALUES (?, ?, ?)", values)

    def change(self, change: Change) -> None:
        """A setting took effect."""
        values = (change["update"], change["name"], json.dumps(change["old"]), json.dumps(change["new"]))
        self._connection.execute("INSERT INTO changes VALUES (?, ?, ?, ?)", values)

    def event(self, at: str, update: int, what: str, said: dict[str, Any]) -> None:
        """Something that happened to the run: when, at which update, what, and what is known of it."""
        self._connection.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (at, update, what, json.dumps(said)))

    def keep(self, update: int, packed: bytes, mark: str = "") -> None:
        """A state before the rollout of an update; one that was there has its mark still."""
        self._connection.execute(
            'INSERT INTO states VALUES (?, ?, ?, ?) ON CONFLICT ("update") DO UPDATE SET '
            "size = excluded.size, marked = max(marked, excluded.marked), state = excluded.state",
            (update, len(packed), MARKS.index(mark), packed),
        )

    def mark(self, update: int, mark: str) -> None:
        """The newest state that is not behind that update is worth more than others from now on."""
        self._connection.execute(
            'UPDATE states SET marked = max(marked, ?) WHERE "update" = '
            '(SELECT max("update") FROM states WHERE "update" <= ?)',
            (MARKS.index(mark), update),
        )

    def keep_rollout(self, update: int, packed: bytes, *, alone: bool = False) -> None:
        """What was collected in an update whose state is kept; else there is nothing that it could follow.

        `alone`: what the update is made again from is in it, too.
        """
        self._connection.execute(
            "INSERT OR REPLACE INTO rollouts "
            'SELECT ?, ?, ?, ? WHERE ? OR EXISTS (SELECT 1 FROM states WHERE "update" = ?)',
            (update, len(packed), alone, packed, alone, update),
        )

    def judge(self, update: int, told: dict[str, Any]) -> None:
        """What was said of the run's health after an update."""
        self._connection.execute("INSERT OR REPLACE INTO judged VALUES (?, ?)", (update, json.dumps(told)))

    def thin(self, room: int) -> int:
        """Drop every second state, the newest never, until all fit into `room` bytes; how many went.

        Those that were kept early have been thinned most often: 1, 2, 4, 8 … apart, the older, the farther. Marked ones
        stay as long as that helps; then those of pauses go in the same way, then those of changes, the others never.
        """
        dropped = 0
        for mark in THINNED:
            while (states := self.states()) and sum(state.size for state in states) > room:
                newest = max((state.update for state in states if state.resumable), default=0)
                between = [(state.update,) for state in states[:-1] if state.mark == mark and state.update != newest][
                    1::2
                ]
                if not between:
                    break
                dropped += len(between)
                for table in ("states", "rollouts"):
                    self._connection.executemany(f'DELETE FROM {table} WHERE "update" = ?', between)
        return dropped

    def forget_states_after(self, update: int) -> None:
        """They are damaged, or of a future that did not come."""
        for table in ("states", "rollouts"):
            self._connection.execute(f'DELETE FROM {table} WHERE "update" > ?', (update,))

    def forget_from(self, update: int) -> None:
        """What is known of that update and of those behind it is of a future that did not come."""
        for table in OF_UPDATES:
            self._connection.execute(f'DELETE FROM {table} WHERE "update" >= ?', (update,))
        self._forget_changes_from(update)
        self.forget_states_after(update)

    def forget_events_from(self, update: int) -> None:
        """A run goes on from before that update: evaluations, pauses and changes there come again, or do not."""
        evaluated = "what = 'evaluated' AND json_extract(said, '$.update') >= ?"
        self._connection.execute(f"DELETE FROM events WHERE {evaluated}", (update,))
        self._connection.execute("DELETE FROM events WHERE what = 'paused' AND \"update\" >= ?", (update,))
        self._forget_changes_from(update)

    def _forget_changes_from(self, update: int) -> None:
        """But for its end, which whoever goes on with it sets before it does."""
        self._connection.execute("DELETE FROM changes WHERE \"update\" >= ? AND name <> 'total_steps'", (update,))

    def _columns(self, names: tuple[str, ...]) -> int:
        text = json.dumps(names)
        self._connection.execute("INSERT OR IGNORE INTO columns (names) VALUES (?)", (text,))
        (number,) = self._connection.execute("SELECT id FROM columns WHERE names = ?", (text,)).fetchone()
        return int(number)

    # Read

    def about(self) -> dict[str, Any]:
        """Facts by name."""
        return {name: self._said("facts", value) for name, value in self._found("SELECT name, value FROM about")}

    def last(self) -> int:
        """The newest update with a row; 0 where there is none."""
        ((last,),) = self._found('SELECT max("update") FROM series')
        return int(last or 0)

    def series(self, first: int = 1, last: int | None = None) -> tuple[tuple[str, ...], NDArray[np.int64], Rows]:
        """(columns, updates [R], rows [R, C]) of the updates from `first` to `last`, both included.

        Where columns have come later, they are NaN before.
        """
        known = {n: self._said("columns", names, list) for n, names in self._found("SELECT id, names FROM columns")}
        if not all(isinstance(name, str) for columns in known.values() for name in columns):
            raise self._damaged("columns")
        names: tuple[str, ...] = tuple(dict.fromkeys(name for columns in known.values() for name in columns))
        where = 'FROM series WHERE "update" >= ? AND "update" <= ? ORDER BY "update"'
        end = last if last is not None else NEWEST
        found = self._found(f'SELECT "update", columns, numbers {where}', first, end)
        updates = np.array([update for update, _, _ in found], np.int64)
        numbers = np.array([number for _, number, _ in found], np.int64)
        rows = np.full((len(found), len(names)), np.nan)
        for number, columns in known.items():
            mine = np.flatnonzero(numbers == number)
            blob = b"".join(found[n][2] for n in mine)
            places = np.array([names.index(name) for name in columns], np.int64)
            if len(blob) != len(mine) * len(columns) * rows.itemsize:
                raise self._damaged("rows")
            rows[np.ix_(mine, places)] = np.frombuffer(blob).reshape(len(mine), len(columns))
        return names, updates, rows

    def episodes(self, first: int = 1, last: int | None = None) -> Rows:
        """[E, 4]: update, step of the run, return and length of each episode that ended in those updates."""
        where = 'WHERE "update" >= ? AND "update" <= ? ORDER BY "update", rowid'
        end = last if last is not None else NEWEST
        found = self._found(f"SELECT * FROM episodes {where}", first, end)
        return np.array(found, np.float64).reshape(-1, 4)

    def changes(self) -> list[Change]:
        """All of them, the earliest first."""
        found = self._found('SELECT * FROM changes ORDER BY "update", rowid')
        return [
            {"update": update, "name": name, "old": self._said("changes", old), "new": self._said("changes", new)}
            for update, name, old, new in found
        ]

    def events(self) -> list[tuple[str, int, str, dict[str, Any]]]:
        """(when, at which update, what, what is known of it), the earliest first."""
        found = self._found('SELECT at, "update", what, said FROM events ORDER BY rowid')
        return [(at, update, what, self._said("events", said, dict)) for at, update, what, said in found]

    def newest_event(self, what: str) -> dict[str, Any] | None:
        """What is known of the latest one of its kind."""
        where = "WHERE what = ? ORDER BY rowid DESC LIMIT 1"
        found = self._found(f"SELECT said FROM events {where}", what)
        return self._said("events", found[0][0], dict) if found else None

    def states(self) -> list[KeptState]:
        """What is kept, the earliest first."""
        found = self._found(
            "SELECT at, coalesce(s.size, 0) + coalesce(r.size, 0), coalesce(marked, 0), r.size IS NOT NULL, "
            's.size IS NOT NULL FROM (SELECT "update" AS at FROM states UNION SELECT "update" FROM rollouts) '
            'LEFT JOIN states s ON s."update" = at LEFT JOIN rollouts r ON r."update" = at ORDER BY at'
        )
        return [
            KeptState(update, size, mark > 0, bool(a), bool(b), MARKS[mark] if 0 <= mark < len(MARKS) else MARKS[-1])
            for update, size, mark, a, b in found
        ]

    def resumes_at(self) -> int | None:
        """The update before which the newest state is that the run can go on from: one that came to the disk before the
        rows of the updates behind it would leave a gap.
        """
        where = 'WHERE "update" <= ?'
        ((update,),) = self._found(f'SELECT max("update") FROM states {where}', self.last() + 1)
        return None if update is None else int(update)

    def state(self, update: int | None = None) -> tuple[int, bytes] | None:
        """(update, state) of the newest state, of those that are not behind `update`; None: there is none."""
        end = update if update is not None else NEWEST
        ((newest,),) = self._found('SELECT max("update") FROM states WHERE "update" <= ?', end)
        return None if newest is None else (int(newest), self._packed("state", "states", newest))

    def rollout(self, update: int) -> bytes | None:
        """What was collected in that update, where it is kept."""
        found = self._found('SELECT 1 FROM rollouts WHERE "update" = ?', update)
        return self._packed("rollout", "rollouts", update) if found else None

    def judgement(self, update: int) -> tuple[int, dict[str, Any]] | None:
        """(after which update, what was said) of the run's health, the newest that is not behind `update`."""
        where = 'WHERE "update" <= ? ORDER BY "update" DESC LIMIT 1'
        found = self._found(f'SELECT "update", said FROM judged {where}', update)
        return (int(found[0][0]), self._said("findings", found[0][1], dict)) if found else None

    def _said(self, what: str, text: str, kind: type = object) -> Any:
        """JSON of this kind, as it was written here: the file may have been in anybody's hands.

        Raises:
            CannotRead: it is none.
        """
        try:
            found = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            raise self._damaged(what) from None
        if not isinstance(found, kind):
            raise self._damaged(what)
        return found

    def _damaged(self, what: str) -> CannotRead:
        return CannotRead(f"{self.folder} cannot be read: its {what} are damaged")

    def _found(self, question: str, *values: Any) -> list[Any]:
        """Rows. A file may be whole where it was opened, and damaged further on.

        Raises:
            CannotRead: it is damaged here, or the disk does not give it.
        """
        try:
            return self._connection.execute(question, values).fetchall()
        except sqlite3.Error as error:
            raise CannotRead(f"{self.folder} cannot be read: {' '.join(str(error).split())[:SAID]}") from None

    def _packed(self, column: str, table: str, update: int) -> bytes:
        """One of `trees.sealed`; nothing where it is damaged, which no seal fits: others may be whole."""
        try:
            ((packed,),) = self._found(f'SELECT {column} FROM {table} WHERE "update" = ?', update)
        except CannotRead:
            return b""
        return bytes(packed)
