"""Actor and critic of rsl_rl, as probes ask them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor, nn

from ppo_scope.attach.policy import AT_ONCE, Policy
from ppo_scope.ppo.distributions import DiagonalGaussian
from ppo_scope.probes.record import Minibatch
from ppo_scope.probes.record import Update as AnyUpdate

GAUSSIAN = ("GaussianDistribution", "HeteroscedasticGaussianDistribution")


class ActorCritic(Policy):
    """Their actor and critic."""

    names = {"actor": "policy_trunk", "critic": "value_trunk"}  # noqa: RUF012  # nobody writes to it
    _module: Any

    def __init__(self, algorithm: Any) -> None:
        gaussian = type(algorithm.actor.distribution).__name__ in GAUSSIAN
        width = algorithm.storage.actions.shape[-1]
        known = DiagonalGaussian(np.full(width, -np.inf), np.full(width, np.inf)) if gaussian else None
        super().__init__(nn.ModuleDict({"actor": algorithm.actor, "critic": algorithm.critic}), known)

    def _without_graph(self) -> dict[int, Any]:
        """The distribution that the actor has in hand."""
        held = vars(self._module["actor"].distribution).values()
        return {id(one): None for one in held if isinstance(one, torch.distributions.Distribution)}

    def _put_out(self, module: Any, batch: Any, which: Tensor | None = None) -> Tensor:
        seen = _seen(batch, slice(None) if which is None else which)
        actor, made = module["actor"], []
        with _kept(actor):
            for part in seen.split(AT_ONCE):
                actor(part, stochastic_output=True)
                mean, spread = actor.output_mean, actor.output_std
                made.append(torch.cat([mean, spread.log().expand_as(mean)], -1).cpu())
        return torch.cat(made)

    def _values(self, module: Any, batch: Any) -> Tensor:
        return torch.cat([module["critic"](part).flatten().cpu() for part in _seen(batch, slice(None)).split(AT_ONCE)])

    def _evaluated(self, update: AnyUpdate, minibatch: Minibatch) -> tuple[Tensor, Tensor, Tensor | None]:
        batch: Any = update.batch
        which = minibatch.samples[minibatch.trained]
        actor, seen = self._module["actor"], _seen(batch, which)
        with _kept(actor):
            actor(seen, stochastic_output=True)
            log_prob = actor.distribution.log_prob(batch.actions[which].to(self.device))
            entropy = actor.output_entropy
            return self._module["critic"](seen).flatten(), log_prob, entropy


@contextlib.contextmanager
def _kept(actor: Any) -> Iterator[None]:
    """The distribution that the actor has in hand stays in its hand: the loss may not have been made of it yet."""
    before = dict(vars(actor.distribution))
    try:
        yield
    finally:
        vars(actor.distribution).update(before)


def _seen(batch: Any, which: Tensor | slice) -> TensorDict:
    """What the networks see, which may be several groups of numbers, of these samples."""
    return TensorDict({name: one[which] for name, one in batch.groups.items()}, len(batch.values[which]))
