"""How a loop of one's own says what its policy puts out, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ppo_scope.attach.arrays import Misshapen, samples_of, taken, taken_of
from ppo_scope.attach.refusing import is_of_nan
from ppo_scope.ppo.distributions import Categorical, DiagonalGaussian
from ppo_scope.probes.record import Batch
from ppo_scope.probes.subject import Distribution

Judge = Callable[[Any], tuple[Any, Any]]
"""(policy outputs [S, O], V [S]) of observations [S, …] under the weights as they are."""

KINDS = ("discrete", "gaussian")
OTHER_OUTPUTS = "outputs of judge has the shape {got}, and {want} is wanted: one row for each observation."
WIDTH = (
    "The policy puts out {got} numbers for each state, and policy='gaussian' with actions of {width} wants {want}: "
    "means, followed by log σ."
)
KIND = f"policy= is {' or '.join(map(repr, KINDS))}: what the outputs mean, logits or means followed by log σ."


class Judging:
    """Of one loop."""

    def __init__(self, kind: str | None, judge: Judge | None) -> None:
        """`kind`: of `KINDS`, or not known yet. `judge`: None: the loop cannot be asked.

        Raises:
            ValueError: there is no such kind.
        """
        if kind is not None and kind not in KINDS:
            raise ValueError(KIND)
        self.kind = kind
        self.distribution: Distribution | None = None
        """What the outputs mean; None: that is not known."""
        self.asks = judge is not None
        """Whether the loop can be asked."""
        self._judge = judge

    def learn(self, actions: Any, observations: Any, outputs: Any) -> None:
        """What the outputs mean, from the first rollout: actions [M, N, …], observations [M, N, …], outputs [M, N, O]
        where the loop hands them over.
        """
        count = None if outputs is None else taken(outputs).shape[-1]
        if count is None and self._judge is not None:
            count = taken(self._judge(observations[:1].reshape(-1, *observations.shape[2:]))[0]).shape[-1]
        if self.kind == "discrete" and count is not None:
            self.distribution = Categorical(count)
        elif self.kind == "gaussian":
            width = int(np.prod(actions.shape[2:]))
            if count is not None and count != 2 * width:
                raise Misshapen(WIDTH.format(got=count, width=width, want=2 * width))
            self.distribution = DiagonalGaussian(np.full(width, -np.inf), np.full(width, np.inf))

    @torch.no_grad()
    def now(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(outputs [S, O], V [S]) of a batch under the weights as they are."""
        assert self._judge is not None
        try:
            outputs, values = self._judge(batch.observations.numpy())
        except ValueError as error:
            if not is_of_nan(error) or batch.outputs is None:
                raise
            return torch.full_like(batch.outputs, torch.nan), torch.full_like(batch.values, torch.nan)
        found = samples_of(values, "values of judge", "one for each observation", len(batch.values))
        put_out = taken_of(outputs, "outputs of judge", np.float32)
        if put_out.ndim != 2 or len(put_out) != len(found):
            raise Misshapen(OTHER_OUTPUTS.format(got=put_out.shape, want=f"({len(found)}, O)"))
        return torch.from_numpy(put_out), torch.from_numpy(found)

    def after(self, batch: Any) -> tuple[Tensor, Tensor]:
        """The same of what an update has led to, found once."""
        return batch.told_after or self.now(batch)
