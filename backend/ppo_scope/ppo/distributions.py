"""What a policy's outputs mean as a distribution over actions: log π, entropy, KL and samples.

Every distribution acts by adding noise to its parameters, drawn for a whole rollout at once. The noise is all the
randomness of acting, so a run depends on one generator, whatever is watched meanwhile.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]
Actions = NDArray[np.int64]


class Distribution(Protocol):
    """A family of distributions over one action space."""

    size: int
    """How many numbers the policy puts out per observation."""
    max_entropy: float | None
    """The largest entropy there is, where there is one."""

    def noise(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """The randomness of acting: [*shape, size]."""
        ...

    def act(self, outputs: Floats, noise: Floats) -> Actions:
        """One action per row of outputs [N, size] and noise [N, size]: [N]."""
        ...

    def to_environment(self, actions: Actions) -> Actions:
        """Actions as stored → actions as the environment wants them."""
        ...

    def evaluate(self, outputs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """(log π(a|s) [B], entropy [B]) of outputs [B, size] and actions [B]."""
        ...

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """Exact KL(π_old ‖ π_new) [...] of outputs [..., size]."""
        ...


class Categorical:
    """One of n actions; the outputs are logits."""

    def __init__(self, n: int, start: int = 0) -> None:
        self.size = n
        self.start = start
        self.max_entropy: float | None = float(np.log(n))

    def noise(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Standard Gumbel noise: the argmax of logits plus it is a sample of softmax(logits)."""
        # Exponentials by inversion in float32 are several times cheaper than generator.gumbel, which is float64 only.
        return -np.log(generator.standard_exponential((*shape, self.size), dtype=np.float32))

    def act(self, outputs: Floats, noise: Floats) -> Actions:
        """Sample by the Gumbel-max trick."""
        actions: Actions = (outputs + noise).argmax(axis=-1)
        return actions

    def to_environment(self, actions: Actions) -> Actions:
        """Discrete spaces may count from another number than 0."""
        return actions + self.start if self.start else actions

    def evaluate(self, outputs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Both from one log-softmax."""
        log_probs = torch.log_softmax(outputs, dim=-1)
        entropy = -(log_probs.exp() * log_probs).sum(-1)
        return log_probs.gather(-1, actions.unsqueeze(-1)).squeeze(-1), entropy

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """Σ_a π_old(a)·(log π_old(a) − log π_new(a))."""
        log_old, log_new = torch.log_softmax(old, dim=-1), torch.log_softmax(new, dim=-1)
        return (log_old.exp() * (log_old - log_new)).sum(-1)
