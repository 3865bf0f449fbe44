"""Carries out a sweep: as many of its runs side by side as there is room for, until each has come to its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from ppo_scope.ppo.settings import Settings
from ppo_scope.records import sweeps
from ppo_scope.records.library import Library
from ppo_scope.records.store import CannotRead
from ppo_scope.records.sweeps import Planned, Sweep
from ppo_scope.runs import ending
from ppo_scope.runs.live import LiveRun
from ppo_scope.runs.reopening import Reopened, reopened
from ppo_scope.runs.supervisor import CannotBegin, NoRoom, Supervisor
from ppo_scope.wire.codes import RunState

ATTEMPTS = 3
"""At a run whose process something else ends; each goes on from the last state that is kept."""
LOOK = 0.2
"""Seconds between two looks at a run."""
LOST = frozenset({RunState.KILLED, RunState.OUT_OF_MEMORY})


@dataclass
class Standing:
    """How a run of the sweep stands."""

    planned: Planned
    steps: int = 0
    returns: float | None = None
    """The mean return of its latest episodes."""
    state: str = "waiting"
    """Or a state of runs."""
    problem: str = ""
    """Why it has not come to its end, and is not tried again now."""


class Place(Protocol):
    """Where an attempt at a run is made: a supervisor, or one that has another machine train."""

    async def room(self) -> None:
        """Until there is room for one more run."""

    async def start(self, settings: Settings, *, paused: bool, sweep: str) -> LiveRun:
        """As `Supervisor.start`."""

    async def go_on(self, reopened: Reopened, *, paused: bool) -> LiveRun:
        """As `Supervisor.go_on`."""


class Places(Protocol):
    """Where runs train."""

    def open(self) -> AbstractAsyncContextManager[None]:
        """From here on there are some. Raises: OSError."""

    def attempts(self, settings: Settings, supervisor: Supervisor) -> AsyncGenerator[Place]:
        """One for each attempt at a run, waited for. Raises: CannotBegin, there are none for it."""


class Here:
    """Processes of this machine."""

    def open(self) -> AbstractAsyncContextManager[None]:
        """See `Places`."""
        return contextlib.nullcontext()

    async def attempts(self, settings: Settings, supervisor: Supervisor) -> AsyncGenerator[Place]:
        """See `Places`."""
        for _ in range(ATTEMPTS):
            yield supervisor


class Sweeping:
    """One sweep on its way. `moved` is called when something has changed."""

    def __init__(
        self,
        sweep: Sweep,
        library: Library,
        at_once: int,
        moved: Callable[[Standing], None],
        places: Places | None = None,
    ) -> None:
        """`places`: where its runs train, unless that is here."""
        self.sweep = sweep
        self._library, self._at_once, self._moved, self._places = library, at_once, moved, places or Here()
        self._writing = asyncio.Lock()
        self.standings = [Standing(planned) for planned in sweep.planned]

    async def carry_out(self, supervisor: Supervisor) -> None:
        """Until nothing is left to be done.

        Raises:
            OSError: what has begun cannot be written down.
        """
        waiting = deque(self.standings)

        async def work() -> None:
            while waiting:
                await self._see_through(waiting.popleft(), supervisor)

        refused: OSError | None = None
        try:
            async with self._places.open(), asyncio.TaskGroup() as workers:
                for _ in range(self._at_once):
                    workers.create_task(work())
        except* OSError as group:
            refused = next(one for one in group.exceptions if isinstance(one, OSError))
        if refused is not None:
            raise refused

    async def _see_through(self, standing: Standing, supervisor: Supervisor) -> None:
        """One run, from where it stands to its end."""
        settings = self.sweep.settings_of(standing.planned)
        if sweeps.is_done(await asyncio.to_thread(sweeps.kept, standing.planned, self._library)):
            standing.state = RunState.FINISHED
            standing.steps = settings.total_steps or 0
            self._moved(standing)
            return
        try:
            async with contextlib.aclosing(self._places.attempts(settings, supervisor)) as attempts:
                async for place in attempts:
                    await self._attempt(standing, place)
                    if standing.state not in LOST:
                        return
        except (CannotBegin, CannotRead, ValueError) as error:
            standing.problem = str(error)
            self._moved(standing)

    async def _attempt(self, standing: Standing, place: Place) -> None:
        """To see it through.

        Raises:
            CannotBegin, CannotRead, ValueError: it could not even begin.
        """
        run = await self._begun(standing.planned, place)
        await self._over(run, standing)
        if run.state == RunState.FINISHED:
            # Its process waits to be looked at, in the place of the next one.
            await run.stop(why=ending.made_room(self.sweep.name))
        await run.written()
        standing.problem = "" if standing.state == RunState.FINISHED else _why(run)
        self._moved(standing)

    async def _begun(self, planned: Planned, place: Place) -> LiveRun:
        """It, begun or gone on with: waits for room, also where somebody else takes it a moment before."""
        while True:
            await place.room()
            with contextlib.suppress(NoRoom):
                return await self._begun_at_once(planned, place)

    async def _begun_at_once(self, planned: Planned, place: Place) -> LiveRun:
        found = await asyncio.to_thread(sweeps.kept, planned, self._library)
        if found is not None and not found.problem:
            return await place.go_on(await asyncio.to_thread(reopened, found, {}), paused=False)
        run = await place.start(self.sweep.settings_of(planned), paused=False, sweep=self.sweep.name)
        planned.run = run.id
        async with self._writing:
            await asyncio.to_thread(sweeps.save, self.sweep, self._library)
        return run

    async def _over(self, run: LiveRun, standing: Standing) -> None:
        """Until the run is."""
        while True:
            rows = run.record.taken(("steps", "episodic_return_mean"))
            if len(rows):
                standing.steps = int(rows[-1, 0])
                standing.returns = None if rows[-1, 1] != rows[-1, 1] else float(rows[-1, 1])
            standing.state = run.state
            self._moved(standing)
            if run.ended:
                return
            await asyncio.sleep(LOOK)


def _why(run: LiveRun) -> str:
    cause = run.cause
    return cause["summary"] if cause is not None else f"It is {run.state}."
