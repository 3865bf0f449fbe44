"""Advantage estimation: from rewards and values of a rollout, M steps of N environments, to Â and returns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


def residuals(rewards: Floats, values: Floats, next_values: Floats, terminated: Bools, discount: float) -> Floats:
    """Temporal difference residuals [M, N]: δ_t = R_t + γ·V(s_{t+1})·(1 − terminated_t) − V(s_t).

    A terminated episode is worth nothing after its end; a truncated one would have gone on, so it bootstraps from the
    value of its last state. In NEXT_STEP autoreset that state is the next row's observation; in SAME_STEP it is not.
    The row after an episode's end gets a number too, which in NEXT_STEP means nothing: it is no transition.

    Args:
        rewards: [M, N], as the environment gave them.
        values: [M, N], V_old(s_t), by the critic of the policy that collected.
        next_values: [M, N], V_old of the state that step t led to, be it an episode's last.
        terminated: [M, N].
        discount: γ.
    """
    # Single precision throughout: a Python float would be weighed in as double where NumPy meets booleans.
    return rewards + np.float32(discount) * next_values * ~terminated - values


def accumulated(deltas: Floats, terminated: Bools, truncated: Bools, discount: float, gae_lambda: float) -> Floats:
    """Â_t = δ_t + γλ·(1 − done_t)·Â_{t+1} [M, N], where done is terminated or truncated; of deltas and flags [M, N]."""
    decays = np.float32(discount * gae_lambda) * ~(terminated | truncated)
    advantages = np.empty_like(deltas)
    following = np.zeros_like(deltas[0])
    for delta, decay, advantage in zip(deltas[::-1], decays[::-1], advantages[::-1], strict=True):
        np.multiply(decay, following, out=advantage)
        advantage += delta
        following = advantage
    return advantages


def gae(
    rewards: Floats,
    values: Floats,
    next_values: Floats,
    terminated: Bools,
    truncated: Bools,
    discount: float,
    gae_lambda: float,
) -> Floats:
    """Generalised advantage estimates Â [M, N]: the residuals, accumulated.

    Source: Schulman et al. 2016, equations 11 to 16.
    """
    deltas = residuals(rewards, values, next_values, terminated, discount)
    return accumulated(deltas, terminated, truncated, discount, gae_lambda)


def returns_to_go(rewards: Floats, terminated: Bools, truncated: Bools, discount: float) -> Floats:
    """G_t = R_t + γ·R_{t+1} + … [M, N], up to the episode's end or the rollout's edge.

    What lies beyond a truncation or the edge is unknown, and without a critic there is nothing to estimate it by: it
    counts as 0.
    """
    nothing = np.zeros_like(rewards)
    return gae(rewards, nothing, nothing, terminated, truncated, discount, 1.0)
