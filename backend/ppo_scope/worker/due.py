"""How often something is sent while training runs."""

from __future__ import annotations

import time

SECONDS = {"snapshot": 1 / 25, "unwatched": 1 / 10, "series": 1 / 20, "progress": 1 / 10}
"""Least time between two frames of a kind while training runs; a stop is always shown. `unwatched`: a snapshot that
nobody watches a probe of, which tells in words how the run is."""


class Due:
    """What may be sent now."""

    def __init__(self) -> None:
        self._next = dict.fromkeys(SECONDS, 0.0)

    def now(self, kind: str) -> bool:
        """Whether one of that kind is due; if so, the next one is not for a while."""
        now = time.monotonic()
        if now < self._next[kind]:
            return False
        # From the time that it was due, not from now: what comes in steps of updates then keeps its pace on average.
        self._next[kind] = max(self._next[kind] + SECONDS[kind], now)
        return True

    def sent(self, kind: str) -> None:
        """One was sent, due or not: no time that has passed before is made up for."""
        self._next[kind] = max(self._next[kind], time.monotonic())

    def put_off(self, kind: str) -> None:
        """One was sent with something else: the next one is not due for a while."""
        self._next[kind] = time.monotonic() + SECONDS[kind]


QUICK, QUICK_SECONDS = 4, 0.1
"""Updates in a row that took no longer than that, from which on it pays to have them measured beside."""


class Pace:
    """Whether the run goes by at full speed, in updates so short that measuring them would hold it up."""

    def __init__(self) -> None:
        self._ended, self._in_a_row = 0.0, 0

    def quick(self) -> bool:
        """An update has ended: whether it and those before it were quick."""
        now = time.monotonic()
        self._in_a_row = self._in_a_row + 1 if now - self._ended <= QUICK_SECONDS else min(self._in_a_row, 0)
        self._ended = now
        return self._in_a_row >= QUICK

    def rest(self, updates: int = 0) -> None:
        """It does not go by; or it does, and for so many quick updates that counts as if it did not."""
        self._in_a_row = -updates
