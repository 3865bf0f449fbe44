"""The page in one file: it names nothing that is not in it, and what it is given cannot become a part of it."""

from __future__ import annotations

import base64
import re

from ppo_scope.server.linking import linked, text_of
from ppo_scope.server.standalone import harmless, standalone
from ppo_scope.server.static import frontend, texts

MARKUP = "</title><script>alert(1)</script>"
PAGE = standalone(b"a recording", MARKUP)


def test_its_script_is_that_of_the_page_and_nothing_in_it_ends_it() -> None:
    (script,) = re.findall(r'<script type="module">\n(.*?)</script>', PAGE, re.S)
    assert script.replace("<\\", "<") == text_of(linked(texts(frontend()), "app.js")).replace("<\\", "<")
    assert not re.search("<!--|</script", script, re.I)


def test_what_would_end_a_script_is_written_another_way() -> None:
    text = "const ends = '</script> </SCRIPT> <!-- <script';"
    assert harmless(text) == "const ends = '<\\/script> <\\/SCRIPT> <\\!-- <script';"


def test_nothing_in_it_is_loaded_from_elsewhere() -> None:
    outside = re.sub(r"<(script|style)\b.*?</\1>", "", PAGE, flags=re.S)
    assert not re.findall(r'(?:src|href)="(?!data:)', outside)
    assert "default-src 'none'" in PAGE and PAGE.index("Content-Security-Policy") < PAGE.index("<style>")


def test_a_name_with_markup_is_a_name() -> None:
    assert MARKUP not in PAGE and "&lt;script&gt;alert(1)" in PAGE
    stored = dict(re.findall(r'data-path="([^"]+)">([^<]*)</script>', PAGE))
    assert base64.b64decode(stored["recordings/run.rec"]) == b"a recording"
    assert {"api/settings", "api/metrics", "vendor/plotly.min.js"} <= stored.keys()
