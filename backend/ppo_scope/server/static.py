"""The frontend's files, as they are, and plotly.js from the Python package."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import importlib.util
import mimetypes
import re
from functools import cache
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ppo_scope.records.recorded import name_of
from ppo_scope.server.answers import Pieces
from ppo_scope.server.scripts import reached

REVALIDATE = "no-cache"
"""Keep it, and ask each time whether it has changed: the name carries no version."""

UNCHANGED = "public, max-age=31536000, immutable"
"""Keep it, and do not ask: what changes has another name."""

EDITION = "edition-"
ENTRY = "app.js"
HEAD_ENDS = b"</head>"
OWN_FILES = re.compile(rb' (src|href)="(?=[\w/-]+\.(?:js|css)")')
"""Where a script or a style of ours is named in the page."""

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
    """The page's files, and a recording among them.

    The page names its scripts and styles by their edition, `edition-<digest>/app.js`: nearly two hundred files that a
    browser then asks for once, and not each time whether they have changed. What they import is relative to them. Those
    that the page cannot do without it names itself, so that a browser does not find one only by reading another.
    """

    def __init__(self, folder: Path, recording: Path | None = None) -> None:
        super().__init__(directory=folder, html=True)
        self._folder = folder
        self._recording = recording
        self._seen: object = None
        self._edition = ""
        self._files: dict[str, bytes] = {}
        """Of that edition: name → content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, or 304 where the browser has it.

        Raises:
            HTTPException: 404 or 405.
        """
        path = Path(path).as_posix()  # it comes with this system's separators
        if self._recording is not None and path == f"recordings/{name_of(self._recording)}.rec":
            return FileResponse(
                self._recording, media_type="application/octet-stream", headers={"cache-control": "no-store"}
            )
        if path in (".", "index.html") and scope["method"] in ("GET", "HEAD"):
            return await asyncio.to_thread(self._page, Headers(scope=scope))
        edition, _, rest = path.partition("/")
        if edition.startswith(EDITION) and rest.endswith((".js", ".css")):
            path = rest
            if edition == EDITION + self._edition and scope["method"] == "GET" and rest in self._files:
                kind = mimetypes.guess_type(rest)[0]
                return Response(self._files[rest], media_type=kind, headers={"cache-control": UNCHANGED})
        response = await super().get_response(path, scope)
        current = edition == EDITION + self._edition and response.status_code == HTTPStatus.OK
        response.headers["cache-control"] = UNCHANGED if current else REVALIDATE
        return response

    def _page(self, headers: Headers) -> Response:
        self._look()
        etag = f'"{self._edition}"'
        told = {"etag": etag, "cache-control": REVALIDATE}
        if etag in headers.get("if-none-match", ""):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=told)
        page = self._files["index.html"].replace(HEAD_ENDS, self._preloads() + HEAD_ENDS, 1)
        edition = f"{EDITION}{self._edition}/".encode()
        return Response(OWN_FILES.sub(rb' \1="' + edition, page), media_type="text/html", headers=told)

    def _preloads(self) -> bytes:
        scripts = {name: content.decode() for name, content in self._files.items() if name.endswith(".js")}
        names = reached(scripts, ENTRY) if ENTRY in scripts else []
        return "".join(f'<link rel="modulepreload" href="{name}" />\n' for name in names if name != ENTRY).encode()

    def _look(self) -> None:
        """Which edition it is: the page's files are read again where one of them has been written to."""
        files = sorted(path for path in self._folder.rglob("*") if path.suffix in {".html", ".js", ".css"})
        seen = [(path, path.stat().st_mtime_ns, path.stat().st_size) for path in files]
        if seen != self._seen:
            whole = hashlib.sha256()
            contents = {path.relative_to(self._folder).as_posix(): path.read_bytes() for path in files}
            for name, content in contents.items():
                whole.update(f"{name}\0{len(content)}\0".encode() + content)
            self._seen, self._edition, self._files = seen, whole.hexdigest()[:16], contents


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
        body = await asyncio.to_thread(plotly_script, compress)
        return Pieces(body, media_type="text/javascript", headers=headers)


@cache
def plotly_script(compressed: bool) -> bytes:
    """plotly.js as its Python package brings it; `compressed` by gzip."""
    if compressed:
        return gzip.compress(plotly_script(False), 6, mtime=0)
    spec = importlib.util.find_spec("plotly")  # importing the package would take longer than reading the file
    assert spec is not None and spec.origin is not None
    return (Path(spec.origin).parent / "package_data" / "plotly.min.js").read_bytes()
