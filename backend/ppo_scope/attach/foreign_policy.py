"""A policy of Stable-Baselines3 as probes ask it: nothing that they ask moves a weight, a generator or a gradient."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor, nn

from ppo_scope.attach.record import Habits, value_losses
from ppo_scope.ppo import losses
from ppo_scope.ppo.distributions import DiagonalGaussian
from ppo_scope.ppo.spaces import distribution_of
from ppo_scope.probes.record import Batch, Floats, Minibatch, Update
from ppo_scope.probes.subject import Abilities, Distribution

AT_ONCE = 1024
"""Samples that are judged together: pictures take their room."""
HABITS = Habits(clips_values_alone=True)

NAMES = {
    "mlp_extractor.policy_net": "policy_trunk",
    "mlp_extractor.value_net": "value_trunk",
    "action_net": "policy_head",
    "value_net": "value_head",
    "log_std": "policy_free",
}
"""Of its layers, as we call ours."""


class ForeignPolicy:
    """Of one model."""

    def __init__(self, policy: Any, action_space: gym.Space[Any]) -> None:
        self._policy = policy
        self._copy: Any = None  # for weights that the policy does not have
        self.evaluate: Callable[..., Any] = policy.evaluate_actions
        """Without our hooks."""
        self.distribution: Distribution | None = _distribution_of(action_space, policy)
        self._parameters = [one for one in policy.parameters() if one.requires_grad]

    @property
    def shared(self) -> bool:
        """Whether the critic sits on the policy's layers: pictures go through the same ones."""
        extractor = self._policy.features_extractor
        return bool(self._policy.share_features_extractor and any(True for _ in extractor.parameters()))

    @property
    def activation(self) -> str:
        """tanh or relu, as far as that is what it is."""
        return "relu" if self._policy.activation_fn is nn.ReLU else "tanh"

    def __getstate__(self) -> dict[str, Any]:
        """Without the copy, which can be made again."""
        return {**vars(self), "_copy": None}

    def abilities(self) -> Abilities:
        """What it can be asked."""
        known = self.distribution is not None
        return Abilities(
            judge=self.judge if known else None,
            judge_between=self.judge_between if known else None,
            theta=self.theta,
            parts=self.parts,
            differentiate=self.differentiate if known else None,
        )

    def judge(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(outputs [S, O], V [S]) under the present weights."""
        with self._as_acting(), torch.no_grad():
            outputs = self._put_out(self._policy, batch.observations, batch.action_masks)
            parts = torch.split(batch.observations, AT_ONCE)
            values = [self._policy.predict_values(part.to(self._policy.device)).flatten() for part in parts]
        return outputs, torch.cat(values).cpu()

    def outputs_at(self, batch: Batch, theta: Tensor) -> Tensor:
        """[S, O] of a batch's states under other weights, by a copy of the policy."""
        policy = self._other(theta)
        with torch.no_grad():
            return self._put_out(policy, batch.observations, batch.action_masks)

    def judge_between(self, update: Update, samples: Tensor, factors: Sequence[float]) -> Tensor:
        """[F·B, O] at θ_old + f·(θ − θ_old), by a copy of the policy."""
        assert update.batch is not None and update.theta_before is not None
        observations, now, masks = update.batch.observations[samples], self.theta(), update.batch.action_masks
        masks = None if masks is None else masks[samples]
        found = []
        with torch.no_grad():
            for factor in factors:
                policy = self._other(torch.lerp(update.theta_before, now, factor))
                found.append(self._put_out(policy, observations, masks))
        return torch.cat(found)

    def become(self, theta: Tensor, buffers: Sequence[Tensor]) -> None:
        """Take over these weights; for a policy that nobody trains."""
        with torch.no_grad():
            nn.utils.vector_to_parameters(theta, self._parameters)
            for own, other in zip(self._policy.buffers(), buffers, strict=True):
                own.copy_(other)

    def buffers(self) -> list[Tensor]:
        """What its layers gather beside the weights."""
        return [one.detach().cpu() for one in self._policy.buffers()]

    def _without_graph(self) -> dict[int, Any]:
        """The distribution that the policy has in hand hangs on the loss, and what hangs on one cannot be copied."""
        held = getattr(self._policy, "action_dist", None)
        if held is None:
            return {}
        bare = copy.copy(held)
        for name in ("distribution", "distributions"):
            if hasattr(bare, name):
                setattr(bare, name, None)
        return {id(held): bare}

    def _other(self, theta: Tensor) -> Any:
        """A copy of the policy that has these weights."""
        if self._copy is None:
            self._copy = copy.deepcopy(self._policy, self._without_graph())
            vars(self._copy).pop("evaluate_actions", None)  # our hook, where it was copied with it
            self._copy.train(False)
        with torch.no_grad():
            mine = [one for one in self._copy.parameters() if one.requires_grad]
            nn.utils.vector_to_parameters(theta.to(self._policy.device), mine)
        return self._copy

    def theta(self) -> Tensor:
        """[P], a copy."""
        return torch.cat([one.detach().reshape(-1) for one in self._parameters]).cpu()

    def parts(self) -> dict[str, slice]:
        """Which part of θ is which parameter."""
        found, start = {}, 0
        for name, one in self._policy.named_parameters():
            if one.requires_grad:
                theirs = next((theirs for theirs in NAMES if name.startswith(theirs)), None)
                ours = name if theirs is None else NAMES[theirs] + name.removeprefix(theirs)
                found[ours] = slice(start, start + one.numel())
                start += one.numel()
        return found

    def differentiate(self, update: Update, minibatch: Minibatch) -> Sequence[Floats]:
        """dL_PG/dθ, dL_VF/dθ and dS/dθ [P]: of a forward pass of its own, so that nothing of the loop's is touched."""
        batch, settings = update.batch, update.settings
        assert batch is not None
        which = minibatch.samples[minibatch.trained]
        device = self._policy.device
        observations, actions = batch.observations[which].to(device), batch.actions[which].to(device)
        used = minibatch.advantages[minibatch.trained].to(device)
        with self._as_it_is(), torch.enable_grad():
            masks = {} if batch.action_masks is None else {"action_masks": batch.action_masks[which].to(device)}
            values, log_prob, entropy = self.evaluate(observations, actions, **masks)
            ratio = torch.exp(log_prob - batch.log_probs[which].to(device))
            policy = losses.clipped_policy_loss(ratio, used, settings.clip_range).mean()
            targets, old = batch.targets[which].to(device), batch.values[which].to(device)
            value = value_losses(values.flatten(), targets, old, settings.value_clip_range, HABITS).mean()
            spread = -log_prob.mean() if entropy is None else entropy.mean()
            return [self._gradient(term) for term in (policy, value, spread)]

    def _gradient(self, term: Tensor) -> Floats:
        found = torch.autograd.grad(term, self._parameters, retain_graph=True, allow_unused=True)
        parts = [
            torch.zeros_like(one) if gradient is None else gradient  # type: ignore[redundant-expr]  # of what a term does not reach
            for one, gradient in zip(self._parameters, found, strict=True)
        ]
        gradient: Floats = torch.cat([part.reshape(-1) for part in parts]).cpu().numpy()
        return gradient

    def _put_out(self, policy: Any, observations: Tensor, masks: Tensor | None) -> Tensor:
        """[S, O]; of what a mask forbids, a logit of next to nothing."""
        made = []
        for start in range(0, len(observations), AT_ONCE):
            part = observations[start : start + AT_ONCE].to(self._policy.device)
            allowed = () if masks is None else (masks[start : start + AT_ONCE].to(self._policy.device),)
            made.append(self._outputs(policy.get_distribution(part, *allowed)).cpu())
        return torch.cat(made)

    def _outputs(self, found: Any) -> Tensor:
        made = found.distributions if hasattr(found, "distributions") else found.distribution
        if isinstance(self.distribution, DiagonalGaussian):
            return torch.cat([made.mean, made.stddev.log()], dim=-1)
        if isinstance(made, list):  # of several choices
            return torch.cat([one.logits for one in made], dim=-1)
        logits: Tensor = made.logits
        return logits

    @contextlib.contextmanager
    def _as_acting(self) -> Iterator[None]:
        """Without dropout and without moving what normalisation has gathered."""
        modes = [(part, part.training) for part in self._policy.modules()]
        self._policy.train(False)
        try:
            yield
        finally:
            for part, mode in modes:
                part.training = mode

    @contextlib.contextmanager
    def _as_it_is(self) -> Iterator[None]:
        """The same, and the generators stay where they are."""
        with self._as_acting(), torch.random.fork_rng():
            yield


def _distribution_of(space: gym.Space[Any], policy: Any) -> Distribution | None:
    if getattr(policy, "use_sde", False) or getattr(policy, "squash_output", False):
        return None
    try:
        return distribution_of(space)
    except ValueError:
        return None
