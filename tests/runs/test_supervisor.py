"""A supervisor and a real process that follows a script."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from ppo_scope.ppo.settings import Settings
from ppo_scope.processes.process import COMMANDS, NotReading
from ppo_scope.records.library import Library
from ppo_scope.records.store import Store
from ppo_scope.runs import ending, inbox, live, missed
from ppo_scope.runs import supervisor as supervisor_module
from ppo_scope.runs.supervisor import KEPT_RUNS, CannotBegin, Supervisor
from tests.live import ROOT, environment
from tests.runs.house import SLACK


class Notes:
    """A listener that takes notes."""

    def __init__(self):
        self.states, self.replies, self.frames, self.runs, self.changes = [], [], [], [], []

    def frame(self, run, header, message):
        self.frames.append(header)

    def state(self, run):
        self.states.append(run.state)

    def change(self, run, change):
        self.changes.append(change)

    def evaluated(self, run, evaluations):
        pass

    def reply(self, run, command, code, message):
        self.replies.append((command, code))

    def begun(self, run, instead):
        self.runs.append(run.id)


async def until(condition, within=30.0):
    end = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.005)
    return found


def supervised(scenario, worker="obedient", *, paused=True, stall_after=0.4):
    """Run a scenario with a supervisor, its run and its notes."""

    async def whole():
        notes = Notes()
        supervisor = Supervisor(notes, worker=f"tests.server.scripted_workers:{worker}", stall_after=stall_after)
        run = await supervisor.start(Settings(), paused=paused)
        looking = asyncio.create_task(supervisor.watch(0.05))
        try:
            await scenario(supervisor, run, notes)
        finally:
            looking.cancel()
            supervisor.kill()
            await supervisor.close()

    asyncio.run(whole())


def test_a_run_from_start_to_stop(monkeypatch):
    monkeypatch.setattr(live, "PATIENCE", (30.0, 1.0, 2.0))

    async def scenario(supervisor, run, notes):
        assert run.describe()["state"] == "starting"
        await until(lambda: run.state == "paused")
        run.send({"type": "step", "size": "update", "id": "a"})
        await until(lambda: notes.replies == [("a", None)])
        assert run.describe()["update"] == 1
        assert len(run.record.series(None, None, 100, 100)[0].rows) == 1
        assert run.record.number_of_end(1) is not None
        start = time.monotonic()
        await run.stop()
        assert time.monotonic() - start < 20, "it hears: after 30 s it would be killed"
        assert run.state == "stopped"
        assert run.cause is None
        assert notes.states[-1] == "stopped"

    supervised(scenario)


def test_a_stopped_process_is_stalled_once_somebody_waits_and_recovers():
    async def scenario(supervisor, run, notes):
        await until(lambda: run.state == "paused")
        os.kill(run.pid, signal.SIGSTOP)
        await asyncio.sleep(1)
        assert run.state == "paused"  # nobody has asked it for anything
        run.send({"type": "play", "id": "p"})
        await until(lambda: run.state == "stalled")
        assert "no sign of life" in run.cause["summary"]
        os.kill(run.pid, signal.SIGCONT)
        await until(lambda: run.state == "running")
        assert run.cause is None
        await until(lambda: notes.replies == [("p", None)])

    supervised(scenario)


def test_a_running_process_without_a_sign_of_life_is_stalled_and_can_be_stopped():
    async def scenario(supervisor, run, notes):
        await until(lambda: run.state == "running")
        os.kill(run.pid, signal.SIGSTOP)
        await until(lambda: run.state == "stalled")
        await run.stop()
        assert run.state == "stopped"

    supervised(scenario, paused=False)


def test_a_frame_cut_short_by_a_kill_does_not_hide_the_ending():
    async def scenario(supervisor, run, notes):
        await until(lambda: len(notes.frames) > 20)
        os.kill(run.pid, signal.SIGSTOP)  # most likely within a frame: these are big
        await asyncio.sleep(0.1)
        os.kill(run.pid, signal.SIGKILL)
        await until(lambda: run.state == "killed")

    supervised(scenario, "heavy", paused=False)


def test_commands_that_are_not_read_are_refused_without_waiting():
    async def scenario(supervisor, run, notes):
        await until(lambda: run.state == "paused")
        start = time.monotonic()
        big = {"type": "set", "name": "x" * 16_000, "value": 0}
        sent = 0
        with contextlib.suppress(NotReading):
            for sent in range(2 * COMMANDS):  # noqa: B007
                run.send(big)
        assert COMMANDS <= sent < 2 * COMMANDS - 1
        assert time.monotonic() - start < 2 + SLACK

    supervised(scenario, "hangs")


def test_a_process_that_is_faster_than_the_event_loop_waits(monkeypatch):
    monkeypatch.setattr(inbox, "INBOX_BYTES", 1_000_000)

    async def scenario(supervisor, run, notes):
        await until(lambda: len(notes.frames) > 20)
        await asyncio.sleep(0)
        before = len(notes.frames)
        time.sleep(0.5)  # noqa: ASYNC251  the event loop is busy
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # what waited has been handed over, and hardly anything that came since
        waited = notes.frames[before:]
        assert 0 < sum(header["kind"] == "snapshot" for header in waited) < 16
        sequences = [header["sequence"] for header in notes.frames]
        assert sequences == sorted(set(sequences))

    supervised(scenario, "heavy", paused=False)


def test_out_of_memory_is_told_from_a_kill(monkeypatch):
    async def scenario(supervisor, run, notes):
        await until(lambda: run.state == "paused")
        monkeypatch.setattr(ending, "out_of_memory_kills", lambda: 10**9)
        os.kill(run.pid, signal.SIGKILL)
        await until(lambda: run.state == "out_of_memory")
        assert "memory" in run.cause["summary"]

    supervised(scenario)


def test_a_run_takes_the_place_of_another_one():
    async def scenario(supervisor, run, notes):
        await until(lambda: run.state == "paused")
        second = await supervisor.start(Settings(seed=2), paused=True, instead=run)
        third = await supervisor.start(Settings(seed=3), paused=True, instead=second)
        assert supervisor.newest is third
        assert [each.state in {"stopped"} for each in (run, second)] == [True, True]
        assert supervisor.runs() == [third, second, run]
        assert notes.runs == [run.id, second.id, third.id]

    supervised(scenario)


def test_runs_live_side_by_side_and_end_alone(monkeypatch):
    monkeypatch.setattr(supervisor_module, "LIVE_RUNS", 2)

    async def scenario(supervisor, run, notes):
        await until(lambda: run.state == "paused")
        second = await supervisor.start(Settings(seed=2), paused=True)
        await until(lambda: second.state == "paused")
        assert run.state == "paused"
        for one in (run, second):
            one.send({"type": "step", "size": "update", "id": one.id})
        await until(lambda: notes.replies == [(run.id, None), (second.id, None)] or len(notes.replies) == 2)
        assert [one.describe()["update"] for one in (run, second)] == [1, 1]
        with pytest.raises(CannotBegin, match="End one, or begin the new one instead of it"):
            await supervisor.start(Settings(seed=3), paused=True)
        os.kill(run.pid, signal.SIGKILL)
        await until(lambda: run.state == "killed")
        assert second.state == "paused"
        third = await supervisor.start(Settings(seed=3), paused=True)
        await second.stop()
        await until(lambda: (second.state, third.state) == ("stopped", "paused"))
        assert supervisor.runs() == [third, second, run]

    supervised(scenario)


def test_of_many_that_have_ended_the_oldest_are_forgotten_but_none_that_lives():
    async def scenario(supervisor, run, notes):
        await until(lambda: run.state == "paused")
        replaced = await supervisor.start(Settings(), paused=True)
        for _ in range(KEPT_RUNS):
            replaced = await supervisor.start(Settings(), paused=True, instead=replaced)
        assert len(supervisor.runs()) == KEPT_RUNS
        assert supervisor.get(run.id) is run and run.state == "paused"

    supervised(scenario)


def test_what_is_lost_on_the_way_is_asked_for_and_comes(monkeypatch):
    """Every other row and change is lost."""
    monkeypatch.setattr(missed, "EVERY", 0.01)

    async def scenario(supervisor, run, notes):
        await until(lambda: run.state == "paused")
        for number in range(6):
            run.send({"type": "step", "size": "update", "id": f"step {number}"})
            run.send({"type": "set", "name": "clip_range", "value": number / 10, "id": f"set {number}"})
        run.send({"type": "set", "name": "entropy_coef", "value": 0.5, "id": "last"})
        await until(lambda: len(notes.replies) == 13)
        await until(lambda: run.describe()["settings"]["entropy_coef"] == 0.5)
        await until(lambda: len(run.describe()["changes"]) == 7)
        assert run.describe()["settings"]["clip_range"] == 0.5
        assert [change["new"] for change in run.describe()["changes"]] == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.5]
        await until(lambda: len(run.record.series(None, None, 100, 100)[0].rows) == 6)
        part, following = run.record.series(None, None, 100, 100)
        assert part.rows[:, 0].tolist() == [1 / update for update in range(1, 7)] and following is None
        assert part.episodes[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
        told = [change["new"] for change in notes.changes if change["name"] == "clip_range"]
        assert told[-1] == 0.5, "who is told late is told right"

    supervised(scenario, "loses")


def test_a_command_that_follows_at_once_finds_that_the_run_has_begun():
    """Whoever is told of a run may command it in the same instant: the word to begin goes first."""

    class Hasty(Notes):
        def begun(self, run, instead):
            super().begun(run, instead)
            run.send({"type": "step", "size": "update", "id": f"step {len(self.runs)}"})

    async def body():
        heard = Hasty()
        supervisor, run = Supervisor(heard), None
        try:
            for seed in range(4):
                settings = Settings(num_envs=2, rollout_steps=32, seed=seed)
                run = await supervisor.start(settings, paused=True, instead=run)
                await until(lambda run=run: run.describe()["update"] == 1)
        finally:
            await supervisor.close()
        assert [reply for reply in heard.replies if "step" in reply[0]] == [(f"step {n}", None) for n in (1, 2, 3, 4)]

    asyncio.run(body())


def test_the_output_of_a_process_is_not_the_servers(capfd):
    async def scenario(supervisor, run, notes):
        await until(lambda: run.state == "failed")
        assert "a library is missing" in run.cause["detail"]

    supervised(scenario, "dies_at_once")
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


FIRST = """
import asyncio, time
from ppo_scope.processes.spawning import CONTEXT
from ppo_scope.ppo.settings import Settings
from ppo_scope.runs.supervisor import Supervisor
from tests.runs.test_supervisor import Notes, until

async def scenario():
    supervisor, longest = Supervisor(Notes(), worker="tests.server.scripted_workers:obedient"), 0.0
    starting = asyncio.ensure_future(supervisor.start(Settings(), paused=True))
    while not starting.done():
        start = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - start)
    await until(lambda: starting.result().state == "paused")
    await supervisor.close()
    return longest

if __name__ == "__main__":
    CONTEXT.set_forkserver_preload(["tests.runs.slow_to_import"])
    print(asyncio.run(scenario()))
"""


def test_the_server_goes_on_while_its_first_process_is_made_ready():
    paths = os.pathsep.join([str(ROOT), environment()["PYTHONPATH"]])
    anew = [sys.executable, "-c", FIRST]
    done = subprocess.run(
        anew, cwd=ROOT, env={**environment(), "PYTHONPATH": paths}, capture_output=True, text=True, check=True
    )
    longest = float(done.stdout)
    assert longest < 1.5, "what every process needs takes 3 s to import there"


def test_the_folder_says_of_a_loop_elsewhere_that_it_is_away(tmp_path):
    """`ppo-scope runs` reads it there, of a server that waits for a loop that may have been killed."""
    library = Library(tmp_path)

    def connection():
        """Of its own: as an object it tells one from another."""

    async def scenario():
        supervisor = Supervisor(Notes(), library=library)
        run = await supervisor.attach("0123abcd", {"env": "theirs"}, {"library": "a loop"})
        run.came(connection)
        assert library.find("last").state == "running"
        run.went(connection, goodbye=False)
        await until(lambda: library.find("last").state == "stalled")
        run.came(connection)
        await until(lambda: library.find("last").state == run.state == "starting")
        await supervisor.close()

    asyncio.run(scenario())


def test_a_run_that_the_disk_did_not_take_is_kept_whole_once_it_does(tmp_path, monkeypatch):
    """With what had happened until then."""
    monkeypatch.setattr(supervisor_module, "DISK_AGAIN", 0.1)
    place = tmp_path / "runs"
    place.write_text("no folder")

    async def scenario():
        notes, library = Notes(), Library(place)
        supervisor = Supervisor(notes, worker="tests.server.scripted_workers:evaluates", library=library)
        run = await supervisor.start(Settings(), paused=True)
        looking = asyncio.create_task(supervisor.watch(0.05))

        async def told(id, **command):
            run.send({**command, "id": id})
            await until(lambda: (id, None) in notes.replies)

        await told("1", type="step", size="update")
        await told("2", type="set", name="clip_range", value=0.3)
        await told("3", type="step", size="update")
        assert run.describe()["unwritten"] and not run.describe()["stored"]
        place.unlink()
        await until(lambda: run.describe()["stored"] and run.describe()["unwritten"] is None)
        await until(lambda: library.run(run.id).state == "paused")
        await told("4", type="step", size="update")
        await run.stop()
        looking.cancel()
        await supervisor.close()
        with contextlib.closing(Store(place / run.id)) as store:
            assert list(store.series()[1]) == [1, 2, 3] and list(store.episodes()[:, 0]) == [1, 2, 3]
            assert store.changes() == [{"update": 2, "name": "clip_range", "old": 0.2, "new": 0.3}]
            assert [said["update"] for _, _, what, said in store.events() if what == "evaluated"] == [1, 2, 3]
            assert store.about()["facts"]["observation"] == "Box(4)"
        assert library.run(run.id).state == "stopped"

    asyncio.run(scenario())
