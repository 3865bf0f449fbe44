"""The weights on their way to whoever acts with them: seldom enough that training does not notice."""

from __future__ import annotations

import time
from typing import Any

from numpy.typing import NDArray

from ppo_scope.ppo.trainer import Trainer

SECONDS = 0.2
"""Least time between two sendings."""
BYTES_A_SECOND = 4e6
"""Large networks are sent less often."""


class Weights:
    """Of one trainer: sent while somebody wants them, where they have changed since the last time."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._wanted = False
        self._changed = True
        self._not_before = 0.0

    def want(self, wanted: bool) -> None:
        """Whether somebody acts with them; who has just begun gets them anew."""
        self._wanted, self._changed = wanted, True

    def changed(self) -> None:
        """The trainer has gone on."""
        self._changed = True

    def seconds_until_due(self, longest: float) -> float:
        """How long it is until they may be sent, `longest` at most."""
        if not (self._wanted and self._changed):
            return longest
        return min(longest, max(0.0, self._not_before - time.monotonic()))

    def due(self) -> dict[str, NDArray[Any]] | None:
        """θ [P], and the observation statistics where there are any; None where nothing is to be sent now."""
        if not (self._wanted and self._changed) or time.monotonic() < self._not_before:
            return None
        network = self._trainer.network
        found: dict[str, NDArray[Any]] = {"theta": network.theta.detach().cpu().numpy()}
        if network.observation_mean is not None and network.observation_deviation is not None:
            found["observation_mean"] = network.observation_mean
            found["observation_deviation"] = network.observation_deviation
        self._changed = False
        size = sum(array.nbytes for array in found.values())
        self._not_before = time.monotonic() + max(SECONDS, size / BYTES_A_SECOND)
        return found
