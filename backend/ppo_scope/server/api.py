"""The HTTP routes under `api/`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from starlette.responses import Response

import ppo_scope
from ppo_scope.diagnosis import checks
from ppo_scope.ppo import presets, registry, settings
from ppo_scope.records import moments
from ppo_scope.runs.live import LiveRun
from ppo_scope.runs.reopening import Reopened
from ppo_scope.runs.supervisor import CannotBegin
from ppo_scope.server.answers import FRAME, Pieces, json_answer, refusal, series_frame, series_json, to_json
from ppo_scope.server.bodies import body_of, parsed
from ppo_scope.server.commands import BEING_REPLACED, NO_PROCESS
from ppo_scope.server.crowd import LARGE, LARGE_LINE, Counter
from ppo_scope.server.hub import Hub
from ppo_scope.server.kept import wanted_run
from ppo_scope.server.security import Secrets
from ppo_scope.wire import metrics
from ppo_scope.wire.codes import ErrorCode
from ppo_scope.wire.headers import MOMENT_COLUMNS
from ppo_scope.wire.messages import NewRun, Session

MAX_ROWS, MAX_EPISODES = 50_000, 200_000
"""Rows and episodes in one answer as a frame; a page fetches on from where it ends."""
JSON_ROWS, JSON_EPISODES = 1000, 10_000
"""The same as JSON: no more than takes some milliseconds."""
DRAWN = 4
"""Pictures of single samples that the crowd may wait for at the same time."""

NOT_LEADING = (
    "Another page leads this run, so it may not be replaced from here. Take control on this page first; a program "
    "sends the `generation` of the lease it holds as `lease`."
)
WRONG_TOKEN = "This link is not of this server, or of one that has ended. Use the one printed in the terminal."

TABLES: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "/api/settings": settings.table,
    "/api/presets": presets.table,
    "/api/environments": registry.table,
    "/api/metrics": metrics.table,
    "/api/health-checks": checks.table,
}

Update = Annotated[int, Query(ge=0, le=2**53)]


def add_routes(app: FastAPI, hub: Hub, secrets: Secrets) -> None:
    """Add all routes under `api/`."""
    large = Counter(secrets.knows, places=LARGE, line=LARGE_LINE)
    drawn = Counter(secrets.knows, places=DRAWN, line=LARGE_LINE)
    writing = asyncio.Lock()

    async def encoded(encode: Callable[..., bytes], *arguments: Any) -> bytes:
        """One at a time, on a thread of its own: several would keep the event loop from its turn."""
        async with writing:
            return await asyncio.to_thread(encode, *arguments)

    @app.get("/api/health")
    async def health() -> dict[str, str]:
        return {"status": "ok", "version": ppo_scope.__version__, "server_epoch": hub.server_epoch}

    @app.post("/api/session")
    async def session(request: Request) -> Response:
        body = await body_of(request)
        response = secrets.admit(parsed(Session, body).token)
        if response is None:
            raise refusal(403, ErrorCode.FORBIDDEN, WRONG_TOKEN)
        return response

    for path, table in TABLES.items():
        _add_table(app, path, table)

    @app.get("/api/runs")
    async def runs() -> Response:
        return json_answer(to_json([run.describe() for run in hub.supervisor.runs()]))

    @app.post("/api/runs")
    async def new_run(request: Request) -> Response:
        wanted = parsed(NewRun, await body_of(request))
        alone = wanted.beside or wanted.open is not None  # it ends no other run
        instead = None if alone else _run(hub, wanted.instead) if wanted.instead else hub.supervisor.newest
        lease = hub.room(instead).lease if instead else None
        if lease and lease.led and wanted.lease != lease.generation:
            raise refusal(403, ErrorCode.FORBIDDEN, NOT_LEADING)
        if hub.supervisor.busy and wanted.open is None:
            raise refusal(409, ErrorCode.CONFLICT, BEING_REPLACED)
        try:
            found = await wanted_run(hub.supervisor, wanted, instead)
            run = await _begun(hub, found, wanted, instead)
        except CannotBegin as error:
            raise refusal(422, ErrorCode.INVALID, str(error), error.detail) from None
        except ValueError as error:
            raise refusal(422, ErrorCode.INVALID, str(error)) from None
        except (OSError, RuntimeError) as error:  # no descriptors, no memory; no threads
            raise refusal(503, ErrorCode.FAILED, NO_PROCESS.format(why=error)) from None
        return json_answer(to_json(run.describe()), 201)

    @app.get("/api/runs/{run_id}")
    async def one_run(run_id: str) -> Response:
        return json_answer(to_json(_run(hub, run_id).describe()))

    @app.get("/api/runs/{run_id}/series")
    async def series(
        request: Request,
        run_id: str,
        start: Annotated[Update | None, Query(alias="from")] = None,
        end: Annotated[Update | None, Query(alias="to")] = None,
        format: Literal["json", "frame"] = "json",
    ) -> Response:
        run = _run(hub, run_id)

        async def make() -> Response:
            if format == "frame":
                part, _ = run.record.series(start, end, MAX_ROWS, MAX_EPISODES)
                return Pieces(await encoded(series_frame, run.id, part), media_type=FRAME)
            part, following = run.record.series(start, end, JSON_ROWS, JSON_EPISODES)
            return json_answer(await encoded(series_json, part, following, run.record.findings))

        return await large.answer(request, make)

    @app.get("/api/runs/{run_id}/frames/{update}")
    async def snapshot(request: Request, run_id: str, update: int) -> Response:
        run = _run(hub, run_id)

        async def make() -> Response:
            return _kept(await run.moment(run.record.number_of_end(update)), f"The snapshot of update {update}")

        return await large.answer(request, make)

    @app.get("/api/runs/{run_id}/moments")
    async def kept_moments(request: Request, run_id: str) -> Response:
        kept = _run(hub, run_id).record

        async def make() -> Response:
            body = await encoded(_moments_json, kept.moments(), kept.unmeasured, kept.held, kept.room)
            return json_answer(body)

        return await large.answer(request, make)

    @app.get("/api/runs/{run_id}/moments/{sequence}")
    async def moment(request: Request, run_id: str, sequence: int) -> Response:
        run = _run(hub, run_id)

        async def make() -> Response:
            return _kept(await run.moment(sequence), "This moment")

        return await large.answer(request, make)

    @app.get("/api/runs/{run_id}/pictures/{update}/{environment}/{step}")
    async def picture(request: Request, run_id: str, update: int, environment: int, step: int) -> Response:
        run = _run(hub, run_id)

        async def make() -> Response:
            found = await run.depiction(update, environment, step)
            if isinstance(found, str):
                raise refusal(404, ErrorCode.NOT_FOUND, found)
            return Response(found, media_type="image/jpeg")

        return await drawn.answer(request, make)


async def _begun(
    hub: Hub, found: settings.Settings | Reopened | LiveRun, wanted: NewRun, instead: LiveRun | None
) -> LiveRun:
    match found:
        case LiveRun():
            return found
        case Reopened():
            return await hub.supervisor.go_on(found, paused=wanted.paused, instead=instead)
        case _:
            return await hub.supervisor.start(found, paused=wanted.paused, instead=instead)


def _add_table(app: FastAPI, path: str, table: Callable[[], list[dict[str, Any]]]) -> None:
    """Add the route of a table that stays as it is."""
    made = cache(lambda: to_json(table()))

    @app.get(path)
    async def answer() -> Response:
        return json_answer(made())


def _moments_json(entries: list[moments.Entry], unmeasured: int, held: int, room: int) -> bytes:
    rows = moments.listed(entries)
    return to_json({"columns": MOMENT_COLUMNS, "moments": rows, "unmeasured": unmeasured, "bytes": held, "room": room})


def _kept(message: bytes | str | None, what: str) -> Response:
    if isinstance(message, str):
        raise refusal(409, ErrorCode.CONFLICT, message)
    if message is None:
        raise refusal(404, ErrorCode.NOT_FOUND, f"{what} is not kept any more, or not yet.")
    return Pieces(message, media_type=FRAME)


def _run(hub: Hub, run_id: str) -> LiveRun:
    run = hub.supervisor.get(run_id)
    if run is None:
        raise refusal(404, ErrorCode.NOT_FOUND, "There is no such run on this server.")
    return run
