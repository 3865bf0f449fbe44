"""The page's rooms: who imports whom, one way only."""

import posixpath
import re
from pathlib import Path

import pytest

FRONTEND = Path(__file__).parents[1] / "frontend"
LAYERS = (
    ("app.js",),
    ("sheets.js",),
    ("learn",),
    ("panels",),
    ("grid", "run", "settings", "explain", "compare"),
    ("draw",),
    ("ui",),
    ("source", "page"),
    ("state",),
    ("net", "ppo"),
    ("wire.js",),
)
"""A room imports from those below it, and from itself; rooms side by side know nothing of each other."""
DEPTH = {room: depth for depth, rooms in enumerate(LAYERS) for room in rooms}
SCRIPTS = sorted(path.relative_to(FRONTEND).as_posix() for path in FRONTEND.rglob("*.js"))

TYPES = re.compile(r"/\*\*.*?\*/", re.S)
"""Comments, which may name types from anywhere."""
IMPORT = re.compile(
    r'^(?:import|export)\b[^;]*? from "(\.[^"]+)";|^import "(\.[^"]+)";|\bimport\("(\.[^"]+\.js)"\)', re.M
)


def room_of(script: str) -> str:
    return script.split("/")[0]


def imported(script: str) -> list[str]:
    text = (FRONTEND / script).read_text(encoding="utf-8")
    found = IMPORT.findall(TYPES.sub("", text))
    folder = posixpath.dirname(script)
    return [posixpath.normpath(posixpath.join(folder, one)) for names in found for one in names if one]


def test_every_script_has_a_room():
    assert {room_of(script) for script in SCRIPTS} == set(DEPTH)


@pytest.mark.parametrize("script", SCRIPTS)
def test_imports_point_one_way(script):
    own = room_of(script)
    for other in imported(script):
        room = room_of(other)
        assert room == own or DEPTH[room] > DEPTH[own], f"{script} imports {other}"


def test_the_imports_are_seen():
    assert "panels/index.js" in imported("app.js")
    assert "panels/mask/mask.js" in imported("panels/index.js")
