"""The loss of a minibatch and its gradient, derived by hand and computed in NumPy.

`losses.py` says what the loss is, and torch differentiates it: for images and on a GPU that is how it is done. With
small networks on the CPU nearly all of that time would go into dispatching tiny operations, hence this. A test holds
both equal for every space and objective.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.ppo.dense import Dense
from ppo_scope.ppo.distributions import Distribution, Pullback
from ppo_scope.ppo.losses import LARGEST_LOGRATIO, edges, ratio_in_numpy

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Samples:
    """What the loss of B samples needs to know. Arrays are [B] unless said otherwise."""

    observations: Floats
    """[B, D], normalised"""
    actions: NDArray[Any]
    """[B, *action_shape]"""
    log_probs: Floats
    """log π_old(a|s)"""
    values: Floats
    """V_old(s)"""
    advantages: Floats
    """as used in the loss"""
    targets: Floats
    """V_targ"""
    weights: Floats
    """summing to 1 over the transitions, 0 elsewhere"""


@dataclass(frozen=True)
class Rule:
    """How the terms are formed and weighed."""

    objective: str
    clip_range: float
    value_coef: float
    entropy_coef: float
    value_clip_range: float | None


@dataclass
class Terms:
    """The loss and what it is made of."""

    outputs: Floats
    """[B, O]"""
    values: Floats
    """[B]"""
    logratio: Floats
    """[B]"""
    scalars: Floats
    """[4]: L_PG, L_VF, S, L"""
    # What the way back needs: dL/d log π [B], dL/dV [B], and the layers and the distribution as they were.
    d_log_probs: Floats
    d_values: Floats
    d_entropies: Floats
    pullback: Pullback
    policy_hidden: list[Floats]
    value_hidden: list[Floats]


def forward(dense: Dense, distribution: Distribution, samples: Samples, rule: Rule) -> Terms:
    """The terms of the loss, and their derivatives by log π, V and the entropies."""
    w = samples.weights
    outputs, values, policy_hidden, value_hidden = dense.forward(samples.observations)
    log_probs, entropies, pullback = distribution.differentiable(outputs, samples.actions)
    logratio = log_probs - samples.log_probs
    policy_losses, slopes = _policy_loss(rule, log_probs, logratio, samples.advantages)
    value_losses, value_slopes = _value_loss(values, samples.targets, samples.values, rule.value_clip_range)
    policy_loss, value_loss, entropy = policy_losses @ w, value_losses @ w, entropies @ w
    loss = policy_loss + rule.value_coef * value_loss - rule.entropy_coef * entropy
    return Terms(
        outputs=outputs,
        values=values,
        logratio=logratio,
        scalars=np.array([policy_loss, value_loss, entropy, loss], np.float32),
        d_log_probs=slopes * w,
        d_values=value_slopes * (w * np.float32(rule.value_coef)),
        d_entropies=w * np.float32(-rule.entropy_coef),
        pullback=pullback,
        policy_hidden=policy_hidden,
        value_hidden=value_hidden,
    )


def backward(dense: Dense, terms: Terms) -> Floats:
    """dL/dθ [P]"""
    d_outputs = terms.pullback(terms.d_log_probs, terms.d_entropies)
    return dense.backward(terms.policy_hidden, terms.value_hidden, d_outputs, terms.d_values)


def _policy_loss(rule: Rule, log_probs: Floats, logratio: Floats, advantages: Floats) -> tuple[Floats, Floats]:
    """(L_PG per sample, its derivative by log π)."""
    if rule.objective in ("reinforce", "actor_critic"):
        return -advantages * log_probs, -advantages
    ratio = ratio_in_numpy(logratio)
    unclipped = -advantages * ratio
    slopes = unclipped * (logratio <= LARGEST_LOGRATIO)  # dr/d log π = r
    if rule.objective == "unclipped":
        return unclipped, slopes
    low, high = map(np.float32, edges(rule.clip_range))
    clipped = -advantages * np.minimum(np.maximum(ratio, low), high)
    # Where the clipped term is the larger one it is a constant: the sample is held.
    return np.maximum(unclipped, clipped), slopes * (clipped <= unclipped)


def _value_loss(values: Floats, targets: Floats, old: Floats, clip_range: float | None) -> tuple[Floats, Floats]:
    """(L_VF per sample, its derivative by V)."""
    errors = values - targets
    unclipped, slopes = np.square(errors), 2 * errors
    if clip_range is None:
        return unclipped, slopes
    limit, moved = np.float32(clip_range), values - old
    clipped = np.square(old + np.minimum(np.maximum(moved, -limit), limit) - targets)
    # Within the limit both are the same but for rounding, which must not decide whether the gradient flows.
    constant = (clipped > unclipped) & (np.abs(moved) > limit)
    return np.maximum(unclipped, clipped), slopes * ~constant
