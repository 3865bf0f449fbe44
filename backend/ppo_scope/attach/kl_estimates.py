"""The KL between π_old and π_θ as a loss may have it: estimated by samples of π_old (Schulman 2020), or exact."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.ppo.distributions import Distribution

Numbers = NDArray[np.float64]


ESTIMATES: dict[str, tuple[Callable[[Numbers], Numbers], Callable[[Numbers], Numbers]]] = {
    "k1": (lambda logratio: -logratio, lambda logratio: -np.ones_like(logratio)),
    "k2": (lambda logratio: np.square(logratio) / 2, lambda logratio: logratio),
    "k3": (lambda logratio: np.expm1(logratio) - logratio, np.expm1),
}
"""Of a sample, by its log r, and its derivative by log π."""
OF_WHAT = {"k1": "−log r", "k2": "(log r)² ⁄ 2", "k3": "r − 1 − log r"}
"""In symbols."""
EITHER, FORWARD, REVERSE = "kl", "kl_forward", "kl_reverse"
EXACT = {EITHER: "KL", FORWARD: "KL(π_old‖π_θ)", REVERSE: "KL(π_θ‖π_old)"}
"""Of the distributions, and not of a sample's r. The first: in which direction is not told, as where both come to the
same.
"""


def exact_kl(distribution: Distribution, old: Tensor, new: Tensor, estimate: str) -> Tensor:
    """[B] of outputs [B, O], in double precision: near r = 1 it is a difference of numbers that are nearly the same."""
    one, other = (new, old) if estimate == REVERSE else (old, new)
    return distribution.divergence(one.double(), other.double())


def symbol_of(estimate: str) -> str:
    """What β is multiplied with."""
    return EXACT.get(estimate, estimate)
