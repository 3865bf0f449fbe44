"""What a process has sent and the record has not got: noticed, and asked for again."""

from __future__ import annotations

import json
import time

EVERY = 1.0
"""Least time between two such questions."""


class Missed:
    """Frames are numbered without a gap; where one is left out, or did not fit, what it said is asked for."""

    def __init__(self) -> None:
        self._sequence = 0  # of the newest frame
        self._from: int | None = None  # update from which on rows may be missing
        self._asked = -EVERY

    def came(self, sequence: int, last: int) -> None:
        """A frame with this number is here; the newest update with a row, before it, is `last`."""
        if sequence > self._sequence + 1:
            self.noticed(last)
        self._sequence = max(self._sequence, sequence)

    def noticed(self, last: int) -> None:
        """Something is missing; the newest update with a row is `last`."""
        self._from = last + 1 if self._from is None else min(self._from, last + 1)

    def question(self, changes: int) -> bytes | None:
        """The command that asks for it, if something is missing and it is time; `changes`: how many are known."""
        now = time.monotonic()
        if self._from is None or now - self._asked < EVERY:
            return None
        command = {"type": "again", "first": self._from, "changes": changes}
        self._from, self._asked = None, now
        return json.dumps(command).encode()
