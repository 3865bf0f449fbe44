"""The page in one file: it names nothing that is not in it, and what it is given cannot become a part of it."""

from __future__ import annotations

import base64
import json
import re

from ppo_scope.server.standalone import PREFIX, standalone
from tests.live import ROOT

MARKUP = "</title><script>alert(1)</script>"
PAGE = standalone(b"a recording", MARKUP)


def test_every_script_is_in_it_and_imports_only_what_is() -> None:
    (names,) = re.findall(r'<script type="importmap">(.*?)</script>', PAGE, re.S)
    imports = json.loads(names)["imports"]
    scripts = {path.relative_to(ROOT / "frontend").as_posix() for path in (ROOT / "frontend").rglob("*.js")}
    assert imports.keys() == {PREFIX + script for script in scripts}
    for name, address in imports.items():
        text = base64.b64decode(address.removeprefix("data:text/javascript;base64,")).decode()
        code = re.sub(r"/\*\*.*?\*/", "", text, flags=re.S)
        found = re.findall(r'^(?:import|export)\b[^;]*? from "([^"]+)";|^import "([^"]+)";', code, re.M)
        assert all((one or other) in imports for one, other in found), name


def test_nothing_in_it_is_loaded_from_elsewhere() -> None:
    outside = re.sub(r"<(script|style)\b.*?</\1>", "", PAGE, flags=re.S)
    assert not re.findall(r'(?:src|href)="(?!data:)', outside)
    assert "default-src 'none'" in PAGE and PAGE.index("Content-Security-Policy") < PAGE.index("<style>")


def test_a_name_with_markup_is_a_name() -> None:
    assert MARKUP not in PAGE and "&lt;script&gt;alert(1)" in PAGE
    stored = dict(re.findall(r'data-path="([^"]+)">([^<]*)</script>', PAGE))
    assert base64.b64decode(stored["recordings/run.rec"]) == b"a recording"
    assert {"api/settings", "api/metrics", "vendor/plotly.min.js"} <= stored.keys()
