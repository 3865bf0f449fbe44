"""The phases of an update, and the record that grows with them: what the trainer tells whoever looks on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.ppo.engine import InNumpy
from ppo_scope.ppo.rollout import Floats, Rollout
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.spaces import Observations


class PhaseKind(StrEnum):
    """What has just been done."""

    READY = "ready"
    ROLLOUT = "rollout"
    ADVANTAGES = "advantages"
    LOSS = "loss"
    GRADIENT = "gradient"
    STEP = "step"
    EPOCH = "epoch"
    UPDATE = "update"


@dataclass(frozen=True)
class Change:
    """A setting that changed while the run went on; `update` is the first one made with the new value."""

    update: int
    name: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Judged:
    """A rollout of M steps in N environments, S = M·N samples, as the networks that collected it see it."""

    observations: Observations
    """[S, …], normalised"""
    actions: Tensor
    """[S, *action_shape]"""
    outputs: Tensor
    """[S, O]"""
    log_probs: Tensor
    """[S]"""
    values: Floats
    """[M + 1, N], of the states in the rows"""
    next_values: Floats
    """[M, N], of the state that each step led to"""
    action_masks: Tensor | None = None
    """[S, O] bool, which actions were allowed; None where the environment does not say. `outputs` are so already."""


@dataclass
class Batch:
    """A rollout as samples, flattened time first: sample t·N + n is environment n at step t. S = M·N."""

    observations: Tensor
    """[S, …], normalised"""
    actions: Tensor
    """[S, *action_shape]"""
    trained: Tensor
    """[S] bool"""
    outputs: Tensor
    """[S, A], of the policy that collected."""
    log_probs: Tensor
    """[S], log π_old(a|s)"""
    values: Tensor
    """[S], V_old(s)"""
    advantages: Tensor
    """[S], raw: Â, or under the objective reinforce the return to go G, which takes its place in the loss"""
    targets: Tensor
    """[S], V_targ = Â + V_old, by the generalised advantage estimate under every objective"""
    action_masks: Tensor | None = None
    """[S, O] bool, which actions were allowed; None where the environment does not say. Outputs, those of minibatches
    too, are `masks.FORBIDDEN` where one is not."""


@dataclass
class Minibatch:
    """One minibatch of an update, before its step: what went into the loss and what came out of it. B samples."""

    epoch: int
    index: int
    samples: Tensor
    """[B], which samples of the batch"""
    trained: Tensor
    """[B] bool"""
    advantages: Tensor
    """[B], as used in the loss"""
    logratio: Tensor
    """[B], log r"""
    outputs: Tensor
    """[B, A], of the policy as it is now"""
    values: Tensor
    """[B], V of the critic as it is now"""
    policy_loss: Tensor
    """[], L_PG"""
    value_loss: Tensor
    """[], L_VF"""
    entropy: Tensor
    """[], S"""
    loss: Tensor
    """[], L"""
    penalty: ClassVar[None] = None
    """Of no KL to a third policy: see `probes.record.Minibatch`."""
    kl: Tensor | None
    """[], mean KL(π_old‖π); None where neither the objective nor `desired_kl` asks for it."""
    differentiate: Callable[[], Tensor]
    """dL/dθ [P]; can be asked for until the gradient phase, which takes it."""
    gradient_norm: Tensor | None = None
    """[], before clipping; None until the gradient phase, and where target_kl stopped the update."""
    arrays: InNumpy | None = None
    """What its loss was found as, where that was in NumPy."""


@dataclass(frozen=True)
class Pass:
    """What the minibatches of an epoch are parts of, on the CPU."""

    samples: NDArray[np.int64]
    """[S]"""
    trained: NDArray[np.bool_]
    """[minibatches, B]"""
    advantages: NDArray[np.float32]
    """[S]"""


@dataclass
class Update:
    """Everything about one update, as far as it has come."""

    index: int
    settings: Settings
    """With ε, c₂ and β as in force: annealed and adapted."""
    learning_rate: float
    """α as in force; with `desired_kl` that of the last step so far."""
    rollout: Rollout
    theta_before: Tensor
    judged: Judged | None = None
    """Before its advantages are estimated, None."""
    batch: Batch | None = None
    rewards: Floats | None = None
    """[M, N] as the advantages took them: scaled, where rewards are normalised."""
    deltas: Floats | None = None
    """[M, N] δ, which the advantages were accumulated from; of scaled rewards, where rewards are normalised"""
    minibatches: list[Minibatch] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)
    """One for each epoch so far; none on another device than the CPU."""
    attempt: int = 1
    """Of this index: an update that is abandoned is begun again, on another rollout, under the same index."""
    stopped_by_kl: bool = False
    chosen: Settings | None = None
    """As they were set; None: those in force."""
    by_hand: frozenset[str] = frozenset()
    """The settings that were changed as it began."""
    learning_rate_raised: int = 0
    """Before how many steps `desired_kl` has raised α."""
    learning_rate_lowered: int = 0
    """So lowered."""
    learning_rate_pinned: int = 0
    """Before how many it would have, but α stood at its bound."""
    seconds_advantages: float = 0.0
    seconds_shuffle: float = 0.0
    """Of bringing the batch into a new order, epoch by epoch."""
    seconds_forward: float = 0.0
    seconds_backward: float = 0.0
    seconds_step: float = 0.0

    @property
    def set_to(self) -> Settings:
        """The settings as they were set, neither annealed nor adapted."""
        return self.chosen or self.settings

    def seconds(self) -> dict[str, float]:
        """What each part has taken so far."""
        return {
            "environment": self.rollout.seconds_environment,
            "inference": self.rollout.seconds_inference,
            "advantages": self.seconds_advantages,
            "shuffle": self.seconds_shuffle,
            "forward": self.seconds_forward,
            "backward": self.seconds_backward,
            "step": self.seconds_step,
        }

    @property
    def seconds_optimise(self) -> float:
        """Of all epochs so far."""
        return self.seconds_shuffle + self.seconds_forward + self.seconds_backward + self.seconds_step


@dataclass(frozen=True)
class Phase:
    """A moment between two operations of the algorithm."""

    kind: PhaseKind
    update: Update | None
    epoch: int = 0
    minibatch: int = 0

    @property
    def lengths(self) -> tuple[int, int]:
        """Epochs of the update, and minibatches of an epoch; 0 before the first."""
        return (self.update.settings.epochs, self.update.settings.minibatches) if self.update else (0, 0)
