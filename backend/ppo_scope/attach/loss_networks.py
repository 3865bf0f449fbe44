"""The networks of a `ClipPPOLoss`, as probes ask them: nothing of it moves a weight, a generator or a gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch import distributions as families

from ppo_scope.probes.record import Batch, Floats

NAMES = ("actor_network_params", "critic_network_params")


class LossNetworks:
    """Of one loss."""

    def __init__(self, loss: Any) -> None:
        self._loss = loss
        self.own = [
            (name, one) for name, one in loss.named_parameters() if one.requires_grad and name.startswith(NAMES)
        ]
        """Its weights, by name."""
        self.pure = not any(name.startswith(NAMES) for name, _ in loss.named_buffers())
        """Whether a pass through them leaves nothing behind."""
        self.shapes: list[tuple[Any, tuple[int, ...]]] = []
        """What the actor reads, by key."""

    def policy(self, data: Any) -> tuple[str | None, Tensor | None]:
        """(kind of its outputs, the outputs [S, O]) in these states, under the weights as they are."""
        if not self.pure:
            return None, None
        with torch.no_grad(), torch.random.fork_rng():
            found = self._distribution(data)
        base = getattr(found, "base_dist", found)
        if isinstance(found, families.Categorical | families.OneHotCategorical) and hasattr(found, "logits"):
            return "discrete", found.logits.float().cpu()
        if isinstance(found, families.Normal | families.Independent) and isinstance(base, families.Normal):
            return "gaussian", torch.cat([base.loc, base.scale.log()], -1).float().cpu()
        return None, None

    def _distribution(self, data: Any) -> Any:
        actor, parameters = self._loss.actor_network, self._loss.actor_network_params
        if not self._loss.functional:
            return actor.get_dist(data)
        with parameters.to_module(actor):
            return actor.get_dist(data)

    def judge(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(outputs [S, O], V [S]) under the present weights."""
        from tensordict import TensorDict

        parts = torch.split(batch.observations, [int(np.prod(shape)) for _, shape in self.shapes], 1)
        states = {key: part.reshape(-1, *shape) for (key, shape), part in zip(self.shapes, parts, strict=True)}
        device = self.own[0][1].device
        data = TensorDict(states, [len(batch.values)]).to(device)
        _, outputs = self.policy(data)
        assert outputs is not None
        critic = self._loss.critic_network
        if critic is None or self._loss.critic_coeff is None:
            return outputs, torch.full((len(outputs),), torch.nan)
        with torch.no_grad(), torch.random.fork_rng():
            if self._loss.functional:
                with self._loss.critic_network_params.to_module(critic):
                    found = critic(data)
            else:
                found = critic(data)
        return outputs, found.get(self._loss.tensor_keys.value).reshape(-1).float().cpu()

    def theta(self) -> Tensor:
        """[P], a copy."""
        return torch.cat([one.detach().reshape(-1).cpu() for _, one in self.own])

    def parts(self) -> dict[str, slice]:
        """Which part of θ is which parameter."""
        found, start = {}, 0
        for name, one in self.own:
            whose, *rest = name.split(".")
            trunk = "policy_trunk" if whose.startswith("actor") else "value_trunk"
            ours = ".".join([trunk, *(word for word in rest if word != "module" and not word.startswith("_"))])
            found[ours] = slice(start, start + one.numel())
            start += one.numel()
        return found

    def gradient(self, term: Tensor | None) -> Floats:
        """[P], of one term of the loss; None: there is none."""
        own = [one for _, one in self.own]
        found: Sequence[Tensor | None] = [None] * len(own)
        if term is not None:
            found = torch.autograd.grad(term.mean(), own, retain_graph=True, allow_unused=True)
        parts = [torch.zeros_like(one) if got is None else got for one, got in zip(own, found, strict=True)]
        gradient: Floats = torch.cat([part.reshape(-1) for part in parts]).cpu().numpy()
        return gradient
