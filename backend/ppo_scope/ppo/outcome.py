"""What an update came to, so that it can be looked at and returned to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ppo_scope.ppo.leashes import Adapted
from ppo_scope.ppo.normalization import RewardScale
from ppo_scope.ppo.phases import Phase, PhaseKind, Update


@dataclass(frozen=True)
class OptimisationPosition:
    """Everything that the steps of an update move."""

    theta: Tensor
    """[P]"""
    adam: dict[str, Tensor]
    """Its moments, and how many steps it has made."""
    shuffling: dict[str, Any]
    """The state of the generator of orders: the same samples meet again in the same minibatches."""


@dataclass(frozen=True)
class Position:
    """Where a trainer is between two updates, but for its environments."""

    optimisation: OptimisationPosition
    reward_scale: RewardScale | None
    adapted: Adapted


@dataclass(frozen=True)
class Outcome:
    """An update, and where it has led."""

    update: Update
    position: Position

    @property
    def phase(self) -> Phase:
        """Its end."""
        last = self.update.minibatches[-1]
        return Phase(PhaseKind.UPDATE, self.update, last.epoch, last.index)
