"""Coefficients that move by themselves: what a page is told of them, and two outcomes of one update."""

import pytest

from ppo_scope.wire.metrics import SERIES_COLUMNS
from tests.worker.driver import Driver, rows_of, step
from tests.worker.test_made_twice import keep, redo

SMALL = {"num_envs": 4, "rollout_steps": 32, "minibatches": 2}
PENALTY = {**SMALL, "objective": "kl_penalty", "kl_coef_target": 1e-5}  # which every update exceeds


def told(driver, name):
    """(in force, as set) of every update's snapshot."""
    ended = [header for header, _ in driver.of("snapshot") if header["phase"] == "update"]
    return [(header["settings"][name], header["chosen"].get(name)) for header in ended]


def test_a_snapshot_tells_beta_in_force_and_what_it_was_set_to():
    by_hand = {"type": "set", "name": "kl_coef", "value": 1.0, "id": "s"}
    driver = Driver([step(), step(), step(), by_hand, step()], **PENALTY)
    assert told(driver, "kl_coef") == [(1.0, None), (2.0, 1.0), (4.0, 1.0), (1.0, None)]
    (announced,) = driver.events("change")
    assert [announced[k] for k in ("name", "old", "new")] == ["kl_coef", 8.0, 1.0]
    column = SERIES_COLUMNS.index("kl_coef")
    assert [row[column] for row in rows_of(driver)] == [1.0, 2.0, 4.0, 1.0]


def test_a_snapshot_tells_the_annealed_coefficients():
    given = {"anneal_clip_range": True, "anneal_entropy_coef": True, "total_steps": 256}
    driver = Driver([step(), step()], **SMALL, **given)
    (first, none), (second, chosen) = told(driver, "clip_range")
    assert (first, none, chosen) == (0.2, None, 0.2)
    assert 0 < second < 0.12
    assert told(driver, "entropy_coef")[1] == (pytest.approx(second / 20), 0.01)


@pytest.mark.parametrize("which", ["old", "new"])
def test_beta_goes_on_from_the_outcome_that_was_chosen(which):
    driver = Driver([step(), step(), redo(kl_coef=7.0), keep(which), step()], **PENALTY)
    expected = {"old": [1.0, 2.0, 4.0], "new": [1.0, 7.0, 14.0]}[which]
    column = SERIES_COLUMNS.index("kl_coef")
    (comparison, _), *_ = driver.of("comparison")
    assert comparison["scalars"]["new_kl_coef"] == 7.0
    assert told(driver, "kl_coef")[-1][0] == expected[-1]
    rows = rows_of(driver)
    assert [row[column] for row in rows][-1] == expected[-1]


def test_a_price_that_was_tried_and_not_kept_waits_no_longer():
    tried = {"type": "set", "name": "kl_coef", "value": 7.0, "id": "s"}
    driver = Driver([step(), step(), tried, redo(), keep("old"), step()], **PENALTY)
    assert driver.events("state")[-1]["pending"] == {}
    assert told(driver, "kl_coef")[-1] == (4.0, 1.0)
