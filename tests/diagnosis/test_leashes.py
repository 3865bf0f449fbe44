"""Findings about what follows the KL, each of a real run that deserves it."""

import pytest

from benchmarks.health import observe
from tests.diagnosis.test_health import grave, named, run

PENALTY = {"objective": "kl_penalty"}


@pytest.mark.parametrize(
    ("updates", "summary"),
    [
        (14, "β has been doubled after every update, to 8192."),
        (16, "β stands at 10000, the largest that it may be."),  # at the last of them it was not doubled
    ],
)
def test_a_price_that_does_not_shorten_the_steps_runs_away(updates, summary):
    _, health = run(updates, **PENALTY, learning_rate=0.1, epochs=10, kl_coef_target=1e-3)
    found = named(health, "runaway_kl_coef")
    assert (found["severity"], found["setting"], found["summary"]) == ("warning", "learning_rate", summary)


def test_a_price_that_falls_to_nothing_is_a_note():
    _, health = run(16, **PENALTY, learning_rate=1e-6)
    found = named(health, "runaway_kl_coef")
    assert found["severity"] == "note"
    # It has been there for two updates, and so was not halved after each.
    assert found["summary"] == "β stands at 0.0001, the smallest that it may be: the leash is as good as off."


def test_a_price_that_still_falls_is_said_to_be_halved():
    _, health = run(12, **PENALTY, learning_rate=1e-6)
    summary = named(health, "runaway_kl_coef")["summary"]
    assert summary.startswith("β has been halved after every update, to 0.000488") and "that it may be" not in summary


@pytest.mark.parametrize(
    ("given", "severity", "setting", "bound"),
    [
        ({"desired_kl": 1e-7}, "warning", "epochs", "lower bound of 1×10⁻⁵"),
        ({"desired_kl": 10.0}, "note", "learning_rate_max", "upper bound of 0.01"),
    ],
)
def test_an_alpha_that_stands_at_its_bound_is_told_of(given, severity, setting, bound):
    _, health = run(14, **given)
    found = named(health, "pinned_learning_rate")
    assert (found["severity"], found["setting"]) == (severity, setting)
    assert bound in found["summary"]


def test_where_nothing_follows_the_kl_these_checks_do_not_apply():
    _, health = run(2)
    for name in ("pinned_learning_rate", "runaway_kl_coef"):
        assert health.unknown()[name]["applies"] is False
    _, health = run(2, **PENALTY, desired_kl=0.01)
    for name in ("pinned_learning_rate", "runaway_kl_coef"):
        assert health.unknown()[name] == {"why": "takes 10 updates to tell", "applies": True}


@pytest.mark.parametrize("given", [PENALTY, {"desired_kl": 0.01}, {"objective": "kl_penalty", "desired_kl": 0.01}])
def test_a_sound_run_is_told_of_nothing(given):
    assert grave(observe({"seed": 2, **given}, 40)) == set()


def test_advice_against_a_spike_speaks_of_the_price_only_where_it_is_fixed():
    _, health = run(6, **PENALTY, kl_coef_target=None, learning_rate=0.1)
    assert "raise β" in named(health, "kl_spike")["remedy"]
    _, health = run(6, learning_rate=0.1)
    assert "β" not in named(health, "kl_spike")["remedy"]


def test_a_policy_that_a_price_holds_still_is_told_why():
    _, health = run(12, **PENALTY, kl_coef=1e4, kl_coef_target=None)
    names = {finding["name"]: finding for finding in health.findings()}
    if "still_policy" in names:
        assert names["still_policy"]["setting"] == "kl_coef"
