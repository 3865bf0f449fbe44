"""How those who only watch share what there is, so that who leads never waits for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ppo_scope.server.answers import refusal
from ppo_scope.wire.codes import ErrorCode

LINE = 512
"""Requests of the crowd that may wait for their turn."""
TURN = 0.001
"""Seconds between two of them: in each, everything else that is ready has its turn."""
LARGE, LARGE_LINE = 4, 64
"""Large answers that are made and sent at the same time, and requests for one that may wait: of the crowd, and again of
those that may control."""
PATIENCE = 20.0
"""Seconds that a request for a large answer waits."""

SESSION = "/api/session"
"""Where who leads becomes known: he need not be already."""

THROTTLED = "Too many ask at the same time. Ask again in a moment."

Known = Callable[[HTTPConnection], bool]


class Full(Exception):
    """There is no place in the line, or none was free in time."""


class Gate:
    """Lets few pass at the same time; the others wait in a line of bounded length."""

    def __init__(self, places: int, line: int, patience: float = PATIENCE) -> None:
        self._free = asyncio.Semaphore(places)
        self._line, self._patience, self._waiting = line, patience, 0

    async def enter(self) -> None:
        """Take a place.

        Raises:
            Full: there was none.
        """
        if self._waiting >= self._line:
            raise Full
        self._waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise Full from None
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        """Give the place back."""
        self._free.release()


class Counter:
    """Where answers are made and sent that are large or slow: few at the same time, the crowd apart from the others."""

    def __init__(self, known: Known, *, places: int, line: int) -> None:
        self._known = known
        self._crowd, self._others = Gate(places, line), Gate(places, line)

    async def answer(self, request: Request, make: Callable[[], Awaitable[Response]]) -> Response:
        """What `make` gives, when it is its turn; the place is held until the answer is sent.

        Raises:
            HTTPException: 429, too many wait already, or waited for too long.
        """
        gate = self._others if self._known(request) else self._crowd
        try:
            await gate.enter()
        except Full:
            raise refusal(429, ErrorCode.THROTTLED, THROTTLED) from None
        try:
            return _Holding(await make(), gate)
        except BaseException:
            gate.leave()
            raise


class _Holding(Response):
    """An answer that leaves the gate when it has been sent."""

    def __init__(self, answer: Response, gate: Gate) -> None:
        super().__init__()
        self._answer, self._gate = answer, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await self._answer(scope, receive, send)
        finally:
            self._gate.leave()


class Turnstile:
    """Lets the requests of the crowd in one by one.

    Whoever brings the cookie passes by: `known` says so. That is no right to anything, only a place in the line.
    """

    def __init__(self, app: ASGIApp, known: Known) -> None:
        self.app = app
        self._known = known
        self._line: deque[asyncio.Future[None]] = deque()
        self._serving: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on when it is its turn, or answer 429."""
        if scope["type"] != "http" or scope["path"] == SESSION or self._known(HTTPConnection(scope)):
            await self.app(scope, receive, send)
        elif len(self._line) >= LINE:
            body = {"code": ErrorCode.THROTTLED, "message": THROTTLED, "detail": None}
            await JSONResponse(body, 429, {"retry-after": "1"})(scope, receive, send)
        else:
            await self._turn()
            await self.app(scope, receive, send)

    async def _turn(self) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(mine)
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        await mine

    async def _serve(self) -> None:
        while self._line:
            following = self._line.popleft()
            if not following.done():
                following.set_result(None)
            await asyncio.sleep(TURN)
