"""PPO's loss: L = L_PG + c₁·L_VF − c₂·S, from per-sample terms.

Everything here is a pure function. Samples carry weights w [B] that sum to 1 over the transitions of the
minibatch and are 0 on rows that are none (autoreset): every mean is a dot product with them.

Source: Schulman et al. 2017, equations 6, 7, 8 and 9; L_VF without the ½ that some implementations put in.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]

Either = TypeVar("Either", Tensor, NDArray[Any])
"""A few of these functions serve torch and NumPy alike: the mask is painted from arrays."""

Scalar = float | Tensor
"""A coefficient: on a GPU a tensor of no dimension, so that nothing waits for the host."""


class Edges(NamedTuple):
    """Where the clip holds r: numbers, or tensors of no dimension."""

    low: Any
    """1 − ε"""
    high: Any
    """1 + ε⁺"""
    cap: float = math.inf
    """c: where Â < 0, r counts no further."""


class Region(IntEnum):
    """Where a sample stands towards the clip range, and what becomes of its policy gradient."""

    NOT_TRAINED = 0
    """An autoreset row: no transition."""
    INSIDE = 1
    """1 − ε ≤ r ≤ 1 + ε⁺, which is ε where nothing else is said: the gradient flows."""
    HELD = 2
    """Moved beyond the range in the direction that its advantage asks for, or beyond c against it: the gradient is
    exactly zero.
    """
    PULLED_BACK = 3
    """Beyond the range against its advantage: the gradient flows at full size."""
    UNHELD = 4
    """Beyond the range as its advantage asks, under an objective that has no clip to hold it: the gradient flows."""
    UNKNOWN = 255
    """Beyond the range, but the update ended before its advantage was used. The loss never says so."""


def mean_weights(trained: Tensor) -> Tensor:
    """Weights w [..., B] of bool [..., B]: w·x is the mean of x over the samples that are trained."""
    mask = trained.float()
    return mask / mask.sum(-1, keepdim=True).clamp(min=1.0)


ROUNDING = 1e-6
"""Relative: about eight spacings of single precision, which is what one becomes in the sum of many terms that an
advantage is."""


def normalize(advantages: Tensor, trained: Tensor, scale: Tensor | None = None) -> Tensor:
    """(Â − mean)/(std + 1e-8) along the last axis, over the samples that are trained.

    The deviation is the sample deviation (n − 1), as torch, Stable-Baselines3 and CleanRL compute it. A single sample
    has none: it becomes 0. So does everything where the deviation is no more than what rounding makes of numbers of the
    size of the advantages, or of `scale` ([], of what they were computed from): noise must not be blown up to 1.
    """
    mask = trained.float()
    count = mask.sum(-1, keepdim=True)
    mean = (advantages * mask).sum(-1, keepdim=True) / count.clamp(min=1.0)
    variance = ((advantages - mean).square() * mask).sum(-1, keepdim=True) / (count - 1.0).clamp(min=1.0)
    largest = (advantages * mask).abs().amax(-1, keepdim=True)
    if scale is not None:
        largest = torch.maximum(largest, scale)
    deviation = variance.sqrt()
    # No comparison holds for a NaN, which so stays one, to be noticed.
    return (advantages - mean).masked_fill(deviation <= ROUNDING * largest, 0.0) / (deviation + 1e-8)


SMALLEST_CLIP_RANGE = 1e-5
"""Where ε is less than this, it is this: single precision tells r from 1 no better, and it must not be rounding that
decides who is held."""
LARGEST_LOGRATIO = 80.0
"""e^80 ≈ 5·10³⁴ is near the largest number of single precision; beyond it a held sample's gradient would be 0·∞."""


def ratio_of(logratio: Tensor) -> Tensor:
    """Ratio r = exp(log r), kept finite."""
    return logratio.clamp(max=LARGEST_LOGRATIO).exp()


def ratio_in_numpy(logratio: Floats) -> Floats:
    """The same of an array."""
    ratio: Floats = np.exp(np.minimum(logratio, np.float32(LARGEST_LOGRATIO)))
    return ratio


UNCLIPPED = frozenset({"unclipped", "kl_penalty"})
"""Objectives whose surrogate is −r·Â as it is."""


def policy_loss(objective: str, log_probs: Tensor, ratio: Tensor, advantages: Tensor, edges: Edges) -> Tensor:
    """L_PG per sample [B] under an objective of the table of settings.

    `advantages` are Â, or under reinforce the returns to go G in their place; `log_probs` are log π_θ(a|s). Under
    kl_penalty β·KL comes to it, which the engines add: it is not a matter of what was done in a state.
    """
    if objective == "clip":
        return clipped_policy_loss(ratio, advantages, edges)
    if objective in UNCLIPPED:
        return -advantages * ratio
    return -advantages * log_probs  # reinforce, actor_critic: they differ in what weighs the log-probabilities


def clipped_policy_loss(ratio: Tensor, advantages: Tensor, edges: Edges) -> Tensor:
    """max(−min(r, c)·Â, −clip(r, 1−ε, 1+ε⁺)·Â) per sample [B].

    Source of c: "dual-clip PPO" of Ye et al. 2020, "Mastering Complex Control in MOBA Games with Deep Reinforcement
    Learning", section 3.4, who write the same as max(min(…), c·Â) of what is maximised where Â < 0.
    """
    low, high, cap = edges
    counted = ratio if cap == math.inf else ratio.clamp(max=cap)
    return torch.maximum(-advantages * counted, -advantages * ratio.clamp(low, high))


def value_loss(values: Tensor, targets: Tensor, old_values: Tensor, clip_range: float | None) -> Tensor:
    """(V − V_targ)² per sample [B]; with a clip range the larger of that and of V kept within it around V_old."""
    unclipped = (values - targets).square()
    if clip_range is None:
        return unclipped
    clipped = old_values + (values - old_values).clamp(-clip_range, clip_range)
    return torch.maximum(unclipped, (clipped - targets).square())


def total(policy_loss: Any, value_loss: Any, entropy: Any, value_coef: Scalar, entropy_coef: Scalar) -> Any:
    """L = L_PG + c₁·L_VF − c₂·S, of numbers or tensors."""
    return policy_loss + value_coef * value_loss - entropy_coef * entropy


def term_weights(value_coef: float, entropy_coef: float) -> tuple[float, float, float]:
    """(1, c₁, −c₂): what L_PG, L_VF and S, and their gradients, are weighed with in `total`."""
    return 1.0, value_coef, -entropy_coef


def edges_of(clip_range: Scalar, clip_range_high: Scalar | None = None, ratio_cap: float | None = None) -> Edges:
    """1 − ε, 1 + ε⁺ and c, numbers or tensors as they are; without an ε⁺ of its own the upper one is 1 + ε.

    Source of ε⁺: "Clip-Higher" of Yu et al. 2025, "DAPO", section 3.1.
    """
    above = clip_range if clip_range_high is None else clip_range_high
    cap = math.inf if ratio_cap is None else ratio_cap
    return Edges(1.0 - _wide_enough(clip_range), 1.0 + _wide_enough(above), cap)


def _wide_enough(clip_range: Scalar) -> Scalar:
    if isinstance(clip_range, Tensor):
        return clip_range.clamp(min=SMALLEST_CLIP_RANGE)
    return max(clip_range, SMALLEST_CLIP_RANGE)


def beyond(ratio: Either, edges: Edges) -> tuple[Either, Either]:
    """Where r is above the upper edge and where it is below the lower one (bool, any shape)."""
    return ratio > edges.high, ratio < edges.low


def pushed(ratio: Either, advantages: Either, edges: Edges, objective: str) -> tuple[Either, Either]:
    """Which samples are beyond an edge in the direction of their advantage, and which are pulled back towards it (bool,
    any shape); no sample is both.
    """
    above, below = beyond(ratio, edges)
    good, bad = advantages > 0, advantages < 0
    asked_for = (good & above) | (bad & below)
    pulled_back = (bad & above) | (good & below)
    if objective == "clip" and edges.cap < math.inf:
        capped = bad & (ratio > edges.cap)
        asked_for, pulled_back = asked_for | capped, pulled_back & ~capped
    return asked_for, pulled_back


def regions(ratio: Either, advantages: Either, trained: Either, edges: Edges, objective: str = "clip") -> Either:
    """Region of every sample (uint8, any shape), from the advantages *as used in the loss*.

    A sample whose advantage is exactly 0 pushes nowhere, wherever its ratio is: it counts as inside.
    """
    asked_for, pulled_back = pushed(ratio, advantages, edges, objective)
    code = Region.HELD if objective == "clip" else Region.UNHELD
    # A sum of masks gives the codes without any branching.
    inside = int(Region.INSIDE)
    codes: Either = (inside + (code - inside) * _bytes(asked_for) + 2 * _bytes(pulled_back)) * _bytes(trained)
    return codes


def _bytes(mask: Any) -> Any:
    return mask.byte() if isinstance(mask, Tensor) else mask.astype(np.uint8)
