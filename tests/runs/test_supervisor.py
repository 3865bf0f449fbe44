"""A supervisor and a real process that follows a script."""

import asyncio
import contextlib
import os
import signal
import time

from ppo_scope.ppo.settings import Settings
from ppo_scope.runs import ending, inbox
from ppo_scope.runs.process import COMMANDS, NotReading
from ppo_scope.runs.supervisor import Supervisor


class Notes:
    """A listener that takes notes."""

    def __init__(self):
        self.states, self.replies, self.frames, self.runs = [], [], [], []

    def frame(self, run, header, message):
        self.frames.append(header)

    def state(self, run):
        self.states.append(run.state)

    def change(self, run, change):
        pass

    def reply(self, run, command, code, message):
        self.replies.append((command, code))

    def current(self, run):
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


def test_a_run_from_start_to_stop():
    async def scenario(supervisor, run, notes):
        assert run.describe()["state"] == "starting"
        await until(lambda: run.state == "paused")
        run.send({"type": "step", "size": "update", "id": "a"})
        await until(lambda: notes.replies == [("a", None)])
        assert run.describe()["update"] == 1
        assert len(run.history.slice().rows) == 1
        assert run.history.moments.end_of(1) is not None
        start = time.monotonic()
        await run.stop()
        assert time.monotonic() - start < 2.5, "after 3 s it would be killed"
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
        assert time.monotonic() - start < 2

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


def test_starting_another_run_ends_the_one_before():
    async def scenario(supervisor, run, notes):
        await until(lambda: run.state == "paused")
        second, third = await asyncio.gather(
            supervisor.start(Settings(seed=2), paused=True), supervisor.start(Settings(seed=3), paused=True)
        )
        assert supervisor.current is third
        assert [each.state in {"stopped"} for each in (run, second)] == [True, True]
        assert supervisor.runs() == [third, second, run]
        assert notes.runs == [run.id, second.id, third.id]

    supervised(scenario)


def test_a_command_that_follows_at_once_finds_that_the_run_has_begun():
    """Whoever is told of a run may command it in the same instant: the word to begin goes first."""

    class Hasty(Notes):
        def current(self, run):
            super().current(run)
            run.send({"type": "step", "size": "update", "id": f"step {len(self.runs)}"})

    async def body():
        heard = Hasty()
        supervisor = Supervisor(heard)
        try:
            for seed in range(4):
                run = await supervisor.start(Settings(num_envs=2, rollout_steps=32, seed=seed), paused=True)
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
