"""Estimates of KL(π_old‖π_θ) by the samples of π_old (Schulman 2020), as a loss may have them in it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
ESTIMATES: dict[str, tuple[Callable[[Numbers], Numbers], Callable[[Numbers], Numbers]]] = {
    "k1": (lambda logratio: -logratio, lambda logratio: -np.ones_like(logratio)),
    "k2": (lambda logratio: np.square(logratio) / 2, lambda logratio: logratio),
    "k3": (lambda logratio: np.expm1(logratio) - logratio, np.expm1),
}
"""Of a sample, by its log r, and its derivative by log π."""
OF_WHAT = {"k1": "−log r", "k2": "(log r)² ⁄ 2", "k3": "r − 1 − log r"}
"""In symbols."""
