"""What a loop of one's own tells, for who measures it in another process: nothing but that can be asked there.

Of a loop that can be asked for its weights, and for the gradient of each term, both are told as they are at the end of
an update, the latter where somebody looks at it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ppo_scope.attach.record import text_of
from ppo_scope.probes.record import Floats, Minibatch, Update
from ppo_scope.probes.subject import Abilities, Distribution

Losses = list[dict[str, float]]
GRADIENTS = "gradients"
"""The probe that asks for them."""
NO_GRADIENT = "the loop's loss could not be differentiated a second time"


class ToldPolicy:
    """Of one loop, in the loop or beside it."""

    def __init__(self, distribution: Distribution | None, told: Abilities, losses: Callable[[], Losses]) -> None:
        """`told`: what the loop can be asked; `losses`: those of the update at hand, by its own code."""
        self.distribution = distribution
        self._answered = True  # of the update at hand, where it is asked
        self._judges, self._reads = told.judge is not None, told.text is not None
        self._losses, self._told = losses, told
        self._parts = None if told.parts is None else told.parts()
        self._theta: Tensor | None = None
        self._gradients: list[Floats] = []

    def __getstate__(self) -> dict[str, Any]:
        """Without what only the loop has."""
        return {**vars(self), "_losses": list, "_told": None}

    # In the loop

    def theta(self) -> Tensor | None:
        """See `task.Weighed`."""
        return None if self._told.theta is None else self._told.theta()

    def besides(self, update: Any, probes: frozenset[str]) -> list[Tensor]:
        """The gradient of each term, where it is looked at."""
        if self._told.differentiate is None or GRADIENTS not in probes or not update.told:
            return []
        try:
            return [torch.from_numpy(one) for one in self._told.differentiate(update, update.minibatches[-1])]
        except Exception:  # the probe is told, which fails for it
            return [torch.empty(0)]

    def losses(self) -> Losses:
        """See `task.Weighed`."""
        return [dict(one) for one in self._losses()]

    # Beside it

    def after(self, task: Any, update: Any, theta: Tensor | None, besides: Sequence[Tensor]) -> None:
        """See `desk.Measured`."""
        self._losses, self._theta = lambda: task.losses, theta
        self._answered = update.batch.told_after is not None
        self._gradients = [one.numpy() for one in besides]

    def abilities(self) -> Abilities:
        """What has come with the update."""
        return Abilities(
            judge=self._judged if self._judges and self._answered else None,
            losses_told=self._losses,
            text=text_of if self._reads else None,
            theta=None if self._theta is None else self._weights,
            parts=None if self._parts is None else self._parts.copy,
            differentiate=self._differentiated if self._gradients else None,
        )

    def _weights(self) -> Tensor:
        assert self._theta is not None
        return self._theta

    def _differentiated(self, _: Update, __: Minibatch) -> Sequence[Floats]:
        if not self._gradients[0].size:
            raise RuntimeError(NO_GRADIENT)
        return self._gradients

    @staticmethod
    def _judged(batch: Any) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = batch.told_after
        return found
