"""A run hears, answers and tells where it is, whatever takes long: a step, an update made twice, a measurement."""

import multiprocessing
import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest

from ppo_scope.worker.between import Between
from ppo_scope.worker.ear import Ear
from tests.runs.house import PATIENCE, SLACK, House

SLOW = "tests.environments.slow:Slow-v0"


@pytest.fixture(scope="module")
def simulated():
    """A run whose rollout takes a minute: steps of 60 ms in 8 environments, 128 of them."""
    with House() as house:
        house.start(env=SLOW, num_envs=8, rollout_steps=128)
        house.state(state="running")
        house.until(lambda: collecting(house))
        yield house


def collecting(house):
    found = [header for header in house.of("progress") if (header["activity"] or {}).get("name") == "collecting"]
    return found[-1]["activity"] if found else None


def test_where_a_rollout_is_is_told(simulated):
    first = collecting(simulated)
    later = simulated.until(lambda: (now := collecting(simulated))["done"] > first["done"] and now)
    assert later["of"] == 128
    progress = simulated.of("progress")[-1]
    assert (progress["update"], progress["phase"]) == (1, "rollout")


def test_pause_is_answered_at_once_and_taken_back_by_play(simulated):
    seconds, code, _ = simulated.send("pause")
    assert code is None and seconds < 1 + SLACK
    state = simulated.state(pausing=True)
    assert (state["state"], state["playing"]) == ("running", True)
    seconds, code, message = simulated.send("step", size="update")
    assert code == "conflict" and "rollout is whole" in message and seconds < 1 + SLACK
    assert simulated.send("play")[1] is None
    simulated.state(state="running", pausing=False)


def test_a_setting_and_what_cannot_be_done_now_are_answered_at_once(simulated):
    seconds, code, _ = simulated.send("set", name="clip_range", value=0.3)
    assert code is None and seconds < 1 + SLACK
    simulated.state(pending={"clip_range": 0.3})
    for command in ({"type": "redo", "settings": {}}, {"type": "keep", "which": "new"}, {"type": "cancel"}):
        seconds, code, _ = simulated.send(**command)
        assert code == "conflict" and seconds < 1 + SLACK


def test_stop_ends_within_a_rollout(simulated):
    start, mark = time.monotonic(), len(simulated.states)
    simulated.do(simulated.run.stop())
    heard = next(at for at, status in simulated.states[mark:] if status["state"] == "stopped")
    assert heard - start < 1 + SLACK and simulated.run.describe()["update"] <= 1


def test_a_pause_comes_when_the_rollout_is_whole(tmp_path):
    """Each rollout takes 20 s, unless the gate is open: what is said within it comes in time on any machine."""
    gate = tmp_path / "gate"
    with House() as house:
        house.start(env=SLOW, num_envs=1, rollout_steps=40, env_kwargs={"seconds": 0.5, "gate": str(gate)})
        house.until(lambda: collecting(house))
        assert house.send("pause")[1] is None
        assert house.state(pausing=True)["state"] == "running"
        gate.touch()
        state = house.state(state="paused")
        assert (state["update"], state["phase"], state["pausing"]) == (1, "rollout", False)
        assert house.send("step", size="update")[1] is None
        assert house.state(state="paused", phase="update")["update"] == 1
        gate.unlink()
        house.send("set", name="clip_range", value=0.3)
        house.send("step", size="update")
        house.until(lambda: (house.of("progress")[-1]["update"], house.of("progress")[-1]["phase"]) == (2, "rollout"))
        house.send("pause")
        assert house.state(pausing=True)["pending"] == {"clip_range": 0.3}, "it is in use, which is told at the end"
        gate.touch()
        assert house.state(state="paused")["pending"] == {}


def test_who_begins_to_watch_within_a_slow_rollout_does_not_wait_for_its_end():
    with House() as house:
        run = house.start(
            env=SLOW, num_envs=1, rollout_steps=64, env_kwargs={"seconds": 0, "stuck_at": 70, "stuck": 0.5}
        )
        house.until(lambda: run.record.latest.get("snapshot", ({"update": 0},))[0]["update"] == 1)
        house.call(run.watch, frozenset({"ratio"}))
        house.until(lambda: run.record.latest["snapshot"][0]["measured"] == ["ratio"])
        snapshot = run.record.latest["snapshot"][0]
        assert (snapshot["update"], snapshot["phase"]) == (1, "update"), "the next one is not there yet"


@pytest.fixture(scope="module")
def stuck():
    """A run whose 5th step takes ten minutes; called stalled after 3 s."""
    with House(stall_after=3.0) as house:
        house.start(env=SLOW, num_envs=1, env_kwargs={"seconds": 0.01, "stuck_at": 5, "stuck": 600.0})
        house.until(lambda: (collecting(house) or {}).get("done") == 4)
        yield house


def test_within_one_step_of_ten_minutes_pause_is_answered(stuck):
    seconds, code, _ = stuck.send("pause")
    assert code is None and seconds < 1 + SLACK
    stuck.until(lambda: any(status["pausing"] for _, status in stuck.states))
    assert stuck.send("step", size="update")[1] == "conflict"
    seconds, code, _ = stuck.send("play")
    assert code is None and seconds < 1 + SLACK


def test_a_step_that_takes_too_long_is_named_and_told_every_second(stuck):
    stuck.state(state="stalled")
    cause = stuck.run.cause
    assert "Step 5 of 32 of the rollout of update 1 has taken" in cause["summary"]
    before = collecting(stuck)
    assert before["seconds"] > 2
    stuck.until(lambda: collecting(stuck)["seconds"] > before["seconds"] + 1)
    assert stuck.run.state == "stalled", "signs of life do not hide that nothing goes on"


def test_what_is_stuck_in_a_step_can_be_stopped(stuck):
    start = time.monotonic()
    stuck.do(stuck.run.stop())
    assert time.monotonic() - start < 4 + SLACK and stuck.run.state == "stopped"


def test_an_environment_whose_steps_always_take_long_is_not_called_stalled_for_ever():
    with House(stall_after=1.5) as house:
        house.start(env=SLOW, num_envs=1, env_kwargs={"seconds": 2.1})
        house.state(state="stalled")
        house.until(lambda: house.run.state == "running")
        at = house.until(lambda: (collecting(house) or {}).get("done", 0) >= 1 and collecting(house)["done"])
        mark = len(house.states)
        house.until(lambda: collecting(house)["done"] >= at + 2)
        assert "stalled" not in [status["state"] for _, status in house.states[mark:]], "it is known to take so long"


def test_a_stopped_process_is_silent_and_so_stalled():
    with House(stall_after=2.0) as house:
        house.start(env=SLOW, num_envs=1)
        house.until(lambda: collecting(house))
        os.kill(house.run.pid, signal.SIGSTOP)
        house.state(state="stalled")
        assert "no sign of life" in house.run.cause["summary"]
        os.kill(house.run.pid, signal.SIGCONT)
        house.state(state="running")


# Long computations


LARGE = {"num_envs": 8, "rollout_steps": 2048, "hidden_sizes": (64, 64)}


@pytest.fixture(scope="module")
def large():
    """A paused run after an update of 16,384 samples; called stalled soon."""
    with House(stall_after=2.5) as house:
        house.start(paused=True, **LARGE)
        house.state(state="paused")
        house.send("step", size="update")
        house.state(state="paused", update=1, phase="update")
        yield house


def test_an_update_made_twice_tells_its_progress_and_can_be_cancelled(large):
    id = "redo"
    large.call(large.run.send, {"type": "redo", "id": id, "settings": {"epochs": 100}})
    seen = large.until(
        lambda: [h["activity"] for h in large.of("progress") if (h["activity"] or {}).get("name") == "redo"]
    )
    assert seen[-1]["of"] == 100 * large.run.settings["minibatches"]
    later = large.until(lambda: large.of("progress")[-1]["activity"]["done"] > seen[-1]["done"] + 8)
    assert later and large.run.state == "paused"
    assert large.send("play")[1] == "conflict"
    seconds, code, _ = large.send("cancel")
    assert code is None and seconds < 2 + SLACK
    reply = large.until(lambda: next((r for r in large.replies if r[0] == id), None))
    assert reply[2] == "conflict" and reply[3].startswith("Cancelled")
    assert "stalled" not in [status["state"] for _, status in large.states]


def test_after_a_cancelled_one_an_update_can_be_made_twice_as_before(large):
    assert large.send("redo", settings={"epochs": 30})[1] is None
    assert "stalled" not in [status["state"] for _, status in large.states]
    assert large.of("comparison")[-1]["open"]


def test_a_thread_that_listens_goes_on_listening_whatever_it_was_that_failed(capfd):
    server, process = multiprocessing.Pipe()
    ear, failed = Ear(process), threading.Event()

    def beat():
        if not failed.is_set():
            failed.set()
            raise MemoryError("no room for a frame")

    ear.listen(beat)
    assert failed.wait(PATIENCE)
    server.send_bytes(b"no JSON")
    server.send_bytes(b'{"type": "pause"}')
    assert ear.receive(PATIENCE) == {"type": "pause"}
    assert "no room for a frame" in capfd.readouterr().err


def test_commands_are_obeyed_in_their_order_whichever_thread_obeys():
    """A long step ends at the moment at which the thread that listens comes to help."""
    obeyed, waiting = [], ["pause", "play"]
    helping = threading.Thread(target=lambda: between.help(lambda kinds: waiting.pop(0) if waiting else None))

    def receive(timeout):
        if len(waiting) == 2:
            first = waiting.pop(0)
            helping.start()
            helping.join(0.2)  # as long as it takes to obey the second one, if it may
            return first
        return waiting.pop(0) if waiting else None

    report = SimpleNamespace(looking=SimpleNamespace(later=SimpleNamespace(measure_wanted=lambda: None)))
    between = Between(report, SimpleNamespace(stops_now=False, stopping=False), receive, obeyed.append)
    between.within = "collecting"
    between.hear()
    helping.join()
    assert obeyed == ["pause", "play"]
