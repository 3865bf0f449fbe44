"""A run that was kept, made ready to go on: its record as far as its newest state, and that state."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppo_scope.ppo.settings import LIVE, Settings
from ppo_scope.records import trees
from ppo_scope.records.library import RUNS, KeptRun
from ppo_scope.records.record import RunRecord
from ppo_scope.records.store import CannotRead, Store

ALSO = frozenset({"total_steps"})
"""Settings beside the live ones that may be others when a run goes on: its end is nothing that has happened."""


@dataclass(frozen=True)
class Reopened:
    """What a run goes on with."""

    settings: Settings
    record: RunRecord
    state: bytes | None
    """Of `records.trees`; None: it ended before one was kept, and begins anew."""
    folder: Path


def reopened(kept: KeptRun, values: dict[str, Any]) -> Reopened:
    """Read what is there; `values`: settings that are others from now on.

    Raises:
        CannotRead: it is in use or damaged; one readable line.
        ValueError: a value does not fit, or the setting cannot change any more.
    """
    if kept.state == RUNS:
        raise CannotRead(f"Run {kept.id} is in use: another PPO Scope has it.")
    if kept.problem:
        raise CannotRead(f"Run {kept.id} cannot be read: {kept.problem}")
    for name in values:
        if name not in LIVE | ALSO:
            raise ValueError(f"{name}: changes only with a new run")
    with contextlib.closing(Store(kept.folder)) as store:
        found = store.state()
        if found is None:
            settings = Settings.parse({**kept.about["settings"], **values})
            return Reopened(settings, _record(kept, store, 1, settings), None, kept.folder)
        update, sealed = found
        try:
            state = trees.decode(trees.opened(sealed))
            settings = Settings.parse(state["settings"]).changed(**{n: values[n] for n in values.keys() & ALSO})
            settings.changed(**values)
        except (trees.Damaged, KeyError) as error:
            raise CannotRead(f"Run {kept.id} cannot go on from update {update}: {error}.") from None
        live = {name: value for name, value in values.items() if name in LIVE}
        state = {**state, "settings": settings.model_dump(mode="json"), "pending": {**state["pending"], **live}}
        return Reopened(settings, _record(kept, store, update, settings), trees.encode(state), kept.folder)


def _record(kept: KeptRun, store: Store, update: int, settings: Settings) -> RunRecord:
    """What had happened before that update."""
    record = RunRecord(kept.id, settings.model_dump(mode="json"), created=str(kept.about.get("created")))
    columns, updates, rows = store.series(last=update - 1)
    if len(updates):
        record.take_series(list(columns), int(updates[0]), rows, store.episodes(last=update - 1))
    for change in store.changes():
        if change["update"] < update:
            record.take_change(change)
    return record
