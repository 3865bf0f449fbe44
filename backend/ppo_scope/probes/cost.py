"""What probes cost, and what the dear ones may cost while a run goes on at full speed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EXPENSIVE = frozenset({"gradients", "direction"})
"""Probes that take longer than the rest of a snapshot: rationed at full speed, and left out where a step passes by."""
TIMED = EXPENSIVE | {"policy", "post_step"}
"""Probes whose cost is told. These two judge the whole rollout again, so a look grows as the update itself does: at
full speed `policy` takes some 2 % of the time, with 4 environments as with 64, which is less than a ration would be;
`post_step` measures nothing there."""
ONLY_AT_REST = frozenset({"transitions"})
"""Probes of single samples, which nobody can point at while they fly by."""
AT_A_BEGINNING = frozenset({"ratio", "samples", "advantages", "values", "minibatches", "policy"})
"""Probes of an update in which a finding begins, whoever watches: it is gone back to. What is dear is left out."""
SHARE = 0.02
"""Of the time, for each expensive probe at full speed."""
SLOW_SECONDS = 1.0
"""A look that took longer makes any probe an expensive one, and so rationed, until it is quicker."""
AVERAGED = 8
"""Looks; on a busy machine one may take several times as long as the next."""


class Budget:
    """Who may be measured now, and what it has cost. `clock` gives seconds, from wherever it counts."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.costs: dict[str, float] = {}
        """Seconds of the last look."""
        self.shares: dict[str, float] = {}
        """What part of the time the last few looks took."""
        self.failed: dict[str, str] = {}
        """Probes that are switched off, and why."""
        self._clock = clock
        # When each of the last looks ended, and how long it took.
        self._looks: dict[str, deque[tuple[float, float]]] = {}

    def affordable(self, watched: frozenset[str]) -> frozenset[str]:
        """What to measure at full speed of what is watched."""
        return watched - {name for name in self._expensive if self._too_soon(name)} - ONLY_AT_REST

    def quick(self, watched: frozenset[str]) -> frozenset[str]:
        """What to measure in passing."""
        return watched - self._expensive

    @contextmanager
    def spending(self, name: str) -> Iterator[None]:
        """Measure one probe."""
        start = self._clock()
        yield
        end = self._clock()
        self.spent(name, end, end - start)

    def spent(self, name: str, end: float, seconds: float) -> None:
        """One probe was measured, in so many seconds until `end`."""
        if name not in TIMED and name not in self._looks and seconds <= SLOW_SECONDS:
            return
        self.costs[name] = seconds
        looks = self._looks.setdefault(name, deque(maxlen=1 + AVERAGED))
        looks.append((end, seconds))
        passed = end - looks[0][0]
        if passed > 0:
            self.shares[name] = sum(seconds for _, seconds in list(looks)[1:]) / passed

    @property
    def _expensive(self) -> frozenset[str]:
        slow = {name for name, looks in self._looks.items() if looks[-1][1] > SLOW_SECONDS}
        return EXPENSIVE | slow

    def _too_soon(self, name: str) -> bool:
        """Whether a look like the last one would, now, be more than its share of the time since then."""
        if name not in self._looks:
            return False
        ended, seconds = self._looks[name][-1]
        return self._clock() < ended + seconds * (1 / SHARE - 1)


class Noted(Budget):
    """Also notes what was spent, for the process that asked: that one decides what can be afforded."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[str, float, float]] = []

    def spent(self, name: str, end: float, seconds: float) -> None:
        """See `Budget`."""
        super().spent(name, end, seconds)
        self.noted.append((name, end, seconds))
