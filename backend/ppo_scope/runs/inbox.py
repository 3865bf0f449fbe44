"""From the thread that reads a process's pipe to the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable

INBOX_BYTES = 32 * 1024 * 1024
"""Frames that may wait for the event loop; a process that is faster than that waits in its pipe."""


class Inbox:
    """Hands what a process sends to the event loop, in batches, and lets it wait where the loop falls behind."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        receive: Callable[[list[bytes]], None],
        exited: Callable[[int | None], None],
    ) -> None:
        self._loop, self._receive, self._exited = loop, receive, exited
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._room = threading.Condition()

    def frame(self, message: bytes) -> None:
        """Take a frame over; waits while too many do."""
        with self._room:
            self._room.wait_for(lambda: self._size < INBOX_BYTES or self._loop.is_closed(), timeout=60)
            self._waiting.append(message)
            self._size += len(message)
            first = len(self._waiting) == 1
        if first:
            self._call(self._hand_over)

    def ended(self, exitcode: int | None) -> None:
        """Tell that the process is gone, after everything that it sent."""
        self._call(lambda: self._exited(exitcode))

    def _hand_over(self) -> None:
        with self._room:
            messages = list(self._waiting)
            self._waiting.clear()
            self._size = 0
            self._room.notify()
        self._receive(messages)

    def _call(self, function: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: the server is leaving
            self._loop.call_soon_threadsafe(function)
