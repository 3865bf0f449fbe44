"""What a training process is at, and since when: noted by the thread that trains, told by the one that listens.

The server's end of it is `pulse.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

STARTING, TRIAL, COLLECTING, TRAINING, EVALUATING, MEASURING, REDO = (
    "starting",
    "trial",
    "collecting",
    "training",
    "evaluating",
    "measuring",
    "redo",
)
COUNTED = frozenset({COLLECTING, EVALUATING, REDO, TRIAL})
"""Activities whose units are worth telling whenever something is told."""
SOMEBODY_ELSES = frozenset({STARTING, TRIAL, COLLECTING, EVALUATING})
"""Activities that wait for code which is not ours, an environment's: it may hang."""
TRIAL_STAGES = (
    "making and resetting its environments",
    "making room for its rollouts",
    "the first step of its environments",
    "its first minibatch",
)
"""What a candidate does one after the other before it counts as proved."""


class Activity:
    """One thing after the other, each in units: steps of a rollout, minibatches of an update.

    Written by one thread and read by another. No lock: a reader that comes in between is wrong about one unit.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.name: str | None = None
        self.done = self.of = 0
        self._clock = clock
        self.since = clock()
        """When the unit at hand began."""
        self._longest: dict[str, float] = {}

    def begin(self, name: str | None, of: int = 0) -> None:
        """Something else is being done from now on, in `of` units; nothing in particular, where there is no name."""
        self.since = self._clock()  # first: another thread may look in between
        self.name, self.done, self.of = name, 0, of

    def advance(self, done: int | None = None) -> float:
        """One more unit is done, or so many are now; what the clock says."""
        now = self._clock()
        if self.name is not None and now - self.since > self._longest.get(self.name, 0.0):
            self._longest[self.name] = now - self.since
        self.since = now
        self.done = self.done + 1 if done is None else done
        return now

    @contextmanager
    def within(self, name: str) -> Iterator[None]:
        """Something else is being done for a while, then the same as before goes on."""
        before = self.name, self.done, self.of
        self.begin(name)
        try:
            yield
        finally:
            self.since = self._clock()
            self.name, self.done, self.of = before

    def describe(self) -> dict[str, Any] | None:
        """As in the protocol: what is done of how much, how long the unit at hand and the longest one have taken."""
        if self.name is None:
            return None
        seconds, longest = self._clock() - self.since, self._longest.get(self.name, 0.0)
        return {
            "name": self.name,
            "done": self.done,
            "of": self.of,
            "seconds": round(seconds, 3),
            "longest": round(longest, 3),
        }
