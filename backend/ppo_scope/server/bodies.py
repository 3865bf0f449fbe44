"""What HTTP requests bring, read within limits."""

from __future__ import annotations

import asyncio

from fastapi import Request

from ppo_scope.server.answers import refusal
from ppo_scope.wire.codes import ErrorCode
from ppo_scope.wire.messages import MAX_BYTES, Body, Malformed, parse_body

BODY_WITHIN = 5.0
"""Seconds that the body of a request may take."""


async def body_of(request: Request) -> bytes:
    """All of it. Raises: HTTPException: it is too long, or too slow."""
    body = b""
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise refusal(413, ErrorCode.MALFORMED, f"A request may have at most {MAX_BYTES:,} bytes.")
    except TimeoutError:
        raise refusal(408, ErrorCode.MALFORMED, "The rest of this request did not come in time.") from None
    return body


def parsed(model: type[Body], body: bytes) -> Body:
    """As a model has it. Raises: HTTPException: it is none."""
    try:
        return parse_body(model, body)
    except Malformed as problem:
        raise refusal(400, ErrorCode.MALFORMED, str(problem)) from None
