"""The page and a recording in one HTML file, which needs no server and asks nobody for anything.

Modules of a page that is a file may not be files beside it: browsers refuse them. So each script is a `data:` address,
by a name that an import map gives it; what the page asks a server for otherwise stands in it by its path
(`frontend/net/inlined.js`).
"""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path

from ppo_scope.server.api import TABLES
from ppo_scope.server.scripts import with_names
from ppo_scope.server.static import frontend, plotly_script

PREFIX = "ppo-scope/"
"""Of the names of scripts in the import map."""
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' data: blob:; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:; connect-src data: blob:; worker-src blob:; base-uri 'none'; form-action 'none'"
)
"""Nothing is loaded from anywhere: the browser holds to that."""
STYLE = re.compile(r' *<link rel="stylesheet" href="([^"]+)" />\n')
ICON = re.compile(r'<link rel="icon" href="([^"]+)"[^>]*>')
ENTRY = '<script src="app.js" type="module"></script>'


def standalone(recording: bytes, title: str) -> str:
    """The page as one text, which shows a recording (packed with gzip) when it is opened."""
    folder = frontend()
    page = (folder / "index.html").read_text(encoding="utf-8")
    scripts = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.js"))}

    def named(other: str) -> str | None:
        return PREFIX + other if other in scripts else None

    addresses = {
        PREFIX + name: _address(with_names(name, path.read_text(encoding="utf-8"), named))
        for name, path in scripts.items()
    }
    parts = {path.removeprefix("/"): json.dumps(table()).encode() for path, table in TABLES.items()}
    parts |= {"recordings/run.rec": recording, "vendor/plotly.min.js": plotly_script(True)}
    stored = "\n".join(_stored(path, content) for path, content in parts.items())
    names = json.dumps({"imports": addresses}).replace("</", "<\\/")
    begun = (
        f'<script type="importmap">{names}</script>\n{stored}\n<script type="module">import "{PREFIX}app.js";</script>'
    )
    page = STYLE.sub(lambda found: f"<style>\n{(folder / found[1]).read_text(encoding='utf-8')}</style>\n", page)
    page = ICON.sub(lambda found: _icon(folder / found[1]), page)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}" />'
    for old, new in (
        ('<html lang="en">', '<html lang="en" data-alone>'),
        ('<meta charset="utf-8" />', f'<meta charset="utf-8" />\n    {policy}'),
        ("<title>PPO Scope</title>", f"<title>{html.escape(title)} – PPO Scope</title>"),
        (ENTRY, begun),
    ):
        if old not in page:
            raise RuntimeError(f"index.html has no {old!r} any more")
        page = page.replace(old, new, 1)
    return page


def _address(script: str) -> str:
    return f"data:text/javascript;base64,{base64.b64encode(script.encode()).decode()}"


def _icon(path: Path) -> str:
    return f'<link rel="icon" href="data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}" />'


def _stored(path: str, content: bytes) -> str:
    """Base64: nothing in it can end the element, and it is the same in every encoding."""
    return f'<script type="text/plain" data-path="{html.escape(path)}">{base64.b64encode(content).decode()}</script>'
