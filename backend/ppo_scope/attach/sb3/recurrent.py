"""RecurrentPPO of sb3-contrib: sequences that are filled up to one length, and a policy that remembers.

What fills up is left out of all that is told: a minibatch holds its transitions alone. The policy is judged over a
whole rollout, each environment one sequence from the state that it had at the rollout's start; a minibatch is judged
in the sequences that the loss took, from the states that they were collected with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from ppo_scope.attach.late import Brought, Kept
from ppo_scope.attach.record import Batch
from ppo_scope.attach.sb3.foreign_policy import ForeignPolicy
from ppo_scope.probes.record import Minibatch, Update

States = tuple[Tensor, Tensor]
"""Hidden and cell states."""


@dataclass
class RecurrentBatch(Batch):
    """With what it takes to judge it anew."""

    policy_states: States = field(default_factory=lambda: (torch.empty(0), torch.empty(0)))
    value_states: States = field(default_factory=lambda: (torch.empty(0), torch.empty(0)))
    """[M, layers, N, width], before each step."""
    starts: Tensor = field(default_factory=lambda: torch.empty(0))
    """[M, N]: 1 where an episode begins."""


def unpadded(data: Any) -> Brought:
    """A minibatch as it came, without what fills it up, in the order of its samples."""
    which = trained_of(data)
    columns = data.advantages, data.old_values, data.old_log_prob, data.returns
    return Brought(*(one[which] for one in columns))


def answers_of(data: Any, found: Kept) -> Kept:
    """What the policy makes of it, as `unpadded` and without a graph."""
    which = trained_of(data)
    values, log_prob, entropy = found
    kept = None if entropy is None else entropy.detach()[which]
    return values.detach().flatten()[which], log_prob.detach()[which], kept


def trained_of(data: Any) -> Tensor:
    """Places of what does not fill up."""
    trained: Tensor = data.mask > 1e-8
    return trained.nonzero().squeeze(1)


class RecurrentPolicy(ForeignPolicy):
    """Of one model."""

    def _put_out(self, module: Any, batch: Any, which: Tensor | None = None) -> Tensor:
        states, seen, starts = self._whole(batch, batch.policy_states)
        found, _ = module.get_distribution(seen, states, starts)
        outputs = _time_first(self._outputs(found).cpu(), batch.starts.shape[1])
        return outputs if which is None else outputs[which]

    def _values(self, module: Any, batch: Any) -> Tensor:
        states, seen, starts = self._whole(batch, batch.value_states)
        found = module.predict_values(seen, states, starts)
        return _time_first(found.flatten().cpu(), batch.starts.shape[1])

    def _whole(self, batch: Any, states: States) -> tuple[States, Any, Tensor]:
        """(states before the first step, observations, starts) [N·M, …]: one environment after the other."""
        rows, seen = batch.starts.shape[1], batch.observations
        by_row = seen.reshape(-1, rows, *seen.shape[1:]).transpose(0, 1).reshape(seen.shape)
        hidden, cell = (one[0].to(self.device) for one in states)
        return (hidden, cell), self._seen(by_row), batch.starts.T.reshape(-1).to(self.device)

    def _evaluated(self, update: Update, minibatch: Minibatch) -> tuple[Tensor, Tensor, Tensor | None]:
        from sb3_contrib.common.recurrent.type_aliases import RNNStates

        batch: Any = update.batch
        samples = minibatch.samples[minibatch.trained]
        steps, rows = samples // batch.starts.shape[1], samples % batch.starts.shape[1]
        begins = (batch.starts[steps, rows] > 0) | (steps == 0)
        begins[0] = True
        first = begins.nonzero().squeeze(1)
        lengths = torch.diff(first, append=torch.tensor([len(samples)])).tolist()

        def padded(found: Tensor) -> Tensor:
            return pad_sequence(list(torch.split(found, lengths)), batch_first=True).flatten(0, 1).to(self.device)

        def at_first(states: States) -> States:
            hidden, cell = (one[steps[first], :, rows[first]].transpose(0, 1).contiguous() for one in states)
            return hidden.to(self.device), cell.to(self.device)

        states = RNNStates(at_first(batch.policy_states), at_first(batch.value_states))
        seen, actions = self._seen(padded(batch.observations[samples])), padded(batch.actions[samples])
        values, log_prob, entropy = self.evaluate(seen, actions, states, padded(batch.starts[steps, rows]))
        which = padded(torch.ones(len(samples))).nonzero().squeeze(1)
        return values.flatten()[which], log_prob[which], None if entropy is None else entropy[which]


def _time_first(found: Tensor, rows: int) -> Tensor:
    """[N·M, …] as [M·N, …]."""
    return found.reshape(rows, -1, *found.shape[1:]).transpose(0, 1).reshape(found.shape)
