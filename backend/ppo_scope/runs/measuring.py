"""Moments that a step has passed and nobody has measured: asked of the trainer when somebody goes back to one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from ppo_scope.processes.process import NotReading

WAITING = 16
"""Moments that may be asked for at the same time: whoever watches must not keep the trainer busy."""
PATIENCE = 3.0
"""Seconds that the trainer has: it measures between two steps of whatever it is at."""
NOT_YET = (
    "This moment was passed on the way of a step and is still to be measured, which the training process cannot do "
    "just now. Ask again in a moment."
)


class Measuring:
    """Of one run. `send` hands a command to its trainer."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._waiting: dict[int, asyncio.Future[None]] = {}

    async def ask(self, sequence: int) -> None:
        """Have it measured, unless the trainer is within something long, is asked for many, or is gone."""
        if sequence not in self._waiting:
            if len(self._waiting) >= WAITING:
                return
            try:
                self._send({"type": "measure", "sequence": sequence})
            except NotReading:
                return
            self._waiting[sequence] = asyncio.get_running_loop().create_future()
        future = self._waiting[sequence]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(future), PATIENCE)
        if not future.done():
            self.came(sequence)

    def came(self, sequence: int) -> None:
        """It has been measured, or never will be."""
        future = self._waiting.pop(sequence, None)
        if future is not None and not future.done():
            future.set_result(None)

    def end(self) -> None:
        """Nothing more is measured."""
        for sequence in list(self._waiting):
            self.came(sequence)
