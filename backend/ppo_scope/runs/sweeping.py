"""Carries out a sweep: as many of its runs side by side as there is room for, until each has come to its end."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ppo_scope.records import sweeps
from ppo_scope.records.library import Library
from ppo_scope.records.store import CannotRead
from ppo_scope.records.sweeps import Planned, Sweep
from ppo_scope.runs import ending
from ppo_scope.runs.live import LiveRun
from ppo_scope.runs.reopening import reopened
from ppo_scope.runs.supervisor import CannotBegin, Supervisor
from ppo_scope.wire.codes import RunState

ATTEMPTS = 3
"""At a run whose process something else ends; each goes on from the last state that is kept."""
LOOK = 0.2
"""Seconds between two looks at a run."""
AGAIN = 1.0
"""Seconds until it is looked again whether there is room: others may have begun runs of their own."""
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


class Sweeping:
    """One sweep on its way. `moved` is called when something has changed."""

    def __init__(self, sweep: Sweep, library: Library, at_once: int, moved: Callable[[Standing], None]) -> None:
        self.sweep = sweep
        self._library, self._at_once, self._moved = library, at_once, moved
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
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._at_once):
                    workers.create_task(work())
        except* OSError as group:
            refused = next(one for one in group.exceptions if isinstance(one, OSError))
        if refused is not None:
            raise refused

    async def _see_through(self, standing: Standing, supervisor: Supervisor) -> None:
        """One run, from where it stands to its end."""
        for _ in range(ATTEMPTS):
            try:
                run = await self._begun(standing.planned, supervisor)
            except (CannotBegin, CannotRead, ValueError) as error:
                standing.problem = str(error)
                self._moved(standing)
                return
            if run is None:
                standing.state = RunState.FINISHED
                standing.steps = self.sweep.settings_of(standing.planned).total_steps or 0
                self._moved(standing)
                return
            await self._over(run, standing)
            if run.state == RunState.FINISHED:
                # Its process waits to be looked at, in the place of the next one.
                await run.stop(why=ending.made_room(self.sweep.name))
            await run.written()
            standing.problem = "" if standing.state == RunState.FINISHED else _why(run)
            self._moved(standing)
            if standing.state not in LOST:
                return

    async def _begun(self, planned: Planned, supervisor: Supervisor) -> LiveRun | None:
        """It, begun or gone on with; None: it has come to its end before."""
        found = await asyncio.to_thread(sweeps.kept, planned, self._library)
        if sweeps.is_done(found):
            return None
        await _room(supervisor)
        if found is not None and not found.problem:
            return await supervisor.go_on(await asyncio.to_thread(reopened, found, {}), paused=False)
        run = await supervisor.start(self.sweep.settings_of(planned), paused=False, sweep=self.sweep.name)
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


async def _room(supervisor: Supervisor) -> None:
    """Until there is room for one more run."""
    while True:
        if not supervisor.is_full:
            return
        await asyncio.sleep(AGAIN)


def _why(run: LiveRun) -> str:
    cause = run.cause
    return cause["summary"] if cause is not None else f"It is {run.state}."
