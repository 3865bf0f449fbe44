"""States of the trainer, kept before the rollouts of some updates, and these rollouts: a run can go on from a state
when all else is gone, and the update that followed can be made again, phase by phase, for whoever looks at it later.

Both are copies of some hundred kilobytes and go into the pipe like a frame, so their price is known: at full speed they
are sent once a second at most, and never so often that they cost more than `SHARE` of the time, or `RATE` of the disk.
"""

from __future__ import annotations

import time

import numpy as np

from ppo_scope.ppo.phases import Update
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.records import trees
from ppo_scope.wire.codes import Kind
from ppo_scope.worker.outlet import Outlet

EVERY = 1.0
"""Seconds between two states at full speed."""
SHARE = 0.01
"""Of the time, at most."""
RATE = 4e6
"""Bytes a second, at most: a rollout of images has many."""


class Keeping:
    """Of one run."""

    def __init__(self, trainer: Trainer, outlet: Outlet) -> None:
        self.wanted = False
        """Whether somebody keeps them."""
        self.every = 0
        """Updates after which one is kept whatever it costs; 0: never."""
        self._trainer, self._outlet = trainer, outlet
        self._kept: int | None = None  # the update before which the newest state was
        self._collected: int | None = None  # the update whose rollout is kept
        self._next = 0.0

    def before_update(self) -> None:
        """An update is about to begin: keep the state where it is time for that."""
        if time.monotonic() >= self._next or (self.every and self._trainer.updates % self.every == 0):
            self.keep()

    def keep(self, *, again: bool = False) -> None:
        """Keep the state now, if there is one (see `Trainer.state`) and it is not kept already; `again`: also then, for
        it may have become another one. Never raises.
        """
        update = self._trainer.updates + 1
        if not self.wanted or not self._trainer.keepable or (self._kept == update and not again):
            return
        start = time.monotonic()
        try:
            plain = trees.encode(self._trainer.state())
        except Exception as error:  # somebody's environment: its state is no business of the run's
            print(f"The state of the run cannot be kept: {type(error).__name__}: {error}", flush=True)
            self._next = float("inf")
            return
        self._kept = update
        self._send(Kind.STATE, update, plain, start)

    def collected(self, update: Update) -> None:
        """The rollout of an update is there: keep it with the state before it, if that is kept."""
        if self.wanted and self._kept == update.index:
            self._keep_rollout(update)

    def halted(self, update: Update) -> None:
        """An update was given up, and the trainer stands before it again: keep both, to look at why."""
        self.keep(again=True)
        if self.wanted and self._kept == update.index:
            self._keep_rollout(update)

    def keep_last(self) -> None:
        """The run rests behind an update, or ends: keep what that one is made again from. Never raises."""
        found = self._trainer.state_before() if self.wanted else None
        if found is None or self._collected == found[1].index:
            return
        state, update = found
        self._keep_rollout(update, state)

    def amended(self, update: Update) -> None:
        """An update has been made anew with other settings: it would be made again with these."""
        if self._collected == update.index:
            self._collected = None  # see `keep_last`

    def _keep_rollout(self, update: Update, state: trees.Tree = None) -> None:
        start = time.monotonic()
        self._collected = update.index
        made = {"settings": update.set_to.live(), "by_hand": sorted(update.by_hand), "attempt": update.attempt}
        plain = trees.encode({"state": state, "rollout": update.rollout.tree(), "made": made})
        self._send(Kind.ROLLOUT, update.index, plain, start, alone=state is not None)

    def _send(self, kind: Kind, before: int, plain: bytes, start: float, **more: bool) -> None:
        self._outlet.send(kind, {"state": np.frombuffer(plain, np.uint8)}, before=before, **more)
        now = time.monotonic()
        self._next = max(self._next, now + max(EVERY, (now - start) / SHARE, len(plain) / RATE))
