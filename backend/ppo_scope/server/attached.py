"""The websocket of training loops elsewhere: they send frames as a process of ours does, and take the same commands."""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import FastAPI, Request, WebSocket
from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect

from ppo_scope.ppo.settings import Settings
from ppo_scope.runs.attached import AttachedRun
from ppo_scope.server.bodies import body_of, parsed
from ppo_scope.server.hub import Hub
from ppo_scope.server.transport import transport_of
from ppo_scope.wire.attaching import Greeting, NotAttachable, ScriptNews
from ppo_scope.wire.codes import CloseCode

GREET_WITHIN = 10.0
"""Seconds that a loop has to say who it is."""
TAKEN = "There is a run of this name on the server already, and it is no training loop that could come back."
ENDED_HERE = "This run was ended on its page."
LEFT = 1000
"""Close code of a loop that will not come back."""


def add_routes(app: FastAPI, hub: Hub) -> None:
    """Add the routes that loops and their scripts come to. Who reaches them has shown the token."""

    @app.websocket("/attach")
    async def attach(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            async with asyncio.timeout(GREET_WITHIN):
                greeting = Greeting.parse(await websocket.receive_text(), Settings.model_fields)
            run = await _run_of(hub, greeting)
        except NotAttachable as problem:
            await websocket.close(CloseCode.POLICY, str(problem))
            return
        except (TimeoutError, WebSocketDisconnect, KeyError):  # silent, gone, or bytes in place of text
            with contextlib.suppress(RuntimeError):
                await websocket.close(CloseCode.POLICY, "A training loop says first who it is.")
            return
        transport = transport_of(websocket)
        if transport is not None:
            transport.carry()
        news = asyncio.Event()
        carry = news.set  # as an object it tells this connection from a later one
        run.came(carry)
        writing = asyncio.create_task(_write(websocket, run, news))
        code = None
        try:
            code = await _read(websocket, run)
        finally:
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await writing
            run.went(carry, goodbye=code == LEFT)

    @app.post("/attach/script")
    async def script(request: Request) -> Response:
        hub.hear_of(parsed(ScriptNews, await body_of(request)))
        return Response(status_code=204)


async def _run_of(hub: Hub, greeting: Greeting) -> AttachedRun:
    """The run of a loop that comes back, to this server or to its successor, or a new one.

    Raises:
        NotAttachable: its name is another run's.
    """
    known = await hub.supervisor.attach(greeting.run, greeting.settings, greeting.about)
    if not isinstance(known, AttachedRun) or known.gone:
        raise NotAttachable(TAKEN)
    return known


async def _read(websocket: WebSocket, run: AttachedRun) -> int:
    """Hand on what the loop sends until it is gone; its close code."""
    while True:
        received = await websocket.receive()
        if received["type"] == "websocket.disconnect":
            return int(received.get("code") or 1006)
        if run.gone:
            await websocket.close(CloseCode.POLICY, ENDED_HERE)
            return CloseCode.POLICY
        if isinstance(frame := received.get("bytes"), bytes):
            run.heard(frame)


async def _write(websocket: WebSocket, run: AttachedRun, news: asyncio.Event) -> None:
    """Send what the loop is told."""
    while True:
        await news.wait()
        news.clear()
        while (message := run.wire.take()) is not None:
            await websocket.send_text(message.decode())
