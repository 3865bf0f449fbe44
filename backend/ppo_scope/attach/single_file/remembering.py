"""The agent of a script that remembers, as CleanRL's with an LSTM: asked for whole environments, from their start.

A minibatch of such a script holds some environments with all their steps, time first. The policy is judged over a
whole rollout, from the states that its LSTM had when it began.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ppo_scope.attach.record import Batch
from ppo_scope.attach.single_file.agent import Agent, asked, meant_by, put_together
from ppo_scope.attach.single_file.optimizers import agent_in
from ppo_scope.probes.record import Minibatch, Update

STATES, STARTS = "initial_lstm_state", "b_dones"
"""What the script calls the states before the first step, and where an episode begins."""
OF_LSTM = 2
"""States: the hidden one and the cell's."""


@dataclass
class RememberedBatch(Batch):
    """With what it takes to judge it anew."""

    states: tuple[Tensor, ...] = ()
    """[layers, N, width] each, before the first step."""
    starts: Tensor = field(default_factory=lambda: torch.empty(0))
    """[S], 1 where an episode begins."""


class RememberingAgent(Agent):
    """Of one script."""

    @classmethod
    def in_sequences(
        cls, variables: Mapping[str, Any], observations: Tensor, actions: Tensor, samples: Tensor, log_prob: Tensor
    ) -> RememberingAgent | None:
        """The agent, where it tells `log_prob` [B] of these samples of a rollout [S, …]; None: it does not."""
        module, states, starts = agent_in(variables), variables.get(STATES), variables.get(STARTS)
        if module is None or not isinstance(states, tuple) or not isinstance(starts, Tensor):
            return None
        if len(states) != OF_LSTM:
            return None
        made = cls(module, None)
        rows = states[0].shape[1]
        try:
            with made._as_it_is(), torch.no_grad():
                given = _sequences(states, starts, samples, rows)
                found, outputs = asked(module, observations[samples], actions[samples], *given)
        except Exception:  # an agent that is called otherwise
            return None
        made.distribution = meant_by(outputs, actions[samples], found[1], log_prob.detach())
        return None if made.distribution is None else made

    def _put_out(self, module: Any, batch: Any, which: Tensor | None = None) -> Tensor:
        outputs = self._asked(module, batch, torch.arange(len(batch.values)))[1]
        assert outputs is not None
        found = put_together(outputs).cpu()
        return found if which is None else found[which]

    def _values(self, module: Any, batch: Any) -> Tensor:
        return self._asked(module, batch, torch.arange(len(batch.values)))[0][0].cpu()

    def _evaluated(self, update: Update, minibatch: Minibatch) -> tuple[Tensor, Tensor, Tensor | None]:
        found: tuple[Tensor, Tensor, Tensor] = self._asked(
            self._module, update.batch, minibatch.samples[minibatch.trained]
        )[0]
        return found

    def _asked(self, module: Any, batch: Any, samples: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], Any]:
        device, rows = self.device, batch.states[0].shape[1]
        states = tuple(one.to(device) for one in batch.states)
        given = _sequences(states, batch.starts.to(device), samples.to(device), rows)
        return asked(module, batch.observations[samples].to(device), batch.actions[samples].to(device), *given)


def _sequences(
    states: tuple[Tensor, ...], starts: Tensor, samples: Tensor, rows: int
) -> tuple[tuple[Tensor, ...], Tensor]:
    """(states, starts) of the environments whose steps these samples are, in the order of their first step."""
    steps = len(starts) // rows
    chosen = samples[: len(samples) // steps] % rows
    return tuple(one[:, chosen].contiguous() for one in states), starts[samples]
