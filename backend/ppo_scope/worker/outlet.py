"""The way out of the training process: numbered frames, each of which says where the run is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ppo_scope.ppo.phases import Phase as TrainersPhase
from ppo_scope.probes.record import Phase, PhaseKind
from ppo_scope.wire import frame
from ppo_scope.wire.codes import Kind
from ppo_scope.wire.headers import MOMENT_COLUMNS
from ppo_scope.worker.snapshot import numbered

Send = Callable[[bytes], None]


class Outlet:
    """Any thread may send: frames are numbered and sent one after the other."""

    def __init__(self, send: Send, run: str) -> None:
        self.phase: Phase = TrainersPhase(PhaseKind.READY, None)
        """That the run is at."""
        self.made = 0
        """Updates that a run had behind it where it went on from a kept state."""
        self._send_bytes, self.run = send, run
        self._sending = threading.Lock()
        self._sequence = 0
        self._passed: list[tuple[Any, ...]] = []  # rows of MOMENT_COLUMNS that are not told yet
        self._dropped: list[int] = []  # of such rows, told or not: those that are not measured any more
        self._sent = time.monotonic()

    def send(self, kind: str, arrays: dict[str, Any] | None = None, *, late: int | None = None, **header: Any) -> int:
        """Send a frame; its number, which is that of an earlier one where it is `late`. What the header says counts
        more than where the run is.
        """
        with self._sending:
            self._tell_what_was_passed()
            self._sequence += late is None
            number = self._sequence if late is None else late
            whole = {"kind": kind, "run": self.run, "sequence": number, **self.position, **header}
            self._send_bytes(frame.encode(whole, arrays))
            self._sent = time.monotonic()
            return number

    def send_made(self, made: bytes | memoryview, place: int) -> int:
        """Send a frame that only lacks its number, at that place; the number."""
        with self._sending:
            self._tell_what_was_passed()
            self._sequence += 1
            self._send_bytes(numbered(made, place, self._sequence))
            self._sent = time.monotonic()
            return self._sequence

    def passed(self, place: dict[str, Any] | None = None) -> int:
        """Announce a phase that is measured later, the one at hand or that at a place of `MOMENT_COLUMNS`; its number.
        It is told before the next frame, with others.
        """
        with self._sending:
            self._sequence += 1
            here = place or self.position
            self._passed.append((self._sequence, *(here[name] for name in MOMENT_COLUMNS[1:])))
            return self._sequence

    def dropped(self, numbers: list[int]) -> None:
        """These were announced, and will not be measured. It is told with what is announced next."""
        with self._sending:
            self._dropped += numbers

    def _tell_what_was_passed(self) -> None:
        if self._passed:
            passed, self._passed, dropped, self._dropped = self._passed, [], self._dropped, []
            header = {"kind": Kind.PASSED, "run": self.run, "sequence": passed[-1][0], **self.position}
            self._send_bytes(frame.encode({**header, "passed": passed, "dropped": dropped}))

    def event(self, event: str, **fields: Any) -> None:
        """Say that something happened."""
        self.send(Kind.EVENT, event=event, **fields)

    @property
    def silent(self) -> float:
        """Seconds since the last frame."""
        return time.monotonic() - self._sent

    @property
    def position(self) -> dict[str, Any]:
        """Where the run is, as every header says it."""
        position = position_of(self.phase)
        return position if self.phase.update is not None else {**position, "update": self.made}


def position_of(phase: Phase) -> dict[str, Any]:
    """Where a phase is, as headers say it."""
    update, (epochs, minibatches) = phase.update, phase.lengths
    return {
        "update": update.index if update else 0,
        "phase": phase.kind.value,
        "epoch": phase.epoch,
        "epochs": epochs,
        "minibatch": phase.minibatch,
        "minibatches": minibatches,
    }
