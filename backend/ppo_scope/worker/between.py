"""Something long, between whose parts commands are obeyed: by the thread that trains, or by the one that listens."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from ppo_scope.wire.activity import COLLECTING, EVALUATING, REDO
from ppo_scope.worker.ear import Command
from ppo_scope.worker.going import Going
from ppo_scope.worker.reporter import Reporter

HEARD_BY_THE_LISTENER = frozenset(
    {"play", "pause", "step", "set", "keep", "cancel", "stop", "look", "weights", "again", "measure"}
)
"""Commands that only note or read something within a rollout, which any thread can do."""

Receive = Callable[[float], "Command | None"]
"""The next command, waited for at most so many seconds."""
Overdue = Callable[[frozenset[str]], "Command | None"]
"""The next command, if it is one of these and has waited for too long."""


class Stopped(Exception):
    """The run was told to end, in the middle of something."""


class Between:
    """A rollout, an evaluation, or an update that is made anew."""

    def __init__(self, report: Reporter, going: Going, receive: Receive, obey: Callable[[Command], None]) -> None:
        self.within: str | None = None
        """Which of them is under way; None: neither."""
        self._report, self._going, self._receive, self._obey = report, going, receive, obey
        self._obeying = threading.RLock()  # held by the thread that obeys, and while `within` changes

    @contextlib.contextmanager
    def inside(self, activity: str, of: int) -> Iterator[None]:
        """It is under way; it has `of` parts."""
        self._report.activity.begin(activity, of)
        with self._obeying:
            self.within = activity
        try:
            yield
        finally:
            with self._obeying:
                self.within = None
            self._report.activity.begin(None)
            if activity in {REDO, EVALUATING}:  # whoever was told that it is under way hears that it is over
                self._report.progress(now=True)

    def hear(self) -> None:
        """Obey what has come, and measure what somebody has gone back to.

        Raises:
            Stopped: the run was told to end; where its rollout will not be whole in time.
        """
        with self._obeying:  # from before a command is taken: the other thread would obey the next one first
            while (command := self._receive(0.0)) is not None:
                self._obey(command)
        if self._going.stops_now or (self._going.stopping and self.within != COLLECTING):
            raise Stopped
        self._report.looking.later.measure_wanted()

    def help(self, overdue: Overdue) -> None:
        """Obey what has waited for too long; called by the thread that listens."""
        with self._obeying:
            while self.within is not None and (command := overdue(HEARD_BY_THE_LISTENER)) is not None:
                self._obey(command)
