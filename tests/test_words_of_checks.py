"""What Health's checks look at is told in words on the page, with its numbers written as everywhere."""

import random
import re

from ppo_scope.diagnosis.checks import CHECKS
from ppo_scope.diagnosis.judging import Found, at_least, at_most, rounded_down, rounded_up
from tests.live import ROOT


def test_every_number_that_a_check_looks_at_has_words():
    panel = (ROOT / "frontend" / "panels" / "health.js").read_text()
    table = panel[panel.index("const MEASURES = {") : panel.index("\n};")]
    wordy = set(re.findall(r"^  (\w+): \[", table, re.MULTILINE))
    assert not {name for check in CHECKS for name in check.metrics} - wordy


def number(text):
    return float(text.replace("next to 0", "0").removesuffix(" %").replace("−", "-")) / 100


def test_what_is_so_much_or_more_is_never_less_than_what_is_written():
    """To two digits, or whole percents; what has no more digits stays as it is."""
    draws = random.Random(7)
    for _ in range(2000):
        value = 10 ** draws.uniform(-4, 3)
        low, high = number(at_least(value)), number(at_most(value))
        assert low <= value * (1 + 1e-12) and value <= high * (1 + 1e-12), value
        assert 0.9 * value <= low and high <= 1.1 * value + 1e-4, value
        assert rounded_down(value) <= value <= rounded_up(value)
    for exact in (0.0, 0.07, 0.29, 0.57, 1.0, 1.15, 12.0):
        assert number(at_least(exact)) == number(at_most(exact)) == exact


def found(name, rows):
    (check,) = [one for one in CHECKS if one.name == name]
    verdict = check.found(rows)
    assert isinstance(verdict, Found)
    return verdict.summary


def test_findings_round_a_bound_to_the_side_on_which_it_holds():
    uniform = [{"update": 200 + n, "steps_taken": 16, "samples": 1024, "entropy_share": 0.9996} for n in range(20)]
    assert "was 99.9 % of its maximum or more" in found("uniform_policy", uniform), "and not 100.0"
    off = {"first_ratio_error": 0.001049, "first_ratio_limit": 0.001046}
    assert "up to 0.0011, where rounding allows 0.001" in found("ratio_not_one", [off]), "and not twice the same number"
