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
