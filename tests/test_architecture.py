"""ARCHITECTURE.md and CONTRIBUTING.md name files that exist, and every room."""

import re

import pytest

from tests.live import ROOT

NAMED = re.compile(r"`((?:backend|frontend|tests|docs|benchmarks)/[^`\s]*|[A-Z]+\.md|\.prettierrc\.json)`")


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_what_is_named_exists(page):
    names = NAMED.findall(text_of(page))
    assert len(names) > 5
    assert [name for name in names if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("house", ["backend/ppo_scope", "frontend"])
def test_every_room_is_named(house):
    rooms = [one.name for one in (ROOT / house).iterdir() if one.is_dir() and not one.name.startswith("__")]
    data = {"styles", "recordings"}
    text = text_of("ARCHITECTURE.md")
    assert [room for room in rooms if room not in data and f"`{house}/{room}/`" not in text] == []


@pytest.mark.parametrize("table", ["PROBES", "CHECKS", "PRESETS", "KNOWN", "CHAPTERS"])
def test_tables_stand_where_they_are_said_to(table):
    (name,) = set(re.findall(rf"`{table}`[^`]*?`([^`]+)`", text_of("ARCHITECTURE.md")))
    assert re.search(rf"^(?:export const )?{table}\b.*=", (ROOT / name).read_text(), re.M)
