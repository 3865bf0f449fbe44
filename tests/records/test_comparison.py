"""Runs put together by their settings: against cases computed by hand, and against a bootstrap written out."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from ppo_scope.records import aggregates, comparison
from ppo_scope.records.comparison import NOTHING_YET, compare, curve

needs_scipy = pytest.mark.skipif(find_spec("scipy") is None, reason="SciPy is not installed (extra compare)")
SETTINGS = {"env": "CartPole-v1", "clip_range": 0.2, "seed": 1}


def run(id, seed, returns, steps=None, changes=(), parent=None, **settings):
    steps = np.arange(1, len(returns) + 1) * 100.0 if steps is None else np.array(steps, float)
    return curve(id, {**SETTINGS, **settings, "seed": seed}, changes, parent, steps, np.array(returns, float))


@needs_scipy
def test_an_interquartile_mean_leaves_a_quarter_out_at_either_end():
    """By hand: of 0, 1, 3 and 100 it is (1 + 3) / 2; of eight, the mean of those from the third to the sixth."""
    four = [run(f"r{n}", n, [value, value]) for n, value in enumerate([3, 100, 0, 1])]
    (group,) = compare(four)["groups"]
    assert group["measure"] == "iqm" and group["values"] == [2.0, 2.0]
    assert [(one["seed"], one["final"]) for one in group["runs"]] == [(0, 3), (1, 100), (2, 0), (3, 1)]
    assert aggregates.interquartile_mean(np.array([[8.0], [1], [2], [3], [4], [5], [6], [70]])) == [4.5]


@needs_scipy
def test_an_interval_is_that_of_resampled_seeds():
    """Against a plain loop that draws seeds with replacement, all steps of a seed together."""
    generator = np.random.default_rng(3)
    scores = generator.normal(100, 30, (7, 3))
    before = np.random.get_state()[1].copy()
    (group,) = compare([run(f"r{n}", n, row) for n, row in enumerate(scores)])["groups"]
    assert np.array_equal(np.random.get_state()[1], before), "whoever draws from NumPy goes on as if nothing had been"
    drawn = [np.sort(scores[generator.integers(0, 7, 7)], axis=0)[1:-1].mean(axis=0) for _ in range(20_000)]
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    assert np.allclose(group["low"], low, atol=5.0) and np.allclose(group["high"], high, atol=5.0)
    assert np.all(high - low > 20.0)
    again = compare([run(f"r{n}", n, row) for n, row in enumerate(scores)])
    assert again["groups"][0]["low"] == group["low"], "the same runs have the same interval"


def test_quartiles_hold_the_middle_half_of_the_runs():
    """By hand: of 0, 1, 3 and 100 a quarter of the way up from 0 to the next three; of two runs there are none."""
    found = compare([run(f"r{n}", n, [value, 2 * value]) for n, value in enumerate([3, 100, 0, 1])])
    (group,) = found["groups"]
    assert group["lower"] == [0.75, 1.5] and group["upper"] == [27.25, 54.5]
    assert found["curves"]["r0"] == {"steps": [100.0, 200.0], "returns": [3.0, 6.0]}
    (two,) = compare([run("a", 1, [10, 20]), run("b", 2, [30, 60])])["groups"]
    assert two["lower"] is None and two["upper"] is None


def test_of_many_groups_each_has_fewer_points_and_a_run_keeps_its_own_updates():
    steps = np.arange(1, 1001) * 8.0
    many = [run(f"r{n}", 1, np.sqrt(steps), steps, clip_range=n / 100) for n in range(60)]
    found = compare(many)
    assert {len(group["steps"]) for group in found["groups"]} == {comparison.ALL // 60}
    own = found["curves"]["r7"]
    assert len(own["steps"]) == comparison.OWN and (own["steps"][0], own["steps"][-1]) == (8, 8000)
    assert set(own["steps"]) <= set(steps) and np.array_equal(own["returns"], np.sqrt(own["steps"]))


def test_the_interval_of_many_seeds_does_not_depend_on_what_fits_into_memory(monkeypatch):
    runs = [run(f"r{n}", n, row) for n, row in enumerate(np.random.default_rng(1).normal(100, 30, (20, 3)))]
    whole = compare(runs)["groups"][0]
    monkeypatch.setattr(aggregates, "AT_ONCE", 10_000)
    assert compare(runs)["groups"][0] == whole


@needs_scipy
def test_of_two_seeds_it_is_the_mean_and_of_one_there_is_no_interval():
    (two,) = compare([run("a", 1, [10, 20]), run("b", 2, [30, 60])])["groups"]
    assert two["measure"] == "mean" and two["values"] == [20, 40]
    assert two["low"] == [10, 20] and two["high"] == [30, 60], "one in four resamples is twice the lower one"
    (one,) = compare([run("a", 1, [10, 20])])["groups"]
    assert one["measure"] == "mean" and one["values"] == [10, 20] and one["low"] is None and one["high"] is None


def test_there_is_no_value_where_one_of_the_runs_has_none():
    """By hand: one run is known at 100 to 300, the other at 150 to 250, half-way between whose updates it is 15."""
    whole = run("a", 1, [0, 10, 20])
    short = run("b", 2, [10, 20], steps=[150, 250])
    found = compare([whole, short, run("c", 3, [np.nan, np.nan])])
    (group,) = found["groups"]
    assert group["steps"][0] == 150 and group["steps"][-1] == 250
    assert group["values"][0] == (5 + 10) / 2 and group["values"][-1] == (15 + 20) / 2
    at = group["steps"].index(200)
    assert group["values"][at] == (10 + 15) / 2
    assert [one["last"] for one in group["runs"]] == [300, 250] and group["runs"][0]["final"] == 15
    assert found["left_out"] == [{"id": "c", "why": NOTHING_YET}]
    (apart,) = compare([whole, run("b", 2, [1, 2], steps=[400, 500])])["groups"]
    assert apart["steps"] == apart["values"] == [] and apart["runs"][0]["final"] is None


def test_a_long_curve_is_drawn_at_some_of_its_steps_and_where_it_begins_and_ends():
    steps = np.arange(10_000) * 7.0 + 3
    (group,) = compare([run("a", 1, np.sqrt(steps), steps)])["groups"]
    assert len(group["steps"]) <= comparison.POINTS + 2
    assert group["steps"][0] == 3 and group["steps"][-1] == steps[-1] and group["values"][-1] == np.sqrt(steps[-1])
    assert np.allclose(group["values"], np.sqrt(group["steps"]), atol=0.2)


def test_groups_differ_in_more_than_the_seed():
    change = {"update": 2, "name": "clip_range", "old": 0.2, "new": 0.3}
    later = {"update": 5, "name": "clip_range", "old": 0.3, "new": 0.4}
    parent = {"run": "a", "update": 2}
    found = compare(
        [
            run("a", 1, [1, 2]),
            run("b", 1, [1, 2], clip_range=0.4),
            run("c", 2, [3, 4]),
            # As a run of this server tells it: with the value that it has now.
            run("d", 3, [1, 2], changes=[change, later], clip_range=0.4),
            run("e", 2, [1, 2], parent=parent),
        ]
    )
    assert [[one["id"] for one in group["runs"]] for group in found["groups"]] == [["a", "c"], ["d"], ["e"], ["b"]]
    assert found["differing"] == ["clip_range"]
    assert [group["settings"]["clip_range"] for group in found["groups"]] == [0.2, 0.2, 0.2, 0.4]
    assert found["groups"][1]["changes"] == [change, later] and found["groups"][2]["parent"] == parent


def test_what_a_run_does_not_learn_by_makes_no_other_group():
    runs = [run("a", 1, [1, 2]), run("b", 2, [1, 2], total_steps=5000, eval_every=10)]
    assert len(compare(runs)["groups"]) == 1
    falling = [run("a", 1, [1, 2], anneal_learning_rate=True), run("b", 2, [1, 2], anneal_learning_rate=True)]
    assert len(compare(falling)["groups"]) == 1
    longer = run("b", 2, [1, 2], anneal_learning_rate=True, total_steps=5000)
    found = compare([falling[0], longer])
    assert len(found["groups"]) == 2 and found["differing"] == ["total_steps"], "α falls towards another end"
    started = [{"update": 2, "name": "anneal_learning_rate", "old": False, "new": True}]
    later = [
        run(id, seed, [1, 2], changes=started, total_steps=end) for id, seed, end in (("a", 1, 5000), ("b", 2, 9000))
    ]
    assert len(compare(later)["groups"]) == 2


def test_what_is_off_and_what_there_was_not_yet_are_the_same():
    """Of a run that was kept before a setting came, it is not told."""
    found = compare([run("old", 1, [10, 20]), run("new", 2, [30, 60], clip_range_high=None)])
    assert [len(group["runs"]) for group in found["groups"]] == [2] and found["differing"] == []
    on = compare([run("old", 1, [10, 20]), run("new", 2, [30, 60], clip_range_high=0.28)])
    assert len(on["groups"]) == 2 and on["differing"] == ["clip_range_high"]


def test_one_seed_counts_once():
    found = compare(
        [run("short", 1, [1, 2]), run("other", 2, [3, 4]), run("long", 1, [1, 2, 3]), run("same", 1, [1, 2])]
    )
    (group,) = found["groups"]
    assert [one["id"] for one in group["runs"]] == ["long", "other"] and group["measure"] == "mean"
    assert [one["id"] for one in found["left_out"]] == ["short", "same"]
    assert all("Run long" in one["why"] for one in found["left_out"])
    (unknown,) = compare([run("a", None, [1, 2]), run("b", None, [3, 4])])["groups"]
    assert len(unknown["runs"]) == 2, "where no seed was told, nobody knows that it is the same"


def test_without_scipy_there_are_means_and_a_sentence(monkeypatch):
    for name in ("scipy", "scipy.stats"):
        monkeypatch.setitem(sys.modules, name, None)  # as where it is not installed
    found = compare([run(f"r{n}", n, [value, value]) for n, value in enumerate([3, 100, 0, 1])])
    (group,) = found["groups"]
    assert group["measure"] == "mean" and group["values"] == [26, 26] and group["low"] is None
    assert found["missing"] == (
        "Only means are drawn, without intervals: scipy is needed for this and not installed: "
        "pip install 'ppo-scope[compare]'."
    )


@pytest.mark.parametrize("nothing", [[], [run("a", 1, [])]])
def test_nothing_is_compared_where_there_is_nothing(nothing):
    assert compare(nothing)["groups"] == []
