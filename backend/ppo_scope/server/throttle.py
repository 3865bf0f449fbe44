"""Limits on what may be sent. Monotonic clocks only: a clock that is set changes nothing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

RATE = 100
"""Messages a second that a connection may send, and how many at once."""
PATIENCE = 300
"""Messages beyond the rate, one after the other without a rest, after which the connection is closed."""
STRIKES = 3
STRIKE_WINDOW = 10.0
"""Malformed messages within so many seconds after which the connection is closed."""

Clock = Callable[[], float]


class Bucket:
    """Holds `most` and fills at `rate` a second. It may be overdrawn: who takes then waits until it fills."""

    def __init__(self, rate: float, most: float, clock: Clock = time.monotonic) -> None:
        self._rate, self._most, self._clock = rate, most, clock
        self._held, self._checked = most, clock()

    def take(self, cost: float) -> float:
        """Take so much; the seconds to wait before more is taken."""
        now = self._clock()
        self._held = min(self._most, self._held + (now - self._checked) * self._rate) - cost
        self._checked = now
        return max(0.0, -self._held / self._rate)


class Meter:
    """A bucket of `RATE` messages that fills at `RATE` a second."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._tokens = float(RATE)
        self._checked = clock()
        self._refused = 0

    def admit(self) -> bool:
        """Count a message; False if it is one too many."""
        now = self._clock()
        self._tokens = min(float(RATE), self._tokens + (now - self._checked) * RATE)
        self._checked = now
        if self._tokens >= RATE / 2:
            self._refused = 0
        if self._tokens < 1:
            self._refused += 1
            return False
        self._tokens -= 1
        return True

    @property
    def exhausted(self) -> bool:
        """The connection has gone on and on beyond its rate."""
        return self._refused >= PATIENCE


class Strikes:
    """Counts malformed messages."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=STRIKES)

    def strike(self) -> bool:
        """Count one; True if it was the last that is tolerated."""
        now = self._clock()
        self._times.append(now)
        return len(self._times) == STRIKES and now - self._times[0] <= STRIKE_WINDOW
