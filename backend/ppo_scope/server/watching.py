"""What the pages watch, and how often the run is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

LOOKED_AT = 0.2
"""Seconds between two looks at what is watched: a page may change its mind as often as it likes."""
WATCHABLE = frozenset(
    {
        "advantages",
        "direction",
        "gradients",
        "minibatches",
        "picture",
        "policy",
        "post_step",
        "ratio",
        "samples",
        "transitions",
        "values",
    }
)
"""Everything that can be watched; other names are of no run that this server starts."""


class Pace:
    """Calls a function soon after it has been asked for, and at most every so often unless it must be at once."""

    def __init__(self, function: Callable[[], None], every: float = LOOKED_AT) -> None:
        self._function, self._every = function, every
        self._last = -every
        self._waiting: asyncio.TimerHandle | None = None

    def soon(self) -> None:
        """Call it at once, or when it is time again. Needs a running event loop."""
        if self._waiting is not None:
            return
        left = self._last + self._every - time.monotonic()
        if left <= 0:
            self._call()
        else:
            self._waiting = asyncio.get_running_loop().call_later(left, self._call)

    def now(self) -> None:
        """Call it, if it has been asked for and is still to be called."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._call()

    def _call(self) -> None:
        self._waiting, self._last = None, time.monotonic()
        self._function()
