"""Several runs as curves: those of this server as they are now, the others as they are kept, unopened; and what a
sweep among them plans.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Annotated

from fastapi import FastAPI, Query, Request
from starlette.responses import Response

from ppo_scope.records import sweeps
from ppo_scope.records.comparison import COLUMNS, Curve, compare, curve, curve_of
from ppo_scope.records.library import Library
from ppo_scope.records.store import CannotRead
from ppo_scope.runs.live import LiveRun
from ppo_scope.server.answers import json_answer, refusal, to_json
from ppo_scope.server.crowd import LARGE, LARGE_LINE, Counter
from ppo_scope.server.hub import Hub
from ppo_scope.server.security import Secrets
from ppo_scope.wire.answers import LeftOut, PlannedRun, SweepTold
from ppo_scope.wire.codes import ErrorCode

MOST = sweeps.MOST
"""Runs that are compared at once: all of the largest sweep."""

TOO_MANY = f"At most {MOST:,} runs fit into one comparison: name fewer of them as `run`."
NO_SUCH_SWEEP = "There is no sweep {name} here; it may have been deleted meanwhile."
GONE = "It is neither among this server's runs nor kept; it may have been deleted meanwhile."


def add_routes(app: FastAPI, hub: Hub, secrets: Secrets) -> None:
    """Add `api/comparison` and `api/sweeps`."""
    large = Counter(secrets.knows, places=LARGE, line=LARGE_LINE)
    comparing = asyncio.Lock()

    @app.get("/api/comparison")
    async def comparison(request: Request, run: Annotated[list[str] | None, Query()] = None) -> Response:
        ids = list(dict.fromkeys(run or ()))
        if len(ids) > MOST:
            raise refusal(400, ErrorCode.MALFORMED, TOO_MANY)

        async def make() -> Response:
            async with comparing:  # one at a time: long runs are large
                here = {id: _of_here(found) for id in ids if (found := hub.supervisor.get(id)) is not None}
                return json_answer(await asyncio.to_thread(_compared, ids, here, hub.supervisor.library))

        return await large.answer(request, make)

    @app.get("/api/sweeps/{name}")
    async def sweep(name: str) -> Response:
        return json_answer(to_json(await asyncio.to_thread(_planned, name, hub.supervisor.library)))


def _planned(name: str, library: Library | None) -> SweepTold:
    try:
        found = sweeps.load(name, library) if library is not None else None
    except CannotRead as error:
        raise refusal(409, ErrorCode.CONFLICT, str(error)) from None
    if found is None:
        raise refusal(404, ErrorCode.NOT_FOUND, NO_SUCH_SWEEP.format(name=name))
    planned: list[PlannedRun] = [{"values": one.values, "run": one.run} for one in found.planned]
    ends = found.vary.get("total_steps", [found.settings.get("total_steps")])
    steps = None if None in ends else max(ends)
    return {"name": found.name, "vary": found.vary, "steps": steps, "planned": planned}


def _compared(ids: list[str], here: dict[str, Curve], library: Library | None) -> bytes:
    curves: list[Curve] = []
    unread: list[LeftOut] = []
    for id in ids:
        found = here.get(id) or _of_kept(id, library)
        if isinstance(found, Curve):
            curves.append(found)
        else:
            unread.append({"id": id, "why": found})
    return to_json(compare(curves, unread))


def _of_here(run: LiveRun) -> Curve:
    steps, returns = run.record.taken(COLUMNS).T
    return curve(run.id, run.settings, run.record.changes, run.record.parent, steps, returns)


def _of_kept(id: str, library: Library | None) -> Curve | str:
    """Or why there is none."""
    kept = library.run(id) if library is not None else None
    if kept is None:
        return GONE
    if kept.problem:
        return f"It cannot be read: {kept.problem}"
    try:
        return curve_of(kept)
    except (CannotRead, sqlite3.Error) as error:  # it has just gone
        return f"It cannot be read: {error}"
