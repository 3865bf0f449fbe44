"""The record of a foreign loop's update, in the shapes that the probes read: `probes/record.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.ppo import by_hand, losses
from ppo_scope.ppo.settings import LIVE, Settings
from ppo_scope.probes.record import Bools, Floats, PhaseKind

UNKNOWN = torch.tensor(torch.nan)


@dataclass(frozen=True)
class Facts:
    """What an update is made with; see `probes.record.Facts`. What a loop does not have keeps its default."""

    clip_range: float
    value_coef: float
    entropy_coef: float
    num_envs: int
    rollout_steps: int
    epochs: int
    minibatches: int
    objective: str = "clip"
    learning_rate: float | None = None
    discount: float | None = None
    gae_lambda: float | None = None
    value_clip_range: float | None = None
    max_grad_norm: float | None = None
    target_kl: float | None = None
    normalize_advantages: str = "off"
    normalize_rewards: bool = False
    normalize_observations: bool = False
    shared_network: bool = False
    activation: str = "tanh"
    seed: int = 0
    kl_coef: float = 0.0
    kl_coef_target: float | None = None
    desired_kl: float | None = None
    learning_rate_min: float = 0.0
    learning_rate_max: float = 1.0
    anneal_learning_rate: bool = False
    anneal_clip_range: bool = False
    told: tuple[str, ...] = ()
    """Names of those that the loop has told; the others are not shown."""

    def live(self) -> dict[str, Any]:
        """What can change while a run goes on, by name, as far as the loop has told it."""
        return {name: getattr(self, name) for name in ("objective", *self.told) if name in LIVE}

    def all(self) -> dict[str, Any]:
        """Everything that the loop has told and our table of settings has."""
        names = ("objective", "num_envs", "rollout_steps", "epochs", "minibatches", *self.told)
        return {name: getattr(self, name) for name in names if name in Settings.model_fields}


@dataclass(frozen=True)
class Episode:
    """An episode that ended."""

    step: int
    episodic_return: float
    length: int


@dataclass
class Rollout:
    """M steps of N rows, time first."""

    observations: NDArray[Any]
    actions: NDArray[Any]
    rewards: Floats
    terminated: Bools
    truncated: Bools
    trained: Bools
    episodes: Sequence[Episode] = ()


@dataclass
class Batch:
    """A rollout as samples, time first. S = M·N."""

    observations: Tensor
    actions: Tensor
    outputs: Tensor | None
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    targets: Tensor
    action_masks: Tensor | None = None


@dataclass
class Minibatch:
    """Of an update, before its step. A smaller one than others is filled up with rows that are not trained."""

    epoch: int
    samples: Tensor
    trained: Tensor
    advantages: Tensor
    logratio: Tensor
    values: Tensor
    policy_loss: Tensor
    value_loss: Tensor
    entropy: Tensor
    loss: Tensor
    outputs: Tensor | None = None
    gradient_norm: Tensor | None = None


@dataclass
class Update:
    """As far as it has come."""

    index: int
    settings: Facts
    learning_rate: float
    rollout: Rollout
    batch: Batch | None
    theta_before: Tensor | None = None
    rewards: Floats | None = None
    deltas: Floats | None = None
    minibatches: list[Minibatch] = field(default_factory=list)
    stopped_by_kl: bool = False
    seconds_optimise: float = 0.0
    learning_rate_raised: int = 0
    learning_rate_lowered: int = 0
    learning_rate_pinned: int = 0

    @property
    def set_to(self) -> Facts:
        """As they were set; nothing moves them that we know of."""
        return self.settings

    def seconds(self) -> dict[str, float]:
        """Nobody has measured them."""
        return {}


@dataclass(frozen=True)
class Phase:
    """A moment between two operations of the loop."""

    kind: PhaseKind
    update: Update | None
    epoch: int = 0
    minibatch: int = 0


@dataclass(frozen=True)
class Seen:
    """What a minibatch brings, [B] each; None: the loop does not tell it."""

    epoch: int
    samples: NDArray[np.int64]
    log_prob: Floats
    old_log_prob: Floats
    advantages: Floats
    values: Floats | None
    old_values: Floats
    targets: Floats
    entropy: Floats | None
    value_losses: Floats | None = None
    """Where the loop clips V otherwise than we do."""


def minibatch_of(seen: Seen, facts: Facts, size: int) -> Minibatch:
    """The record of a minibatch, with its loss by our definitions; filled up to `size` rows."""
    logratio = seen.log_prob - seen.old_log_prob
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite shows as such
        policy, _ = by_hand.policy_loss(facts.objective, seen.log_prob, logratio, seen.advantages, facts.clip_range)
        l_pg = policy.mean(dtype=np.float64)
        l_vf = np.nan
        if seen.value_losses is not None:
            l_vf = seen.value_losses.mean(dtype=np.float64)
        elif seen.values is not None:
            value, _ = by_hand.value_loss(seen.values, seen.targets, seen.old_values, facts.value_clip_range)
            l_vf = value.mean(dtype=np.float64)
    entropy = np.nan if seen.entropy is None else seen.entropy.mean(dtype=np.float64)
    _, value_weight, entropy_weight = losses.term_weights(facts.value_coef, facts.entropy_coef)
    # A term whose coefficient is nothing adds nothing, known or not.
    terms = [(1.0, l_pg), (value_weight, l_vf), (entropy_weight, entropy)]
    loss = sum(weight * term for weight, term in terms if weight)
    count = len(seen.samples)

    def filled(found: NDArray[Any]) -> Tensor:
        if count < size:
            found = np.concatenate([found, np.repeat(found[:1], size - count, axis=0)])
        return torch.from_numpy(found)

    values = seen.values if seen.values is not None else seen.old_values
    return Minibatch(
        epoch=seen.epoch,
        samples=filled(seen.samples),
        trained=torch.arange(size) < count,
        advantages=filled(seen.advantages),
        logratio=filled(logratio),
        values=filled(values),
        policy_loss=torch.tensor(l_pg),
        value_loss=torch.tensor(l_vf),
        entropy=torch.tensor(entropy),
        loss=torch.tensor(loss),
    )
