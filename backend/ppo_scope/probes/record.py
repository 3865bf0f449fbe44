"""What a probe reads of an update: the record that grows with it, whoever keeps it.

Our own trainer's records (`ppo/phases.py`, `ppo/rollout.py`) are of these shapes; another loop brings its own. S = M·N
samples, flattened time first: sample t·N + n is row n at step t. Rows are environments and their steps, or sequences
and their tokens. B samples make a minibatch; O is how many numbers the policy puts out, P how many weights there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.ppo.engine import Sampled
from ppo_scope.ppo.phases import PhaseKind as PhaseKind
from ppo_scope.probes.facts import Facts

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


class Episode(Protocol):
    """An episode that ended."""

    @property
    def step(self) -> int:
        """The step of the run at which it did."""
        ...

    @property
    def episodic_return(self) -> float:
        """Its rewards, summed up."""
        ...

    @property
    def length(self) -> int:
        """In steps."""
        ...


class Rollout(Protocol):
    """M steps of N rows, time first."""

    @property
    def observations(self) -> NDArray[Any]:
        """[M + 1, N, …], or [M, N, …] of a loop that does not keep the last ones."""
        ...

    @property
    def actions(self) -> NDArray[Any]:
        """[M, N, *action_shape], as the policy drew them."""
        ...

    @property
    def rewards(self) -> Floats:
        """[M, N], as the environment gave them."""
        ...

    @property
    def terminated(self) -> Bools:
        """[M, N]"""
        ...

    @property
    def truncated(self) -> Bools:
        """[M, N]"""
        ...

    @property
    def trained(self) -> Bools:
        """[M, N]; False on rows that are no transitions: autoreset, padding."""
        ...

    @property
    def episodes(self) -> Sequence[Episode]:
        """Those that ended in it, in order of time."""
        ...


class Batch(Sampled, Protocol):
    """A rollout as samples: what their loss is found from, and their advantages as they were estimated.

    `observations` are as the networks see them; `outputs` are None where they were not kept, and follow the action
    masks where there are some; `values` are all NaN where there is no critic.
    """

    @property
    def advantages(self) -> Tensor:
        """[S], Â, raw"""
        ...


class Minibatch(Protocol):
    """One minibatch of an update, before its step."""

    @property
    def epoch(self) -> int:
        """From 1 on."""
        ...

    @property
    def samples(self) -> Tensor:
        """[B], which samples of the batch."""
        ...

    @property
    def trained(self) -> Tensor:
        """[B] bool"""
        ...

    @property
    def advantages(self) -> Tensor:
        """[B], as used in the loss."""
        ...

    @property
    def logratio(self) -> Tensor:
        """[B], log r"""
        ...

    @property
    def outputs(self) -> Tensor | None:
        """[B, O], of the policy as it was then; None where they were not kept."""
        ...

    @property
    def values(self) -> Tensor:
        """[B], V"""
        ...

    @property
    def policy_loss(self) -> Tensor:
        """[], L_PG"""
        ...

    @property
    def value_loss(self) -> Tensor:
        """[], L_VF"""
        ...

    @property
    def entropy(self) -> Tensor:
        """[], S"""
        ...

    @property
    def loss(self) -> Tensor:
        """[], L"""
        ...

    @property
    def penalty(self) -> Tensor | None:
        """[], β·KL to a reference policy, a term of L; None where the loss has none."""
        ...

    @property
    def gradient_norm(self) -> Tensor | None:
        """[], before it is cut off; None before the gradient is known."""
        ...


class Update(Protocol):
    """Everything about one update, as far as it has come."""

    @property
    def index(self) -> int:
        """From 1 on."""
        ...

    @property
    def settings(self) -> Facts:
        """What it is made with: coefficients as they are in force."""
        ...

    @property
    def set_to(self) -> Facts:
        """The same with coefficients as they were set, where something moves them."""
        ...

    @property
    def learning_rate(self) -> float:
        """α"""
        ...

    @property
    def learning_rate_raised(self) -> int:
        """Before how many steps `desired_kl` has raised it."""
        ...

    @property
    def learning_rate_lowered(self) -> int:
        """So lowered."""
        ...

    @property
    def learning_rate_pinned(self) -> int:
        """Before how many it would have, but for a bound."""
        ...

    @property
    def rollout(self) -> Rollout:
        """What it learns from."""
        ...

    @property
    def theta_before(self) -> Tensor | None:
        """[P], the weights that collected; None where they were not kept."""
        ...

    @property
    def batch(self) -> Batch | None:
        """None before its advantages are estimated."""
        ...

    @property
    def rewards(self) -> Floats | None:
        """[M, N] as the advantages took them."""
        ...

    @property
    def deltas(self) -> Floats | None:
        """[M, N] δ"""
        ...

    @property
    def minibatches(self) -> Sequence[Minibatch]:
        """So far, in the order of training."""
        ...

    @property
    def stopped_by_kl(self) -> bool:
        """Whether target_kl has ended its epochs."""
        ...

    @property
    def seconds_optimise(self) -> float:
        """Of all epochs so far."""
        ...

    def seconds(self) -> Mapping[str, float]:
        """What each part has taken so far, as far as that is known."""
        ...


class Phase(Protocol):
    """A moment between two operations of the algorithm."""

    @property
    def kind(self) -> PhaseKind:
        """What has just been done."""
        ...

    @property
    def update(self) -> Update | None:
        """None before the first."""
        ...

    @property
    def epoch(self) -> int:
        """From 1 on; 0 outside of them."""
        ...

    @property
    def minibatch(self) -> int:
        """From 1 on; 0 outside of them."""
        ...

    @property
    def lengths(self) -> tuple[int, int]:
        """Epochs of the update, and minibatches of an epoch; 0: not known yet."""
        ...
