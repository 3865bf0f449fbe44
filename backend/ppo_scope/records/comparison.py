"""Runs put together by their settings: those that differ in nothing they learn by but the seed are one curve.

The curve of a run is the column `episodic_return_mean`, the mean of its last 100 episodes, over the steps that it had
made by then. Nothing is smoothed beyond that, and no curve goes on where one of its runs does not.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ppo_scope.records.aggregates import Aggregate, Numbers, aggregate, missing, quartiles
from ppo_scope.records.library import KeptRun
from ppo_scope.records.store import Store
from ppo_scope.wire.answers import Compared, ComparedCurve, ComparedGroup, Comparison, LeftOut
from ppo_scope.wire.run import Change, Parent

RETURN = "episodic_return_mean"
COLUMNS = ("steps", RETURN)
POINTS = 200
"""Of the grid that curves of several runs have in common, besides where they begin and end; a curve of fewer updates
has as many as those."""
FEWEST, ALL = 50, 4000
"""Of many groups each has fewer points, so that all have about so many; but not fewer than that."""
OWN = 100
"""Points of a run's own curve, which is drawn thin behind that of its group."""

NOT_LEARNED_BY = frozenset({"seed", "eval_every", "eval_episodes"})
"""Settings that make no group another one."""
FALLING = ("anneal_learning_rate", "anneal_clip_range", "anneal_entropy_coef")
"""Only where one of them is on does `total_steps` matter before it is reached."""

NOTHING_YET = "No episode of it has ended yet."
SAME_SEED = "Run {other} has the same settings and the same seed: one seed counts once, and that one went on longest."


@dataclass(frozen=True)
class Curve:
    """What a run has achieved."""

    id: str
    settings: dict[str, Any]
    """With which it was begun."""
    changes: list[Change]
    """That were made while it went on, the earliest first."""
    parent: Parent | None
    """Of a fork."""
    steps: Numbers = field(repr=False)
    """[R], rising"""
    returns: Numbers = field(repr=False)
    """[R], none of them NaN"""

    @property
    def seed(self) -> int | None:
        """None where nobody has told it."""
        seed = self.settings.get("seed")
        return seed if isinstance(seed, int) else None

    @property
    def learned_by(self) -> dict[str, Any]:
        """The settings that make it another run than others: what is off counts as what there was not yet."""
        moved = {change["name"] for change in self.changes}
        falls = any(self.settings.get(name) or name in moved for name in FALLING)
        left_out = NOT_LEARNED_BY if falls else NOT_LEARNED_BY | {"total_steps"}
        return {name: value for name, value in self.settings.items() if name not in left_out and value is not None}

    @property
    def last(self) -> float:
        """The last step of which something is known; 0 where nothing is."""
        return float(self.steps[-1]) if len(self.steps) else 0.0


def curve(
    id: str,
    settings: dict[str, Any],
    changes: Sequence[Change],
    parent: Parent | None,
    steps: Numbers,
    returns: Numbers,
) -> Curve:
    """Of two columns of a run's series, [R] each; `settings`: as it has them now, or as it began with them."""
    began = {**settings, **{change["name"]: change["old"] for change in reversed(changes)}}
    known = np.isfinite(steps) & np.isfinite(returns)
    return Curve(id, began, list(changes), parent, steps[known].copy(), returns[known].copy())


def curve_of(kept: KeptRun) -> Curve:
    """Of a run on the disk.

    Raises:
        CannotRead, sqlite3.Error: it has just gone, or is damaged.
    """
    with contextlib.closing(Store(kept.folder)) as store:
        columns, _, rows = store.series()
        steps, returns = (
            rows[:, columns.index(name)] if name in columns else np.full(len(rows), np.nan) for name in COLUMNS
        )
        settings, parent = kept.about.get("settings", {}), kept.about.get("parent")
        return curve(kept.id, settings, store.changes(), parent, steps, returns)


def compare(curves: Sequence[Curve], unread: Sequence[LeftOut] = ()) -> Comparison:
    """All of them, in groups; `unread`: runs that could not be read."""
    known = [one for one in curves if len(one.steps)]
    left_out: list[LeftOut] = list(unread)
    left_out += [{"id": one.id, "why": NOTHING_YET} for one in curves if not len(one.steps)]
    groups = []
    for group in _grouped(known):
        counted, twice = _one_a_seed(group)
        groups.append(counted)
        left_out += twice
    differing = _differing([group[0].learned_by for group in groups])
    groups.sort(key=lambda group: [_order(group[0].settings.get(name)) for name in differing])
    grid = _grid([one for group in groups for one in group], max(FEWEST, min(POINTS, ALL // max(1, len(groups)))))
    return {
        "groups": [_told(group, differing, grid) for group in groups],
        "curves": {one.id: _own(one) for group in groups for one in group},
        "differing": differing,
        "left_out": left_out,
        "missing": missing(),
    }


def _grouped(curves: Sequence[Curve]) -> list[list[Curve]]:
    """Those that differ in nothing they learn by but the seed, together; in the order of the first of each."""
    groups: dict[str, list[Curve]] = {}
    for one in curves:
        groups.setdefault(json.dumps([one.learned_by, one.changes, one.parent], sort_keys=True), []).append(one)
    return list(groups.values())


def _one_a_seed(group: list[Curve]) -> tuple[list[Curve], list[LeftOut]]:
    """Of several runs of one seed, which are no two samples of anything, the one that went on longest."""
    counted: dict[int | str, Curve] = {}
    left_out: list[LeftOut] = []
    for one in group:
        key = one.id if one.seed is None else one.seed
        other = counted.get(key)
        counted[key] = one if other is None or one.last > other.last else other
        if other is not None:
            gone = other if counted[key] is one else one
            left_out.append({"id": gone.id, "why": SAME_SEED.format(other=counted[key].id)})
    return sorted(counted.values(), key=lambda one: (one.seed is None, one.seed or 0, one.id)), left_out


def _differing(settings: list[dict[str, Any]]) -> list[str]:
    """Names of those that are not the same in all."""
    names = dict.fromkeys(name for one in settings for name in one)
    return [name for name in names if any(one.get(name) != settings[0].get(name) for one in settings[1:])]


def _order(value: Any) -> tuple[bool, float, str]:
    """Numbers by their size, before everything else."""
    number = isinstance(value, int | float)
    return not number, float(value) if number else 0.0, "" if number else json.dumps(value, sort_keys=True)


def _grid(curves: list[Curve], most: int) -> Numbers:
    """[P] steps, rising, at which curves are put together: evenly spread, and wherever one begins or ends."""
    if not curves:
        return np.empty(0)
    ends = [one.steps[at] for one in curves for at in (0, -1)]
    points = min(most, max(len(one.steps) for one in curves))
    return np.unique(np.concatenate([np.linspace(min(ends), max(ends), points).round(), ends]))


def common(group: list[Curve], grid: Numbers) -> tuple[Numbers, Numbers]:
    """(steps [P], returns [seeds, P]) of the grid's steps that all of a group have come to.

    Between two updates of a run there is a straight line; before its first and behind its last there is nothing.
    """
    begins, ends = max(one.steps[0] for one in group), min(one.last for one in group)
    steps = grid[(grid >= begins) & (grid <= ends)]
    return steps, np.array([np.interp(steps, one.steps, one.returns) for one in group]).reshape(len(group), len(steps))


def _told(group: list[Curve], differing: list[str], grid: Numbers) -> ComparedGroup:
    first = group[0]
    steps, scores = common(group, grid)
    found = aggregate(scores) if len(steps) else Aggregate("mean", np.empty(0), None)
    low, high = found.interval if found.interval is not None else (None, None)
    lower, upper = between if len(steps) and (between := quartiles(scores)) is not None else (None, None)
    return {
        "environment": str(first.settings.get("env", "")),
        "settings": {name: first.settings.get(name) for name in differing},
        "changes": first.changes,
        "parent": first.parent,
        "runs": [_compared(one, scores[n, -1] if len(steps) else None) for n, one in enumerate(group)],
        "measure": "iqm" if found.measure == "iqm" else "mean",
        "steps": steps.tolist(),
        "values": found.values.tolist(),
        "low": _listed(low),
        "high": _listed(high),
        "lower": _listed(lower),
        "upper": _listed(upper),
    }


def _listed(numbers: Numbers | None) -> list[float] | None:
    return None if numbers is None else numbers.tolist()


def _own(one: Curve) -> ComparedCurve:
    """Some of its updates, evenly spread, the first and the last among them: as measured, and not in between."""
    at = np.unique(np.linspace(0, len(one.steps) - 1, min(OWN, len(one.steps))).round().astype(int))
    return {"steps": one.steps[at].tolist(), "returns": one.returns[at].tolist()}


def _compared(one: Curve, final: float | None) -> Compared:
    return {"id": one.id, "seed": one.seed, "last": one.last, "final": None if final is None else float(final)}
