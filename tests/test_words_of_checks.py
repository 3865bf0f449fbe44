"""What Health's checks look at is told in words on the page, with its numbers written as everywhere."""

import re

from ppo_scope.diagnosis.checks import CHECKS
from tests.live import ROOT


def test_every_number_that_a_check_looks_at_has_words():
    panel = (ROOT / "frontend" / "panels" / "health.js").read_text()
    table = panel[panel.index("const MEASURES = {") : panel.index("\n};")]
    wordy = set(re.findall(r"^  (\w+): \[", table, re.MULTILINE))
    assert not {name for check in CHECKS for name in check.metrics} - wordy
