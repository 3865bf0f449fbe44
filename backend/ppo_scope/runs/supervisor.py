"""The runs of one server: one after the other, started, looked after, stopped, restarted."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ppo_scope.ppo.settings import Settings
from ppo_scope.runs.ending import Cause
from ppo_scope.runs.live import Listener, LiveRun
from ppo_scope.runs.process import DEFAULT_WORKER
from ppo_scope.runs.pulse import STALL_AFTER

logger = logging.getLogger(__name__)

KEPT_RUNS = 8
"""Runs that stay listed, the current one included."""
TRIAL_SECONDS = 120.0
"""Time that a new run has to show that it trains, before the current one is given up for it."""
CANCELLED = Cause("Cancelled: no new run was begun, and the one that was goes on.", "", "")
LEAVING = Cause("The server is being ended: no new run is begun.", "", "")


class CannotBegin(ValueError):
    """A run that did not show that it trains; one readable line. The current run was left alone and goes on."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(" ".join(cause.summary.split()))
        self.detail = cause.detail
        """A traceback's or the output's tail; may be empty."""


class Supervisor:
    """The runs of one server: at most one is current, the older ones stay listed with their histories."""

    def __init__(
        self,
        listener: Listener,
        *,
        worker: str = DEFAULT_WORKER,
        stall_after: float = STALL_AFTER,
        trial_seconds: float = TRIAL_SECONDS,
    ) -> None:
        self._listener = listener
        self._worker = worker
        self._stall_after = stall_after
        self._trial_seconds = trial_seconds
        self._runs: dict[str, LiveRun] = {}
        self._starting = asyncio.Lock()
        self._candidate: LiveRun | None = None  # a run on trial
        self._refused: asyncio.Future[Cause] | None = None  # while it is: why it shall not begin, whatever it shows
        self._leaving = False
        self.current: LiveRun | None = None

    @property
    def busy(self) -> bool:
        """A run is being replaced right now."""
        return self._starting.locked()

    def runs(self) -> list[LiveRun]:
        """All that are kept, the newest first."""
        return list(reversed(self._runs.values()))

    def get(self, run: str) -> LiveRun | None:
        """A run by its identifier."""
        return self._runs.get(run)

    async def start(self, settings: Settings, *, paused: bool) -> LiveRun:
        """Begin a run. Where one lives, it goes on until the new one has shown that it trains; then it is stopped.

        Raises:
            CannotBegin: the new run did not show it, or was given up. The current run is untouched.
        """
        async with self._starting:
            if self._leaving:
                raise CannotBegin(LEAVING)
            if self.current is None or self.current.gone:  # there is nothing to be lost
                return self._introduce(self._made(settings, paused, trial=False))
            candidate = self._candidate = self._made(settings, paused, trial=True)
            try:
                await self._try(candidate)
                await self.current.stop()
                if self._leaving:
                    raise CannotBegin(LEAVING)
                candidate.begin()
            except BaseException:
                candidate.kill()
                raise
            finally:
                self._candidate = None
            self.current.record.retire()
            return self._introduce(candidate)

    def abandon_start(self) -> bool:
        """Give up a run that is on trial: its `start` raises `CannotBegin`. False where there is none."""
        return self._give_up(CANCELLED)

    def _give_up(self, refusal: Cause) -> bool:
        if self._candidate is None or self._refused is None or self._refused.done():
            return False  # none is tried, or it has shown what it can and the current run is being stopped for it
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

    def _made(self, settings: Settings, paused: bool, *, trial: bool) -> LiveRun:
        return LiveRun(
            settings,
            paused=paused,
            listener=self._listener,
            worker=self._worker,
            stall_after=self._stall_after,
            trial=trial,
        )

    def _introduce(self, run: LiveRun) -> LiveRun:
        """This run is the current one from now on."""
        self._runs[run.id] = run
        for old in list(self._runs)[:-KEPT_RUNS]:
            del self._runs[old]
        self.current = run
        self._listener.current(run)
        return run

    def restarted(self, values: dict[str, Any]) -> Settings:
        """The settings of the current run as they are now, those that still wait included, changed by `values`.

        Raises:
            ValueError: a name is unknown or a value does not fit; one readable line.
        """
        before = {**self.current.settings, **self.current.record.pending} if self.current else {}
        return Settings.parse({**before, **values})

    async def watch(self, interval: float = 0.5) -> None:
        """Look after the current run for ever."""
        while True:
            await asyncio.sleep(interval)
            if self.current is not None:
                try:
                    self.current.look()
                except Exception:  # whoever looks after runs has to be there the next time, too
                    logger.exception("Run %s could not be looked after.", self.current.id)

    async def close(self) -> None:
        """Stop the current run, and at once the one that is on trial. No other one begins."""
        self._leaving = True
        self._give_up(LEAVING)
        async with self._starting:
            if self.current is not None:
                await self.current.stop()

    def kill(self) -> None:
        """End the processes of the current run and of the one on trial at once."""
        for run in (self.current, self._candidate):
            if run is not None:
                run.kill()
