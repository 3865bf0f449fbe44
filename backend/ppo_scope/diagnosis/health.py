"""What is wrong with a run: the checks held against its latest updates, and what was found earlier."""

from __future__ import annotations

import math
import pickle
from collections import deque
from collections.abc import Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace
from typing import Any

from ppo_scope.diagnosis.checks import CHECKS, NOT_FINITE, NOT_FINITE_GIVEN
from ppo_scope.diagnosis.checks_steps import RAISED
from ppo_scope.diagnosis.ends import Ends
from ppo_scope.diagnosis.fall import Fall
from ppo_scope.diagnosis.indicators import indicators_in_steps
from ppo_scope.diagnosis.judging import SEVERITIES, Check, Found, Row, Unknown, Verdict, last, with_powers
from ppo_scope.diagnosis.paid import Paid
from ppo_scope.diagnosis.progress import Progress
from ppo_scope.diagnosis.tries import tries
from ppo_scope.ppo.adam import EPS
from ppo_scope.ppo.finite import NotFiniteError, NotFiniteGivenError
from ppo_scope.probes.faults import described
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.steps import Steps, alone

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
    until: int | None = None
    """The last update that it was seen in, where only what it left behind goes on."""
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
    summary: str = ""
    """What was said of it last."""
    told_cause: tuple[str | None, str | None, str | None] = (None, None, None)
    """Cause, remedy and the latter's setting as they were said first, where they are not the check's own."""


class Health:
    """Remembers the latest updates, and what was wrong with the run since when and until when."""

    def __init__(self) -> None:
        self._rows: deque[Row] = deque(maxlen=LOOK_BACK)
        self._progress, self._fall = Progress(), Fall()
        self._ends, self._paid = Ends(), Paid()
        self._spans: list[Span] = []
        self._verdicts: dict[str, Verdict] = {check.name: check.look([]) for check in CHECKS}
        self._not_finite: Finding | None = None
        self._begun: Row = {}  # what may be raised, as it was in the first update
        self._before: tuple[list[Row], Progress, Fall] = ([], Progress(), Fall())
        self._spans_before: list[Span] = []
        self._ends_before, self._paid_before = Ends(), Paid()
        self._pickled: dict[float, tuple[Row, bytes]] = {}  # by their update

    def __getstate__(self) -> dict[str, Any]:
        """Each row is pickled once, not with every update that follows: a process that measures tells all of this."""
        rows, before = list(self._rows), self._before
        self._pickled = {row["update"]: self._pickle(row) for row in (*before[0], *rows)}
        packed = [[self._pickled[row["update"]][1] for row in some] for some in (rows, before[0])]
        return {**vars(self), "_rows": packed[0], "_before": (packed[1], *before[1:]), "_pickled": {}}

    def _pickle(self, row: Row) -> tuple[Row, bytes]:
        known = self._pickled.get(row["update"])
        return known if known is not None and known[0] is row else (row, pickle.dumps(row, pickle.HIGHEST_PROTOCOL))

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._rows = deque(map(pickle.loads, state["_rows"]), LOOK_BACK)
        self._before = [pickle.loads(row) for row in state["_before"][0]], *state["_before"][1:]

    def take_in(self, moment: Moment, row: Row) -> None:
        """An update has ended, with these scalars."""
        self.take_in_all([(moment, alone(with_indicators(moment, row)))])

    def take_in_all(self, ended: Sequence[tuple[Moment, Row]]) -> None:
        """Updates have, one after the other: with scalars and indicators."""
        histories = []
        for moment, row in ended:
            rollout = moment.update.rollout
            self._ends_before, self._paid_before = copy(self._ends), copy(self._paid)
            row = {**row, **self._ends.take_in(rollout), **self._paid.take_in(rollout)}
            returns = [episode.episodic_return for episode in rollout.episodes]
            histories.append(self._remembered(moment.update.index, row, returns))
        self._judge(histories)

    def take_row(self, update: int, row: Row, returns: Sequence[float] = ()) -> None:
        """One has, with all that the checks look at, and what the episodes returned that ended in it."""
        self._judge([self._remembered(update, row, returns)])

    def _remembered(self, update: int, row: Row, returns: Sequence[float]) -> list[Row]:
        """The rows up to this one, with what it is beside all before."""
        self._before = list(self._rows), copy(self._progress), copy(self._fall)
        self._begun = self._begun or {f"begun_{name}": row.get(name, math.nan) for name, *_ in RAISED}
        row = {**row, "update": update, **self._begun, **self._fall.take_in(update, returns)}
        self._rows.append({**row, **self._progress.take_in(row)})
        self._not_finite = None
        return list(self._rows)

    def _judge(self, histories: Sequence[list[Row]]) -> None:
        """Hold the checks against the rows up to each of some updates: each check against all of them, in step."""
        by_check = [[check.look(rows) for rows in histories] for check in CHECKS]
        for rows, verdicts in zip(histories, zip(*by_check, strict=True), strict=True):
            self._verdicts = {check.name: verdict for check, verdict in zip(CHECKS, verdicts, strict=True)}
            self._spans_before = list(self._spans)
            self._note_all(rows)

    def _note_all(self, rows: list[Row]) -> None:
        """What is told of after the latest of these rows, and what no more."""
        update = int(rows[-1]["update"])
        for check in CHECKS:
            verdict = self._verdicts[check.name]
            if isinstance(verdict, Found):
                seen = verdict.latest or update
                severity = _severity(check, verdict, rows)
                told = verdict.cause, verdict.remedy, verdict.setting
                since = verdict.since or seen
                self._note(Span(check.name, severity, since, seen, update, summary=verdict.summary, told_cause=told))
        self._spans = [
            replace(span, until=span.latest) if span.until is None and span.told < update else span
            for span in self._spans
        ]

    def amend(self, moment: Moment, row: Row) -> None:
        """The latest update has been made anew."""
        rows, self._progress, self._fall = self._before
        self._spans = self._spans_before
        self._ends, self._paid = self._ends_before, self._paid_before
        self._rows = deque(rows, LOOK_BACK)
        self._begun = self._begun if rows else {}
        self.take_in(moment, row)

    def halted(self, error: NotFiniteError, update: int) -> None:
        """The run halted because something is not finite; whose fault it is, the error tells."""
        check = NOT_FINITE_GIVEN if isinstance(error, NotFiniteGivenError) else NOT_FINITE
        summary = f"Not finite: {error}."
        texts = (check.name, check.title, check.severity, summary, check.cause, check.remedy, check.setting)
        self._not_finite = Finding(*texts, update)
        self._note(Span(check.name, check.severity, update, update, update, summary=summary))

    def findings(self) -> list[dict[str, Any]]:
        """What is wrong now: the gravest first, and what follows from something right after it."""
        found = self._found()
        for name, finding in found.items():
            # The earliest in the table that explains it: causes come before what follows from them.
            reasons = (other for other in found.values() if name in BY_NAME[other.name].explains)
            finding.explained_by = next((other.name for other in reasons if _reaches(other, finding)), None)
        groups = [
            [finding, *(other for other in found.values() if _leader(other, found) is finding)]
            for finding in found.values()
            if finding.explained_by is None
        ]
        groups.sort(key=lambda group: min(SEVERITIES.index(finding.severity) for finding in group))
        halted = [[self._not_finite]] if self._not_finite else []
        told = [finding for group in (*halted, *groups) for finding in group]
        leash, steps = (last(list(self._rows), name) for name in ("target_kl", "steps_taken"))
        return [
            {
                **asdict(finding),
                "remedy": _tightened(finding.remedy) if leash < math.inf else finding.remedy,
                "tries": tries(finding.name, finding.setting, leash, steps),
            }
            for finding in told
        ]

    def _found(self) -> dict[str, Finding]:
        """By name, in the order of the table: what is wrong now, and the events that it goes back to."""
        present = {
            check.name: self._finding(check, verdict)
            for check in CHECKS
            if isinstance(verdict := self._verdicts[check.name], Found)
        }
        grave = [finding for finding in present.values() if finding.severity != "note"]
        over = {
            check.name: _what_was(check, span)
            for check in CHECKS
            if check.lasts and check.name not in present
            for span in self._spans
            if any(_left_behind(finding, check, span) for finding in grave)
        }
        together = present | over
        return {check.name: together[check.name] for check in CHECKS if check.name in together}

    def history(self) -> list[dict[str, Any]]:
        """What has been wrong so far, the earliest first: name, title, severity, since and until which update."""
        fields = ("name", "severity", "since", "until")
        return [{"title": BY_NAME[span.name].title, **{f: getattr(span, f) for f in fields}} for span in self._spans]

    def began(self, update: int) -> bool:
        """Whether something that is told of goes back to this update, and to none before it."""
        return any(span.since == update for span in self._spans)

    def unknown(self) -> dict[str, dict[str, Any]]:
        """The checks that can say nothing: why, and whether that may change."""
        known = {**self._verdicts, **self._voided()}
        return {name: {**vars(verdict)} for name, verdict in known.items() if isinstance(verdict, Unknown)}

    def _voided(self) -> dict[str, Unknown]:
        """Checks that find nothing in numbers which another finding has made meaningless: no good news."""
        standing = [
            check
            for check in CHECKS
            if isinstance(verdict := self._verdicts[check.name], Found)
            and SEVERITIES.index(_severity(check, verdict, self._rows)) <= SEVERITIES.index(check.severity)
        ]
        return {
            name: Unknown(f"cannot be judged while “{check.title}” stands")
            for check in reversed(standing)  # the first in the table has the last word
            for name in check.voids
            if self._verdicts[name] is None
        }

    def values(self) -> dict[str, float]:
        """What the checks look at, as it is now."""
        rows = list(self._rows)
        return {name: last(rows, name) for check in CHECKS for name in check.metrics}

    def told(self, failed: dict[str, str]) -> dict[str, Any]:
        """All of this, as a snapshot tells it; what cannot be told is noted in `failed`."""
        try:
            return {
                "findings": self.findings(),
                "history": self.history(),
                "unknown": self.unknown(),
                "health": {name: value for name, value in self.values().items() if math.isfinite(value)},
            }
        except Exception as error:
            failed.setdefault("health", described(error))
            return {"findings": [], "history": [], "unknown": {}, "health": {}}

    def _finding(self, check: Check, verdict: Found) -> Finding:
        remedy, setting = check.remedy, check.setting
        if verdict.remedy is not None:
            remedy, setting = verdict.remedy, verdict.setting
        span = self._open(check.name)
        since = span.since if span is not None else 0
        severity = _severity(check, verdict, self._rows)
        cause = (verdict.cause or check.cause) + self._began_after(check, since, severity)
        summary, cause = with_powers(verdict.summary), with_powers(cause)
        return Finding(check.name, check.title, severity, summary, cause, remedy, setting, since)

    def _began_after(self, check: Check, since: int, severity: str) -> str:
        """A cause that has passed meanwhile, in words; not one that is among the findings still."""
        for span in reversed(self._spans):
            told = BY_NAME[span.name].lasts and severity != "note"
            if not told and _explains(span, check.name, since):
                return f" It began after another finding: {BY_NAME[span.name].title}, at update {span.since}."
        return ""

    def _open(self, name: str) -> Span | None:
        return next((span for span in reversed(self._spans) if span.name == name and span.until is None), None)

    def _note(self, now: Span) -> None:
        """Told of now: go on with its span, or begin one."""
        for index, span in enumerate(self._spans):
            if span.name == now.name and span.told >= now.told - FORGIVEN:
                gravest = min(now.severity, span.severity, key=SEVERITIES.index)
                told = span.told_cause if any(span.told_cause) else now.told_cause
                self._spans[index] = replace(now, severity=gravest, since=span.since, told_cause=told)
                return
        self._spans = [*self._spans, now][-MAX_HISTORY:]


def with_indicators(moment: Moment, row: Row) -> Steps[Row]:
    """The scalars of an update, and all else that the checks look at of it by itself."""
    epsilon, told_loss = row.get("adam_epsilon", EPS), row.get("told_loss", math.nan)
    found = yield from indicators_in_steps(moment, epsilon, told_loss)
    return {**row, **found}


def _severity(check: Check, verdict: Found, rows: Sequence[Row]) -> str:
    """What keeps a run from learning well is a note while its return is at its best, or as high as it should be."""
    severity = verdict.severity or check.severity
    well = check.excused and last(rows, "at_best")
    return "note" if severity == "warning" and well else severity


def _tightened(remedy: str) -> str:
    """Of a run that has a target KL already."""
    return remedy.replace("set a target KL", "lower the target KL").replace("a target KL", "a lower target KL")


def _explains(span: Span, name: str, since: int) -> bool:
    """Whether what was wrong then, and is over, is a cause of what began in that update."""
    over = span.until is not None and span.since <= since <= span.until + LOOK_BACK
    return over and name in BY_NAME[span.name].explains


def _reaches(cause: Finding, finding: Finding) -> bool:
    """Whether a cause goes on, or the finding began soon enough after it."""
    if BY_NAME[finding.name].before and cause.since > finding.since:
        return False
    return cause.until is None or cause.since <= finding.since <= cause.until + LOOK_BACK


def _left_behind(finding: Finding, check: Check, span: Span) -> bool:
    return span.name == check.name and _explains(span, finding.name, finding.since)


def _what_was(check: Check, span: Span) -> Finding:
    """An event that is over, told of because of what it has left behind."""
    summary = f"{span.summary} It has passed; what follows from it has not."
    severity = min(span.severity, check.severity, key=SEVERITIES.index)  # a note once, while all seemed well
    cause, remedy, setting = span.told_cause
    reason = with_powers(cause or check.cause)
    advice = (check.remedy, check.setting) if remedy is None else (remedy, setting)
    return Finding(check.name, check.title, severity, summary, reason, *advice, span.since, span.until)


def _leader(finding: Finding, found: dict[str, Finding]) -> Finding | None:
    """The finding at the head of what explains this one; None for one that nothing explains."""
    leader = None
    while finding.explained_by is not None:
        leader = finding = found[finding.explained_by]
    return leader
