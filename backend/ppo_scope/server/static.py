"""The page, its scripts and styles as one of each, its other files as they are, and plotly.js from its package."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import importlib.util
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ppo_scope.records.recorded import name_of
from ppo_scope.server.answers import Pieces
from ppo_scope.server.linking import linked, source_map, style_of, text_of, with_style

REVALIDATE = "no-cache"
"""Keep it, and ask each time whether it has changed: the name carries no version."""

UNCHANGED = "public, max-age=31536000, immutable"
"""Keep it, and do not ask: what changes has another name."""

EDITION = "edition-"
PAGE = "index.html"
ENTRY = "app.js"
STYLE = "app.css"

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


@dataclass(frozen=True)
class Edition:
    """The page as it is handed over: one script and one stylesheet, named by a digest of all of it."""

    name: str
    page: bytes
    files: Mapping[str, bytes]

    @cached_property
    def packed(self) -> Mapping[str, bytes]:
        """The files by gzip: over a line from elsewhere a third of the time; quickly, as somebody waits."""
        return {name: gzip.compress(content, 1, mtime=0) for name, content in self.files.items()}


@lru_cache(maxsize=2)
def edition(folder: Path, _seen: object) -> Edition:
    """Of the files of a folder, as they are; `_seen`: what is another when they are.

    Raises:
        ValueError: a script is written in a way that cannot be put together with the others.
    """
    files = texts(folder)
    whole = hashlib.sha256("".join(f"{name}\0{len(text)}\0{text}" for name, text in files.items()).encode())
    name = EDITION + whole.hexdigest()[:16]
    lines = linked(files, ENTRY)
    handed = {
        ENTRY: f"{text_of(lines)}//# sourceMappingURL={ENTRY}.map\n",
        f"{ENTRY}.map": source_map(lines, "../"),
        STYLE: style_of(files[PAGE], files),
    }
    page = with_style(files[PAGE], f'<link rel="stylesheet" href="{name}/{STYLE}" />')
    page = page.replace(f'src="{ENTRY}"', f'src="{name}/{ENTRY}"', 1)
    return Edition(name, page.encode(), {name: text.encode() for name, text in handed.items()})


def edition_of(folder: Path) -> Edition:
    """Of a folder's files as they are now: put together anew where one of them has been written to."""
    return edition(folder, tuple((path, path.stat().st_mtime_ns, path.stat().st_size) for path in _files(folder)))


def texts(folder: Path) -> dict[str, str]:
    """What the page is written in: the name of each file, from its folder on → what it says."""
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in _files(folder)}


def _files(folder: Path) -> list[Path]:
    """But for what an editor leaves beside those that it has open: Emacs a link to nowhere, of the same ending."""
    found = (path for path in folder.rglob("*") if path.suffix in {".html", ".js", ".css"})
    return sorted(path for path in found if not path.name.startswith("."))


class Frontend(StaticFiles):
    """The page's files, and a recording among them.

    The page names its script and its style by their edition, `edition-<digest>/app.js`, for which a browser then asks
    once, and not each time whether it has changed.
    """

    def __init__(self, folder: Path, recording: Path | None = None) -> None:
        super().__init__(directory=folder, html=True)
        self._folder = folder
        self._recording = recording

    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file, or 304 where the browser has it.

        Raises:
            HTTPException: 404 or 405.
        """
        path = Path(path).as_posix()  # it comes with this system's separators
        headers = Headers(scope=scope)
        if self._recording is not None and path == f"recordings/{name_of(self._recording)}.rec":
            return FileResponse(
                self._recording, media_type="application/octet-stream", headers={"cache-control": "no-store"}
            )
        if scope["method"] in ("GET", "HEAD"):
            if path in (".", PAGE):
                return _page(await asyncio.to_thread(edition_of, self._folder), headers)
            asked, _, name = path.partition("/")
            if asked.startswith(EDITION) and name:
                return await asyncio.to_thread(self._handed, asked, name, headers)
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = REVALIDATE
        return response

    def _handed(self, asked: str, name: str, headers: Headers) -> Response:
        """Of an edition that is no more, what has come in its place: its page is still open somewhere."""
        edition = edition_of(self._folder)
        if name not in edition.files:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        told = {"cache-control": UNCHANGED if asked == edition.name else REVALIDATE, "vary": "accept-encoding"}
        files = edition.files
        if takes_gzip(headers):
            files = edition.packed
            told["content-encoding"] = "gzip"
        kind = "application/json" if name.endswith(".map") else mimetypes.guess_type(name)[0]
        return Response(files[name], media_type=kind, headers=told)


def _page(edition: Edition, headers: Headers) -> Response:
    etag = f'"{edition.name}"'
    told = {"etag": etag, "cache-control": REVALIDATE}
    if etag in headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=told)
    return Response(edition.page, media_type="text/html", headers=told)


def takes_gzip(headers: Headers) -> bool:
    """Whether whoever asks names gzip among what may come packed, and not to refuse it (RFC 9110, 12.4.2)."""
    named = headers.get("accept-encoding", "").lower().replace(" ", "").split(",")
    weights = dict(one.partition(";")[::2] for one in named)
    return "gzip" in weights and not re.fullmatch(r"q=0(\.0*)?", weights["gzip"])


def add_routes(app: FastAPI) -> None:
    """Add the route of plotly.js."""

    @app.get("/vendor/plotly.min.js")
    async def plotly(request: Request) -> Response:
        compress = takes_gzip(request.headers)
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
