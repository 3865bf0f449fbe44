"""A run as it is written to the disk while it goes on: by a thread of its own, which nobody waits for.

What has come within `EVERY` seconds is one commit. Where the disk refuses, training and pages go on: rows, episodes,
changes and events wait in memory until it takes them, states are given up.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ppo_scope.records import trees
from ppo_scope.records.library import Terms, held, is_run
from ppo_scope.records.store import CHANGE, CHECKPOINT, END, NEWEST, PAUSE, CannotRead, Rows, Store
from ppo_scope.wire.codes import ENDED
from ppo_scope.wire.run import Change

logger = logging.getLogger(__name__)

EVERY = 0.5
"""Seconds between two commits."""
AGAIN = 5.0
"""Seconds until a disk that refused is asked again."""
WAITING = 256 * 1024 * 1024
"""Bytes of states that may wait for the disk; beyond them they are given up."""
END_SECONDS = 5.0
"""For what still has to be written, when the run ends."""

Write = Callable[[Store], None]


class Journal:
    """Of one run.

    Raises:
        InUse: another server has the folder.
        OSError, sqlite3.Error: the folder cannot be written.
        CannotRead: there is something in it that is no run.
    """

    def __init__(self, folder: Path, about: dict[str, Any], *, create: bool, terms: Terms | None = None) -> None:
        self.problem: str | None = None
        """What the disk has said last, while it refuses."""
        self.terms = terms or Terms()
        self._mark = ""  # of states that come from now on
        self.folder = folder
        with contextlib.ExitStack() as left, contextlib.ExitStack() as on_error:
            if create:
                self._store = Store(folder, create=True)
                on_error.callback(shutil.rmtree, folder, ignore_errors=True)  # half a run is none
                left.enter_context(held(folder))
            else:
                left.enter_context(held(folder))
                self._store = Store(folder)
            left.callback(self._store.close)
            with self._store.writing():
                self._store.say(**about)
            dropped = self._store.about().get("dropped", {})
            self.known = self._store.last(), self._store.changes()
            """The newest update with a row, and the changes, that were there before."""
            on_error.pop_all()
            self._left = left.pop_all()
        self._dropped = {"thinned": 0, "given_up": 0, **dropped}  # states, since the run began
        self._waiting: list[tuple[Write, int]] = []  # what to do, and how many bytes of a state are in it
        self._states = 0  # bytes
        self._changed = threading.Condition()
        self._closing = False
        self._complained = False  # of what cannot be written
        self._owes_state = False  # one was refused, and none has been written since
        self._thread = threading.Thread(target=self._work, name=f"journal of {folder.name}", daemon=True)
        self._thread.start()

    # What is written; called on the event loop, never waits

    def about(self, **about: Any) -> None:
        """Facts of the run."""
        self._put(lambda store: store.say(**about))

    def series(self, columns: list[str], first: int, rows: Rows, episodes: Rows) -> None:
        """Rows of updates that are done."""
        self._put(lambda store: store.append(columns, first, rows, episodes))

    def amend(self, columns: list[str], update: int, row: Rows) -> None:
        """Another row of an update that was made anew."""
        self._put(lambda store: store.amend(columns, update, row))

    def change(self, change: Change) -> None:
        """A setting took effect: the state before that is worth more than others."""
        self._put(lambda store: store.change(change))
        self._put(lambda store: store.mark(change["update"], CHANGE))

    def event(self, update: int, what: str, said: dict[str, Any]) -> None:
        """Something happened. Where the run was paused or ended, its state is worth more than others; where it has gone
        on from one, those of later updates are damaged, or of a future that did not come.
        """
        at = _now()
        self._put(lambda store: store.event(at, update, what, said))
        if what == "resumed":
            self._put(lambda store: store.forget_states_after(said["before"]))
        if what == "state":
            self._mark = PAUSE if said["state"] == "paused" else END if said["state"] in ENDED else ""
            if self._mark == PAUSE:  # within an update, perhaps
                self._put(lambda store: store.mark(update, PAUSE))

    def state(self, update: int, plain: bytes) -> None:
        """The state before an update; given up where the disk is too slow."""
        mark = CHECKPOINT if is_checkpoint(update, self.terms.every) else self._mark
        if self._takes(plain):
            self._put(lambda store: store.keep(update, trees.sealed(plain), mark), len(plain))
        else:
            self._put(lambda store: self._give_up(1))

    def rollout(self, update: int, plain: bytes, *, alone: bool) -> None:
        """What was collected in an update whose state was handed in, or is in it as well; given up like that."""
        if self._takes(plain):
            self._put(lambda store: store.keep_rollout(update, trees.sealed(plain), alone=alone), len(plain))

    def judged(self, update: int, told: dict[str, Any]) -> None:
        """What was said of the run's health after an update."""
        self._put(lambda store: store.judge(update, told))

    def forget_from(self, update: int) -> None:
        """The run has gone on from before this update, another way than it once did."""
        self._put(lambda store: store.forget_from(update))

    def forget_events_from(self, update: int) -> None:
        """The run has gone on from before this update."""
        self._put(lambda store: store.forget_events_from(update))

    def close(self) -> None:
        """Nothing more comes: write what is left, and let go of the folder."""
        self._put(lambda store: store.mark(NEWEST, END))
        with self._changed:
            self._closing = True
            self._changed.notify()

    def wait(self) -> None:
        """Until that is done, or takes too long."""
        self._thread.join(END_SECONDS)

    def _takes(self, plain: bytes) -> bool:
        """Whether so much more may wait; a large one alone always."""
        return not self._states or self._states + len(plain) <= WAITING

    def _put(self, write: Write, size: int = 0) -> None:
        with self._changed:
            self._waiting.append((write, size))
            self._states += size
            self._changed.notify()

    # The thread

    def _work(self) -> None:
        with self._left:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._waiting or self._closing)
                    self._changed.wait_for(lambda: self._closing, AGAIN if self.problem else EVERY)
                    waiting, self._waiting = self._waiting, []
                    closing = self._closing
                if waiting and not self._written(waiting):
                    with self._changed:
                        self._waiting = [(write, 0) for write, size in waiting if not size] + self._waiting
                with self._changed:
                    self._states = sum(size for _, size in self._waiting)
                    if closing and (self.problem or not self._waiting):
                        return

    def _written(self, waiting: list[tuple[Write, int]]) -> bool:
        """All, or what is no state: that is little, and may fit where a state does not."""
        rest: list[tuple[Write, int]] = [(write, 0) for write, size in waiting if not size]
        return self._tried(waiting) or (len(rest) < len(waiting) and self._tried(rest))

    def _tried(self, waiting: list[tuple[Write, int]]) -> bool:
        before = dict(self._dropped)
        try:
            if not is_run(self.folder):  # SQLite would write on, into a file that nobody finds
                raise FileNotFoundError(f"its folder {self.folder} is not there any more")
            with self._store.writing():
                for write, _ in waiting:
                    self._carry_out(write)
                self._thin()
        except (OSError, sqlite3.Error, CannotRead) as error:
            if self.problem is None:
                logger.warning("Run %s cannot be written to the disk (%s). It goes on.", self._store.folder.name, error)
            self.problem, self._dropped = str(error), before
            refused = sum(size > 0 for _, size in waiting)
            self._give_up(refused)
            self._owes_state |= refused > 0
            return False
        if any(size for _, size in waiting):
            self._owes_state = False
        if not self._owes_state:  # else rows fit, and what is larger may not
            self.problem = None
        return True

    def _carry_out(self, write: Write) -> None:
        """What cannot be written whatever the disk does is left out: everything else of the run is worth more.

        Raises:
            OSError, sqlite3.Error: the disk refuses.
        """
        try:
            write(self._store)
        except (OSError, sqlite3.Error):
            raise
        except Exception:
            if not self._complained:
                logger.exception("Run %s said what cannot be written; such things are left out.", self.folder.name)
            self._complained = True

    def _thin(self) -> None:
        """Make room, and say so: the first time as something that happened, and ever after in numbers."""
        if thinned := self._store.thin(self.terms.room):
            if not self._dropped["thinned"]:
                self._store.event(_now(), self._store.last(), "thinned", {"room": self.terms.room})
            self._dropped["thinned"] += thinned
        if any(self._dropped.values()):
            self._store.say(dropped=self._dropped)

    def _give_up(self, states: int) -> None:
        self._dropped["given_up"] += states


def is_checkpoint(update: int, every: int) -> bool:
    """Whether the state before that update is one of those that are kept at an interval."""
    return every > 0 and update > 1 and (update - 1) % every == 0


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
