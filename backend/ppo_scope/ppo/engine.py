"""The loss engine: what it is given, what it gives, and what every one can do. `engines.py` has the two there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.ppo import losses
from ppo_scope.ppo.losses import Scalar

Floats = NDArray[np.float32]
Array = TypeVar("Array", Tensor, NDArray[Any])


class Sampled(Protocol):
    """Samples of a rollout, as a batch holds them: see `phases.Batch`."""

    @property
    def observations(self) -> Tensor:
        """[S, …], normalised"""
        ...

    @property
    def actions(self) -> Tensor:
        """[S, *action_shape]"""
        ...

    @property
    def outputs(self) -> Tensor | None:
        """[S, O], of π_old"""
        ...

    @property
    def log_probs(self) -> Tensor:
        """[S], log π_old(a|s)"""
        ...

    @property
    def values(self) -> Tensor:
        """[S], V_old(s)"""
        ...

    @property
    def targets(self) -> Tensor:
        """[S], V_targ"""
        ...

    @property
    def action_masks(self) -> Tensor | None:
        """[S, O] bool, where the environment says which actions are allowed."""
        ...


@dataclass(frozen=True)
class Samples(Generic[Array]):
    """What the loss of B samples needs to know. Arrays are [B] unless said otherwise."""

    observations: Array
    """[B, …], normalised"""
    actions: Array
    """[B, *action_shape]"""
    log_probs: Array
    """log π_old(a|s)"""
    values: Array
    """V_old(s)"""
    targets: Array
    """V_targ"""
    advantages: Array
    """as used in the loss"""
    weights: Array
    """of each sample: over those whose loss is asked for they sum to 1 over the transitions, and are 0 elsewhere"""
    outputs: Array | None = None
    """[B, O], of π_old; None where nobody asks for KL(π_old‖π)"""
    action_masks: Array | None = None
    """[B, O] bool, where not all actions are allowed"""

    def part(self, part: slice) -> Samples[Array]:
        """Some of them, where they lie."""
        return Samples(
            self.observations[part],
            self.actions[part],
            self.log_probs[part],
            self.values[part],
            self.targets[part],
            self.advantages[part],
            self.weights[part],
            None if self.outputs is None else self.outputs[part],
            None if self.action_masks is None else self.action_masks[part],
        )


def packed(
    batch: Sampled, order: Tensor, advantages: Tensor, weights: Tensor, *, with_kl: bool = False
) -> Samples[Tensor]:
    """The samples `order` [B] of a batch, with what the loss makes of their advantages [B] and their weights [B].

    `with_kl`: with what KL(π_old‖π) is found from.
    """
    return Samples(
        batch.observations[order],
        batch.actions[order],
        batch.log_probs[order],
        batch.values[order],
        batch.targets[order],
        advantages,
        weights,
        batch.outputs[order] if with_kl and batch.outputs is not None else None,
        None if batch.action_masks is None else batch.action_masks[order],
    )


def in_numpy(samples: Samples[Tensor]) -> Samples[NDArray[Any]]:
    """The same for NumPy; on the CPU nothing is copied."""
    return Samples(**{name: None if array is None else array.cpu().numpy() for name, array in vars(samples).items()})


class Made(Protocol):
    """What an update is made with, as far as its loss depends on it."""

    @property
    def objective(self) -> str:
        """clip, kl_penalty, unclipped, reinforce or actor_critic."""
        ...

    @property
    def clip_range(self) -> float:
        """ε"""
        ...

    @property
    def clip_range_high(self) -> float | None:
        """ε⁺, how far r may rise above 1; None: as far as it may fall, ε."""
        ...

    @property
    def ratio_cap(self) -> float | None:
        """c: where Â < 0, r counts no further; None: without a limit."""
        ...

    @property
    def value_coef(self) -> float:
        """c₁"""
        ...

    @property
    def entropy_coef(self) -> float:
        """c₂"""
        ...

    @property
    def value_clip_range(self) -> float | None:
        """How far V may move from V_old in L_VF; None: as far as it likes."""
        ...

    @property
    def kl_coef(self) -> float:
        """β, under the objective kl_penalty."""
        ...


def clip_edges(made: Made) -> losses.Edges:
    """Where the clip holds r, in numbers."""
    return losses.edges_of(made.clip_range, made.clip_range_high, made.ratio_cap)


@dataclass(frozen=True)
class Rule:
    """How the terms of the loss are formed and weighed."""

    objective: str
    clip_range: Scalar
    clip_range_high: Scalar | None
    ratio_cap: float | None
    value_coef: Scalar
    entropy_coef: Scalar
    value_clip_range: float | None
    kl_coef: Scalar = 0.0

    @classmethod
    def of(cls, made: Made) -> Rule:
        """That of an update."""
        return cls(
            made.objective,
            made.clip_range,
            made.clip_range_high,
            made.ratio_cap,
            made.value_coef,
            made.entropy_coef,
            made.value_clip_range,
            made.kl_coef,
        )

    @property
    def edges(self) -> losses.Edges:
        """Where the clip holds r."""
        return losses.edges_of(self.clip_range, self.clip_range_high, self.ratio_cap)

    @property
    def penalises(self) -> bool:
        """Whether KL(π_old‖π) is a part of the loss."""
        return self.objective == "kl_penalty"


@dataclass(frozen=True)
class InNumpy:
    """What the tensors of a loss lie on: who copies them has no need of torch."""

    outputs: NDArray[np.float32]
    values: NDArray[np.float32]
    logratio: NDArray[np.float32]
    terms: NDArray[np.float32]
    """[4]: L_PG, L_VF, S and L."""


@dataclass(frozen=True)
class Loss:
    """The loss of B samples and what it is made of, detached."""

    outputs: Tensor
    """[B, O]"""
    values: Tensor
    """[B]"""
    logratio: Tensor
    """[B]"""
    policy_loss: Tensor
    """[], L_PG"""
    value_loss: Tensor
    """[], L_VF"""
    entropy: Tensor
    """[], S"""
    loss: Tensor
    """[], L"""
    kl: Tensor | None
    """[], mean KL(π_old‖π); None where π_old's outputs are not known"""
    differentiate: Callable[[], Tensor]
    """dL/dθ [P]"""
    arrays: InNumpy | None = None
    """The same, where it was found in NumPy."""


class Engine(Protocol):
    """Finds the loss and its gradient under the weights as they are. All engines give the same but for rounding."""

    def losses(self, samples: Samples[Tensor], rule: Rule) -> Callable[[slice], Loss]:
        """What gives the loss of any part of these samples, as often as it is asked."""
        ...

    def gradients(self, samples: Samples[Tensor], rule: Rule) -> tuple[Floats, Floats, Floats]:
        """dL_PG/dθ, dL_VF/dθ and dS/dθ [P]."""
        ...

    def outputs(self, theta: Tensor, observations: Tensor, action_masks: Tensor | None = None) -> Tensor:
        """Policy outputs [B, O] of observations [B, …] under other weights θ [P]; no gradient.

        With `action_masks` [B, O], those of a policy that keeps to them.
        """
        ...
