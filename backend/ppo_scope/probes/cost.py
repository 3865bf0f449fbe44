"""What dear probes may cost while a run goes on at full speed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

EXPENSIVE = frozenset({"gradients", "direction"})
"""Probes that take longer than the rest of a snapshot."""
ONLY_AT_REST = frozenset({"transitions"})
"""Probes of single samples, which nobody can point at while they fly by."""
SHARE = 0.05
"""Of the time, for each expensive probe at full speed."""


class Budget:
    """Who may be measured now, and what it has cost."""

    def __init__(self) -> None:
        self.costs: dict[str, float] = {}
        """Seconds of the last look."""
        self._due: dict[str, float] = {}

    def affordable(self, watched: frozenset[str]) -> frozenset[str]:
        """What to measure at full speed of what is watched."""
        now = time.monotonic()
        later = {name for name in EXPENSIVE if now < self._due.get(name, 0.0)}
        return watched - later - ONLY_AT_REST

    @contextmanager
    def spending(self, name: str) -> Iterator[None]:
        """Measure one probe."""
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        if name in EXPENSIVE:
            self.costs[name] = seconds
            self._due[name] = time.monotonic() + seconds / SHARE
