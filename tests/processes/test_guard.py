"""Nothing outlives the server that started it, and nothing in the working folder takes a module's place."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ppo_scope.processes import process
from tests.runs.house import House
from tests.server.scope_page import SLACK, ServerProcess, alive, wait_for

WORKERS = "tests.runs.bad_ends"


def group(leader):
    """The processes of a group that run; zombies do not."""
    found = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in found.splitlines())
    return [int(pid) for pid, pgid, stat in rows if int(pgid) == leader and not stat.startswith("Z")]


@pytest.mark.parametrize("worker", ["stopped", "holds_the_lock", "deaf_to_signals"])
def test_what_cannot_end_itself_does_not_outlive_a_killed_server(worker):
    with ServerProcess(f"{WORKERS}:{worker}") as server:
        child = wait_for(lambda: server.run().get("child"))
        leader = server.worker_pid()
        server.process.kill()
        server.process.wait()
        wait_for(lambda: not alive(leader) and not alive(child), 2 + SLACK)
        wait_for(lambda: not group(leader), SLACK)


def test_a_normal_end_leaves_nothing_behind():
    with ServerProcess(f"{WORKERS}:leaves_a_child") as server:
        child = wait_for(lambda: server.run().get("child"))
        leader = server.worker_pid()
        assert len(group(leader)) == 3, "the process, its guard, its child"
        server.end()
        assert not alive(child)
        wait_for(lambda: not group(leader), SLACK)


def test_a_killed_process_takes_its_guard_and_children_along():
    with House(f"{WORKERS}:leaves_a_child") as house:
        house.start(paused=True)
        house.until(lambda: house.run.record.facts.get("child"))
        leader = house.run.pid
        os.kill(leader, 9)
        house.state(state="killed")
        wait_for(lambda: not group(leader), SLACK)


def test_nothing_in_the_working_folder_takes_a_modules_place(tmp_path, monkeypatch):
    for name in ("random", "socket", "multiprocessing", "torch", "json", "selectors"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('this is not the module that was meant')\n")
    (tmp_path / "found_here.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")  # as for `python -m` and `python -c`
    with House(f"{WORKERS}:tells_its_surroundings") as house:
        house.start(paused=True)
        facts = house.until(lambda: "path" in house.run.record.facts and house.run.record.facts)
    assert Path(facts["random"]).parent == Path(facts["socket"]).parent == Path(os.__file__).parent
    assert Path(facts["here"]).parent == tmp_path and facts["path"][-1] == str(tmp_path)
    assert facts["safe_path"] is None, "what environments start is as it would be without us"
    assert process.SAFE_PATH not in os.environ and sys.path[0] == ""


def test_an_environment_in_the_working_folder_trains_beside_files_with_the_names_of_modules(tmp_path, monkeypatch):
    source = Path(__file__).parents[1] / "environments" / "unstartable.py"
    (tmp_path / "my_env.py").write_text(source.read_text().replace("{one.__name__}-v0", "Mine{one.__name__}-v0"))
    for name in ("random", "copy", "threadpoolctl"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('this is not the module that was meant')\n")
    monkeypatch.chdir(tmp_path)
    with House() as house:
        house.start(paused=True, env="my_env:MineSound-v0")
        house.state(state="paused")
        house.start(paused=True, env="my_env:MineSound-v0", seed=2)
        house.send("step", size="update")
        house.until(lambda: house.run.describe()["update"] == 1)


class Ended:
    def __init__(self):
        self.code, self.when = None, threading.Event()

    def frame(self, message):
        pass

    def ended(self, exitcode):
        self.code = exitcode
        self.when.set()


def test_a_process_that_has_hardly_begun_can_be_killed():
    """It leads no group yet. One that was missed would be waited for when the server ends, for ever."""
    heard = Ended()
    begun = process.TrainingProcess("short", f"{WORKERS}:deaf_to_signals", ("run", {}, True), receiver=heard)
    begun.kill(signal.SIGKILL)
    assert heard.when.wait(5 * SLACK)
    assert heard.code == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")
def test_a_process_outlives_the_one_that_it_was_forked_from_and_its_end_is_heard():
    """Or whatever ends that one, as a lack of memory may, would end every run."""
    heard, later = Ended(), Ended()
    begun = process.TrainingProcess("lasting", f"{WORKERS}:deaf_to_signals", ("run", {}, True), receiver=heard)
    status = Path(f"/proc/{begun.pid}/status").read_text()
    parent = int(next(line for line in status.splitlines() if line.startswith("PPid:")).split()[1])
    assert parent != os.getpid()
    os.kill(parent, signal.SIGKILL)
    assert not heard.when.wait(1), "it lives"
    next_one = process.TrainingProcess("next", f"{WORKERS}:deaf_to_signals", ("run", {}, True), receiver=later)
    for one, listener in ((begun, heard), (next_one, later)):
        one.kill(signal.SIGKILL)
        assert listener.when.wait(5 * SLACK)
    assert later.code == -signal.SIGKILL
