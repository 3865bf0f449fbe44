"""What a process sends, frame by frame: what is no frame is left out, and what is missing is asked for again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ppo_scope.records.record import RunRecord
from ppo_scope.runs.missed import Missed
from ppo_scope.wire import frame as frames
from ppo_scope.wire.codes import Kind

logger = logging.getLogger(__name__)

Read = Callable[[dict[str, Any], bytes], None]
"""What is done with a frame; raises ValueError, KeyError or TypeError where it says what does not fit."""


class Hearing:
    """Of one run. `ask` hands a question to the process."""

    def __init__(self, record: RunRecord, read: Read, ask: Callable[[bytes], None]) -> None:
        self._record, self._read, self._ask = record, read, ask
        self._missed = Missed()
        self._complained = False

    def take(self, messages: list[bytes]) -> None:
        """Frames have come."""
        for message in messages:
            try:
                header = frames.header(message)
                self._number(header)
                self._read(header, message)
            except (ValueError, KeyError, TypeError):
                # Training is worth more than a frame: leave it out, say so once, ask for what it said, and go on.
                self._missed.noticed(self._record.last)
                if not self._complained:
                    logger.exception(
                        "Run %s sent a frame that is not in the protocol; such frames are left out.", self._record.id
                    )
                    self._complained = True
        self.ask_again()

    def ask_again(self) -> None:
        """For what is missing, if anything is and it is time."""
        if (question := self._missed.question(self._record.changes_made)) is not None:
            self._ask(question)

    def _number(self, header: dict[str, Any]) -> None:
        if header["kind"] == Kind.PASSING:  # of where the run was, under the number that it had then
            return
        for row in header.get("passed", ()):  # each has its number
            self._missed.came(row[0], self._record.last)
        self._missed.came(header["sequence"], self._record.last)
