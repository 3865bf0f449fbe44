"""How far one step goes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import row_values

SEVERAL = 10
"""Updates of the step size `updates`."""
AT_LEAST = frozenset({"episodic_return_mean"})
"""Of these the limit itself is enough, as in "return ≥ 500": CartPole has no more to give. Others have to exceed it."""


Met = dict[str, Any] | None


class Goal(Protocol):
    """What the run goes on to."""

    phase_by_phase: bool
    """Whether each phase on the way is shown and kept, so that one can go back to it."""
    met: Met
    """Once reached, what was waited for: `quantity`, `above` (the limit), `value`, `update`; None: a mere length."""

    def reached(self, moment: Moment) -> bool:
        """Whether the run halts here; asked once about every phase."""
        ...


class NextPhase:
    """The end of the next phase, minibatch, epoch or update."""

    phase_by_phase = True
    met: Met = None

    def __init__(self, size: str) -> None:
        self._kind = None if size == "phase" else PhaseKind({"minibatch": "step"}.get(size, size))

    def reached(self, moment: Moment) -> bool:
        """See `Goal`."""
        return self._kind is None or moment.phase.kind is self._kind


class Updates:
    """The end of the n-th update from here."""

    phase_by_phase = False
    met: Met = None

    def __init__(self, count: int) -> None:
        self._left = count

    def reached(self, moment: Moment) -> bool:
        """See `Goal`."""
        self._left -= moment.phase.kind is PhaseKind.UPDATE
        return self._left == 0


@dataclass
class Until:
    """The end of the first update in which a quantity of the series passes a limit: see `AT_LEAST`.

    `not_finite` never does: it halts the run by itself.
    """

    quantity: str
    above: float
    met: Met = None
    phase_by_phase = False

    def reached(self, moment: Moment) -> bool:
        """See `Goal`."""
        if moment.phase.kind is not PhaseKind.UPDATE or self.quantity == "not_finite":
            return False
        value = row_values(moment).get(self.quantity, math.nan)
        if not (value >= self.above if self.quantity in AT_LEAST else value > self.above):
            return False
        self.met = {"quantity": self.quantity, "above": self.above, "value": value, "update": moment.update.index}
        return True


def goal_of(command: dict[str, Any]) -> Goal:
    """What a `step` command asks for."""
    if command["size"] == "until":
        return Until(command["until"]["quantity"], command["until"].get("above") or 0.0)
    return Updates(SEVERAL) if command["size"] == "updates" else NextPhase(command["size"])
