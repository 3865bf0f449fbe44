"""The runs of one server: started, one at a time; looked after, side by side; stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from ppo_scope.ppo.settings import Settings
from ppo_scope.processes.process import DEFAULT_WORKER
from ppo_scope.processes.spawning import until_warm, warm_up
from ppo_scope.records.library import InUse, KeptRun, Library
from ppo_scope.records.record import RunRecord
from ppo_scope.records.store import CannotRead
from ppo_scope.runs import ending
from ppo_scope.runs.attached import AttachedRun
from ppo_scope.runs.ending import Cause
from ppo_scope.runs.journal import Journal
from ppo_scope.runs.journals import Journals, write_so_far
from ppo_scope.runs.live import LiveRun
from ppo_scope.runs.parties import Elsewhere, Listener
from ppo_scope.runs.pulse import STALL_AFTER
from ppo_scope.runs.reopening import Reopened, to_show
from ppo_scope.wire.codes import RunState
from ppo_scope.wire.run import Branch

logger = logging.getLogger(__name__)

LIVE_RUNS = max(2, os.cpu_count() or 1)
"""Runs that may have a process at the same time: each keeps a core busy."""
SHOWN_RUNS = 4
"""Runs that may be shown from the disk at the same time: each has a process that rests, and its memory."""
KEPT_RUNS = 8
"""Runs that stay listed; those that train, or may, stay whatever their number."""
DISK_AGAIN = 5.0
"""Seconds until a disk that did not take a run is asked again."""
AGAIN = 1.0
"""Seconds until it is looked again whether there is room."""
TRIAL_SECONDS = 120.0
"""Time that a new run has to show that it trains, before the current one is given up for it."""
CANCELLED = Cause("Cancelled: no new run was begun, and the one that was goes on.", "", "")
MANY = Cause(
    f"{LIVE_RUNS} runs are there at once already, as many as this machine has cores for. "
    "End one, or begin the new one instead of it.",
    "",
    "",
)
LEAVING = Cause("The server is being ended: no new run is begun.", "", "")


class CannotBegin(ValueError):
    """A run that did not show that it trains; one readable line. The others were left alone and go on."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(" ".join(cause.summary.split()))
        self.detail = cause.detail
        """A traceback's or the output's tail; may be empty."""


class NoRoom(CannotBegin):
    """There are as many runs as there may be."""


class Supervisor:
    """The runs of one server. Those that have ended stay listed with their histories."""

    def __init__(
        self,
        listener: Listener,
        *,
        worker: str = DEFAULT_WORKER,
        stall_after: float = STALL_AFTER,
        trial_seconds: float = TRIAL_SECONDS,
        library: Library | None = None,
    ) -> None:
        """`library`: where runs are kept; None: nowhere."""
        self._journals = Journals(library)
        self._listener = listener
        self._worker = worker
        self._stall_after = stall_after
        self._trial_seconds = trial_seconds
        self._runs: dict[str, LiveRun] = {}
        self._starting, self._opening, self._attaching = asyncio.Lock(), asyncio.Lock(), asyncio.Lock()
        self._candidate: LiveRun | None = None  # a run on trial
        self._refused: asyncio.Future[Cause] | None = None  # while it is: why it shall not begin, whatever it shows
        self._leaving = False

    @property
    def busy(self) -> bool:
        """A run is being started right now."""
        return self._starting.locked()

    def runs(self) -> list[LiveRun]:
        """All that are listed, the newest first: not those that were deleted, which only their pages have still."""
        return [run for run in reversed(self._runs.values()) if run.state != RunState.DELETED]

    def get(self, run: str) -> LiveRun | None:
        """A run by its identifier."""
        return self._runs.get(run)

    @property
    def newest(self) -> LiveRun | None:
        """The run that was begun last; only where there is none, one that is shown from the disk."""
        runs = self.runs()
        return next((run for run in runs if run.shown is None), runs[0] if runs else None)

    async def open(self, kept: KeptRun) -> LiveRun:
        """Show a run from the disk, without training; where it goes on in this server, that one.

        Raises:
            CannotRead: it is damaged; one readable line.
            CannotBegin: the server is being ended.
            OSError, RuntimeError: no process can be begun for it.
        """
        async with self._opening:
            if self._leaving:
                raise CannotBegin(LEAVING)
            if (living := self._living(kept.id)) is not None:
                return living
            settings, record = await asyncio.to_thread(to_show, kept)
            await _until_a_process_can_begin()
            shown = [run for run in self._live() if run.shown is not None]
            for oldest in shown[: max(0, len(shown) + 1 - SHOWN_RUNS)]:
                await oldest.stop(kept=False, why=ending.shown_no_more(oldest.id, SHOWN_RUNS))
            if (living := self._living(kept.id)) is not None:  # it has gone on meanwhile
                return living
            if self._leaving:
                raise CannotBegin(LEAVING)
            run = LiveRun(
                settings, paused=True, listener=self._listener, worker=self._worker, record=record, shown=kept
            )
            return self._introduce(run, self._runs.get(kept.id))

    @property
    def library(self) -> Library | None:
        """Where runs are kept; None: nowhere."""
        return self._journals.library

    def resume(self, reopened: Reopened, journal: Journal, *, paused: bool) -> LiveRun:
        """Go on with a run that was kept, or a fork of it, written down in its journal; the server's first one."""
        self._tell_parent(reopened)
        run = self._remade(reopened, paused, trial=False)
        run.keep_in(journal)
        return self._introduce(run, None)

    async def attach(self, id: str, settings: dict[str, Any], about: dict[str, Any]) -> LiveRun:
        """The run of that identifier; where there is none here, one that trains elsewhere, with what was kept of it
        before. `settings`: that it began with; `about`: see `AttachedRun`.
        """
        async with self._attaching:
            if (known := self._runs.get(id)) is not None and known.shown is None:
                return known
            record, journal = await asyncio.to_thread(self._journals.of_attached, id, settings, about)
            run = AttachedRun(record, about, listener=self._listener)
            if journal is not None:
                run.keep_in(journal)
            return self._introduce(run, self._runs.get(id))  # it was only looked at until now

    async def start(
        self,
        settings: Settings,
        *,
        paused: bool,
        instead: LiveRun | None = None,
        sweep: str | None = None,
        begin: Elsewhere | None = None,
    ) -> LiveRun:
        """Begin a run, beside the others or instead of one of them; of a `sweep`, where it is of one. `begin`: where
        it trains, unless that is here; what trains elsewhere takes no place here, and need not be tried.

        Where it takes the place of a run, or others have a process, it must first show that it trains; only then the
        one that it replaces is stopped.

        Raises:
            CannotBegin: it did not show it, was given up, or there are as many as there may be. The others go on.
        """

        def made(trial: bool) -> LiveRun:
            run = self._made(settings, paused, trial=trial, begin=begin)
            run.record.sweep = sweep
            return run

        return await self._begin(made, lambda run: self._journals.of_new(run.record), instead, here=begin is None)

    async def go_on(
        self, reopened: Reopened, *, paused: bool, instead: LiveRun | None = None, begin: Elsewhere | None = None
    ) -> LiveRun:
        """Go on with a run that was kept, or a fork of it, while the server goes on: as `start` begins a new one.

        Raises:
            CannotBegin: as `start`; or its folder cannot be written, or another server has it.
        """

        def journal(run: LiveRun) -> Journal:
            try:
                journal = self._journals.of_kept(reopened)
            except (OSError, sqlite3.Error, InUse, CannotRead) as error:
                raise CannotBegin(Cause(f"Run {run.id} cannot be written to the disk: {error}", "", "")) from None
            self._tell_parent(reopened)
            return journal

        def made(trial: bool) -> LiveRun:
            return self._remade(reopened, paused, trial=trial, begin=begin)

        return await self._begin(made, journal, instead, here=begin is None)

    async def _begin(
        self,
        make: Callable[[bool], LiveRun],
        journal_of: Callable[[LiveRun], Journal | None],
        instead: LiveRun | None,
        *,
        here: bool,
    ) -> LiveRun:
        """`make`: the run, on trial or not; `journal_of`: what it is written down in; None: it is not kept."""
        if isinstance(instead, AttachedRun):
            instead = None  # nobody's own training ends for a new run of ours
        async with self._starting:
            if here:
                await _until_a_process_can_begin()
            if self._leaving:
                raise CannotBegin(LEAVING)
            live = self._training() if here else []
            if here:
                self.refuse_when_full(instead)
            candidate = self._candidate = make(bool(live))
            journal: Journal | None = None
            try:
                if live:  # else there is nothing to be lost
                    await self._try(candidate)
                journal = journal_of(candidate)
                if instead is not None and not instead.gone:
                    await instead.stop()
                if self._leaving:
                    raise CannotBegin(LEAVING)
                if live:
                    candidate.begin()
            except BaseException:
                candidate.kill()
                if journal is not None:
                    journal.close()
                raise
            finally:
                self._candidate = None
            if journal is not None:
                candidate.keep_in(journal)
            return self._introduce(candidate, instead)

    def forget(self, run: LiveRun) -> None:
        """Know nothing more of a run that has ended."""
        if self._runs.get(run.id) is run and run.gone:
            del self._runs[run.id]

    def abandon_start(self) -> bool:
        """Give up a run that is on trial: its `start` raises `CannotBegin`. False where there is none."""
        return self._give_up(CANCELLED)

    def _give_up(self, refusal: Cause) -> bool:
        if self._candidate is None or self._refused is None or self._refused.done():
            return False  # none is tried, or it has shown what it can and another one is being stopped for it
        self._refused.set_result(refusal)
        self._candidate.kill()
        return True

    async def _try(self, candidate: LiveRun) -> None:
        """Wait until a run on trial has shown that it trains.

        Raises:
            CannotBegin: it has not.
        """
        refused = self._refused = asyncio.get_running_loop().create_future()
        shown = asyncio.ensure_future(candidate.proved(self._trial_seconds))
        try:
            await asyncio.wait({refused, shown}, return_when=asyncio.FIRST_COMPLETED)
            cause = refused.result() if refused.done() else shown.result()
        finally:
            shown.cancel()
            self._refused = None
        if cause is not None:
            raise CannotBegin(cause)

    def _made(
        self,
        settings: Settings,
        paused: bool,
        *,
        trial: bool,
        begin: Elsewhere | None = None,
        record: RunRecord | None = None,
        state: bytes | None = None,
    ) -> LiveRun:
        return LiveRun(
            settings,
            paused=paused,
            listener=self._listener,
            worker=self._worker,
            stall_after=self._stall_after,
            trial=trial,
            record=record,
            state=state,
            begin=begin,
        )

    def _remade(self, kept: Reopened, paused: bool, *, trial: bool, begin: Elsewhere | None = None) -> LiveRun:
        return self._made(kept.settings, paused, trial=trial, begin=begin, record=kept.record, state=kept.state)

    def _tell_parent(self, reopened: Reopened) -> None:
        """Of a fork: that it has branched off, where its parent is kept and where it goes on here."""
        if (parent := reopened.parent) is None:
            return
        branch: Branch = {"run": reopened.record.id, "update": parent["update"]}
        if (here := self._runs.get(parent["run"])) is not None:
            here.record.forks.append(branch)
        self._journals.note_fork(parent["run"], branch)

    async def room(self) -> None:
        """Until there is room for one more run; somebody else may take it in the next moment."""
        while True:
            if not self.is_full:
                return
            await asyncio.sleep(AGAIN)

    @property
    def is_full(self) -> bool:
        """Whether there are as many runs as there may be."""
        return len(self._training()) >= LIVE_RUNS

    def refuse_when_full(self, instead: LiveRun | None) -> None:
        """Raises: NoRoom, there are as many runs as there may be, and none of them makes room."""
        if (instead is None or instead.gone or instead.shown is not None) and self.is_full:
            raise NoRoom(MANY)

    def _training(self) -> list[LiveRun]:
        """Those that keep a core busy; what is shown from the disk or trains elsewhere costs this machine little."""
        return [run for run in self._live() if run.shown is None and not run.elsewhere]

    def _live(self) -> list[LiveRun]:
        """Those that have a process."""
        return [run for run in self._runs.values() if not run.gone]

    def _living(self, id: str) -> LiveRun | None:
        """The run of that identifier, if it has a process."""
        run = self._runs.get(id)
        return run if run is not None and not run.gone else None

    def _introduce(self, run: LiveRun, instead: LiveRun | None) -> LiveRun:
        if instead is not None:
            instead.record.retire()
        before = self._runs.pop(run.id, None)  # as it was here before it ended
        if before is not None and not before.gone:
            before.kill()  # somebody has opened it while it was on trial: it is only shown, and trains nothing
        self._runs[run.id] = run
        least = [one.id for one in self._runs.values() if one.dispensable and one is not instead]
        for id in least[: max(0, len(self._runs) - KEPT_RUNS)]:
            self._runs.pop(id).let_go()
        self._listener.begun(run, instead)
        return run

    async def watch(self, interval: float = 0.5) -> None:
        """Look after the runs for ever."""
        asked = time.monotonic()
        while True:
            await asyncio.sleep(interval)
            if time.monotonic() - asked >= DISK_AGAIN:
                await self._keep_after_all()
                asked = time.monotonic()
            for run in self.runs():
                try:
                    run.look()
                except Exception:  # whoever looks after runs has to be there the next time, too
                    logger.exception("Run %s could not be looked after.", run.id)

    async def _keep_after_all(self) -> None:
        """The runs that the disk has refused, if it takes them now."""
        for run in [one for one in self.runs() if one.refused_by_the_disk]:
            journal = await asyncio.to_thread(self._journals.of_refused, run.record)
            if journal is None:
                continue
            write_so_far(journal, run.record)
            run.keep_in(journal)
            logger.warning("Run %s is kept in %s after all.", run.id, journal.folder)

    async def close(self) -> None:
        """Stop all runs, and at once the one that is on trial. No other one begins."""
        self._leaving = True
        self._give_up(LEAVING)
        async with self._starting, self._attaching:
            await asyncio.gather(*(run.stop(kept=False) for run in self._live()))
            await asyncio.gather(*(run.written() for run in self._runs.values()))

    def kill(self) -> None:
        """End the processes of all runs, and of the one on trial, at once."""
        for run in (*self._live(), self._candidate):
            if run is not None:
                run.kill()


async def _until_a_process_can_begin() -> None:
    """The event loop goes on meanwhile, which would wait for the first process of all."""
    warm_up()
    await asyncio.to_thread(until_warm)


def restarted(run: LiveRun | None, values: dict[str, Any]) -> Settings:
    """The settings of a run as they are now, those that still wait included, changed by `values`.

    Raises:
        ValueError: a name is unknown or a value does not fit; one readable line.
    """
    before = {**run.settings, **run.record.pending} if run else {}
    return Settings.parse({**before, **values})
