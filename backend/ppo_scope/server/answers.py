"""What HTTP answers are made of: JSON that is encoded fast, frames, series in pages, and refusals."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import numpy as np
import pydantic_core
from fastapi import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ppo_scope.records.history import Slice
from ppo_scope.wire import frame
from ppo_scope.wire.codes import ErrorCode
from ppo_scope.wire.metrics import EPISODE_COLUMNS

FRAME = "application/octet-stream"
PIECE = 64 * 1024
TAKEN_WITHIN = 5.0
"""Seconds that a reader has for a piece; the connection of a slower one is closed."""


def to_json(value: Any) -> bytes:
    """JSON, in which what is not finite is null."""
    return pydantic_core.to_json(value, inf_nan_mode="null")


def json_answer(body: bytes, status: int = 200) -> Response:
    """An answer in JSON."""
    return Pieces(body, status, media_type="application/json")


class Pieces(Response):
    """An answer that is sent piece by piece: no more of it waits in memory for a slow reader than one piece."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, to who goes on to take it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = memoryview(self.body)
        with contextlib.suppress(TimeoutError):
            for start in range(0, max(1, len(body)), PIECE):
                piece = {"body": bytes(body[start : start + PIECE]), "more_body": start + PIECE < len(body)}
                async with asyncio.timeout(TAKEN_WITHIN):
                    await send({"type": "http.response.body", **piece})


def refusal(status: int, code: ErrorCode, message: str, detail: str = "") -> HTTPException:
    """A refusal; `detail` is for who wants to know more."""
    return HTTPException(status, {"code": code.value, "message": message, "detail": detail or None})


def series_frame(run: str, part: Slice) -> bytes:
    """The same frame as on the stream, but for `sequence`: it is none of the stream's."""
    last = part.first + len(part.rows) - 1
    header = {
        "kind": "series",
        "run": run,
        "sequence": 0,
        "update": max(last, 0),
        "phase": "update",
        **dict.fromkeys(("epoch", "epochs", "minibatch", "minibatches"), 0),
        "columns": list(part.columns),
        "first": part.first,
        "episode_columns": list(EPISODE_COLUMNS),
    }
    return frame.encode(header, {"rows": part.rows, "episodes": part.episodes})


def series_json(part: Slice, following: int | None, findings: list[dict[str, Any]]) -> bytes:
    """The same as JSON; `following` is the update that the next page begins with, `findings` when it was ill."""
    return to_json(
        {
            "columns": part.columns,
            "first": part.first,
            "rows": _lists(part.rows),
            "episode_columns": EPISODE_COLUMNS,
            "episodes": _lists(part.episodes),
            "next": following,
            "findings": findings,
        }
    )


def _lists(rows: np.ndarray[Any, np.dtype[np.float64]]) -> list[list[float]]:
    found: list[list[float]] = rows.tolist()
    return found
