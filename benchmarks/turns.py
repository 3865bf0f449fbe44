"""Some updates of a loop watched and as many that are not, in pairs whose order changes: what being watched costs."""

import statistics
import sys
import time
from random import Random

WARM_SECONDS = 12.0
DRAWS = 2000


class WarmUp:
    """What comes before the first turn that counts, so that both sides of a comparison are past their beginnings."""

    def __init__(self, look, ready):
        """See `Turns`."""
        self._until = time.monotonic() + WARM_SECONDS
        self._look, self._ready = look, ready

    def over(self):
        """Asked after each turn; the one after somebody has begun to look gets the loop used to it."""
        if time.monotonic() < self._until or not self._ready():
            return False
        look, self._look = self._look, None
        if look is not None:
            look()
        return look is None


class Turns:
    """Of one loop. What else the machine does falls on both of a pair alike."""

    updates = 1
    """Of a turn."""

    def __init__(self, name, watch, *, pairs, look=lambda: None, ready=lambda: True):
        """`watch`: switches the watching on and off. `look`: called once the loop is warm.
        `ready`: whether what measures beside is there, which takes its time on a busy machine.
        """
        self._name, self._watch, self._wanted = name, watch, pairs
        self._warm_up = WarmUp(look, ready)
        self._since, self._first = None, True
        self._watched, self._pairs, self._before = True, [], 0.0

    def ended(self):
        """A turn is over. True: so is everything, and a line is printed."""
        spent = (time.process_time_ns() - self._since) / self.updates / 1e6 if self._since else 0.0
        if self._since is None:
            if not self._warm_up.over():
                return False
        elif self._first:
            self._before, self._first = spent, False
            self._turn(not self._watched)
        else:
            self._pairs.append((spent, self._before) if self._watched else (self._before, spent))
            self._first = True
            if len(self._pairs) == self._wanted:
                self._turn(True)
                show(self._name, self._pairs)
                return True
        self._since = time.process_time_ns()
        return False

    def _turn(self, watched):
        self._watched = watched
        self._watch(watched)


def measured_beside(watcher):
    """Whether the process that measures beside this loop is at work, or none is wanted."""
    clerk = watcher._report._clerk
    return clerk is None or clerk.at_work


def show(name, pairs):
    """One line: (watched, not watched) in milliseconds of processor time an update, by pairs of turns."""
    plain = statistics.median(without for _, without in pairs)
    more = [with_it - without for with_it, without in pairs]
    draw = Random(1)
    drawn = sorted(statistics.median(draw.choices(more, k=len(more))) for _ in range(DRAWS))
    middle = statistics.median(more)
    low, high = drawn[DRAWS // 40], drawn[-DRAWS // 40]
    print(
        f"{name:16} {plain:8.1f} ms an update, {middle:+7.2f} ms when watched: {middle / plain:+6.2%} "
        f"(95 in 100: {low / plain:+.2%} to {high / plain:+.2%}; {len(pairs)} pairs of turns)",
        file=sys.__stdout__,  # a loop's own words go elsewhere
        flush=True,
    )
