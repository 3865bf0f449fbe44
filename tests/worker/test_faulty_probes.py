"""Being looked at ends no training: what fails to be measured is named, switched off, and not missed."""

import numpy as np
import pytest

from ppo_scope.diagnosis import health
from ppo_scope.probes.probes import PROBES
from ppo_scope.probes.record import PhaseKind
from ppo_scope.wire.metrics import SERIES_COLUMNS
from ppo_scope.worker import goals, loop, rows
from tests.runs.house import SLACK, House
from tests.worker.driver import EVERYTHING, Driver, rows_of, step
from tests.worker.faulty_probes import FAULTY


def watch(*probes):
    return {"type": "watch", "probes": [*probes]}


@pytest.fixture(scope="module")
def faulty():
    with House("tests.worker.faulty_probes:main") as house:
        house.start(paused=True)
        house.call(house.run.watch, frozenset({*FAULTY, "values"}))
        house.state(state="paused")
        yield house


def newest(house):
    return house.run.record.latest["snapshot"][0]


def test_what_fails_is_named_and_the_rest_is_measured(faulty):
    assert faulty.send("step", size="update")[1] is None
    faulty.state(state="paused", update=1)
    snapshot = faulty.until(lambda: newest(faulty)["update"] == 1 and newest(faulty))
    assert snapshot["failed"].keys() == FAULTY.keys()
    assert snapshot["measured"] == ["values"]
    assert {"reward", "value_now"} <= snapshot["arrays"].keys() and "ratio_counts" not in snapshot["arrays"]
    for name, words in {
        "raises": "ZeroDivisionError: division by zero, faulty_probes.py, line",
        "ratio": "'ratio_counts': expected uint32 [5, 64], got uint32 [4, 64]",
        "minibatches": "got float64 [1, 2]",
        "samples": "'ratio_counts' is not one of its own",
        "policy": "it gave dict in place of a Measurement",
        "no_number": "the scalar 'number' is str",
        "no_note": "its notes cannot be sent",
        "no_array": "'no_array' is list",
    }.items():
        assert words in snapshot["failed"][name] and "switched off for this run" in snapshot["failed"][name]


def test_the_run_goes_on_at_full_speed(faulty):
    assert faulty.send("play")[1] is None
    faulty.until(lambda: faulty.run.describe()["update"] > 20)
    assert faulty.send("pause")[1] is None
    faulty.state(state="paused")
    assert newest(faulty)["failed"].keys() == FAULTY.keys()


def test_a_slow_probe_is_rationed_and_its_cost_is_told(faulty):
    faulty.call(faulty.run.watch, frozenset({"slow", "values"}))
    faulty.until(lambda: "slow" in newest(faulty)["measured"])
    assert newest(faulty)["costs"]["slow"] > 1.0
    before = newest(faulty)["update"]
    assert faulty.send("play")[1] is None
    faulty.until(lambda: faulty.run.describe()["update"] > before + 50)
    assert faulty.send("pause")[1] is None
    faulty.state(state="paused")
    looks = [header["update"] for header in faulty.of("snapshot") if header["update"] > before]
    slow = [header["update"] for header in faulty.of("snapshot") if "slow" in header["measured"]]
    assert len(looks) > 5 and len([update for update in slow if update in looks]) <= 2, "the pause, and perhaps one"


def test_one_action_to_choose_from_ends_no_run():
    driver = Driver([EVERYTHING, step(), step()], env="tests.environments.one_action:One-v0")
    assert driver.worker.trainer.updates == 2 and driver.events("state")[-1]["state"] == "stopped"


def broken(*_, **__):
    raise ArithmeticError("no such number")


def test_scalars_series_health_and_goals_that_fail_end_no_run(monkeypatch):
    expected = Driver([step(), step()]).weights
    monkeypatch.setattr(rows, "series_row_in_steps", broken)
    monkeypatch.setattr(health, "indicators_in_steps", broken)
    monkeypatch.setattr("ppo_scope.probes.moment.Moment.aggregated", broken)
    monkeypatch.setitem(PROBES, "ratio", broken)
    driver = Driver([EVERYTHING, step(), step()])
    assert driver.weights == expected
    last, _ = driver.of("snapshot")[-1]
    assert {"series", "health", "ratio"} <= last["failed"].keys()
    found = rows_of(driver)
    steps = SERIES_COLUMNS.index("steps")
    assert np.isfinite(found[:, steps]).all()
    assert np.isnan(np.delete(found, steps, axis=1)).all()


def test_a_goal_that_cannot_be_measured_halts_the_run(monkeypatch):
    monkeypatch.setattr(goals, "row_values", broken)
    driver = Driver([step("until", until={"quantity": "kl_k3", "above": 1e9})])
    assert driver.worker.trainer.updates == 1
    assert "no such number" in driver.of("snapshot")[-1][0]["failed"]["goal"]


def test_a_run_that_stands_measures_only_what_is_missing(monkeypatch):
    looked = []

    def noted(name, probe):
        def measure(moment):
            if moment.phase.kind is PhaseKind.UPDATE:  # not a phase that the step has passed, measured while it rests
                looked.append(name)
            return probe(moment)

        return measure

    monkeypatch.setattr(loop, "CATCH_UP_SECONDS", 0.0)
    for name in ("ratio", "samples", "values"):
        monkeypatch.setitem(PROBES, name, noted(name, PROBES[name]))
    toggles = [watch("ratio"), watch(), watch("ratio"), watch("ratio", "samples"), watch()] * 20
    driver = Driver([watch("ratio"), step(), watch("ratio", "samples"), *toggles])
    assert looked[looked.index("samples") :] == ["samples"]
    last, arrays = driver.of("snapshot")[-1]
    assert last["measured"] == ["ratio", "samples"] and {"ratio_counts", "region"} <= arrays.keys()


def test_what_is_watched_reaches_a_run_past_its_commands_and_last():
    """Hundreds of toggles in a moment: four looks a second at most, and every command is taken."""
    with House() as house:
        run = house.start(paused=True, hidden_sizes=(64, 64))
        house.state(state="paused")
        house.send("step", size="update")
        house.state(state="paused", update=1)
        mark = len(house.of("snapshot"))
        for number in range(300):
            house.call(run.watch, frozenset({"ratio", "samples"} if number % 2 else {"values"}))
        seconds, code, _ = house.send("step", size="update")
        assert code is None and seconds < 2 + SLACK
        house.until(lambda: newest(house)["measured"] == ["ratio", "samples"] and newest(house)["update"] == 2)
        assert len(house.of("snapshot")) - mark < 20
