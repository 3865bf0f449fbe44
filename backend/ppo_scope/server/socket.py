"""The websocket: greets a page, reads what it says, and lets it go."""

from __future__ import annotations

import asyncio
from functools import partial

from fastapi import FastAPI, WebSocket
from starlette.types import Message

from ppo_scope.server.client import Client
from ppo_scope.server.codes import CloseCode, ErrorCode
from ppo_scope.server.commands import Commands
from ppo_scope.server.hub import Hub, error
from ppo_scope.server.messages import Malformed, parse
from ppo_scope.server.security import Secrets
from ppo_scope.server.throttle import RATE, Meter, Strikes

LEFT = frozenset({1000, 1001})
"""Close codes of a page that leaves on purpose."""
TOO_FAST = f"At most {RATE} messages a second. This one was not acted on."
TOO_MUCH = "Too many messages for too long."
TOO_MALFORMED = "Three malformed messages within ten seconds."


def add_routes(app: FastAPI, hub: Hub, commands: Commands, secrets: Secrets) -> None:
    """Add the route of the websocket."""

    @app.websocket("/ws")
    async def stream(websocket: WebSocket) -> None:
        await websocket.accept()
        client = Client(websocket, partial(secrets.role, websocket))
        hub.join(client)
        writing = asyncio.create_task(client.write())
        reading = asyncio.create_task(_read(websocket, client, commands))
        try:
            await asyncio.wait({writing, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            code = reading.result() if reading.done() and not reading.cancelled() else None
            hub.leave(client, returning=code not in LEFT)
            for task in (writing, reading):
                task.cancel()
            await asyncio.gather(writing, reading, return_exceptions=True)


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
            else:
                client.post(error(getattr(message, "id", None), ErrorCode.THROTTLED, TOO_FAST))
                if meter.exhausted:
                    client.close(CloseCode.POLICY, TOO_MUCH)
        # Many messages may have arrived at once: give the writer its turn between two of them.
        await asyncio.sleep(0)


def _text(received: Message) -> str:
    text = received.get("text")
    if not isinstance(text, str):
        raise Malformed("Pages send text, not bytes.")
    return text
