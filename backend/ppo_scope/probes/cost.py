"""What dear probes may cost while a run goes on at full speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EXPENSIVE = frozenset({"gradients", "direction"})
"""Probes that take longer than the rest of a snapshot."""
ONLY_AT_REST = frozenset({"transitions"})
"""Probes of single samples, which nobody can point at while they fly by."""
SHARE = 0.05
"""Of the time, for each expensive probe at full speed."""


class Budget:
    """Who may be measured now, and what it has cost. `clock` gives seconds, from wherever it counts."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.costs: dict[str, float] = {}
        """Seconds of the last look."""
        self.shares: dict[str, float] = {}
        """The same as a share of all the time that has passed since the look before it."""
        self._clock = clock
        self._ended: dict[str, float] = {}

    def affordable(self, watched: frozenset[str]) -> frozenset[str]:
        """What to measure at full speed of what is watched."""
        return watched - {name for name in EXPENSIVE if self._too_soon(name)} - ONLY_AT_REST

    @contextmanager
    def spending(self, name: str) -> Iterator[None]:
        """Measure one probe."""
        if name not in EXPENSIVE:
            yield
            return
        start = self._clock()
        yield
        end = self._clock()
        self.costs[name] = end - start
        before = self._ended.get(name)
        if before is not None and end > before:
            self.shares[name] = (end - start) / (end - before)
        self._ended[name] = end

    def _too_soon(self, name: str) -> bool:
        """Whether a look like the last one would, now, be more than its share of the time since then."""
        if name not in self.costs:
            return False
        rest = self.costs[name] * (1 / SHARE - 1)
        return self._clock() < self._ended[name] + rest
