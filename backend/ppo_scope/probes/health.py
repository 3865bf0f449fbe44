"""What is wrong with a run: the checks held against its latest updates, and what was found earlier."""

from __future__ import annotations

from collections import deque
from copy import copy
from dataclasses import asdict, dataclass, replace
from typing import Any

from ppo_scope.ppo.finite import NotFiniteError, NotFiniteGivenError
from ppo_scope.probes.checks import CHECKS, NOT_FINITE, NOT_FINITE_GIVEN
from ppo_scope.probes.indicators import indicators
from ppo_scope.probes.judging import SEVERITIES, Check, Found, Row, Unknown, Verdict, last
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.progress import Progress

LOOK_BACK = 20
"""Updates that are remembered."""
FORGIVEN = 10
"""A finding that comes back within so many updates has never gone."""
MAX_HISTORY = 100
"""Findings of a run that are remembered; the oldest go first."""

BY_NAME = {check.name: check for check in (NOT_FINITE, *CHECKS)}


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
    explained_by: str | None = None
    """The name of the finding that this one follows from."""


@dataclass(frozen=True)
class Span:
    """The updates in which something was wrong."""

    name: str
    severity: str
    """The gravest."""
    since: int
    latest: int
    """The last update that it was seen in."""
    told: int
    """The last update after which it was told of."""
    until: int | None = None
    """`latest`, once it is told of no more."""


class Health:
    """Remembers the latest updates, and what was wrong with the run since when and until when."""

    def __init__(self) -> None:
        self._rows: deque[Row] = deque(maxlen=LOOK_BACK)
        self._progress = Progress()
        self._spans: list[Span] = []
        self._verdicts: dict[str, Verdict] = {check.name: check.look([]) for check in CHECKS}
        self._not_finite: Finding | None = None
        self._before: tuple[list[Row], Progress, list[Span]] = ([], Progress(), [])

    def take_in(self, moment: Moment, row: Row) -> None:
        """An update has ended, with these scalars."""
        self.take_row(moment.update.index, {**row, **indicators(moment)})

    def take_row(self, update: int, row: Row) -> None:
        """The same, with all that the checks look at."""
        self._before = list(self._rows), copy(self._progress), list(self._spans)
        row = {**row, "update": update}
        self._rows.append({**row, **self._progress.take_in(row)})
        self._not_finite = None
        rows = list(self._rows)
        self._verdicts = {check.name: check.look(rows) for check in CHECKS}
        for check in CHECKS:
            verdict = self._verdicts[check.name]
            if isinstance(verdict, Found):
                self._note(check.name, self._severity(check, verdict), verdict.latest or update, update)
        self._spans = [
            replace(span, until=span.latest) if span.until is None and span.told < update else span
            for span in self._spans
        ]

    def amend(self, moment: Moment, row: Row) -> None:
        """The latest update has been made anew."""
        rows, self._progress, self._spans = self._before
        self._rows = deque(rows, LOOK_BACK)
        self.take_in(moment, row)

    def halted(self, error: NotFiniteError, update: int) -> None:
        """The run halted because something is not finite; whose fault it is, the error tells."""
        check = NOT_FINITE_GIVEN if isinstance(error, NotFiniteGivenError) else NOT_FINITE
        summary = f"Not finite: {error}."
        texts = (check.name, check.title, check.severity, summary, check.cause, check.remedy, check.setting)
        self._not_finite = Finding(*texts, update)
        self._note(check.name, check.severity, update, update)

    def findings(self) -> list[dict[str, Any]]:
        """What is wrong now: the gravest first, and what follows from something right after it."""
        found = {
            check.name: self._finding(check, verdict)
            for check in CHECKS
            if isinstance(verdict := self._verdicts[check.name], Found)
        }
        for name, finding in found.items():
            # The earliest in the table that explains it: causes come before what follows from them.
            finding.explained_by = next((other for other in found if name in BY_NAME[other].explains), None)
        groups = [
            [finding, *(other for other in found.values() if _leader(other, found) is finding)]
            for finding in found.values()
            if finding.explained_by is None
        ]
        groups.sort(key=lambda group: min(SEVERITIES.index(finding.severity) for finding in group))
        halted = [[self._not_finite]] if self._not_finite else []
        return [asdict(finding) for group in (*halted, *groups) for finding in group]

    def history(self) -> list[dict[str, Any]]:
        """What has been wrong so far, the earliest first: name, title, severity, since and until which update."""
        fields = ("name", "severity", "since", "until")
        return [{"title": BY_NAME[span.name].title, **{f: getattr(span, f) for f in fields}} for span in self._spans]

    def unknown(self) -> dict[str, dict[str, Any]]:
        """The checks that can say nothing: why, and whether that may change."""
        return {name: asdict(verdict) for name, verdict in self._verdicts.items() if isinstance(verdict, Unknown)}

    def values(self) -> dict[str, float]:
        """What the checks look at, as it is now."""
        rows = list(self._rows)
        return {name: last(rows, name) for check in CHECKS for name in check.metrics}

    def _finding(self, check: Check, verdict: Found) -> Finding:
        remedy, setting = check.remedy, check.setting
        if verdict.remedy is not None:
            remedy, setting = verdict.remedy, verdict.setting
        span = self._open(check.name)
        since = span.since if span is not None else 0
        cause = (verdict.cause or check.cause) + self._began_after(check, since)
        severity = self._severity(check, verdict)
        return Finding(check.name, check.title, severity, verdict.summary, cause, remedy, setting, since)

    def _severity(self, check: Check, verdict: Found) -> str:
        """What keeps a run from learning well is a note while its return is at its best, or as high as it should be."""
        severity = verdict.severity or check.severity
        return "note" if severity == "warning" and last(list(self._rows), "at_best") else severity

    def _began_after(self, check: Check, since: int) -> str:
        """A cause that has passed meanwhile, in words."""
        for span in reversed(self._spans):
            passed = span.until is not None and span.since <= since <= span.until + LOOK_BACK
            if passed and check.name in BY_NAME[span.name].explains:
                return f" It began after another finding: {BY_NAME[span.name].title}, at update {span.since}."
        return ""

    def _open(self, name: str) -> Span | None:
        return next((span for span in reversed(self._spans) if span.name == name and span.until is None), None)

    def _note(self, name: str, severity: str, seen: int, update: int) -> None:
        """Told of after this update, and seen in that one: go on with its span, or begin one."""
        for index, span in enumerate(self._spans):
            if span.name == name and span.told >= update - FORGIVEN:
                gravest = min(severity, span.severity, key=SEVERITIES.index)
                self._spans[index] = replace(span, severity=gravest, latest=seen, told=update, until=None)
                return
        self._spans = [*self._spans, Span(name, severity, seen, seen, update)][-MAX_HISTORY:]


def _leader(finding: Finding, found: dict[str, Finding]) -> Finding | None:
    """The finding at the head of what explains this one; None for one that nothing explains."""
    leader = None
    while finding.explained_by is not None:
        leader = finding = found[finding.explained_by]
    return leader
