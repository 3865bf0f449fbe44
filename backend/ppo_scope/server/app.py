"""Puts the server together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse, Response

from ppo_scope.ppo.settings import Settings
from ppo_scope.processes.process import DEFAULT_WORKER
from ppo_scope.records.library import KeptRun, Library
from ppo_scope.runs.journal import Journal
from ppo_scope.runs.pulse import STALL_AFTER
from ppo_scope.runs.reopening import Reopened
from ppo_scope.runs.supervisor import Supervisor
from ppo_scope.server import api, attached, comparing, kept, socket, static
from ppo_scope.server.capacity import Capacity
from ppo_scope.server.commands import Commands
from ppo_scope.server.crowd import Turnstile
from ppo_scope.server.hub import Hub
from ppo_scope.server.roles import STATIC
from ppo_scope.server.security import LOOPBACK, SameOrigin, Secrets, SecurityHeaders, headers
from ppo_scope.wire.codes import ErrorCode


@dataclass(frozen=True)
class Setup:
    """What an application is made for."""

    settings: Settings
    secrets: Secrets
    frontend: Path
    paused: bool = False
    hosts: tuple[str, ...] = ()
    worker: str = DEFAULT_WORKER
    stall_after: float = STALL_AFTER
    capacity: Capacity = field(default_factory=Capacity)
    recording: Path | None = None
    """Shown in place of a run: none is begun."""
    library: Library | None = None
    """Where runs are kept; None: nowhere."""
    reopened: Reopened | None = None
    """A run to go on with, in place of a new one."""
    journal: Journal | None = None
    """What that one is written down in."""
    waiting: bool = False
    """No run is begun: training loops elsewhere connect by themselves."""
    shown: KeptRun | None = None
    """A run on the disk that is shown; none is begun."""
    errand: Callable[[Supervisor], Awaitable[None]] | None = None
    """What begins runs by itself, in place of a first one."""
    says: Callable[[str], None] = lambda _: None
    """A line for who has started it, where a run of its own has ended badly."""
    embedders: tuple[str, ...] = ()
    """Origins whose pages may show the dashboard in a frame."""


def create_app(setup: Setup) -> FastAPI:
    """The application. It starts the first run when it starts, and `app.state.hub` is its hub."""
    hub = Hub(
        worker=setup.worker,
        stall_after=setup.stall_after,
        capacity=setup.capacity,
        library=setup.library,
        says=setup.says,
    )
    app = FastAPI(
        lifespan=lambda app: _lifespan(hub, setup),
        dependencies=[Depends(setup.secrets.guard)],
        openapi_url=None,  # its viewers come from a content delivery network
    )
    app.state.hub = hub
    api.add_routes(app, hub, setup.secrets)
    kept.add_routes(app, hub, setup.secrets)
    comparing.add_routes(app, hub, setup.secrets)
    static.add_routes(app)
    socket.add_routes(app, hub, Commands(hub), setup.secrets)
    attached.add_routes(app, hub)
    app.mount(STATIC, static.Frontend(setup.frontend, setup.recording), name="static")
    app.add_exception_handler(HTTPException, _explain_refusal)
    app.add_exception_handler(RequestValidationError, _explain_invalid)
    # The last one added is the first one asked.
    app.add_middleware(SameOrigin)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, *setup.hosts], www_redirect=False)
    app.add_middleware(Turnstile, known=setup.secrets.knows)
    app.add_middleware(SecurityHeaders, headers=headers(setup.embedders))
    return app


async def leave(app: FastAPI) -> None:
    """Tell the pages that the server leaves, and end the run."""
    hub: Hub = app.state.hub
    hub.dismiss()
    await hub.supervisor.close()


@contextlib.asynccontextmanager
async def _lifespan(hub: Hub, setup: Setup) -> AsyncIterator[None]:
    if setup.reopened is not None and setup.journal is not None:
        hub.supervisor.resume(setup.reopened, setup.journal, paused=setup.paused)
    elif setup.shown is not None:
        await hub.supervisor.open(setup.shown)
    elif setup.recording is None and not setup.waiting and setup.errand is None:
        await hub.supervisor.start(setup.settings, paused=setup.paused)
    tasks = [asyncio.create_task(hub.beat()), asyncio.create_task(hub.supervisor.watch())]
    if setup.errand is not None:
        tasks.append(asyncio.ensure_future(setup.errand(hub.supervisor)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await hub.supervisor.close()


async def _explain_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail: Any = error.detail
    if isinstance(detail, dict):
        return JSONResponse(detail, error.status_code)
    code = ErrorCode.NOT_FOUND if error.status_code == HTTPStatus.NOT_FOUND else ErrorCode.INVALID
    body = {"code": code, "message": detail, "detail": None}
    return JSONResponse(body, error.status_code, error.headers)


async def _explain_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"][1:])
    message = f"{where}: {problem['msg']}"
    return JSONResponse({"code": ErrorCode.INVALID, "message": message, "detail": None}, 422)
