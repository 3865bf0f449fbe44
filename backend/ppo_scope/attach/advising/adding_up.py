"""Whether what is told of a rollout adds up, by its own numbers: advantages of rewards, V and the ends of episodes.

Â_t = r_t + γ·V_{t+1}·(1 − terminated_t) − V_t + γ·λ·(1 − ended_t)·Â_{t+1}
G_t = r_t + γ·(1 − ended_t)·G_{t+1}
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
CLOSE = 1e-3
"""Of the largest."""
MOST = 0.9
"""Of the steps: where an episode is cut, scripts differ in what they add."""


class Told(NamedTuple):
    """Of a rollout, [M, N] each; None: not known."""

    rewards: Array
    """That the script adds up."""
    values: Array | None
    ends: Array | None
    terminated: Array | None
    """Where it is another one than `ends`."""
    advantages: Array | None
    returns: Array | None


def adds_up(told: Told, discount: float, gae_lambda: float | None) -> bool | None:
    """Whether these are what the script has made of each other; None: that cannot be said.

    Args:
        told: the arrays.
        discount: γ.
        gae_lambda: λ; None: returns are added up without V.
    """
    on = 1.0 if told.ends is None else 1.0 - told.ends
    going = on if told.terminated is None else 1.0 - told.terminated
    found = []
    if told.returns is not None:
        found.append(_follows(told.returns, told.rewards, discount * on))
    if told.values is not None and gae_lambda is not None:
        deltas = told.rewards + discount * _next(told.values) * going - told.values
        sums = [told.advantages, None if told.returns is None else told.returns - told.values]
        found += [_follows(one, deltas, discount * gae_lambda * on) for one in sums if one is not None]
    return any(found) if found else None


def _follows(sums: Array, terms: Array, decay: Array | float) -> bool:
    """Whether each is its term and what is left of the one that follows."""
    error = np.abs(sums - (terms + decay * _next(sums)))[:-1]
    return bool((error <= CLOSE * np.abs(sums).max()).mean() >= MOST) if len(error) else True


def _next(array: Array) -> Array:
    return np.concatenate([array[1:], array[-1:]])
