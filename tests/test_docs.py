"""The pages of docs/ that are made from the code say what the code says."""

import json
import re
import runpy
from pathlib import Path

import pytest

from ppo_scope.ppo import presets

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CURVES = runpy.run_path(str(DOCS / "curves.py"))
PAGES = runpy.run_path(str(DOCS / "generate.py"))["PAGES"]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_up_to_date(name):
    assert (DOCS / name).read_text(encoding="utf-8") == PAGES[name](), "run: python docs/generate.py"


def test_the_tests_that_the_page_on_reliability_names_exist():
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (DOCS / "reliability.md").read_text(encoding="utf-8")))
    missing = [
        f"{file}::{name}" for file, name in sorted(named) if f"def {name}(" not in (ROOT / file).read_text("utf-8")
    ]
    assert len(named) > 80 and not missing


RECORDED = CURVES["recordings"]()


CURVED = [preset for preset in presets.PRESETS if not preset.expect.startswith("Not recorded:")]


@pytest.mark.parametrize("preset", CURVED, ids=lambda preset: preset.name)
def test_every_preset_has_a_curve_of_what_it_is_and_says_what_to_expect(preset):
    assert preset.name in RECORDED, f"run: python -m docs.recordings {preset.name}, then python -m docs.curves"
    recording = RECORDED[preset.name]
    assert recording["settings"] == json.loads(json.dumps(dict(preset.settings))), "it was recorded with others"
    assert recording["seed"] == 1 and recording["steps"] >= min(recording["total"], 20_000)
    assert preset.about and preset.expect
    drawn = (DOCS / "curves" / f"{preset.name}.svg").read_text(encoding="utf-8")
    assert drawn == CURVES["svg"](recording), "run: python -m docs.curves"
    assert f"curves/{preset.name}.svg" in (DOCS / "presets.md").read_text(encoding="utf-8")


def test_there_are_no_curves_of_presets_that_are_gone():
    files = {path.stem for path in (DOCS / "curves").iterdir()}
    assert files == {preset.name for preset in CURVED}


def test_a_curve_is_drawn_where_its_numbers_are():
    """Of known numbers: heights and places are those of the axes that are written beside them."""
    known = {
        "preset": "known",
        "total": 1000,
        "training": [[100, 0.0, 0.0, 0.0], [500, 50.0, 40.0, 60.0], [1000, 100.0, 90.0, 100.0]],
        "evaluation": [[500, 75.0, 50.0, 100.0]],
    }
    drawn = CURVES["svg"](known)
    texts = dict(re.findall(r'<text x="[\d.]+" y="([\d.]+)" text-anchor="end">(\d+)</text>', drawn))
    heights = {int(text): float(y) - 4.5 for y, text in texts.items()}
    (mean,) = re.findall(r'<polyline class="mean" points="([^"]+)"', drawn)
    places = [tuple(map(float, point.split(","))) for point in mean.split()]
    assert [y for _, y in places] == pytest.approx([heights[0], (heights[0] + heights[100]) / 2, heights[100]], abs=0.1)
    left, right = places[0][0], places[2][0]
    assert places[1][0] == pytest.approx(left + (right - left) * 400 / 900, abs=0.1)
    (bar,) = re.findall(r'x1="([\d.]+)" x2="\1" y1="([\d.]+)" y2="([\d.]+)"/>\n<polygon class="evaluated"', drawn)[-1:]
    assert (float(bar[0]), float(bar[2])) == pytest.approx((places[1][0], heights[100]), abs=0.1)
    said = CURVES["in_words"](known)
    assert said.startswith("The mean return begins at 0, half of its rise is made after 500 steps") and "75" in said


WRITTEN = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")] + sorted(DOCS.rglob("*.md"))


def anchors(page):
    """Of its headings, as they are made where pages are shown: small letters, no punctuation, hyphens for spaces."""
    prose = re.sub(r"^(    |```).*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", prose, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_within_the_pages_leads_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    broken = []
    for link in links:
        file, _, anchor = link.partition("#")
        if ":" in file:
            continue
        there = (page.parent / file).resolve() if file else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(link)
    assert not broken


def test_every_page_is_linked_from_another_or_part_of_one():
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page in WRITTEN
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    }
    parts = set(DOCS.glob("health-*.md"))  # put into health.md
    assert not [page.name for page in sorted(set(DOCS.rglob("*.md")) - linked - parts)]
