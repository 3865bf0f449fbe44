"""A run that was kept, made ready to go on, or to have another one branch off: its record as far as a state of it, and
that state.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from ppo_scope.ppo.settings import LIVE, Settings
from ppo_scope.records import trees
from ppo_scope.records.library import KeptRun, Library
from ppo_scope.records.record import RunRecord
from ppo_scope.records.store import FORK, NEWEST, CannotRead, Store
from ppo_scope.wire.run import Branch, Change, Evaluation, Parent

logger = logging.getLogger(__name__)

ALSO = frozenset({"total_steps"})
"""Settings beside the live ones that may be others when a run goes on: its end is nothing that has happened."""
OF_A_FORK = ALSO | {"seed"}


@dataclass(frozen=True)
class Reopened:
    """What a run goes on with."""

    settings: Settings
    record: RunRecord
    state: bytes | None
    """Of `records.trees`; None: it ended before one was kept, and begins anew."""
    folder: Path
    """Where it is kept."""
    changes: tuple[Change, ...] = ()
    """That its going on brings with it, and that are not written yet."""
    parent: Parent | None = None
    """Of a fork: the `run` that it comes from, and the `update` before which it branches off."""


NOT_OURS = (
    "Run {run} cannot {what}: its training loop is somebody else's. Begin it anew where it was begun; "
    "`ppo-scope open {run}` shows what it was."
)
BEFORE_ITS_STATE = (
    "Run {run} cannot go on: it ended before the state that it began with was written. It was a fork: "
    "`ppo-scope serve --fork {of}@{at}` begins it anew."
)


def reopened(kept: KeptRun, values: dict[str, Any]) -> Reopened:
    """Go on with a run; `values`: settings that are others from now on.

    Raises:
        CannotRead: it is in use or damaged; one readable line.
        ValueError: a value does not fit, or the setting cannot change any more.
    """
    if kept.in_use:
        raise CannotRead(f"Run {kept.id} is in use: another PPO Scope has it.")
    if is_foreign(kept):
        raise CannotRead(NOT_OURS.format(run=kept.id, what="go on from here"))
    with _opened(kept) as store:
        if (found := _found(kept, store, None)) is None:
            if "settings" not in kept.about:
                raise CannotRead(f"Run {kept.id} cannot go on: it ended before anything of it was written.")
            if (parent := kept.about.get("parent")) is not None:  # with new weights it would be none
                raise CannotRead(BEFORE_ITS_STATE.format(run=kept.id, of=parent["run"], at=parent["update"]))
            settings = Settings.parse({**kept.about["settings"], **_allowed(values, ALSO)})
            return Reopened(settings, _gone_on(kept, store, 1, _told(settings)), None, kept.folder)
        update, state = found
        settings, state = _with(state, values, ALSO)
        if "total_steps" in values:
            _refuse_the_past(settings, state)
        changed = _ends_otherwise(kept, store, update, settings)
        record = _gone_on(kept, store, update, _told(settings))
        return Reopened(settings, record, _packed(state, record), kept.folder, changes=changed)


def forked(kept: KeptRun, at: int | None, values: dict[str, Any], library: Library) -> Reopened:
    """Let another run branch off before update `at`, or from the newest state; `values`: its settings that differ.

    Raises:
        CannotRead, ValueError: as `reopened`; and no state of that update, or of one before it, is kept.
    """
    if is_foreign(kept):
        raise CannotRead(NOT_OURS.format(run=kept.id, what="be forked"))
    with _opened(kept) as store:
        if (found := _found(kept, store, at)) is None:
            raise CannotRead(f"Run {kept.id} cannot be forked there: no state that early is kept.")
        update, state = found
        settings, state = _with(state, values, OF_A_FORK)
        _refuse_the_past(settings, state)
        with contextlib.suppress(sqlite3.Error), store.writing():  # where it cannot be written, nothing will be dropped
            store.mark(update, FORK)
        record = _record(secrets.token_hex(4), store, update, _told(settings))
        parent: Parent = {"run": kept.id, "update": update}
        record.parent = parent
        return Reopened(settings, record, _packed(state, record), library.place(record.id), parent=parent)


def _packed(state: trees.Tree, record: RunRecord) -> bytes:
    """For the process that goes on; how well the policy was at its best before is no part of a trainer's state."""
    means = [evaluation["mean"] for evaluation in record.evaluations if evaluation["mean"] is not None]
    return trees.encode({**state, "highest_evaluation": max(means, default=None)})


def _refuse_the_past(settings: Settings, state: trees.Tree) -> None:
    """Raises: ValueError, the run would have nothing to do."""
    if settings.total_steps is not None and state["steps"] >= settings.total_steps:
        steps = f"{state['steps']:,}"
        raise ValueError(f"total_steps: {steps} steps have been made there, so it has to be more than that, or none")


def _ends_otherwise(kept: KeptRun, store: Store, update: int, settings: Settings) -> tuple[Change, ...]:
    """Its end is the only setting that is no live one and may be another from here on."""
    ends = [change["new"] for change in store.changes() if change["name"] == "total_steps"]
    old = ends[-1] if ends else kept.about.get("settings", {}).get("total_steps")
    new = settings.total_steps
    return () if old == new else ({"update": update, "name": "total_steps", "old": old, "new": new},)


@contextlib.contextmanager
def _opened(kept: KeptRun) -> Iterator[Store]:
    if kept.problem:
        raise CannotRead(f"Run {kept.id} cannot be read: {kept.problem}")
    with contextlib.closing(Store(kept.folder)) as store:
        yield store


def _found(kept: KeptRun, store: Store, at: int | None) -> tuple[int, trees.Tree] | None:
    """(update, state) of the newest one, of those that are not behind update `at`."""
    damaged: list[tuple[int, trees.Damaged]] = []
    at = min(store.resumes_at() or 0, NEWEST if at is None else at)
    while (found := store.state(at)) is not None:
        try:
            state = trees.decode(trees.opened(found[1]))
        except trees.Damaged as error:
            damaged.append((found[0], error))
            at = found[0] - 1
            continue
        if damaged:
            _tell_of(damaged, found[0], kept, store)
        return found[0], state
    if damaged:
        update, why = damaged[0]
        raise CannotRead(f"Run {kept.id} cannot go on from update {update}: {why}. No other state of it is kept.")
    return None


def _tell_of(damaged: list[tuple[int, trees.Damaged]], instead: int, kept: KeptRun, store: Store) -> None:
    """That it goes on from before where it could have, in the terminal and among the run's events."""
    for update, error in damaged:
        logger.warning(
            "Run %s: the state before update %d is damaged (%s). The one before update %d is taken instead.",
            *(kept.id, update, error, instead),
        )
    said = {"states": [update for update, _ in damaged], "instead": instead}
    with contextlib.suppress(sqlite3.Error), store.writing():
        store.event(datetime.now(UTC).isoformat(timespec="milliseconds"), store.last(), "damaged", said)


def is_foreign(kept: KeptRun) -> bool:
    """Whether its training loop is somebody else's."""
    return "attached" in (kept.about.get("facts") or {})


def _with(state: trees.Tree, values: dict[str, Any], also: frozenset[str]) -> tuple[Settings, trees.Tree]:
    """(its settings, the state) with other settings: live ones wait for the next update, as a slider's do."""
    values = _allowed(values, also)
    settings = Settings.parse(state["settings"]).changed(**{n: v for n, v in values.items() if n in also})
    pending = {**state["pending"], **{n: v for n, v in values.items() if n in LIVE}}
    settings.changed(**pending)
    begun = state.get("begun")
    if begun is not None:  # what was to come behind the update that begins again
        begun = {**begun, "pending": {name: value for name, value in begun["pending"].items() if name not in values}}
    return settings, {**state, "settings": settings.model_dump(mode="json"), "pending": pending, "begun": begun}


def _allowed(values: dict[str, Any], also: frozenset[str]) -> dict[str, Any]:
    for name in values:
        if name not in LIVE | also:
            raise ValueError(f"{name}: changes only with a new run")
    return values


def _told(settings: Settings) -> dict[str, Any]:
    return settings.model_dump(mode="json")


def _gone_on(kept: KeptRun, store: Store, update: int, settings: dict[str, Any]) -> RunRecord:
    """What had happened to the run before that update: when it began, where it comes from, when it went on."""
    record = _record(kept.id, store, update, settings)
    record.created = str(kept.about.get("created") or record.created)
    record.parent, record.sweep = kept.about.get("parent"), kept.about.get("sweep")
    for _, _, what, said in store.events():
        if what == "resumed" and said["before"] <= update:
            record.went_on(said["before"], said["anew"])
        if what == "forked" and said["update"] <= update:
            record.forks.append(cast(Branch, said))
    return record


def _record(id: str, store: Store, update: int, settings: dict[str, Any]) -> RunRecord:
    """What had happened before that update."""
    record = RunRecord(id, settings)
    record.position["update"] = update - 1
    columns, updates, rows = store.series(last=update - 1)
    if len(updates):
        record.take_series(list(columns), int(updates[0]), rows, store.episodes(last=update - 1))
    for change in store.changes():
        if change["update"] < update:
            record.take_change(change)
    events = store.events()
    record.pauses.extend(at for _, at, what, _ in events if what == "paused" and at < update)
    evaluations = (cast(Evaluation, said) for _, _, what, said in events if what == "evaluated")
    record.evaluated([evaluation for evaluation in evaluations if evaluation["update"] < update])
    return record


def note_fork(parent: Path, branch: Branch) -> None:
    """Write into the run in that folder that another one has branched off from it.

    Raises:
        CannotRead, sqlite3.Error: it has gone, or cannot be written.
    """
    with contextlib.closing(Store(parent)) as store, store.writing():
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        store.event(at, branch["update"], "forked", dict(branch))


def to_show(kept: KeptRun) -> tuple[Settings, RunRecord]:
    """(settings as they were last, record) of a run that is only looked at.

    Raises:
        CannotRead: it is damaged; one readable line.
    """
    with _opened(kept) as store:
        if (values := kept.about.get("settings")) is None:
            raise CannotRead(f"Run {kept.id} cannot be shown: it ended before anything of it was written.")
        if is_foreign(kept):  # what its loop has not told is not made up, and our rules are not its
            settings, record = Settings(), _as_it_is(kept, store, values, store.last() + 1)
        else:
            record = _as_it_is(kept, store, _told(Settings.parse(values)), store.last() + 1)
            settings = Settings.parse(record.settings)
        record.can_be_made_again()
        return settings, record


def come_back(kept: KeptRun, settings: dict[str, Any]) -> RunRecord:
    """What another server has written down of a run whose training loop is somebody else's, and now speaks to this one.
    `settings`: that it began with, as it tells them.

    Raises:
        CannotRead: it is damaged, or one of ours; one readable line.
    """
    with _opened(kept) as store:
        if not is_foreign(kept):
            raise CannotRead(f"Run {kept.id} has a training loop of ours, and this one is not.")
        return _as_it_is(kept, store, settings, NEWEST)  # with changes that wait for the row of their update


def _as_it_is(kept: KeptRun, store: Store, began: dict[str, Any], end: int) -> RunRecord:
    """All that had happened before update `end`; `began`: with which settings."""
    record = _gone_on(kept, store, end, began)
    record.settings = {**began, **{one["name"]: one["new"] for one in record.changes}}
    record.facts.update(kept.about.get("facts") or {})
    record.position.update(update=store.last(), phase="update")
    return record
