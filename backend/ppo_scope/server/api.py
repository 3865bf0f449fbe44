"""The HTTP routes under `api/`."""

from __future__ import annotations

import asyncio
import math
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import FastAPI, HTTPException, Query, Request
from starlette.responses import JSONResponse, Response

import ppo_scope
from ppo_scope.ppo import presets, settings
from ppo_scope.probes import checks, frame, metrics
from ppo_scope.runs import moments
from ppo_scope.runs.history import EPISODE_COLUMNS, Slice
from ppo_scope.runs.run import Run
from ppo_scope.runs.supervisor import CannotBegin
from ppo_scope.server.codes import ErrorCode
from ppo_scope.server.commands import BEING_REPLACED
from ppo_scope.server.hub import Hub
from ppo_scope.server.messages import MAX_BYTES, Malformed, NewRun, Session, parse_body
from ppo_scope.server.security import Secrets

FRAME = "application/octet-stream"
MAX_ROWS = 50_000
"""Rows in one answer; a page fetches on from where it ends."""

NOT_LEADING = (
    "Another page leads this run, so it may not be replaced from here. Take control on this page first; a program sends "
    "the `generation` of the lease it holds as `lease`."
)
WRONG_TOKEN = "This link is not of this server, or of one that has ended. Use the one printed in the terminal."

Update = Annotated[int, Query(ge=0, le=2**53)]


def add_routes(app: FastAPI, hub: Hub, secrets: Secrets) -> None:
    """Add all routes under `api/`."""

    @app.get("/api/health")
    async def health() -> dict[str, str]:
        return {"status": "ok", "version": ppo_scope.__version__, "server_epoch": hub.server_epoch}

    @app.post("/api/session")
    async def session(request: Request) -> Response:
        body = await _body(request)
        response = secrets.admit(_parsed(Session, body).token)
        if response is None:
            raise _refusal(403, ErrorCode.FORBIDDEN, WRONG_TOKEN)
        return response

    @app.get("/api/settings")
    async def settings_table() -> list[dict[str, Any]]:
        return settings.table()

    @app.get("/api/presets")
    async def presets_table() -> list[dict[str, Any]]:
        return presets.table()

    @app.get("/api/metrics")
    async def metrics_table() -> list[dict[str, Any]]:
        return metrics.table()

    @app.get("/api/health-checks")
    async def health_table() -> list[dict[str, Any]]:
        return checks.table()

    @app.get("/api/runs")
    async def runs() -> list[dict[str, Any]]:
        return [run.describe() for run in hub.supervisor.runs()]

    @app.post("/api/runs", status_code=201)
    async def new_run(request: Request) -> dict[str, Any]:
        wanted = _parsed(NewRun, await _body(request))
        try:
            parsed = settings.Settings.parse(wanted.settings)
        except ValueError as error:
            raise _refusal(422, ErrorCode.INVALID, str(error)) from None
        if hub.lease.led and wanted.lease != hub.lease.generation:
            raise _refusal(403, ErrorCode.FORBIDDEN, NOT_LEADING)
        if hub.supervisor.busy:
            raise _refusal(409, ErrorCode.CONFLICT, BEING_REPLACED)
        try:
            run = await hub.supervisor.start(parsed, paused=wanted.paused)
        except CannotBegin as error:
            raise _refusal(422, ErrorCode.INVALID, str(error), error.detail) from None
        return run.describe()

    @app.get("/api/runs/{run_id}")
    async def one_run(run_id: str) -> dict[str, Any]:
        return _run(hub, run_id).describe()

    @app.get("/api/runs/{run_id}/series")
    async def series(
        run_id: str,
        start: Annotated[Update | None, Query(alias="from")] = None,
        end: Annotated[Update | None, Query(alias="to")] = None,
        format: Literal["json", "frame"] = "json",
    ) -> Response:
        run = _run(hub, run_id)
        part = run.history.slice(start, end, MAX_ROWS)
        if format == "frame":
            return Response(await asyncio.to_thread(_series_frame, run.id, part), media_type=FRAME)
        findings = list(run.history.findings)
        return JSONResponse({**await asyncio.to_thread(_series_json, part), "findings": findings})

    @app.get("/api/runs/{run_id}/frames/{update}")
    async def snapshot(run_id: str, update: int) -> Response:
        return _kept(_run(hub, run_id).history.moments.end_of(update), f"The snapshot of update {update}")

    @app.get("/api/runs/{run_id}/moments")
    async def kept_moments(run_id: str) -> dict[str, Any]:
        kept = _run(hub, run_id).history.moments
        return {"columns": moments.COLUMNS, "moments": kept.list(), "bytes": kept.held, "room": kept.room}

    @app.get("/api/runs/{run_id}/moments/{sequence}")
    async def moment(run_id: str, sequence: int) -> Response:
        return _kept(_run(hub, run_id).history.moments.at(sequence), "This moment")

    @app.get("/api/runs/{run_id}/pictures/{update}/{environment}/{step}")
    async def picture(run_id: str, update: int, environment: int, step: int) -> Response:
        found = await _run(hub, run_id).depiction(update, environment, step)
        if isinstance(found, str):
            raise _refusal(404, ErrorCode.NOT_FOUND, found)
        return Response(found, media_type="image/jpeg")


def _kept(message: bytes | None, what: str) -> Response:
    if message is None:
        raise _refusal(404, ErrorCode.NOT_FOUND, f"{what} is not kept any more, or not yet.")
    return Response(message, media_type=FRAME)


def _series_frame(run: str, part: Slice) -> bytes:
    """The same frame as on the stream, but for `sequence`: it is none of the stream's."""
    last = part.first + len(part.rows) - 1
    header = {
        "kind": "series",
        "run": run,
        "sequence": 0,
        "update": max(last, 0),
        "phase": "update",
        **dict.fromkeys(("epoch", "epochs", "minibatch", "minibatches"), 0),
        "columns": list(part.columns),
        "first": part.first,
        "episode_columns": list(EPISODE_COLUMNS),
    }
    return frame.encode(header, {"rows": part.rows, "episodes": part.episodes})


def _series_json(part: Slice) -> dict[str, Any]:
    return {
        "columns": part.columns,
        "first": part.first,
        "rows": _finite(part.rows),
        "episode_columns": EPISODE_COLUMNS,
        "episodes": _finite(part.episodes),
    }


def _finite(rows: np.ndarray[Any, np.dtype[np.float64]]) -> list[list[float | None]]:
    return [[value if math.isfinite(value) else None for value in row] for row in rows.tolist()]


def _run(hub: Hub, run_id: str) -> Run:
    run = hub.supervisor.get(run_id)
    if run is None:
        raise _refusal(404, ErrorCode.NOT_FOUND, "There is no such run on this server.")
    return run


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise _refusal(413, ErrorCode.MALFORMED, f"A request may have at most {MAX_BYTES:,} bytes.")
    return body


def _parsed(model: Any, body: bytes) -> Any:
    try:
        return parse_body(model, body)
    except Malformed as problem:
        raise _refusal(400, ErrorCode.MALFORMED, str(problem)) from None


def _refusal(status: int, code: ErrorCode, message: str, detail: str = "") -> HTTPException:
    return HTTPException(status, {"code": code.value, "message": message, "detail": detail or None})
