"""What our hooks take of the thread that trains, by clocks around each function that a library's loop calls.

Steadier than turns on a busy machine, and says where the time goes. It misses what lies outside of the functions: cold
caches that the loop finds afterwards, Python's collector, and a few microseconds of calls.
"""

import importlib
import statistics
import sys
import time
from collections import Counter

import numpy as np

from benchmarks.turns import WarmUp

SB3 = "ppo_scope.attach.sb3.stable_baselines:Watched"
OWN = "ppo_scope.attach.own_loop.scope:Scope"
HOOKS = {
    "sb3": {
        SB3: ("_stepped", "_collected", "_begin_epoch", "_end_epoch", "_judged", "_differentiated", "_ended_by_train")
    },
    "rsl_rl": {
        "ppo_scope.attach.rsl_rl:Watched": (
            *("stepped", "collected", "_ask", "_ordered", "_end_epoch", "_minibatch", "_clipped", "ended"),
        )
    },
    "own": {OWN: ("rollout", "minibatch", "update")},
    "torchrl": {
        "ppo_scope.attach.clip_loss:Watched": ("_estimated", "_lost", "_stepping", "_stepped"),
        OWN: ("gradient",),
    },
    "trl": {
        "ppo_scope.attach.grpo:Watched": ("_take_generated", "_take_part", "stepping", "stepped"),
        OWN: ("begins",),
    },
}
"""By whose loop: what it calls, or what hooks that are functions within functions call first."""
HOOKS |= {"maskable": HOOKS["sb3"], "recurrent": HOOKS["sb3"]}


class Clocks:
    """Of one loop, over so many updates."""

    updates = 1
    """Of a turn."""

    def __init__(self, name, *, wanted, look=lambda: None, ready=lambda: True):
        """See `Turns`; `wanted`: updates."""
        self._name, self._wanted, self._warm_up = name, wanted, WarmUp(look, ready)
        self._spent, self._calls, self._within = Counter(), Counter(), False
        self._turns, self._since = [], None
        self._own = self._of_itself()

    def put_around(self, hooks):
        """These functions, by class."""
        for place, names in hooks.items():
            module, _, kind = place.partition(":")
            owner = getattr(importlib.import_module(module), kind)
            for name in names:
                setattr(owner, name, self._around(name, getattr(owner, name)))

    def _around(self, name, hook):
        clock = time.thread_time_ns

        def timed(*arguments, **named):
            if self._within:
                return hook(*arguments, **named)
            self._within, start = True, clock()
            try:
                return hook(*arguments, **named)
            finally:
                self._spent[name] += clock() - start
                self._calls[name] += 1
                self._within = False

        return timed

    def _of_itself(self):
        """Nanoseconds that a clock shows around nothing."""
        nothing = self._around("nothing", lambda: None)
        for _ in range(20_000):
            nothing()
        return self._spent.pop("nothing") / self._calls.pop("nothing")

    def ended(self):
        """A turn is over. True: so is everything, and it is printed."""
        now = time.thread_time_ns()
        if self._since is None:
            if not self._warm_up.over():
                return False
        else:
            ours = sum(self._spent.values()) - self._own * sum(self._calls.values())
            self._turns.append((now - self._since, ours, dict(self._spent), dict(self._calls)))
        self._spent.clear()
        self._calls.clear()
        if len(self._turns) * self.updates >= self._wanted:
            self._show()
            return True
        self._since = time.thread_time_ns()
        return False

    def _show(self):
        each = self.updates * 1e3
        ours = statistics.median(mine for _, mine, *_ in self._turns) / each
        plain = statistics.median(whole - mine for whole, mine, *_ in self._turns) / each
        low, high = np.percentile([mine / each for _, mine, *_ in self._turns], [25, 75])
        print(
            f"{self._name:16} {plain / 1e3:8.1f} ms an update, hooks {ours:,.0f} µs (half of them {low:,.0f} to "
            f"{high:,.0f}): {ours / plain:.2%}; {len(self._turns) * self.updates} updates",
            file=sys.__stdout__,
        )
        names = {name for *_, calls in self._turns for name in calls}
        rows = []
        for name in names:
            calls = statistics.median(calls.get(name, 0) for *_, calls in self._turns) / self.updates
            spent = [one.get(name, 0) - self._own * calls.get(name, 0) for *_, one, calls in self._turns]
            rows.append((statistics.median(spent) / each, name, calls))
        for spent, name, calls in sorted(rows, reverse=True):
            print(f"    {name:18} {spent:9,.0f} µs in {calls:g} calls", file=sys.__stdout__)
        sys.__stdout__.flush()
