"""RecurrentPPO of sb3-contrib: sequences that are filled up to one length, and a policy that remembers.

What fills up is left out of all that is told: a minibatch holds its transitions alone. The policy is judged over a
whole rollout, each environment one sequence from the state that it had at the rollout's start.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ppo_scope.attach.record import Batch, Told
from ppo_scope.attach.sb3.foreign_policy import ForeignPolicy
from ppo_scope.probes.record import Minibatch, Update

States = tuple[Tensor, Tensor]
"""Hidden and cell states [layers, N, width]."""


@dataclass
class RecurrentBatch(Batch):
    """With what it takes to judge it anew."""

    policy_states: States = field(default_factory=lambda: (torch.empty(0), torch.empty(0)))
    value_states: States = field(default_factory=lambda: (torch.empty(0), torch.empty(0)))
    """Before the first step."""
    starts: Tensor = field(default_factory=lambda: torch.empty(0))
    """[N·M], environment by environment: 1 where an episode begins."""

    def begin(self, buffer: Any) -> None:
        """Take the states that a rollout began with from its buffer."""
        names = ("hidden_states_pi", "cell_states_pi", "hidden_states_vf", "cell_states_vf")
        states = [torch.from_numpy(getattr(buffer, name)[0].copy()) for name in names]
        self.policy_states, self.value_states = (states[0], states[1]), (states[2], states[3])
        self.starts = torch.from_numpy(np.ascontiguousarray(buffer.episode_starts.T.reshape(-1)))


class Unpadded(NamedTuple):
    """A minibatch [B] without what fills it up, and as it came."""

    old_values: Tensor
    old_log_prob: Tensor
    advantages: Tensor
    returns: Tensor
    padded: Any
    mask: Tensor


def unpadded(data: Any, found: Any) -> tuple[Unpadded, tuple[Tensor, Tensor, Tensor | None]]:
    """A minibatch and what the policy makes of it, in the order of its samples."""
    mask = data.mask > 1e-8
    values, log_prob, entropy = found
    brought = Unpadded(
        old_values=data.old_values[mask],
        old_log_prob=data.old_log_prob[mask],
        advantages=data.advantages[mask],
        returns=data.returns[mask],
        padded=data,
        mask=mask,
    )
    return brought, (values.flatten()[mask], log_prob[mask], None if entropy is None else entropy[mask])


class RecurrentPolicy(ForeignPolicy):
    """Of one model."""

    def _put_out(self, module: Any, batch: Any, which: Tensor | None = None) -> Tensor:
        states = tuple(one.to(self.device) for one in batch.policy_states)
        sequences, starts = self._sequences(batch)
        found, _ = module.get_distribution(sequences, states, starts)
        outputs = _time_first(self._outputs(found).cpu(), states[0].shape[1])
        return outputs if which is None else outputs[which]

    def _values(self, module: Any, batch: Any) -> Tensor:
        states = tuple(one.to(self.device) for one in batch.value_states)
        sequences, starts = self._sequences(batch)
        found = module.predict_values(sequences, states, starts)
        return _time_first(found.flatten().cpu(), states[0].shape[1])

    def _sequences(self, batch: Any) -> tuple[Tensor, Tensor]:
        """(observations, starts) [N·M, …]: one environment after the other."""
        rows, seen = batch.policy_states[0].shape[1], batch.observations
        by_row = seen.reshape(-1, rows, *seen.shape[1:]).transpose(0, 1).reshape(seen.shape)
        return by_row.to(self.device), batch.starts.to(self.device)

    def _evaluated(self, update: Update, minibatch: Minibatch) -> tuple[Tensor, Tensor, Tensor | None]:
        told: Any = update
        place = next(place for place, one in enumerate(update.minibatches) if one is minibatch)
        one = told.told[place]
        assert isinstance(one, Told)
        data, mask = one.data.padded, one.data.mask
        actions = data.actions.long().flatten() if update.batch and update.batch.actions.ndim == 1 else data.actions
        found = self.evaluate(data.observations, actions, data.lstm_states, data.episode_starts)
        values, log_prob, entropy = found
        return values.flatten()[mask], log_prob[mask], None if entropy is None else entropy[mask]


def _time_first(found: Tensor, rows: int) -> Tensor:
    """[N·M, …] as [M·N, …]."""
    return found.reshape(rows, -1, *found.shape[1:]).transpose(0, 1).reshape(found.shape)
