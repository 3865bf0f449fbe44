"""The page and a recording in one HTML file, which needs no server and asks nobody for anything.

Its one script and its one stylesheet stand in it; what the page asks a server for otherwise, too, by its path
(`frontend/net/inlined.js`).
"""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path

from ppo_scope.server.api import TABLES
from ppo_scope.server.linking import linked, style_of, text_of, with_style
from ppo_scope.server.static import ENTRY, PAGE, frontend, plotly_script, texts

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:; connect-src data: blob:; worker-src blob:; base-uri 'none'; form-action 'none'"
)
"""Nothing is loaded from anywhere: the browser holds to that."""
ICON = re.compile(r'<link rel="icon" href="([^"]+)"[^>]*>')
SCRIPT = f'<script src="{ENTRY}" type="module"></script>'


def standalone(recording: bytes, title: str) -> str:
    """The page as one text, which shows a recording (packed with gzip) when it is opened."""
    folder = frontend()
    files = texts(folder)
    page = with_style(files[PAGE], f"<style>\n{style_of(files[PAGE], files)}</style>")
    parts = {path.removeprefix("/"): json.dumps(table()).encode() for path, table in TABLES.items()}
    parts |= {"recordings/run.rec": recording, "vendor/plotly.min.js": plotly_script(True)}
    stored = "\n".join(_stored(path, content) for path, content in parts.items())
    script = harmless(text_of(linked(files, ENTRY)))
    page = ICON.sub(lambda found: _icon(folder / found[1]), page)
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}" />'
    for old, new in (
        ('<html lang="en">', '<html lang="en" data-alone>'),
        ('<meta charset="utf-8" />', f'<meta charset="utf-8" />\n    {policy}'),
        ("<title>PPO Scope</title>", f"<title>{html.escape(title)} – PPO Scope</title>"),
        (SCRIPT, f'{stored}\n<script type="module">\n{script}</script>'),
    ):
        if old not in page:
            raise RuntimeError(f"index.html has no {old!r} any more")
        page = page.replace(old, new, 1)
    return page


def harmless(script: str) -> str:
    """The same script, in which no text ends the element that it is in, or hides the end."""
    return re.sub("<(?=/script|!--)", r"<\\", script, flags=re.I)


def _icon(path: Path) -> str:
    return f'<link rel="icon" href="data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}" />'


def _stored(path: str, content: bytes) -> str:
    """Base64: nothing in it can end the element, and it is the same in every encoding."""
    return f'<script type="text/plain" data-path="{html.escape(path)}">{base64.b64encode(content).decode()}</script>'
