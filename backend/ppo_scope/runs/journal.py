"""A run as it is written to the disk while it goes on: by a thread of its own, which nobody waits for.

What has come within `EVERY` seconds is one commit. Where the disk refuses, training and pages go on: rows, episodes,
changes and events wait in memory until it takes them, states are given up.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ppo_scope.records import trees
from ppo_scope.records.library import held
from ppo_scope.records.store import Rows, Store
from ppo_scope.wire.told import Change

logger = logging.getLogger(__name__)

EVERY = 0.5
"""Seconds between two commits."""
AGAIN = 5.0
"""Seconds until a disk that refused is asked again."""
STATES_ROOM = 256 * 1024 * 1024
"""Bytes of states that a run keeps; beyond them every second one goes."""
WAITING = 64 * 1024 * 1024
"""Bytes of states that may wait for the disk; beyond them they are given up."""
PATIENCE = 1.0
"""Seconds until a folder that somebody has counts as in use."""
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

    def __init__(self, folder: Path, about: dict[str, Any], *, create: bool, states_room: int = STATES_ROOM) -> None:
        self.problem: str | None = None
        """What the disk has said last, while it refuses."""
        self._room = states_room
        self._left = contextlib.ExitStack()
        if create:
            self._store = Store(folder, create=True)
            self._left.enter_context(held(folder, PATIENCE))
        else:
            self._left.enter_context(held(folder, PATIENCE))
            self._store = Store(folder)
        self._left.callback(self._store.close)
        with self._store.writing():
            self._store.say(**about)
        self._waiting: list[tuple[Write, int]] = []  # what to do, and how many bytes of a state are in it
        self._states = 0  # bytes
        self._changed = threading.Condition()
        self._closing = False
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
        """A setting took effect."""
        self._put(lambda store: store.change(change))

    def event(self, update: int, what: str, said: dict[str, Any]) -> None:
        """Something happened."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._put(lambda store: store.event(at, update, what, said))

    def state(self, update: int, plain: bytes) -> None:
        """The state before an update; given up where the disk is too slow."""
        if self._states + len(plain) <= WAITING:
            self._put(lambda store: store.keep(update, trees.sealed(plain)), len(plain))

    def rollout(self, update: int, plain: bytes, *, alone: bool) -> None:
        """What was collected in an update whose state was handed in, or is in it as well; given up like that."""
        if self._states + len(plain) <= WAITING:
            self._put(lambda store: store.keep_rollout(update, trees.sealed(plain), alone=alone), len(plain))

    def judged(self, update: int, told: dict[str, Any]) -> None:
        """What was said of the run's health after an update."""
        self._put(lambda store: store.judge(update, told))

    def forget_from(self, update: int) -> None:
        """The run has gone on from before this update, another way than it once did."""
        self._put(lambda store: store.forget_from(update))

    def close(self) -> None:
        """Nothing more comes: write what is left, and let go of the folder."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def wait(self) -> None:
        """Until that is done, or takes too long."""
        self._thread.join(END_SECONDS)

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
        try:
            with self._store.writing():
                for write, _ in waiting:
                    write(self._store)
                self._store.thin(self._room)
        except (OSError, sqlite3.Error) as error:
            if self.problem is None:
                logger.warning("Run %s cannot be written to the disk (%s). It goes on.", self._store.folder.name, error)
            self.problem = str(error)
            return False
        self.problem = None
        return True
