"""A run on trial: whether it has shown that it trains, or has ended before."""

from __future__ import annotations

import asyncio
import contextlib


class Trial:
    """Of one run; one that is on none may ignore it."""

    def __init__(self) -> None:
        self.proved = False
        """It has shown it."""
        self._over = asyncio.Event()

    def prove(self) -> None:
        """It has shown it now."""
        self.proved = True
        self._over.set()

    def end(self) -> None:
        """It shows nothing any more."""
        self._over.set()

    async def over(self, within: float) -> None:
        """Wait until either, so many seconds at most."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), within)
