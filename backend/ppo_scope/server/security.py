"""The door: which hosts and origins may come in, who may control, and what a page may load."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ppo_scope.server.roles import ROUTES, Access, Role
from ppo_scope.wire.codes import ErrorCode

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Names under which a browser reaches the server; any port, so that a tunnel may have its own."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'",  # plotly.js writes style attributes
    "img-src 'self' data: blob:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
)
EMBEDDER = re.compile(r"https?://[a-z0-9.-]+(:\d{1,5})?|https?://\[[0-9a-f:]+\](:\d{1,5})?")


def check_embedders(origins: Sequence[str]) -> None:
    """Refuse what could be anything but an origin.

    Raises:
        ValueError: one of them is none; in one readable line.
    """
    for one in origins:
        if not EMBEDDER.fullmatch(one):
            raise ValueError(f"{one!r} is no origin: it must be like http://localhost:8888, without a path.")


def headers(embedders: Sequence[str] = ()) -> dict[str, str]:
    """What goes with every response; `embedders` are origins whose pages may show the dashboard in a frame."""
    return {
        "content-security-policy": "; ".join((*POLICY, " ".join(("frame-ancestors 'self'", *embedders)))),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
    }


ROUNDS = 100_000
"""Of hashing a token that was given: 30 ms for each of two secrets."""
SESSION_HEADER = "x-ppo-scope-session"
"""In which the page's script sends the secret with a request; on a websocket, the first message has it."""

WRONG_ORIGIN = "This request comes from another site. Open the dashboard by the link printed in the terminal."
NOT_ALLOWED = "You are watching. To control, open the link printed in the terminal."


def _secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Secrets:
    """What tells a controller from a viewer: the token of the printed link, exchanged for a cookie and a secret.

    All are new with every start of the server, unless its token was given: then they follow from that, and a page that
    was open before controls again by itself. Neither opens anything without the other: the browser shows the cookie
    to every server on this machine, whatever its port, and hides it from scripts; the secret is sent by the page's
    script only, and only to its own origin. The port is in the cookie's name so that two servers can have one each.
    """

    port: int
    token: str = field(default_factory=_secret, repr=False)
    session: str = field(default_factory=_secret, repr=False)
    ticket: str = field(default_factory=_secret, repr=False)
    """The cookie's value."""

    @classmethod
    def of(cls, port: int, token: str | None) -> Secrets:
        """All of them anew, or those that belong to this token at this port."""
        if token is None:
            return cls(port)
        # Slow, for a person may have chosen it, and every server on this machine is shown the cookie.
        session, ticket = (
            hashlib.pbkdf2_hmac("sha256", token.encode(), f"ppo-scope {port} {what}".encode(), ROUNDS).hex()
            for what in ("session", "ticket")
        )
        return cls(port, token, session, ticket)

    @property
    def cookie(self) -> str:
        """The cookie's name."""
        return f"ppo_scope_{self.port}"

    def admit(self, token: str) -> Response | None:
        """The secret, and the cookie with it, for the right token; else None."""
        if not _equal(token, self.token):
            return None
        response = JSONResponse({"session": self.session}, headers={"cache-control": "no-store"})
        response.set_cookie(self.cookie, self.ticket, httponly=True, samesite="strict", path="/")
        return response

    def knows(self, connection: HTTPConnection) -> bool:
        """Whether it brings the cookie: no right to anything, but whoever may control brings it."""
        return _equal(connection.cookies.get(self.cookie, ""), self.ticket)

    def role(self, connection: HTTPConnection, session: str | None) -> Role:
        """The role of whoever has made this connection and has sent this secret on it."""
        given = self.knows(connection), _equal(session or "", self.session)
        return Role.CONTROLLER if all(given) else Role.VIEWER

    async def guard(self, connection: HTTPConnection) -> None:
        """Refuse what the table of routes does not admit; a dependency of every route.

        Raises:
            HTTPException: 403.
        """
        method = "WEBSOCKET" if connection.scope["type"] == "websocket" else connection.scope["method"]
        access = ROUTES.get((method, connection.scope["route"].path))
        if access is Access.TOKEN:
            admitted = _equal(connection.headers.get("authorization", ""), f"Bearer {self.token}")
        else:
            admitted = access is not None and access.admits(
                self.role(connection, connection.headers.get(SESSION_HEADER))
            )
        if not admitted:
            raise HTTPException(403, {"code": ErrorCode.FORBIDDEN, "message": NOT_ALLOWED, "detail": None})


def _equal(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())


class SameOrigin:
    """Refuses websockets and unsafe methods from pages of another scheme, host or port, or of none."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        asks = scope["type"] == "websocket" or (scope["type"] == "http" and scope["method"] not in SAFE_METHODS)
        if asks and not _same_origin(scope):
            refusal = JSONResponse({"code": ErrorCode.FORBIDDEN, "message": WRONG_ORIGIN, "detail": None}, 403)
            await refusal(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def _same_origin(scope: Scope) -> bool:
    """Browsers set Origin and Host themselves; the host's name has been checked before."""
    headers = Headers(scope=scope)
    scheme = "https" if scope["scheme"] in {"https", "wss"} else "http"
    return headers.getlist("origin") == [f"{scheme}://{headers.get('host')}"]


class SecurityHeaders:
    """Adds the same headers to every response."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self.app = app
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        await self.app(scope, receive, send_with_headers)
