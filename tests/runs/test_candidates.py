"""A new run goes on trial: the current one is given up only for one that has shown that it trains."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ppo_scope.runs.supervisor import CannotBegin
from ppo_scope.wire.metrics import SERIES_COLUMNS
from tests.runs.house import SLACK, SMALL, House
from tests.server.scope_page import Page, ServerProcess, alive, wait_for
from tests.worker.driver import Driver, rows_of, step

UNSTARTABLE = "tests.environments.unstartable"
TIMES = {name for name in SERIES_COLUMNS if name.startswith("seconds")}
LIMIT = 90.0
SHORT = 4.0
"""For what hangs."""


@pytest.fixture(scope="module")
def house():
    """One run that trains all the while, and leaves the machine to the candidates for the most part."""
    with House(trial_seconds=LIMIT) as house:
        run = house.start(seed=7, env="tests.environments.slow:Slow-v0", env_kwargs={"seconds": 0.001})
        house.until(lambda: run.state == "running" and run.describe()["update"] > 2)
        yield house


REFUSED = [
    ({"env": "tests.environments.does_not_import:X-v0"}, "no_such_simulator"),
    ({"env": f"{UNSTARTABLE}:InitRaises-v0"}, "no_such_asset"),
    ({"env": f"{UNSTARTABLE}:ResetRaises-v0"}, "x and y must have same first dimension"),
    ({"env": f"{UNSTARTABLE}:StepRaises-v0"}, "the axle broke"),
    ({"env": f"{UNSTARTABLE}:StepLeaves-v0"}, "exit code 7"),
    ({"env": f"{UNSTARTABLE}:StepIsNaN-v0"}, "observation is not finite: environment 0, step 1"),
    ({"env": f"{UNSTARTABLE}:Chatty-v0"}, "said enough"),
    ({"env": "FrozenLake-v1", "env_kwargs": {"map_name": "8by8"}}, "8by8"),
    ({"hidden_sizes": (65536, 65536)}, "hidden_sizes"),
]


@pytest.mark.parametrize(("settings", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_what_does_not_train_is_refused_and_the_current_run_goes_on(house, settings, words):
    run = house.run
    with pytest.raises(CannotBegin) as refused:
        house.start(**settings)
    assert words in str(refused.value) and "\n" not in str(refused.value)
    assert len(refused.value.detail) <= 64 * 1024
    assert "weights are as they were" not in str(refused.value)
    assert house.goes_on(run)
    assert house.supervisor.runs() == [run], "a run that never began is not listed"


def test_the_place_of_an_environments_mistake_is_in_the_detail(house):
    with pytest.raises(CannotBegin) as refused:
        house.start(env=f"{UNSTARTABLE}:ResetRaises-v0")
    assert "unstartable.py" in refused.value.detail


def test_an_environment_that_hangs_is_given_up_in_time(house, monkeypatch):
    monkeypatch.setattr(house.supervisor, "_trial_seconds", SHORT)
    run, start = house.run, time.monotonic()
    with pytest.raises(CannotBegin, match=r"within 4 seconds.*making and resetting its environments"):
        house.start(env=f"{UNSTARTABLE}:ResetHangs-v0")
    assert time.monotonic() - start < SHORT + SLACK
    assert house.goes_on(run)


def test_a_candidate_can_be_cancelled_and_is_gone(house, tmp_path):
    run, note = house.run, tmp_path / "pid"
    assert not house.call(house.supervisor.abandon_start), "there is none"
    trying = house.later(env=f"{UNSTARTABLE}:ResetHangs-v0", env_kwargs={"note": str(note)})
    pid = int(house.until(lambda: note.exists() and note.read_text()))
    assert house.call(lambda: house.supervisor.busy)
    assert house.call(house.supervisor.abandon_start)
    with pytest.raises(CannotBegin, match="Cancelled"):
        trying.result(SLACK)
    wait_for(lambda: not alive(pid), SLACK)
    assert house.goes_on(run)


def test_what_a_candidate_has_started_ends_with_it(house, tmp_path):
    run, note = house.run, tmp_path / "child"
    with pytest.raises(CannotBegin, match="left a child behind"):
        house.start(env=f"{UNSTARTABLE}:Forks-v0", env_kwargs={"note": str(note)})
    child = int(note.read_text())
    wait_for(lambda: not alive(child), SLACK)
    assert house.goes_on(run)


def test_the_run_after_its_trial_is_the_same_as_without_one():
    settings = {**SMALL, "seed": 3, "normalize_observations": True, "normalize_rewards": True, "env": "Pendulum-v1"}
    with House() as house:
        house.start(paused=True)
        run = house.start(paused=True, **settings)
        assert house.run is run and len(house.supervisor.runs()) == 2
        house.state(state="paused")
        for _ in range(3):
            assert house.send("step", size="update")[1] is None
            house.state(state="paused")
        rows = run.record.series(None, None, 1000, 1000)[0].rows
        if sys.platform == "linux":
            assert Path(f"/proc/{run.pid}/oom_score_adj").read_text() == Path("/proc/self/oom_score_adj").read_text()
    kept = [i for i, name in enumerate(SERIES_COLUMNS) if name not in TIMES]
    assert np.array_equal(rows[:, kept], rows_of(Driver([step()] * 3, **settings))[:, kept], equal_nan=True)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone can be told which process to end first")
def test_a_candidate_is_the_first_to_go_where_memory_runs_out(house, tmp_path):
    note = tmp_path / "pid"
    trying = house.later(env=f"{UNSTARTABLE}:ResetHangs-v0", env_kwargs={"note": str(note)})
    pid = int(house.until(lambda: note.exists() and note.read_text()))
    assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) == 1000
    assert house.call(house.supervisor.abandon_start)
    assert trying.exception(SLACK) is not None


# With a server around it


@pytest.fixture
def trying(tmp_path):
    """A server whose run trains while a candidate hangs: (server, the run's process, the candidate's)."""
    note = tmp_path / "pid"
    with ServerProcess("ppo_scope.worker.worker:main", paused=False) as server:
        wait_for(lambda: server.run()["state"] == "running", 60)
        before = server.worker_pid()
        settings = {"env": f"{UNSTARTABLE}:ResetHangs-v0", "env_kwargs": {"note": str(note)}}
        with Page(server, cookie=server.cookie()) as page:
            page.wait("lease", holder=True)
            page.say(type="restart", id="r", lease=page.lease["generation"], settings=settings)
            yield server, before, int(wait_for(lambda: note.exists() and note.read_text()))


def test_a_candidate_does_not_outlive_a_killed_server(trying):
    server, before, candidate = trying
    server.process.kill()
    server.process.wait()
    wait_for(lambda: not alive(candidate) and not alive(before), 2 + SLACK)


def test_ctrl_c_during_a_trial_ends_the_server_and_starts_nothing(trying):
    server, before, candidate = trying
    start = time.monotonic()
    server.end()
    assert time.monotonic() - start < 8 + SLACK
    assert not alive(candidate) and not alive(before)
    assert server.process.returncode == 0 and server.errors == []
