"""What a loop of one's own tells, for who measures it in another process: nothing but that can be asked there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from ppo_scope.attach.record import text_of
from ppo_scope.probes.subject import Abilities, Distribution

Losses = list[dict[str, float]]


class ToldPolicy:
    """Of one loop, in the loop or beside it."""

    def __init__(self, distribution: Distribution | None, told: Abilities, losses: Callable[[], Losses]) -> None:
        """`told`: what the loop can be asked; `losses`: those of the update at hand, by its own code."""
        self.distribution = distribution
        self._judges, self._reads = told.judge is not None, told.text is not None
        self._losses = losses
        self._update: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """Without what only the loop has."""
        return {**vars(self), "_losses": list}

    # In the loop

    def theta(self) -> None:
        """It does not hand out its weights."""

    def buffers(self) -> list[Tensor]:
        """Nor what its layers gather."""
        return []

    def losses(self) -> Losses:
        """See `task.Weighed`."""
        return [dict(one) for one in self._losses()]

    # Beside it

    def after(self, task: Any, update: Any, theta: Tensor | None, buffers: Sequence[Tensor]) -> None:
        """See `desk.Measured`."""
        self._losses = lambda: task.losses

    def abilities(self) -> Abilities:
        """What has come with the update."""
        return Abilities(
            judge=self._judged if self._judges else None,
            losses_told=self._losses,
            text=text_of if self._reads else None,
        )

    @staticmethod
    def _judged(batch: Any) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = batch.told_after
        return found
