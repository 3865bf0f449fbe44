"""The pages of docs/ that are made from the code say what the code says."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
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
