"""The frontend's files, as they are, and plotly.js from the Python package."""

from __future__ import annotations

import asyncio
import gzip
import importlib.util
import mimetypes
from functools import cache
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ppo_scope.records.recorded import name_of
from ppo_scope.server.answers import Pieces

REVALIDATE = "no-cache"
"""Keep it, and ask each time whether it has changed: names carry no version."""

for suffix in (".js", ".mjs"):  # some systems register another type, which browsers refuse for modules
    mimetypes.add_type("text/javascript", suffix)


def frontend() -> Path:
    """The folder of the page: beside the code where it is installed, beside `backend/` in the source tree.

    Raises:
        FileNotFoundError: neither is there.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "frontend", package.parents[1] / "frontend"):
        if (folder / "index.html").is_file():
            return folder
    raise FileNotFoundError("The page's files are missing from this installation. Install PPO Scope again.")


class Frontend(StaticFiles):
    """The page's files, which browsers revalidate, and a recording among them."""

    def __init__(self, folder: Path, recording: Path | None = None) -> None:
        super().__init__(directory=folder, html=True)
        self._recording = recording

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, or 304 where the browser has it.

        Raises:
            HTTPException: 404 or 405.
        """
        if self._recording is not None and path == f"recordings/{name_of(self._recording)}.rec":
            return FileResponse(
                self._recording, media_type="application/octet-stream", headers={"cache-control": "no-store"}
            )
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = REVALIDATE
        return response


def add_routes(app: FastAPI) -> None:
    """Add the route of plotly.js."""

    @app.get("/vendor/plotly.min.js")
    async def plotly(request: Request) -> Response:
        compress = "gzip" in request.headers.get("accept-encoding", "")
        etag = f'"plotly-{version("plotly")}{"-gzip" if compress else ""}"'
        headers = {"etag": etag, "cache-control": REVALIDATE, "vary": "accept-encoding"}
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if compress:
            headers["content-encoding"] = "gzip"
        body = await asyncio.to_thread(_plotly, compress)
        return Pieces(body, media_type="text/javascript", headers=headers)


@cache
def _plotly(compressed: bool) -> bytes:
    if compressed:
        return gzip.compress(_plotly(False), 6, mtime=0)
    spec = importlib.util.find_spec("plotly")  # importing the package would take longer than reading the file
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_bytes()
