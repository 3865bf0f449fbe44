"""What snapshots tell of a run's health, as far as it is written down: seldom while the run goes by, all of it where it
rests, and always where a finding comes or goes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

TOLD = ("findings", "history", "unknown", "health")
EVERY = 1.0
"""Seconds between two that say nothing new."""

Write = Callable[[int, dict[str, Any]], None]
"""After which update, what was told."""


class Judgements:
    """Of one run."""

    def __init__(self, write: Write, clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._waiting: tuple[int, dict[str, Any]] | None = None
        self._names: list[str] = []
        self._next = 0.0

    def take(self, header: dict[str, Any]) -> None:
        """A snapshot: within an update, it tells what was known after the one before."""
        if "findings" not in header:
            return
        after = header["update"] - (header["phase"] != "update")
        told = {name: header[name] for name in TOLD if name in header}
        self._waiting = after, told
        if self._due(told):
            self.settle()

    def settle(self) -> None:
        """The run rests, or its state is kept here: write down what was told last."""
        if self._waiting is not None:
            after, told = self._waiting
            self._write(after, told)
            self._waiting, self._names = None, _names(told)
            self._next = self._clock() + EVERY

    def _due(self, told: dict[str, Any]) -> bool:
        return self._clock() >= self._next or _names(told) != self._names


def _names(told: dict[str, Any]) -> list[str]:
    return [finding["name"] for finding in told["findings"]]
