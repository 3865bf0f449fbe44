"""What the runs of a server are written down in, where they are kept."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from typing import Any

from ppo_scope import __version__
from ppo_scope.records.history import MAX_EPISODES, MAX_ROWS
from ppo_scope.records.library import InUse, Library, Terms
from ppo_scope.records.record import RunRecord
from ppo_scope.records.store import CannotRead
from ppo_scope.runs.journal import Journal
from ppo_scope.runs.reopening import Reopened, come_back, note_fork
from ppo_scope.wire.run import Branch

logger = logging.getLogger(__name__)


class Journals:
    """Of one server; without a `library` none of its runs is kept."""

    def __init__(self, library: Library | None) -> None:
        self.library = library

    def of_new(self, record: RunRecord) -> Journal | None:
        """Of a new run; where the disk refuses, it goes on without, and that is said."""
        if self.library is None:
            return None
        try:
            place, terms = self.library.place(record.id), self.library.terms
            return Journal(place, _about(record), create=True, terms=terms)
        except (OSError, sqlite3.Error, InUse, CannotRead) as error:
            _is_not_kept(record, self.library, error)
            return None

    def of_attached(self, id: str, settings: dict[str, Any], about: dict[str, Any]) -> tuple[RunRecord, Journal | None]:
        """Of a run whose training loop is somebody else's, with its record. A loop outlives servers: it goes on where
        another one has kept it; else it is a new one, as `of_new` has it.
        """
        record = RunRecord(id, settings)
        record.facts["attached"] = about
        if self.library is None or (kept := self.library.run(id)) is None:
            return record, self.of_new(record)
        try:
            record = come_back(kept, settings)
            return record, Journal(kept.folder, {}, create=False, terms=self.library.terms)
        except (OSError, sqlite3.Error, InUse, CannotRead) as error:
            _is_not_kept(record, self.library, error)
            return record, None

    def of_refused(self, record: RunRecord) -> Journal | None:
        """Of a run that the disk has refused so far, or that another server had: all that is known of it is written.
        None: that is still so.
        """
        assert self.library is not None
        place, terms = self.library.place(record.id), self.library.terms
        try:
            kept = self.library.run(record.id)
            if kept is None:
                return Journal(place, _about(record), create=True, terms=terms)
            come_back(kept, record.settings)  # only of a loop elsewhere there may be one
            return Journal(kept.folder, {}, create=False, terms=terms)
        except (OSError, sqlite3.Error, InUse, CannotRead):
            return None

    def of_kept(self, reopened: Reopened) -> Journal:
        """Of a run that goes on, or a fork: see `journal_of`, also for what it raises."""
        return journal_of(reopened, self.library.terms if self.library is not None else None)

    def note_fork(self, parent: str, branch: Branch) -> None:
        """Where the run that it branched off from is kept, if it is there still, and can be written."""
        if self.library is not None:
            with contextlib.suppress(CannotRead, sqlite3.Error):
                note_fork(self.library.place(parent), branch)


def journal_of(reopened: Reopened, terms: Terms | None) -> Journal:
    """What a run that goes on, or a fork, is written down in.

    Raises:
        InUse: another server has it.
        CannotRead, OSError, sqlite3.Error: its folder cannot be written.
    """
    record, parent = reopened.record, reopened.parent
    if parent is None:
        journal = Journal(reopened.folder, {}, create=False, terms=terms)
        for change in reopened.changes:
            journal.change(change)
            record.take_change(change)
        return journal
    journal = Journal(reopened.folder, {**_about(record), "parent": parent}, create=True, terms=terms)
    write_so_far(journal, record)
    if reopened.state is not None:  # its process tells of it later: ended before, it would begin anew as no fork
        journal.state(parent["update"], reopened.state)
    return journal


def write_so_far(journal: Journal, record: RunRecord) -> None:
    """What has happened to a run, as far as it is known, that is not in its journal."""
    last, changes = journal.known
    start: int | None = last + 1
    while start is not None:
        part, start = record.series(start, None, MAX_ROWS, MAX_EPISODES)
        if len(part.rows):
            journal.series(list(part.columns), part.first, part.rows, part.episodes)
    for change in record.changes:
        if change not in changes:
            journal.change(change)
    for update in record.pauses:
        if update > last:
            journal.event(update, "paused", {})
    for evaluation in record.evaluations:
        if evaluation["update"] > last:
            journal.event(evaluation["update"], "evaluated", dict(evaluation))


def _is_not_kept(record: RunRecord, library: Library, error: Exception) -> None:
    logger.warning("Runs cannot be kept in %s (%s). This one is not.", library.folder, error)
    record.unwritten = str(error)


def _about(record: RunRecord) -> dict[str, Any]:
    sweep = {"sweep": record.sweep} if record.sweep else {}
    facts = {"facts": record.facts} if "attached" in record.facts else {}  # whose loop it is, from the beginning
    return {"settings": record.settings, "created": record.created, "version": __version__, **sweep, **facts}
