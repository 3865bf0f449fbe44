"""Whom the probes look at: what is true of it, and what it can be asked to do.

Our own trainer can do all of it (`trainers.py`); somebody else's loop what its adapter has found a way to. A probe that
asks for something that is missing is told so, and its panel says it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.probes.record import Batch, Episode, Floats, Minibatch, Phase, Update

T = TypeVar("T")

Hidden = tuple[list[Floats], list[Floats]]
"""What the layers before the heads make of B states, [B, width] each: the policy's, and the critic's own."""

WORDS = {
    "judge": "tell the policy and V of a state under the present weights",
    "judge_between": "tell the policy under other weights",
    "theta": "hand out its weights",
    "parts": "tell which weights belong to which layer",
    "differentiate": "take the gradient of each term of the loss",
    "differentiate_each": "take the gradient of a single sample",
    "hidden": "hand out what its layers make of a state",
    "enters": "tell what its first layer is given",
    "typical_gradient": "hand out what Adam remembers of the gradients",
    "losses_told": "tell its own losses",
    "observations_counted": "tell what its observations are normalised by",
    "draw": "hand out its environments",
    "redo": "make an update anew",
    "change": "change a setting while it runs",
    "wait": "be halted between two phases",
    "text": "tell the text of its tokens",
    "critic": "have a critic",
    "outputs": "tell what the policy put out for each sample",
    "distribution": "tell what the policy's outputs mean",
}
"""What a loop that lacks it cannot do. The last three are facts that may be missing."""


class Lacking(Exception):
    """A probe needs what its subject cannot do or does not tell; the message is a sentence for the panel."""

    def __init__(self, what: str) -> None:
        super().__init__(f"Not shown for this run: its training loop does not {WORDS[what]}.")


class Distribution(Protocol):
    """What a policy's outputs mean, as far as any probe asks; `policy` draws the families of `ppo/distributions.py`."""

    @property
    def max_entropy(self) -> float | None:
        """The largest entropy there is, where there is one."""
        ...

    def evaluate(self, outputs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """(log π(a|s) [B], entropy [B]) of outputs [B, O] and actions [B, *action_shape]."""
        ...

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """KL(old‖new) [B] of outputs [B, O]."""
        ...


@dataclass(frozen=True)
class Abilities:
    """What a loop can be asked to do. None is what it cannot. Nothing that is asked moves its weights or generators,
    but for `redo`, `change` and `wait`, which no probe asks for.
    """

    judge: Callable[[Batch], tuple[Tensor, Tensor]] | None = None
    """(policy outputs [S, O], V [S]) of a batch's states under the present weights; no gradient."""
    judge_between: Callable[[Update, Tensor, Sequence[float]], Tensor] | None = None
    """[F·B, O], policy outputs of these samples [B] at θ_old + f·(θ − θ_old), for each of F factors f."""
    theta: Callable[[], Tensor] | None = None
    """[P], the present weights, without gradient."""
    parts: Callable[[], dict[str, slice]] | None = None
    """Which part of θ, and of its gradient, is which parameter; named like policy_trunk.0.weight."""
    differentiate: Callable[[Update, Minibatch], Sequence[Floats]] | None = None
    """dL_PG/dθ, dL_VF/dθ and dS/dθ [P] of a minibatch under the present weights, and d(β·KL)/dθ where L has that."""
    differentiate_each: Callable[[Update, Floats], Sequence[Floats]] | None = None
    """The norms [S] of each sample's own gradients of L_PG, c₁·L_VF, −c₂·S and L, from Â as used [S]."""
    hidden: Callable[[Floats], Hidden] | None = None
    """Of observations [B, D] under the present weights; the critic's is empty where it has no layers of its own."""
    enters: Callable[[Batch, NDArray[np.int64]], Floats | None] | None = None
    """[B, D], what the first layer of weights is given of these samples; None: it is none of numbers in a row."""
    typical_gradient: Callable[[], Floats] | None = None
    """[P], Adam's √v̂."""
    losses_told: Callable[[], Sequence[Mapping[str, float]]] | None = None
    """What the loop's own loss came to at each minibatch of this update: loss, policy_loss, value_loss, where told."""
    observations_counted: Callable[[], tuple[float, float] | None] | None = None
    """(how many observations the moving statistics that normalise them have seen, how many the policy has learned
    from); None where they stand still."""
    draw: Callable[[], gym.vector.VectorEnv[Any, Any, Any]] | None = None
    """Its environments, whose states pictures are drawn from."""
    redo: Callable[..., Any] | None = None
    """The last update made anew with other settings."""
    change: Callable[[str, Any], None] | None = None
    """Change a live setting from the next update on."""
    wait: Callable[[], Iterator[Phase]] | None = None
    """The loop, phase by phase: it waits for as long as nobody asks for the next one."""
    text: Callable[[Update, NDArray[np.int32]], list[list[str]]] | None = None
    """Of a language model, whose rows are sequences and whose steps are tokens: what each token of these rows says."""


class Subject(Protocol):
    """A training loop, to probes. What an update is made with stands in its record (`facts.Facts`)."""

    @property
    def env(self) -> str:
        """The environment's id; what is known of it by name is told of its observations and actions."""
        ...

    @property
    def observation_space(self) -> gym.Space[Any] | None:
        """Of one environment."""
        ...

    @property
    def observation(self) -> str:
        """That space in words."""
        ...

    @property
    def is_image(self) -> bool:
        """Whether the networks see pictures."""
        ...

    @property
    def distribution(self) -> Distribution | None:
        """What the policy's outputs mean."""
        ...

    @property
    def reward_threshold(self) -> float | None:
        """A return that counts as solved."""
        ...

    @property
    def time_limit(self) -> int | None:
        """Steps after which its environment cuts an episode, where that is known."""
        ...

    @property
    def steps(self) -> int:
        """Transitions trained on so far."""
        ...

    @property
    def episodes(self) -> Sequence[Episode]:
        """The latest, of which means are taken."""
        ...

    @property
    def abilities(self) -> Abilities:
        """What it can be asked to do."""
        ...


def needed(found: T | None, what: str) -> T:
    """What a probe cannot do without.

    Raises:
        Lacking: it is not there.
    """
    if found is None:
        raise Lacking(what)
    return found
