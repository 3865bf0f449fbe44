"""One page on the other end of a websocket, and its writer."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.websockets import WebSocket, WebSocketDisconnect

from ppo_scope.server.roles import Role
from ppo_scope.server.transport import transport_of
from ppo_scope.wire.codes import CloseCode
from ppo_scope.wire.run import Run
from ppo_scope.wire.told import Ack, ErrorTold, Told

if TYPE_CHECKING:
    from ppo_scope.server.room import Room

QUEUE = 64
"""Messages that may wait for a page that does not read; one more closes the connection."""
ON_THE_WAY, LARGE = 4, 8192
"""Frames of so many bytes and more that may be on their way to a page: what waits in a tunnel cannot be replaced by
something newer. Four are enough for 24 a second where there and back takes 160 ms.
"""
BEGUN = " of an update that has begun"
SEND_LIMIT = 10.0
"""Seconds that one send may take."""


class Client:
    """What waits for one page.

    Messages wait in a queue and are never dropped: a page that lets it overflow is closed, and resynchronises when it
    comes back. Frames wait in one slot per kind, where a newer one replaces an older one: a slow page skips to the
    newest. Only a snapshot of an update that has just begun leaves the one before it: there is little to see in it, and
    a page goes on showing the last whole update beside it. Few large frames are on their way at a time, so that a page
    far away sees what is, and not what was.

    `admit` gives the role of this connection for the secret in its first message; until then it is a viewer.
    """

    def __init__(self, websocket: WebSocket, admit: Callable[[str | None], Role]) -> None:
        self.admit = admit
        self.role = Role.VIEWER
        self.greeted: Run | None = None  # what the greeting has said of the newest run, until its stream starts
        self.tab: str | None = None
        self.room: Room | None = None  # where its stream comes from, once it has started
        self.probes: frozenset[str] = frozenset()
        self.environment: int | None = None
        self._websocket = websocket
        self._queue: deque[str] = deque()
        self._latest: dict[str, str | bytes] = {}
        self._closing: tuple[CloseCode, str] | None = None
        self._wake = asyncio.Event()
        self._on_the_way = 0

    def post(self, message: Told) -> None:
        """Queue a message that must arrive."""
        self.post_text(json.dumps(message, allow_nan=False))

    def post_text(self, message: str) -> None:
        """Queue a message that must arrive, and has been put into JSON."""
        if self._closing is not None:
            return
        if len(self._queue) >= QUEUE:
            self._queue.clear()
            self.close(CloseCode.TRY_AGAIN_LATER, "This page reads too slowly. Reconnect to go on.")
            return
        self._queue.append(message)
        self._wake.set()

    def answer(self, reply: Ack | ErrorTold) -> None:
        """Have an answer sent after the frames that wait: what came of a command is there once it is answered."""
        if len(self._latest) >= QUEUE:
            self.post(reply)
        else:
            self.show(f"answer {reply['id']}", json.dumps(reply, allow_nan=False))

    def show(self, kind: str, message: str | bytes, *, begun: bool = False) -> None:
        """Put something into its slot, in place of an older one that is not sent yet. `begun`: it leaves that."""
        if self._closing is None:
            self._latest.pop(kind + BEGUN, None)
            self._latest[kind + BEGUN if begun else kind] = message
            self._wake.set()

    def forget(self) -> None:
        """Drop the frames that wait, as of a run that is shown no more. Answers and news of the server stay."""
        self._latest = {slot: message for slot, message in self._latest.items() if isinstance(message, str)}

    def close(self, code: CloseCode, reason: str) -> None:
        """Close the connection after the messages that wait."""
        if self._closing is None:
            self._closing = (code, reason)
            self._latest.clear()
            self._wake.set()

    async def write(self) -> None:
        """Send what waits, until the page is gone, too slow, or closed."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while (message := self._next()) is not None:
                    async with asyncio.timeout(SEND_LIMIT):
                        await self._send(message)
                if self._closing is not None:
                    code, reason = self._closing
                    async with asyncio.timeout(1.0):
                        await self._websocket.close(code, reason)
                    return
        except (TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
            # Whoever does not take what is sent, or has left, is let go; the reading side notices the same.
            return

    def _next(self) -> str | bytes | None:
        if self._queue:
            return self._queue.popleft()
        slot = next(iter(self._latest), None)
        if slot is None or (self._on_the_way >= ON_THE_WAY and _is_large(self._latest[slot])):
            return None
        return self._latest.pop(slot)

    async def _send(self, message: str | bytes) -> None:
        if isinstance(message, str):
            await self._websocket.send_text(message)
        else:
            await self._websocket.send_bytes(message)
            transport = transport_of(self._websocket)
            if transport is not None and _is_large(message):
                self._on_the_way += 1
                transport.mark(self._arrived)

    def _arrived(self) -> None:
        self._on_the_way -= 1
        self._wake.set()


def _is_large(message: str | bytes) -> bool:
    return isinstance(message, bytes) and len(message) >= LARGE
