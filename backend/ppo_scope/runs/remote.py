"""Training processes on other machines: the websocket that they reach this one by, and what stands here for each.

Each is expected: it has a ticket, and comes with it; after a loss, another one comes with the same. The websocket is no
part of the server that shows pages, which listens on this machine only: whoever has no ticket gets nothing here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import signal
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from ppo_scope import __version__
from ppo_scope.ppo.settings import Settings
from ppo_scope.processes.process import COMMANDS, MAX_FRAME, NotReading, Receiver
from ppo_scope.runs.live import LiveRun
from ppo_scope.runs.reopening import Reopened
from ppo_scope.runs.supervisor import Supervisor

PING = 5.0
"""Seconds between two pings; a process is lost that leaves one unanswered for three times as long."""
OTHER_VERSION = "PPO Scope {theirs} is installed on a node of the cluster, and {ours} here: install the same on both."
GREET_WITHIN = 20.0


class Link:
    """The way to a training process elsewhere; used as `TrainingProcess` is."""

    pid = 0
    output = ""

    def __init__(self, connection: ServerConnection, receiver: Receiver, arguments: tuple[Any, ...]) -> None:
        """`arguments`: of the worker, its pipes aside."""
        self._connection, self._receiver = connection, receiver
        self._loop = asyncio.get_running_loop()
        self._out: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._closing: asyncio.Task[None] | None = None
        *first, state = arguments if isinstance(arguments[-1], bytes) else (*arguments, None)
        self._out.put_nowait(json.dumps({"arguments": first, "goes_on": state is not None}))
        if state is not None:
            self._out.put_nowait(state)
        self._carrying = asyncio.create_task(self._carry())

    def send(self, command: bytes) -> None:
        """Hand a command over.

        Raises:
            NotReading: too many wait already.
        """
        if self._out.qsize() >= COMMANDS:
            raise NotReading
        self._out.put_nowait(json.dumps({"do": "send", "message": command.decode()}))

    def tell(self, slot: str, message: bytes) -> None:
        """Hand over how something is now."""
        self._out.put_nowait(json.dumps({"do": "tell", "slot": slot, "message": message.decode()}))

    def kill(self, number: signal.Signals) -> None:
        """Have it ended; after SIGKILL it counts as ended, whether it can be reached or not."""
        said = json.dumps({"do": "kill", "number": int(number)})
        with contextlib.suppress(RuntimeError):  # the loop has closed: the connection breaks, and it ends with that
            self._loop.call_soon_threadsafe(self._out.put_nowait, said)
            if number == signal.SIGKILL:
                self._loop.call_soon_threadsafe(self._carrying.cancel)

    async def _carry(self) -> None:
        """Both ways, until the process has ended or the connection has."""
        writing, ended = asyncio.create_task(self._write()), None
        try:
            with contextlib.suppress(ConnectionClosed):
                ended = await self._read()
        finally:
            writing.cancel()
            if ended is None:  # whatever is left there ends with the connection
                self._closing = asyncio.create_task(self._connection.close())
            self._receiver.ended(ended)

    async def _read(self) -> int | None:
        while True:
            message = await self._connection.recv()
            if isinstance(message, str):
                said = json.loads(message)
                self.output = said["output"]
                return None if said["ended"] is None else int(said["ended"])
            self._receiver.frame(message)
            await asyncio.sleep(0)  # what was taken is handed on, so that the next one finds room

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._connection.send(await self._out.get())


class Place:
    """Where one attempt at a run is made."""

    def __init__(self, supervisor: Supervisor, connection: ServerConnection) -> None:
        self._supervisor, self._connection = supervisor, connection

    async def room(self) -> None:
        """It has a core of its own already."""

    async def start(self, settings: Settings, *, paused: bool, sweep: str) -> LiveRun:
        """As `Supervisor.start`."""
        return await self._supervisor.start(settings, paused=paused, sweep=sweep, begin=self._begin)

    async def go_on(self, reopened: Reopened, *, paused: bool) -> LiveRun:
        """As `Supervisor.go_on`."""
        return await self._supervisor.go_on(reopened, paused=paused, begin=self._begin)

    def _begin(self, receiver: Receiver, arguments: tuple[Any, ...]) -> Link:
        return Link(self._connection, receiver, arguments)


class Arrivals:
    """Of one ticket."""

    def __init__(self) -> None:
        self.ticket = secrets.token_urlsafe(32)
        self._came: asyncio.Queue[ServerConnection] = asyncio.Queue()
        self._latest: ServerConnection | None = None

    async def came(self, connection: ServerConnection) -> None:
        """A process is there; whichever was before it is given up."""
        before, self._latest = self._latest, connection
        if before is not None:
            await before.close()
        self._came.put_nowait(connection)

    @property
    def any(self) -> bool:
        """Whether one has come."""
        return self._latest is not None

    async def next(self) -> ServerConnection:
        """The next process, waited for."""
        return await self._came.get()

    async def let_go(self, *, again: bool) -> None:
        """The one that is there has nothing more to do; `again`: but another one shall come in its place."""
        if self._latest is not None:
            await self._latest.close(CloseCode.SERVICE_RESTART if again else CloseCode.NORMAL_CLOSURE)


class Landing:
    """Where processes elsewhere arrive."""

    def __init__(self) -> None:
        self._expected: dict[str, Arrivals] = {}
        self.port = 0

    @contextlib.asynccontextmanager
    async def open(self, host: str) -> AsyncIterator[None]:
        """Listen, on a port that the system chooses.

        Raises:
            OSError: there is no listening there.
        """
        async with serve(
            self._take,
            host,
            0,
            process_request=self._check,
            compression=None,
            max_size=MAX_FRAME,
            ping_interval=PING,
            ping_timeout=3 * PING,
        ) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            yield

    @contextlib.contextmanager
    def expect(self) -> Iterator[Arrivals]:
        """A ticket, and those who come with it."""
        arrivals = Arrivals()
        self._expected[arrivals.ticket] = arrivals
        try:
            yield arrivals
        finally:
            del self._expected[arrivals.ticket]

    def _arrivals(self, request: Request | None) -> Arrivals | None:
        given = request.headers.get("Authorization", "") if request is not None else ""
        return self._expected.get(given.removeprefix("Bearer "))

    def _check(self, connection: ServerConnection, request: Request) -> Response | None:
        if self._arrivals(request) is None:
            return connection.respond(HTTPStatus.FORBIDDEN, "Nobody is expected with this ticket.\n")
        return None

    async def _take(self, connection: ServerConnection) -> None:
        arrivals = self._arrivals(connection.request)
        try:
            async with asyncio.timeout(GREET_WITHIN):
                theirs = json.loads(await connection.recv())["version"]
        except (ConnectionClosed, TimeoutError, ValueError, KeyError, TypeError):
            return
        if arrivals is None or theirs != __version__:
            await connection.close(
                CloseCode.POLICY_VIOLATION, OTHER_VERSION.format(theirs=str(theirs)[:20], ours=__version__)
            )
            return
        await arrivals.came(connection)
        await connection.wait_closed()
