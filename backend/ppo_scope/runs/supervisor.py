"""The runs of one server: one after the other, started, looked after, stopped, restarted."""

from __future__ import annotations

import asyncio
from typing import Any

from ppo_scope.ppo.settings import Settings
from ppo_scope.runs.process import DEFAULT_WORKER
from ppo_scope.runs.rehearsal import MATTERING, rehearse
from ppo_scope.runs.run import STALL_AFTER, Listener, Run

KEPT_RUNS = 8
"""Runs that stay listed, the current one included."""


class Supervisor:
    """The runs of one server: at most one is current, the older ones stay listed with their histories."""

    def __init__(self, listener: Listener, *, worker: str = DEFAULT_WORKER, stall_after: float = STALL_AFTER) -> None:
        self._listener = listener
        self._worker = worker
        self._stall_after = stall_after
        self._runs: dict[str, Run] = {}
        self._starting = asyncio.Lock()
        self.current: Run | None = None

    @property
    def busy(self) -> bool:
        """A run is being replaced right now."""
        return self._starting.locked()

    def runs(self) -> list[Run]:
        """All that are kept, the newest first."""
        return list(reversed(self._runs.values()))

    def get(self, run: str) -> Run | None:
        """A run by its identifier."""
        return self._runs.get(run)

    async def start(self, settings: Settings, *, paused: bool) -> Run:
        """Stop the current run and start another one.

        Raises:
            ValueError: it could not begin; one readable line. The current run has been left alone.
        """
        async with self._starting:
            if self.current is not None:
                await self._refuse_what_cannot_begin(settings, self.current)
                await self.current.stop()
                self.current.history.moments.shrink()
            run = Run(
                settings,
                paused=paused,
                listener=self._listener,
                worker=self._worker,
                stall_after=self._stall_after,
            )
            self._runs[run.id] = run
            for old in list(self._runs)[:-KEPT_RUNS]:
                del self._runs[old]
            self.current = run
            self._listener.current(run)
            return run

    async def _refuse_what_cannot_begin(self, settings: Settings, current: Run) -> None:
        wanted = settings.model_dump(mode="json", include=set(MATTERING))
        if any(current.settings.get(name) != value for name, value in wanted.items()):
            refusal = await rehearse(settings)
            if refusal is not None:
                raise ValueError(refusal)

    def restarted(self, values: dict[str, Any]) -> Settings:
        """The settings of the current run as they are now, those that still wait included, changed by `values`.

        Raises:
            ValueError: a name is unknown or a value does not fit; one readable line.
        """
        before = {**self.current.settings, **self.current.pending} if self.current else {}
        return Settings.parse({**before, **values})

    async def watch(self, interval: float = 0.5) -> None:
        """Look after the current run for ever."""
        while True:
            await asyncio.sleep(interval)
            if self.current is not None:
                self.current.look()

    async def close(self) -> None:
        """Stop the current run, and the one that is being started."""
        async with self._starting:
            if self.current is not None:
                await self.current.stop()

    def kill(self) -> None:
        """End the current run's process at once."""
        if self.current is not None:
            self.current.kill()
