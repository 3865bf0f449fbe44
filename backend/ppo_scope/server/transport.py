"""Uvicorn's websocket transport, but one that lets go."""

from __future__ import annotations

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LET_GO = 3.0
"""Seconds that a connection may take to drain once the application is done with it."""


class WebSocketTransport(WebSocketsSansIOProtocol):
    """Closing a connection waits until the other end has taken what was sent: for ever, if it never reads."""

    async def run_asgi(self) -> None:
        """Serve the connection; whatever is left of it a moment later is cut."""
        await super().run_asgi()
        self.loop.call_later(LET_GO, self.transport.abort)
