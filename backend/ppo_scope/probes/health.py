"""What is wrong with a run: the checks held against its latest updates."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ppo_scope.ppo.finite import NotFiniteError, NotFiniteGivenError
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.probes.checks import CHECKS, NOT_FINITE, NOT_FINITE_GIVEN, SEVERITIES, Row, last
from ppo_scope.probes.moment import Moment

LOOK_BACK = 20
"""Updates that are remembered."""
SATURATED = 0.99
"""|tanh| from which a unit counts as saturated: its slope is below 0.02."""
JUDGED = 256
"""Samples of the rollout at which saturation is looked for."""


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

    def halted(self, error: NotFiniteError, update: int) -> None:
        """The run halted because something is not finite; whose fault it is, the error tells."""
        check = NOT_FINITE_GIVEN if isinstance(error, NotFiniteGivenError) else NOT_FINITE
        summary = f"Not finite: {error}."
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
        return {name: last(rows, name) for check in CHECKS for name in check.metrics}

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
    if distribution.max_entropy and moment.trained.any():
        found["entropy_share"] = float(moment.after[2][moment.trained].mean()) / distribution.max_entropy
    elif distribution.free:
        outputs, _ = moment.judged(batch)
        found["smallest_deviation"] = float(outputs[0, -distribution.free :].exp().min())
    return found


def _saturation(moment: Moment) -> float:
    """Share of hidden units that are saturated; NaN for networks on images."""
    dense, batch = moment.trainer.network.dense(), moment.batch
    if dense is None or batch is None:
        return math.nan
    samples = np.linspace(0, len(moment.trained) - 1, min(JUDGED, len(moment.trained))).astype(np.int64)
    _, _, policy, value = dense.forward(batch.observations[samples].cpu().numpy())
    hidden = policy[1:] + (value[1:] if dense.value_trunk is not None else [])
    if moment.update.settings.activation == "relu":
        return float(np.mean([np.mean(~(layer > 0).any(0)) for layer in hidden]))
    return float(np.mean([np.mean(np.abs(layer) > SATURATED) for layer in hidden]))
