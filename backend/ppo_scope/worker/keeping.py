"""States of the trainer, kept before the rollouts of some updates: a run can go on from them when all else is gone.

A state is a copy of some hundred kilobytes and goes into the pipe like a frame, so its price is known: at full speed
one is sent a second at most, and never so often that it costs more than `SHARE` of the time.
"""

from __future__ import annotations

import time

import numpy as np

from ppo_scope.ppo.trainer import Trainer
from ppo_scope.records import trees
from ppo_scope.wire.codes import Kind
from ppo_scope.worker.outlet import Outlet

EVERY = 1.0
"""Seconds between two states at full speed."""
SHARE = 0.01
"""Of the time, at most."""


class Keeping:
    """Of one run."""

    def __init__(self, trainer: Trainer, outlet: Outlet) -> None:
        self.wanted = False
        """Whether somebody keeps them."""
        self.every = 0
        """Updates after which one is kept whatever it costs; 0: never."""
        self._trainer, self._outlet = trainer, outlet
        self._kept: int | None = None  # the update before which the newest state was
        self._next = 0.0

    def before_update(self) -> None:
        """An update is about to begin: keep the state where it is time for that."""
        if time.monotonic() >= self._next or (self.every and self._trainer.updates % self.every == 0):
            self.keep()

    def keep(self, *, again: bool = False) -> None:
        """Keep the state now, if the trainer is between two updates and it is not kept already; `again`: also then, for
        it may have become another one. Never raises.
        """
        update = self._trainer.updates + 1
        if not self.wanted or self._trainer.under_way or (self._kept == update and not again):
            return
        start = time.monotonic()
        try:
            plain = trees.encode(self._trainer.state())
        except Exception as error:  # somebody's environment: its state is no business of the run's
            print(f"The state of the run cannot be kept: {type(error).__name__}: {error}", flush=True)
            self._next = float("inf")
            return
        self._outlet.send(Kind.STATE, {"state": np.frombuffer(plain, np.uint8)}, before=update)
        self._kept = update
        now = time.monotonic()
        self._next = now + max(EVERY, (now - start) / SHARE)
