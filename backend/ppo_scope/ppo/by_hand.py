"""The loss of a minibatch and its gradient, derived by hand and computed in NumPy.

`losses.py` says what the loss is; `engines.py`, where this is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.ppo.dense import Dense
from ppo_scope.ppo.distributions import Distribution, Pullback
from ppo_scope.ppo.engine import Floats, Rule, Samples
from ppo_scope.ppo.losses import LARGEST_LOGRATIO, UNCLIPPED, Edges, ratio_in_numpy, total
from ppo_scope.ppo.masks import forbid


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
    kl: float | None
    """Mean KL(π_old‖π), where π_old's outputs are known."""
    # What the way back needs: dL/d log π [B], dL/dV [B], and the layers and the distribution as they were.
    d_log_probs: Floats
    d_values: Floats
    d_entropies: Floats
    d_penalty: Floats | None
    """[B, O], of the penalty by the outputs themselves; None where there is none."""
    pullback: Pullback
    policy_hidden: list[Floats]
    value_hidden: list[Floats]


def forward(dense: Dense, distribution: Distribution, samples: Samples[NDArray[Any]], rule: Rule) -> Terms:
    """The terms of the loss, and their derivatives by log π, V and the entropies."""
    w: Floats = samples.weights
    value_coef, entropy_coef = float(rule.value_coef), float(rule.entropy_coef)
    outputs, values, policy_hidden, value_hidden = dense.forward(samples.observations)
    # What is forbidden has probability 0, with which each of its slopes is multiplied.
    outputs = forbid(outputs, samples.action_masks)
    log_probs, entropies, pullback = distribution.differentiable(outputs, samples.actions)
    logratio = log_probs - samples.log_probs
    policy_losses, slopes = policy_loss(rule.objective, log_probs, logratio, samples.advantages, rule.edges)
    value_losses, value_slopes = value_loss(values, samples.targets, samples.values, rule.value_clip_range)
    means = policy_losses @ w, value_losses @ w, entropies @ w
    kl, d_penalty = None, None
    if samples.outputs is not None:
        kls, kl_slopes = distribution.divergence_in_numpy(samples.outputs, outputs)
        kl = float(kls @ w)
        if rule.penalises:
            means = means[0] + np.float32(float(rule.kl_coef) * kl), *means[1:]
            d_penalty = kl_slopes * (w * np.float32(float(rule.kl_coef)))[:, None]
    loss = total(*means, value_coef, entropy_coef)
    return Terms(
        outputs=outputs,
        values=values,
        logratio=logratio,
        scalars=np.array([*means, loss], np.float32),
        kl=kl,
        d_log_probs=slopes * w,
        d_values=value_slopes * (w * np.float32(value_coef)),
        d_entropies=w * np.float32(-entropy_coef),
        d_penalty=d_penalty,
        pullback=pullback,
        policy_hidden=policy_hidden,
        value_hidden=value_hidden,
    )


def backward(dense: Dense, terms: Terms) -> Floats:
    """dL/dθ [P]"""
    d_outputs = _by_outputs(terms, terms.d_log_probs, terms.d_entropies, terms.d_penalty)
    return dense.backward(terms.policy_hidden, terms.value_hidden, d_outputs, terms.d_values)


def _by_outputs(terms: Terms, d_log_probs: Floats, d_entropies: Floats, d_penalty: Floats | None) -> Floats:
    """[B, O]"""
    d_outputs = terms.pullback(d_log_probs, d_entropies)
    return d_outputs if d_penalty is None else d_outputs + d_penalty


def norms(
    dense: Dense, distribution: Distribution, samples: Samples[NDArray[Any]], rule: Rule
) -> tuple[Floats, Floats, Floats, Floats]:
    """[B] each, ‖d/dθ‖ of each sample's own L_PG, c₁·L_VF, −c₂·S and L; its weight is 1 for what it is alone."""
    terms = forward(dense, distribution, samples, rule)
    none, hidden = np.zeros_like(terms.d_values), (terms.policy_hidden, terms.value_hidden)
    return (
        dense.norms(*hidden, _by_outputs(terms, terms.d_log_probs, none, terms.d_penalty), none),
        dense.norms(*hidden, terms.pullback(none, none), terms.d_values),
        dense.norms(*hidden, terms.pullback(none, terms.d_entropies), none),
        dense.norms(*hidden, _by_outputs(terms, terms.d_log_probs, terms.d_entropies, terms.d_penalty), terms.d_values),
    )


def policy_loss(
    objective: str, log_probs: Floats, logratio: Floats, advantages: Floats, edges: Edges
) -> tuple[Floats, Floats]:
    """(L_PG per sample, its derivative by log π)."""
    if objective in ("reinforce", "actor_critic"):
        return -advantages * log_probs, -advantages
    ratio = ratio_in_numpy(logratio)
    unclipped = -advantages * ratio
    slopes = unclipped * (logratio <= LARGEST_LOGRATIO)  # dr/d log π = r
    if objective in UNCLIPPED:
        return unclipped, slopes
    low, high, cap = (np.float32(float(edge)) for edge in edges)
    if cap < np.inf:
        unclipped, slopes = -advantages * np.minimum(ratio, cap), slopes * (ratio <= cap)
    clipped = -advantages * np.minimum(np.maximum(ratio, low), high)
    # Where the clipped term is the larger one it is a constant: the sample is held.
    return np.maximum(unclipped, clipped), slopes * (clipped <= unclipped)


def value_loss(values: Floats, targets: Floats, old: Floats, clip_range: float | None) -> tuple[Floats, Floats]:
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
