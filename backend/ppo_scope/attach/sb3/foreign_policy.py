"""A policy of Stable-Baselines3 or sb3-contrib as probes ask it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from math import prod
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from ppo_scope.attach.policy import AT_ONCE, Policy
from ppo_scope.attach.record import Habits
from ppo_scope.attach.sb3.parts import Parts, apart
from ppo_scope.ppo.distributions import Bernoulli, DiagonalGaussian
from ppo_scope.ppo.spaces import distribution_of
from ppo_scope.probes.record import Minibatch, Update
from ppo_scope.probes.subject import Distribution


class ForeignPolicy(Policy):
    """Of one model."""

    habits = Habits(clips_values_alone=True)
    names = {  # noqa: RUF012  # nobody writes to it
        "mlp_extractor.policy_net": "policy_trunk",
        "mlp_extractor.value_net": "value_trunk",
        "action_net": "policy_head",
        "value_net": "value_head",
        "log_std": "policy_free",
    }
    hooks = ("evaluate_actions",)

    def __init__(self, policy: Any, action_space: gym.Space[Any], parts: Parts | None = None) -> None:
        """`parts`: of observations that have several."""
        super().__init__(policy, _distribution_of(action_space, policy))
        self._policy, self._parts = policy, parts
        self.evaluate: Callable[..., Any] = policy.evaluate_actions
        """Without our hooks."""

    @property
    def shared(self) -> bool:
        """Whether the critic sits on the policy's layers: pictures go through the same ones."""
        extractor = self._policy.features_extractor
        return bool(self._policy.share_features_extractor and any(True for _ in extractor.parameters()))

    @property
    def activation(self) -> str:
        """tanh or relu, as far as that is what it is."""
        return "relu" if self._policy.activation_fn is nn.ReLU else "tanh"

    def _without_graph(self) -> dict[int, Any]:
        """The distribution that the policy has in hand."""
        held = getattr(self._policy, "action_dist", None)
        if held is None:
            return {}
        bare = copy.copy(held)
        for name in ("distribution", "distributions"):
            if hasattr(bare, name):
                setattr(bare, name, None)
        return {id(held): bare}

    def _put_out(self, module: Any, batch: Any, which: Tensor | None = None) -> Tensor:
        """[S, O]; of what a mask forbids, a logit of next to nothing."""
        observations, masks = batch.observations, batch.action_masks
        if which is not None:
            observations, masks = observations[which], None if masks is None else masks[which]
        made = []
        for start in range(0, len(observations), AT_ONCE):
            part = self._seen(observations[start : start + AT_ONCE])
            allowed = () if masks is None else (masks[start : start + AT_ONCE].to(self.device),)
            made.append(self._outputs(module.get_distribution(part, *allowed)).cpu())
        return torch.cat(made)

    def _values(self, module: Any, batch: Any) -> Tensor:
        parts = torch.split(batch.observations, AT_ONCE)
        return torch.cat([module.predict_values(self._seen(part)).flatten() for part in parts]).cpu()

    def _seen(self, observations: Tensor) -> Any:
        """As a policy takes them."""
        there = observations.to(self.device)
        return there if self._parts is None else apart(there, self._parts)

    def _evaluated(self, update: Update, minibatch: Minibatch) -> tuple[Tensor, Tensor, Tensor | None]:
        batch, device = update.batch, self.device
        assert batch is not None
        which = minibatch.samples[minibatch.trained]
        masks = {} if batch.action_masks is None else {"action_masks": batch.action_masks[which].to(device)}
        actions = batch.actions[which].to(device)
        if isinstance(self.distribution, Bernoulli):  # torch's takes no whole numbers
            actions = actions.float()
        seen = self._seen(batch.observations[which])
        found: tuple[Tensor, Tensor, Tensor | None] = self.evaluate(seen, actions, **masks)
        return found

    def _outputs(self, found: Any) -> Tensor:
        made = found.distributions if hasattr(found, "distributions") else found.distribution
        if isinstance(self.distribution, DiagonalGaussian):
            return torch.cat([made.mean, made.stddev.log()], dim=-1)
        if isinstance(made, list):  # of several choices
            return torch.cat([one.logits for one in made], dim=-1)
        logits: Tensor = made.logits
        return logits


def _distribution_of(space: gym.Space[Any], policy: Any) -> Distribution | None:
    if getattr(policy, "use_sde", False) or getattr(policy, "squash_output", False):
        return None
    if isinstance(space, gym.spaces.MultiBinary) and hasattr(policy.action_dist, "apply_masking"):
        space = gym.spaces.MultiDiscrete([2] * prod(space.shape))  # sb3-contrib has a choice of two for each
    try:
        return distribution_of(space)
    except ValueError:
        return None
