"""Whether the return has risen and then fallen for good: the latest stretch of episodes against the best before it.

Single episodes scatter, so stretches are compared by ranks: how often an episode of one returned more than one of the
other, and how sure that is (Mann and Whitney 1947). Only then it counts how much of what was gained is lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ppo_scope.diagnosis.judging import Row
from ppo_scope.probes.measurement import variance_of

EPISODES, UPDATES = 20, 5
"""A stretch has so many of either: short episodes come by the dozen in one update, and long ones are rare."""
SAMPLE = 200
"""Episodes of a stretch that are remembered."""
KEPT = 0.5
"""Of what was gained: where more is left, the return has not fallen."""
DEVIATIONS = 2.0
"""Of single episodes, by which the means are apart at least: where the run began at its best, nothing was gained."""
OFTEN, SURE = 0.8, 4.0
"""Chance that an episode of the best stretch returned more than one of the latest, and its standard errors above ½."""
REMEMBERED = 400
"""Updates since the best stretch; of more, neighbours are put together."""


@dataclass(frozen=True)
class Stretch:
    """Consecutive updates, and what their episodes returned."""

    first: int
    last: int
    returns: NDArray[np.float64]
    updates: int = 1

    @property
    def mean(self) -> float:
        """Of its episodes."""
        return float(np.add.reduce(self.returns)) / len(self.returns)  # np.mean takes thrice as long for the same

    @property
    def whole(self) -> bool:
        """Whether it is long enough to be compared."""
        return len(self.returns) >= EPISODES and self.updates >= UPDATES

    def joined(self, other: Stretch) -> Stretch:
        """With the one after it."""
        returns = np.concatenate([self.returns, other.returns])
        return Stretch(self.first, other.last, returns, self.updates + other.updates)

    def thinned(self) -> Stretch:
        """With no more of its returns than are needed to compare it, evenly from the lowest to the highest."""
        if len(self.returns) <= SAMPLE:
            return self
        places = np.linspace(0, len(self.returns) - 1, SAMPLE).astype(np.int64)
        return replace(self, returns=np.sort(self.returns)[places])


@dataclass
class Fall:
    """What is remembered of all updates; nothing that it holds is written over, so a shallow copy is one."""

    start: Stretch | None = None
    best: Stretch | None = None
    _recent: tuple[Stretch, ...] = ()  # update by update, as many as make a stretch
    _since: tuple[Stretch, ...] = ()  # the best one

    def take_in(self, update: int, returns: Sequence[float]) -> Row:
        """Look at the episodes that ended in an update.

        Returns:
            nothing before there are two stretches to compare; `fall_kept`, what is left of what was gained, and of
            both stretches `return_then`, `return_now`, their scatter and updates; `fell_since`, where it fell.
        """
        if not len(returns):
            return {}
        new = Stretch(update, update, np.array(returns, np.float64))
        self._since = _short((*self._since, new))
        stretch = _latest(recent := (*self._recent, new))
        self._recent = recent if stretch is None else recent[-stretch.updates :]
        if stretch is not None:
            self.start = self.start or stretch.thinned()
            if self.best is None or stretch.mean >= self.best.mean:
                self.best, self._since = stretch.thinned(), ()
        latest = _latest(self._since)
        if self.start is None or self.best is None or latest is None:
            return {}
        return self._compared(self.start, self.best, latest)

    def _compared(self, start: Stretch, best: Stretch, latest: Stretch) -> Row:
        middle = (best.mean + latest.mean) / 2
        lost, gained = best.mean - latest.mean, best.mean - start.mean
        then, now = variance_of(best.returns), variance_of(latest.returns)
        scatter = math.sqrt((then + now) / 2)
        found = {
            "fall_kept": 1 - lost / gained if gained > scatter else math.nan,
            "return_then": best.mean,
            "return_now": latest.mean,
            "return_then_scatter": math.sqrt(then),
            "return_now_scatter": math.sqrt(now),
            "return_then_first": float(best.first),
            "return_then_last": float(best.last),
            "return_now_first": float(latest.first),
            "return_now_episodes": float(len(latest.returns)),
        }
        # Of short episodes many end in one update: one bad update is no fall.
        low = all(one.mean < middle for one in self._since[-latest.updates :])
        far = lost >= max((1 - KEPT) * gained, DEVIATIONS * scatter)
        if not (far and low and _surely_more(best.returns, latest.returns)):
            return found
        return {**found, "fell_since": float(self._fell_at(middle))}

    def _fell_at(self, middle: float) -> int:
        """The update from which on episodes were below the middle between then and now: where a sum turns."""
        above = np.cumsum([float((one.returns - middle).sum()) for one in self._since])
        turn = int(above.argmax()) if above.max() > 0 else -1
        return self._since[min(turn + 1, len(self._since) - 1)].first


def _latest(updates: Sequence[Stretch]) -> Stretch | None:
    """The shortest stretch that ends now; None where not enough has happened since the best one."""
    found: Stretch | None = None
    for one in reversed(updates):
        found = one if found is None else one.joined(found)
        if found.whole:
            return found
    return None


def _short(updates: tuple[Stretch, ...]) -> tuple[Stretch, ...]:
    """With neighbours put together where there are too many; not the latest."""
    if len(updates) < REMEMBERED:
        return updates
    old, new = updates[: REMEMBERED // 2], updates[REMEMBERED // 2 :]
    pairs = (one.joined(other).thinned() for one, other in zip(old[::2], old[1::2], strict=True))
    return (*pairs, *new)


def _surely_more(high: NDArray[np.float64], low: NDArray[np.float64]) -> bool:
    """Whether episodes of one stretch returned more than those of the other, by their ranks."""
    ordered = np.sort(low)
    below, up_to = np.searchsorted(ordered, high, "left"), np.searchsorted(ordered, high, "right")
    often = float((below + up_to).sum()) / (2 * len(high) * len(low))
    error = math.sqrt((len(high) + len(low) + 1) / (12 * len(high) * len(low)))
    return often >= OFTEN and often - 0.5 >= SURE * error
