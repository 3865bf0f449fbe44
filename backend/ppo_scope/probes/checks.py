"""The table of what can be wrong with a run: what is looked at, what it comes from, and what to do about it.

The server hands it out too, so nothing here needs more than numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

SEVERITIES = ("error", "warning", "note")

FIRST_RATIO_LIMIT = 1e-4
"""|r − 1| at the first minibatch that is nothing to speak of, however small |log π| is."""

Row = dict[str, float]


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong.

    `found` takes the rows of the latest updates, the oldest first, and says what it has seen, or None.
    """

    name: str
    title: str
    severity: str
    """error: do not trust the run. warning: it will hardly learn like this. note: worth knowing."""
    threshold: str
    cause: str
    remedy: str
    setting: str | None
    """The setting that the remedy speaks of, if it is one."""
    metrics: tuple[str, ...]
    found: Callable[[list[Row]], str | None]


def last(rows: list[Row], name: str) -> float:
    """The value of the latest update; NaN where there is none."""
    return rows[-1].get(name, math.nan) if rows else math.nan


def _all(rows: list[Row], name: str, count: int) -> list[float]:
    """The values of the latest `count` updates; empty where there are not so many, or one is not defined."""
    values = [row.get(name, math.nan) for row in rows[-count:]]
    return values if len(values) == count and all(map(math.isfinite, values)) else []


def _kl_spike(rows: list[Row]) -> str | None:
    kl = last(rows, "kl_k3")
    return f"KL(π_old‖π_θ) was {kl:.3g} in the mean over the minibatches of one update." if kl > 0.1 else None


def _entropy_collapse(rows: list[Row]) -> str | None:
    shares = _all(rows, "entropy_share", 5)
    if shares and max(shares) < 0.05:
        return f"The policy's entropy is {100 * shares[-1]:.1f} % of its maximum: it hardly tries anything any more."
    deviations = _all(rows, "smallest_deviation", 5)
    if deviations and max(deviations) < 0.05:
        return f"The policy's smallest standard deviation is {deviations[-1]:.3g}: it hardly tries anything any more."
    return None


def _useless_critic(rows: list[Row]) -> str | None:
    explained = _all(rows, "explained_variance", 10)
    mean = sum(explained) / len(explained) if explained else math.inf
    if mean >= 0.02:
        return None
    percent = round(100 * mean, 1) or 0.0  # never -0.0
    verdict = "worse than a constant" if percent < 0 else "next to nothing"
    share = f"{percent} %".replace("-", "−")
    return f"In the last 10 updates the critic has explained {share} of the variance on average: {verdict}."


def _dead_clip_factor(rows: list[Row]) -> str | None:
    factors = _all(rows, "gradient_clip_factor", 10)
    if factors and max(factors) < 0.1:
        share = f"{100 * max(factors):.2g} %"
        return (
            f"For 10 updates gradients were scaled down to {share} of their length or less, in the mean of an update."
        )
    return None


def _ratio_not_one(rows: list[Row]) -> str | None:
    error, limit = last(rows, "first_ratio_error"), last(rows, "first_ratio_limit")
    if math.isnan(limit):  # of a recording that does not know it
        limit = FIRST_RATIO_LIMIT
    if error <= limit or math.isnan(error):
        return None
    return f"At the first minibatch r was off 1 by up to {error:.2g}, where rounding allows {limit:.2g}."


def _saturated(rows: list[Row]) -> str | None:
    shares = _all(rows, "saturation", 3)
    if shares and min(shares) > 0.5:
        return f"{100 * shares[-1]:.0f} % of the hidden activations are saturated: no gradient gets through them."
    return None


CHECKS: tuple[Check, ...] = (
    Check(
        "kl_spike",
        "KL spike",
        "warning",
        "k3 above 0.1 in one update",
        "The step was too long: the new policy has little to do with the one that collected the data, and the "
        "advantages say nothing about it.",
        "Lower the learning rate or the number of epochs, or set a target KL, which stops the epochs in time.",
        "learning_rate",
        ("kl_k3",),
        _kl_spike,
    ),
    Check(
        "entropy_collapse",
        "Entropy collapse",
        "warning",
        "entropy below 5 % of its maximum, or a standard deviation below 0.05, for 5 updates",
        "The policy has become all but deterministic. If the return is as high as you want it, this is how success "
        "looks; if it is not, the policy stopped exploring before it had found what pays.",
        "If the return is low: raise the entropy coefficient c₂, or lower the learning rate, and restart.",
        "entropy_coef",
        ("entropy_share", "smallest_deviation"),
        _entropy_collapse,
    ),
    Check(
        "useless_critic",
        "Useless critic",
        "warning",
        "explained variance below 0.02 in the mean of 10 updates",
        "The critic predicts the return no better than a constant would, so the advantages are as noisy as the "
        "returns themselves.",
        "Raise c₁ if it is 0 or tiny, normalise rewards if they are large, or give the critic time: early in a run "
        "this passes.",
        "value_coef",
        ("explained_variance",),
        _useless_critic,
    ),
    Check(
        "dead_clip_factor",
        "Norm limit always at work",
        "note",
        "mean clip factor below 0.1 for 10 updates",
        "The gradient is always far longer than the norm limit, mostly because of c₁·L_VF. Adam divides by the "
        "gradient's own size and hides most of it, so a run can learn well like this; but the limit no longer tells "
        "outliers from the rest, and c₁ acts on the policy through this factor alone.",
        "Raise the norm limit, lower c₁, or normalise rewards, if you want them to mean something.",
        "max_grad_norm",
        ("gradient_clip_factor",),
        _dead_clip_factor,
    ),
    Check(
        "ratio_not_one",
        "Ratio ≠ 1",
        "error",
        "|r − 1| at the first minibatch above 10⁻⁴, or above what rounding makes of a large |log π|: 32 times the "
        "relative spacing of single precision, of |log π| or of the number of an action's components",
        "Before the first step π_θ is π_old, so r must be 1. That it is not means that the policy that collected is "
        "not the one that is judged: a fault of the implementation.",
        "Do not trust this run. Please report it with its settings and seed.",
        None,
        ("first_ratio_error",),
        _ratio_not_one,
    ),
    Check(
        "saturated_activations",
        "Saturated activations",
        "warning",
        "more than half of all hidden activations saturated (tanh: |y| > 0.99; ReLU: 0 for every sample) for 3 updates",
        "The inputs or the weights are too large for the activation, whose slope is next to nothing there.",
        "Normalise the observations, or lower the learning rate, and restart.",
        None,
        ("saturation",),
        _saturated,
    ),
)
NOT_FINITE = Check(
    "not_finite",
    "Not finite",
    "error",
    "a reward, observation, value, loss or gradient is not finite",
    "Somewhere a number became infinite or is none: mostly a learning rate that is far too large, or an environment "
    "that gives such numbers.",
    "The weights are those at the start of this update. Lower the learning rate and press Play to go on with a new "
    "rollout, or restart.",
    "learning_rate",
    (),
    lambda _: None,
)
"""Found by the training process itself, which halts before the weights are touched."""
NOT_FINITE_GIVEN = replace(
    NOT_FINITE,
    cause="The environment gave a number that is infinite or none. Nothing that PPO does could mend it, so no weight "
    "was touched.",
    remedy="Look in the environment at the field and the step that are named: a division by zero, a root of something "
    "negative, a simulation that blew up. Correct it and restart; Play goes on with a new rollout.",
    setting=None,
)
"""The same, where it is known to be the environment's doing."""


def table() -> list[dict[str, Any]]:
    """The checks as plain rows."""
    fields = ("name", "title", "severity", "threshold", "cause", "remedy", "setting", "metrics")
    return [{field: getattr(check, field) for field in fields} for check in (NOT_FINITE, *CHECKS)]
