"""The runs that are kept on disk, as pages have them: listed, looked at in full, taken up again, removed."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import OrderedDict
from collections.abc import Collection

import numpy as np
from fastapi import FastAPI, Request
from starlette.responses import Response

from ppo_scope.ppo.settings import Settings
from ppo_scope.records import sweeps
from ppo_scope.records.library import InUse, KeptRun, Library
from ppo_scope.records.record import SKETCHED, script_in
from ppo_scope.records.store import CannotRead, Store
from ppo_scope.runs.live import LiveRun
from ppo_scope.runs.reopening import Reopened, forked, is_foreign, reopened
from ppo_scope.runs.supervisor import Supervisor
from ppo_scope.server.answers import json_answer, refusal, to_json
from ppo_scope.server.crowd import LARGE, LARGE_LINE, Counter
from ppo_scope.server.hub import Hub
from ppo_scope.server.security import Secrets
from ppo_scope.wire.answers import KeptRunTold, KeptRunWhole, Shelf
from ppo_scope.wire.codes import ErrorCode
from ppo_scope.wire.messages import NewRun

LISTED = 200
"""Runs that a list names; a longer one would be as long to make as to read."""
REMEMBERED = 2 * LISTED
"""Curves of runs."""
RETURN = "episodic_return_mean"

NOWHERE = "This server keeps no runs: it was started with --runs-dir off."
NO_SUCH_RUN = "There is no run {id} in {folder}; it may have been deleted meanwhile."
GOES_ON = "Run {id} is one of this server's that go on. It needs no other beginning: go to it by the list of runs."
GOES_ON_STILL = "Run {id} goes on on this server. End it first, then it can be deleted."
IN_USE = "Run {id} is in use: another PPO Scope has it. It can be deleted or gone on with once that one has ended it."


class Shelves:
    """Looks at the runs that are kept; on one thread at a time, and remembers the curves that it has drawn."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._curves: OrderedDict[tuple[str, int], list[float | None]] = OrderedDict()
        self._varied: dict[str, Collection[str]] = {}  # by sweep, whose plan stays as it is
        self._looking = asyncio.Lock()

    async def told(self, sweep: str | None = None) -> Shelf:
        """All of them, as far as one list names them; or those of a sweep, to the last, without their curves."""
        here = self._here()
        async with self._looking:
            return await asyncio.to_thread(self._shelf, self._supervisor.library, here, sweep)

    async def whole(self, id: str) -> KeptRunWhole:
        """One of them.

        Raises:
            HTTPException: there is none, or it cannot be read.
        """
        here, kept = self._here(), await find(self._supervisor.library, id)
        async with self._looking:
            return await asyncio.to_thread(self._whole, kept, here)

    def _here(self) -> dict[str, str]:
        """States of this server's own runs. Those that it only shows are as they are on the disk."""
        return {run.id: run.state for run in self._supervisor.runs() if run.shown is None}

    def _shelf(self, library: Library | None, here: dict[str, str], sweep: str | None) -> Shelf:
        runs = library.runs() if library is not None else []
        if sweep is not None:
            runs = [run for run in runs if run.about.get("sweep") == sweep]
        named = runs[: LISTED if sweep is None else sweeps.MOST]
        told = [self._entry(run, here, self._curve(run) if sweep is None else []) for run in named]
        return {"folder": str(library.folder) if library else None, "runs": told, "more": len(runs) - len(named)}

    def _whole(self, kept: KeptRun, here: dict[str, str]) -> KeptRunWhole:
        if kept.problem:
            raise refusal(409, ErrorCode.CONFLICT, f"Run {kept.id} cannot be read: {kept.problem}")
        with contextlib.closing(Store(kept.folder)) as store:
            states = [state.update for state in store.states() if state.resumable]
            settings = kept.about.get("settings", {})
            entry = self._entry(kept, here, self._curve(kept))
            return {**entry, "settings": settings, "changes": store.changes(), "states": states}

    def _entry(self, kept: KeptRun, here: dict[str, str], returns: list[float | None]) -> KeptRunTold:
        settings, sweep = kept.about.get("settings", {}), kept.about.get("sweep")
        return {
            "id": kept.id,
            "environment": str(settings.get("env", "")),
            "seed": settings.get("seed"),
            "state": here.get(kept.id, kept.state),
            "here": kept.id in here,
            "in_use": kept.in_use and kept.id not in here,
            "created": str(kept.about.get("created", "")),
            "update": kept.last,
            "resumes_at": kept.resumes_at,
            "size": kept.size,
            "parent": kept.about.get("parent"),
            "sweep": sweep,
            "varied": {name: settings[name] for name in self._varied_in(sweep) if name in settings},
            "script": script_in(kept.about.get("facts", {})),
            "foreign": is_foreign(kept),
            "problem": kept.problem,
            "returns": returns,
        }

    def _varied_in(self, sweep: str | None) -> Collection[str]:
        """The names of the settings; none where there is no plan, or it cannot be read."""
        library = self._supervisor.library
        if sweep is not None and library is not None and sweep not in self._varied:
            with contextlib.suppress(CannotRead, OSError):
                plan = sweeps.load(sweep, library)
                self._varied[sweep] = tuple(plan.vary) if plan is not None else ()
        return self._varied.get(sweep or "", ())

    def _curve(self, kept: KeptRun) -> list[float | None]:
        """Row by row, a few of them: a long run is not read for the sake of a line in a list."""
        key = kept.id, kept.last
        if key in self._curves or not kept.last:
            return self._curves.get(key, [])
        try:
            with contextlib.closing(Store(kept.folder)) as store:
                found = [_return_of(store, update) for update in _spread(kept.last)]
        except (CannotRead, sqlite3.Error):  # what was to be read has just gone
            return []
        self._curves[key] = found
        if len(self._curves) > REMEMBERED:
            self._curves.popitem(last=False)
        return found


def _spread(last: int) -> list[int]:
    """At most `SKETCHED` updates from the first to the last."""
    return [int(update) for update in np.linspace(1, last, min(SKETCHED, last)).round()]


def _return_of(store: Store, update: int) -> float | None:
    columns, updates, rows = store.series(update, update)
    if not len(updates) or RETURN not in columns:
        return None
    value = float(rows[0, columns.index(RETURN)])
    return value if np.isfinite(value) else None


async def find(library: Library | None, id: str) -> KeptRun:
    """The run of exactly that identifier.

    Raises:
        HTTPException: 404, there is none.
    """
    if library is None:
        raise refusal(404, ErrorCode.NOT_FOUND, NOWHERE)
    found = await asyncio.to_thread(library.run, id)
    if found is None:
        raise refusal(404, ErrorCode.NOT_FOUND, NO_SUCH_RUN.format(id=id, folder=library.folder))
    return found


async def wanted_run(supervisor: Supervisor, wanted: NewRun, instead: LiveRun | None) -> Settings | Reopened | LiveRun:
    """What a run begins with: settings, or what was kept of one; or the run itself, where it is only to be looked at.

    Raises:
        HTTPException: there is no such run, or it is in use.
        ValueError: a setting does not fit, or what is kept cannot be read; one readable line.
    """
    if wanted.open is not None:
        here = supervisor.get(wanted.open)
        if here is not None and here.gone:
            await here.written()
        return await supervisor.open(await find(supervisor.library, wanted.open))
    if wanted.resume is not None:
        supervisor.refuse_when_full(instead)  # before anything of what is on show ends
        await _let_go(supervisor, wanted.resume, GOES_ON)
        kept = await find(supervisor.library, wanted.resume)
        if kept.in_use:
            raise refusal(409, ErrorCode.CONFLICT, IN_USE.format(id=kept.id))
        return await asyncio.to_thread(reopened, kept, dict(wanted.settings))
    if wanted.fork is not None:
        kept = await find(supervisor.library, wanted.fork.run)
        assert supervisor.library is not None
        return await asyncio.to_thread(forked, kept, wanted.fork.update, dict(wanted.settings), supervisor.library)
    return Settings.parse(wanted.settings)


async def _let_go(supervisor: Supervisor, id: str, goes_on: str) -> None:
    """Where a run of this server has ended, end the process that it may have left and let go of its folder.

    Raises:
        HTTPException: it has not ended.
    """
    run = supervisor.get(id)
    if run is None:
        return
    if not run.ended:
        raise refusal(409, ErrorCode.CONFLICT, goes_on.format(id=id))
    if not run.gone:
        await run.stop()
    await run.written()


def add_routes(app: FastAPI, hub: Hub, secrets: Secrets) -> None:
    """Add the routes under `api/kept`."""
    shelves = Shelves(hub.supervisor)
    large = Counter(secrets.knows, places=LARGE, line=LARGE_LINE)

    @app.get("/api/kept")
    async def kept_runs(request: Request, sweep: str | None = None) -> Response:
        async def make() -> Response:
            return json_answer(to_json(await shelves.told(sweep)))

        return await large.answer(request, make)

    @app.get("/api/kept/{kept_id}")
    async def kept_run(request: Request, kept_id: str) -> Response:
        async def make() -> Response:
            return json_answer(to_json(await shelves.whole(kept_id)))

        return await large.answer(request, make)

    @app.delete("/api/kept/{kept_id}")
    async def delete(kept_id: str) -> Response:
        kept = await find(hub.supervisor.library, kept_id)
        here = hub.supervisor.get(kept_id)
        if here is not None and here.shown is None:
            await _let_go(hub.supervisor, kept_id, GOES_ON_STILL)
        await asyncio.to_thread(_delete, hub.supervisor.library, kept)
        if here is not None:
            here.deleted()
        return json_answer(to_json({"deleted": kept_id}))


def _delete(library: Library | None, kept: KeptRun) -> None:
    assert library is not None
    try:
        library.delete(kept)
    except CannotRead:  # another page has deleted it a moment before
        raise refusal(404, ErrorCode.NOT_FOUND, NO_SUCH_RUN.format(id=kept.id, folder=library.folder)) from None
    except InUse:
        raise refusal(409, ErrorCode.CONFLICT, IN_USE.format(id=kept.id)) from None
    except OSError as error:
        raise refusal(503, ErrorCode.FAILED, f"Run {kept.id} cannot be deleted: {error}") from None
