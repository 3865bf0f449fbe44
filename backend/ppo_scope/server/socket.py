"""The websocket: greets a page, reads what it says, and lets it go."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from fastapi import FastAPI, WebSocket
from starlette.types import Message

from ppo_scope.server.client import Client
from ppo_scope.server.commands import FULL, Commands
from ppo_scope.server.hub import Hub, error
from ppo_scope.server.roles import Role
from ppo_scope.server.security import Secrets
from ppo_scope.server.throttle import RATE, Meter, Strikes
from ppo_scope.server.transport import transport_of
from ppo_scope.wire.codes import CloseCode, ErrorCode
from ppo_scope.wire.messages import Malformed, parse

logger = logging.getLogger(__name__)

LEFT = frozenset({1000, 1001})
"""Close codes of a page that leaves on purpose."""
RESUME_WITHIN = 10.0
"""Seconds that a page has to say the first word."""
TOO_LATE = "No resume within ten seconds."
TOO_FAST = f"At most {RATE} messages a second. This one was not acted on."
TOO_MUCH = "Too many messages for too long."
TOO_MALFORMED = "Three malformed messages within ten seconds."


def add_routes(app: FastAPI, hub: Hub, commands: Commands, secrets: Secrets) -> None:
    """Add the route of the websocket."""

    @app.websocket("/ws")
    async def stream(websocket: WebSocket) -> None:
        await websocket.accept()
        if not hub.has_place(known=secrets.knows(websocket)):
            await websocket.close(CloseCode.TRY_AGAIN_LATER, FULL)
            return
        client = Client(websocket, partial(secrets.role, websocket))
        hub.join(client)
        writing = asyncio.create_task(client.write())
        reading = asyncio.create_task(_read(websocket, client, commands))
        waiting = asyncio.get_running_loop().call_later(RESUME_WITHIN, _expect_resume, client)
        try:
            await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            hub.leave(client, returning=_close_code(reading) not in LEFT)
            for task in (writing, reading):
                task.cancel()
            for fault in await asyncio.gather(writing, reading, return_exceptions=True):
                if isinstance(fault, Exception):
                    logger.error("A page's connection ended by a fault of the server.", exc_info=fault)


def _expect_resume(client: Client) -> None:
    if client.tab is None:
        client.close(CloseCode.POLICY, TOO_LATE)


def _close_code(reading: asyncio.Task[int]) -> int | None:
    """The code that the page has closed with; None where it has not, or reading it has failed."""
    ended = reading.done() and not reading.cancelled() and reading.exception() is None
    return reading.result() if ended else None


async def _read(websocket: WebSocket, client: Client, commands: Commands) -> int:
    """Act on what the page says until it is gone; its close code. Runs whether or not the page reads."""
    meter, strikes = Meter(), Strikes()
    while True:
        received = await websocket.receive()
        if received["type"] == "websocket.disconnect":
            return int(received.get("code") or 1006)
        try:
            message = parse(_text(received))
        except Malformed as problem:
            client.post(error(problem.id, ErrorCode.MALFORMED, str(problem)))
            if strikes.strike():
                client.close(CloseCode.POLICY, TOO_MALFORMED)
        else:
            if meter.admit():
                commands.handle(client, message)
                if client.role is Role.CONTROLLER:
                    _trust(websocket)
            else:
                client.post(error(getattr(message, "id", None), ErrorCode.THROTTLED, TOO_FAST))
                if meter.exhausted:
                    client.close(CloseCode.POLICY, TOO_MUCH)
        # Many messages may have arrived at once: give the writer its turn between two of them.
        await asyncio.sleep(0)


def _trust(websocket: WebSocket) -> None:
    transport = transport_of(websocket)
    if transport is not None:
        transport.trust()


def _text(received: Message) -> str:
    text = received.get("text")
    if not isinstance(text, str):
        raise Malformed("Pages send text, not bytes.")
    return text
