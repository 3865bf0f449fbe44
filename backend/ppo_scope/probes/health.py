"""What is wrong with a run, in plain words: what happened, what it comes from, and what to do about it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.probes.moment import Moment

LOOK_BACK = 20
"""Updates that are remembered."""
SATURATED = 0.99
"""|tanh| from which a unit counts as saturated: its slope is below 0.02."""
JUDGED = 256
"""Samples of the rollout at which saturation is looked for."""

SEVERITIES = ("error", "warning", "note")

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


def _last(rows: list[Row], name: str) -> float:
    return rows[-1].get(name, math.nan) if rows else math.nan


def _all(rows: list[Row], name: str, count: int) -> list[float]:
    """The values of the latest `count` updates; empty where there are not so many, or one is not defined."""
    values = [row.get(name, math.nan) for row in rows[-count:]]
    return values if len(values) == count and all(map(math.isfinite, values)) else []


def _kl_spike(rows: list[Row]) -> str | None:
    kl = _last(rows, "kl_k3")
    return f"KL(π_old‖π_θ) reached {kl:.3g} in one update." if kl > 0.1 else None


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
    if explained and sum(explained) / len(explained) < 0.02:
        return f"For 10 updates the critic has explained next to nothing: {100 * explained[-1]:.0f} % of the variance."
    return None


def _dead_clip_factor(rows: list[Row]) -> str | None:
    factors = _all(rows, "gradient_clip_factor", 10)
    if factors and max(factors) < 0.1:
        return f"For 10 updates every gradient was scaled down to {100 * factors[-1]:.1f} % of its length or less."
    return None


def _ratio_not_one(rows: list[Row]) -> str | None:
    error = _last(rows, "first_ratio_error")
    return f"At the first minibatch r was off 1 by up to {error:.2g}." if error > 1e-4 else None


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
        "|r − 1| above 10⁻⁴ at the first minibatch",
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
    "The weights are those of the last finished step. Lower the learning rate and press Play to go on with a new "
    "rollout, or restart.",
    "learning_rate",
    (),
    lambda _: None,
)
"""Found by the training process itself, which halts before the weights are touched."""


@dataclass
class Finding:
    """Something that is wrong now."""

    name: str
    title: str
    severity: str
    summary: str
    cause: str
    remedy: str
    setting: str | None
    since: int


class Health:
    """Remembers the latest updates, and what was wrong with them."""

    def __init__(self) -> None:
        self._rows: deque[Row] = deque(maxlen=LOOK_BACK)
        self._since: dict[str, int] = {}
        self._not_finite: Finding | None = None

    def take_in(self, moment: Moment, row: Row) -> None:
        """An update has ended, with these scalars."""
        self._rows.append({**row, **indicators(moment)})
        self._not_finite = None
        self._note(moment.update.index)

    def amend(self, moment: Moment, row: Row) -> None:
        """The latest update has been made anew."""
        if self._rows:
            self._rows.pop()
        self.take_in(moment, row)

    def halted(self, summary: str, update: int) -> None:
        """The run halted because something is not finite."""
        check = NOT_FINITE
        texts = (check.name, check.title, check.severity, summary, check.cause, check.remedy, check.setting)
        self._not_finite = Finding(*texts, update)

    def findings(self) -> list[dict[str, Any]]:
        """What is wrong now, the gravest first."""
        rows = list(self._rows)
        found = [self._not_finite] if self._not_finite else []
        for check in CHECKS:
            summary = check.found(rows)
            if summary is not None:
                texts = (check.name, check.title, check.severity, summary, check.cause, check.remedy, check.setting)
                found.append(Finding(*texts, self._since.get(check.name, 0)))
        found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
        return [asdict(finding) for finding in found]

    def values(self) -> dict[str, float]:
        """What the checks look at, as it is now."""
        rows = list(self._rows)
        return {name: _last(rows, name) for check in CHECKS for name in check.metrics}

    def _note(self, update: int) -> None:
        rows = list(self._rows)
        for check in CHECKS:
            if check.found(rows) is None:
                self._since.pop(check.name, None)
            else:
                self._since.setdefault(check.name, update)


def indicators(moment: Moment) -> Row:
    """What only the checks need of a finished update: entropy against its maximum, σ, and saturation."""
    distribution, batch = moment.trainer.distribution, moment.batch
    if moment.phase.kind is not PhaseKind.UPDATE or batch is None or moment.after is None:
        return {}
    found: Row = {"saturation": _saturation(moment)}
    if distribution.max_entropy:
        found["entropy_share"] = float(moment.after[2][moment.trained].mean()) / distribution.max_entropy
    elif distribution.free:
        outputs, _ = moment.judged(batch)
        found["smallest_deviation"] = float(outputs[0, -distribution.free :].exp().min())
    return found


def _saturation(moment: Moment) -> float:
    """Share of hidden units that are saturated; NaN where the network is not dense."""
    dense, batch = moment.trainer.network.in_numpy, moment.batch
    if dense is None or batch is None:
        return math.nan
    samples = np.linspace(0, len(moment.trained) - 1, min(JUDGED, len(moment.trained))).astype(np.int64)
    _, _, policy, value = dense.forward(batch.observations.numpy()[samples])
    hidden = policy[1:] + (value[1:] if dense.value_trunk is not None else [])
    if moment.update.settings.activation == "relu":
        return float(np.mean([np.mean(~(layer > 0).any(0)) for layer in hidden]))
    return float(np.mean([np.mean(np.abs(layer) > SATURATED) for layer in hidden]))


def table() -> list[dict[str, Any]]:
    """The checks as plain rows."""
    fields = ("name", "title", "severity", "threshold", "cause", "remedy", "setting", "metrics")
    return [{field: getattr(check, field) for field in fields} for check in (NOT_FINITE, *CHECKS)]
