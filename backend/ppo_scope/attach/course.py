"""Where a loop of torch stands in its course, for Health: what its optimizer remembers, and how far α has fallen."""

from __future__ import annotations

import math
from typing import Any


def memory(optimizer: Any) -> float:
    """Of how many arrays of weights an optimizer of torch remembers something, Adam its moments; NaN: there is none."""
    state = getattr(optimizer, "state", None)
    return math.nan if state is None else float(sum(map(bool, state.values())))


def epsilon(optimizer: Any) -> dict[str, float]:
    """Adam's ε, the largest of its groups of weights; 0 of an optimizer that has none, nothing where there is none."""
    groups = getattr(optimizer, "param_groups", ())
    return {"adam_epsilon": max(float(group.get("eps", 0.0)) for group in groups)} if groups else {}


def course(steps: float, total: float | None, first: float | None) -> dict[str, float]:
    """Which share of the training is done, and the α that it began with; nothing where either is not known."""
    return {"share_done": steps / total, "first_learning_rate": first} if total and first else {}


def has_gradient(optimizer: Any) -> float:
    """Whether any of its weights has a gradient; NaN: there is none."""
    groups = getattr(optimizer, "param_groups", None)
    if groups is None:
        return math.nan
    return float(any(one.grad is not None and bool(one.grad.any()) for group in groups for one in group["params"]))
