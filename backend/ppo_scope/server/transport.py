"""Uvicorn's transports, but ones that let go: of who never asks, of who floods, of who never reads."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import h11
from starlette.websockets import WebSocket
from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Event
from websockets.server import ServerProtocol

from ppo_scope.processes.process import MAX_FRAME
from ppo_scope.server.capacity import Capacity
from ppo_scope.server.throttle import Bucket

LET_GO = 3.0
"""Seconds that a connection may take to drain once the application is done with it."""
REQUEST_WITHIN = 8.0
"""Seconds that a connection may take until its first request, or its next one, is there as a whole."""
ANSWER_WITHIN = 60.0
"""Seconds from a request until its answer has been taken."""
MOUTHFUL = 2048
"""Bytes that are read from a connection in one turn: what they hold is parsed in one go."""
FRAMES, FRAMES_AT_ONCE = 200.0, 1000.0
"""Frames a second of one websocket, pings included, and how many at once; what is more waits in the system."""
LOOP_FRAMES, LOOP_MOUTHFUL = 4000.0, 256 * 1024
"""The same of a training loop elsewhere, and how many bytes of it are read in one turn."""
MARK = b"mark"
"""How a ping begins that marks what was sent; those that ask whether somebody is there have four bytes in all."""
GREETING = 4
"""Frames of a new websocket that wait for nobody else: it may be the page that leads, and has to say so first."""
CROWD_FRAMES, CROWD_AT_ONCE = 1500.0, 4000.0
"""The same of all websockets together that may not control."""
UNPRESSED = ServerPerMessageDeflateFactory(
    server_max_window_bits=9, client_max_window_bits=9, compress_settings={"level": 0, "memLevel": 1}
)
"""Compression in name only: numbers as ours hardly shrink. But Chromium hands a plain message to the page in pieces of
1,000 bytes, each of which costs four of its threads something, and one that could be compressed in pieces of 4,096."""


class Connections(ServerState):
    """Who is connected: bounded in number, and whoever has been idle for longest makes room."""

    def __init__(self, capacity: Capacity) -> None:
        super().__init__()
        self.capacity = capacity
        self.passing: dict[HttpTransport, None] = {}
        """Connections that are no websockets, the oldest first."""
        self.crowd = Bucket(CROWD_FRAMES, CROWD_AT_ONCE)

    def make_room(self) -> None:
        """Let one go if there are too many: one without a request, or else the oldest that is no page."""
        if len(self.connections) <= self.capacity.connections or not self.passing:
            return
        spared = (one for one in self.passing if one.idle or one.scope["method"] == "GET")  # a new run takes its time
        victim = next((one for one in self.passing if one.idle), next(spared, None))
        if victim is None:
            return
        self.passing.pop(victim)
        self.connections.discard(victim)
        victim.transport.abort()


class HttpTransport(H11Protocol):
    """HTTP, each step of it with a deadline."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline: asyncio.TimerHandle | None = None
        self.idle = True
        """No request is being answered."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Welcome it, perhaps in another one's place."""
        super().connection_made(transport)
        transport.max_size = MOUTHFUL  # type: ignore[attr-defined]
        self._everybody.passing[self] = None
        self._everybody.make_room()
        self._expect(REQUEST_WITHIN)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._forget()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """A request that has come as a whole is answered in time; until then no dripping byte buys more of it."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self.idle = False
            # Only what changes something takes its time: a new run shows first that it trains.
            self._expect(ANSWER_WITHIN if self.scope["method"] == "GET" else 3 * ANSWER_WITHIN)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self.idle = True
        self._expect(REQUEST_WITHIN)
        super().on_response_complete()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """It is a page's from now on."""
        self._forget()
        super().handle_websocket_upgrade(event)

    @property
    def _everybody(self) -> Connections:
        return cast(Connections, self.server_state)

    def _expect(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._expire, seconds)

    def _expire(self, waited: float) -> None:
        if self.idle and waited < ANSWER_WITHIN and self.transport.get_write_buffer_size():
            self._expect(ANSWER_WITHIN)  # the end of an answer is still on its way
        else:
            self.transport.abort()

    def _forget(self) -> None:
        self._everybody.passing.pop(self, None)
        if self._deadline is not None:
            self._deadline.cancel()


class WebSocketTransport(WebSocketsSansIOProtocol):
    """A websocket that costs no more than it may, and ends when it is told to."""

    def __init__(self, *, server_state: Connections, **options: Any) -> None:
        super().__init__(server_state=server_state, **options)
        self.conn = ServerProtocol(extensions=[UNPRESSED], max_size=self.config.ws_max_size, logger=self.conn.logger)
        self._crowd = server_state.crowd
        self._trusted = False
        self._said = 0
        self._frames = Bucket(FRAMES, FRAMES_AT_ONCE)
        self._resting = False
        self._marks: deque[tuple[bytes, Callable[[], None]]] = deque()
        self._marked = 0

    def mark(self, arrived: Callable[[], None]) -> None:
        """Have it said once all that was sent until now has come to the other end, which answers a ping after it."""
        if self.close_sent or self.transport.is_closing():
            return
        self._marked += 1
        mark = MARK + self._marked.to_bytes(8)
        self._marks.append((mark, arrived))
        self.conn.send_ping(mark)
        self.transport.write(b"".join(self.conn.data_to_send()))

    def trust(self) -> None:
        """This page may control: it does not wait for the crowd."""
        self._trusted = True
        self._go_on()

    def carry(self) -> None:
        """This is a training loop: its frames are as large as they are, and come as they come."""
        self._trusted, self._frames = True, Bucket(LOOP_FRAMES, LOOP_FRAMES)
        for name in ("max_message_size", "max_size"):  # the newer and the older name of the same limit
            if hasattr(self.conn, name):
                setattr(self.conn, name, MAX_FRAME)
        self.transport.max_size = LOOP_MOUTHFUL  # type: ignore[attr-defined]
        self._go_on()

    async def run_asgi(self) -> None:
        """Serve the connection; whatever is left of it a moment later is cut.

        Closing waits until the other end has taken what was sent: for ever, if it never reads.
        """
        await super().run_asgi()
        self.loop.call_later(LET_GO, self.transport.abort)

    def handle_connect(self, event: Request) -> None:
        """Let the application find this transport."""
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            self.scope["state"]["transport"] = self

    def handle_events(self) -> None:
        """Take what has come, and rest after more than this connection may say, or all that may not control."""
        answers = min(len(self._marks), sum(map(self._answers, self.conn.events)))
        count = len(self.conn.events) - answers  # what was asked for is no flood
        delay = self._frames.take(count)
        self._said += count
        if not self._trusted and self._said > GREETING:
            delay = max(delay, self._crowd.take(count))
        super().handle_events()
        if delay > 0:
            self._resting = True
            self.transport.pause_reading()
            self.loop.call_later(delay, self._go_on)

    def send_keepalive_ping(self) -> None:
        """Ask whether anybody is there, which is answered in its turn among the marks."""
        super().send_keepalive_ping()
        if (asked := self.pending_ping_payload) is not None:
            self._marks.append((asked, partial(super().handle_pong, Frame(Opcode.PONG, asked))))

    def handle_pong(self, event: Frame) -> None:
        """What was marked has come. Of several pings the last one may be all that is answered (RFC 6455, 5.5.3)."""
        if self._answers(event):
            mark = None
            while mark != event.data:
                mark, arrived = self._marks.popleft()
                arrived()
            self._wait_anew()

    def _wait_anew(self) -> None:
        """Over a slow line what asks whether anybody is there stands behind what was sent before: as long as that
        arrives, somebody is.
        """
        if self.pong_timer is not None and self.ping_timeout is not None:
            self.pong_timer.cancel()
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)

    def _answers(self, event: Event) -> bool:
        """Whether it is what a ping of ours waits for."""
        if not isinstance(event, Frame) or event.opcode is not Opcode.PONG:
            return False
        return any(mark == event.data for mark, _ in self._marks)

    async def receive(self) -> ASGIReceiveEvent:
        """The next message for the application."""
        message = await super().receive()  # which reads on
        if self._resting:
            self.transport.pause_reading()
        return message

    def _go_on(self) -> None:
        self._resting = False
        if not self.read_paused:
            self.transport.resume_reading()


def transport_of(websocket: WebSocket) -> WebSocketTransport | None:
    """Of an application's websocket; None where another server than ours carries it."""
    transport = websocket.scope.get("state", {}).get("transport")
    return transport if isinstance(transport, WebSocketTransport) else None
