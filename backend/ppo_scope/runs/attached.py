"""A run whose training loop is somebody else's: a record, and the connection over which that loop speaks.

The loop lives in a process that is not ours. It is never ended from here: it is told to stop, and does so when it comes
to it; where its connection breaks, the run waits for it to come back.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from ppo_scope.ppo.settings import Settings
from ppo_scope.processes.process import COMMANDS, NotReading, Receiver
from ppo_scope.records.record import RunRecord
from ppo_scope.runs.ending import Cause
from ppo_scope.runs.live import LiveRun
from ppo_scope.runs.parties import Listener
from ppo_scope.wire.codes import ErrorCode

AWAY = Cause(
    "The training loop is not connected.",
    "If its process goes on, it connects again by itself and tells what it has done meanwhile. If it has ended, or "
    "stands still, nothing more will come. What it has shown so far is here.",
    "Look there whether its process is still at work.",
)
AWAY_SECONDS = 600.0
"""Until a loop that is not connected need not be waited for: what is kept of its run goes on whenever it comes back."""
LOST = "The connection to the training loop was lost before it answered: it may have obeyed, or not."
NO_PICTURES = "This run's training loop is somebody else's: its environment is not drawn."
BETWEEN = ("ready", "update")
"""Phases of a loop that is at no update."""
STOP_SECONDS = 0.5
"""How long a page that ends such a run waits for the loop to hear it."""


AGAIN = "again"
"""The slot of a question, which is asked of nobody later."""


class Wire:
    """The way to a loop elsewhere: like a process, but that it may be away and is not ours to kill."""

    pid = 0
    output: str | None = None

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._carry: Callable[[], None] | None = None
        self._commands: deque[bytes] = deque()
        self._slots: dict[str, bytes] = {}  # how things are now: told to whoever connects
        self._untold: dict[str, None] = {}
        self._over = False

    @property
    def connected(self) -> bool:
        """Somebody takes what is sent."""
        return self._carry is not None

    def connect(self, carry: Callable[[], None]) -> None:
        """A loop is there. `carry` is called when there is something to `take`."""
        self._carry = carry
        self._commands.clear()
        self._untold = dict.fromkeys(name for name in self._slots if name != AGAIN)
        carry()

    def carried_by(self, carry: Callable[[], None]) -> bool:
        """Whether it is still that connection."""
        return self._carry is carry

    def disconnect(self) -> None:
        """It is not there any more."""
        self._carry = None

    def take(self) -> bytes | None:
        """The next message for the loop; None: there is none."""
        if self._commands:
            return self._commands.popleft()
        for slot in self._untold:
            del self._untold[slot]
            return self._slots[slot]
        return None

    def send(self, command: bytes) -> None:
        """Hand a command over.

        Raises:
            NotReading: nobody is there, or too many wait already.
        """
        if self._carry is None or len(self._commands) >= COMMANDS:
            raise NotReading
        self._commands.append(command)
        self._carry()

    def tell(self, slot: str, message: bytes) -> None:
        """Hand over how something is now; it waits for whoever is away."""
        self._slots[slot] = message
        self._untold[slot] = None
        if self._carry is not None:
            self._carry()

    def kill(self, number: signal.Signals) -> None:
        """Let go of it. Its process is not ours: nothing of it is ended."""
        self.end()

    def end(self, code: int = 0) -> None:
        """Nothing follows, which is said once, as of a process that has ended with this code."""
        self.disconnect()
        if not self._over:
            self._over = True
            self._receiver.ended(code)


def _wire(receiver: Receiver, _: object) -> Wire:
    return Wire(receiver)


class AttachedRun(LiveRun):
    """A record and the loop elsewhere that adds to it."""

    _process: Wire

    def __init__(self, record: RunRecord, about: dict[str, Any], *, listener: Listener) -> None:
        """`about`: the loop's library, its version, and which settings it can change: `wire.run.Attached`."""
        record.facts |= {"attached": about, "device": "elsewhere"}
        super().__init__(Settings(), paused=False, listener=listener, worker="", record=record, begin=_wire)
        self._code: int | None = None  # that its script has ended with
        self._seen = time.monotonic()

    @property
    def wire(self) -> Wire:
        """The way to the loop."""
        return self._process

    def heard(self, message: bytes) -> None:
        """The loop has sent a frame."""
        self._receive([message])

    def came(self, carry: Callable[[], None]) -> None:
        """The loop has connected, perhaps again."""
        self._answer_all(ErrorCode.FAILED, LOST)  # where it is back before it was missed
        self.wire.connect(carry)
        self._pulse.heard()
        self._recover()
        # Whatever it has said while nobody heard: rows, changes, and how it is.
        self.send({"type": "again", "first": self.record.last + 1, "changes": self.record.changes_made})

    def went(self, carry: Callable[[], None], *, goodbye: bool) -> None:
        """That connection is gone, and after a `goodbye` for good. Nothing, where another one has taken its place."""
        if not self.wire.carried_by(carry):
            return
        if goodbye or self._condition.asked_to_end:
            self.wire.end()
        elif self._code is not None:
            self._ends_with(self._code)
        elif not self.gone:
            self.wire.disconnect()
            self._answer_all(ErrorCode.FAILED, LOST)
            if not self.ended:
                self._away()

    def script_ended(self, code: int) -> None:
        """The script of this loop has: where the loop is not connected, or once it is not, it never comes back."""
        self._code = code
        if not self.wire.connected:
            self._ends_with(code)

    def _ends_with(self, code: int) -> None:
        """How a process that the script has forked has ended, nobody knows: a pool ends its own, whatever they are
        at. One that was between two updates has not failed where its script has not.
        """
        if code == 0 and self.record.position["phase"] in BETWEEN:
            self._condition.ask_to_end()
        self.wire.end(code)

    @property
    def dispensable(self) -> bool:
        """See `LiveRun`: also one whose loop has been away for long, perhaps for good, where all of it is kept."""
        away = not self.wire.connected and time.monotonic() - self._seen >= AWAY_SECONDS
        return self.gone or (away and self._writing.begun and self._writing.problem is None)

    def let_go(self) -> None:
        """See `LiveRun`. Nobody knows how it ended, or whether."""
        if not self.gone:
            self._writing.end()

    def look(self) -> None:
        """See `LiveRun`."""
        if self.wire.connected:
            self._seen = time.monotonic()
        if self.wire.connected or self.gone:
            super().look()
        elif not self.ended:
            self._away()

    def _away(self) -> None:
        if self._condition.stalled is not AWAY:
            self._stall(AWAY)

    def watch(self, probes: frozenset[str], environment: int | None = None) -> None:
        """See `LiveRun`; nothing is drawn here."""
        super().watch(probes - {"picture"}, environment)

    async def depiction(self, update: int, environment: int, step: int) -> bytes | str:
        """Why there is no picture."""
        return NO_PICTURES

    async def stop(self, *, kept: bool = True, why: Cause | None = None) -> None:
        """Tell the loop to stop, and let go of it. A server that leaves (not `kept`) lets it go on by itself."""
        self._condition.ask_to_end()
        if kept and self.wire.connected:
            with contextlib.suppress(NotReading):
                self.send({"type": "stop", "id": "stop"})
            await self._left(STOP_SECONDS)
        if not self.gone:
            self.wire.end()
            await self._left(STOP_SECONDS)
