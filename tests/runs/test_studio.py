"""Drawing happens in a process of its own: whatever befalls it, the training goes on and the page is told why."""

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from ppo_scope.pictures import failures
from ppo_scope.pictures.limits import Patience
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.processes.process import DEFAULT_WORKER
from ppo_scope.runs import studio as studios
from ppo_scope.runs.studio import ENDED, Studio
from ppo_scope.runs.supervisor import Supervisor
from ppo_scope.wire import frame
from tests.runs.house import SLACK
from tests.runs.test_supervisor import Notes, until

SMALL = {"num_envs": 2, "rollout_steps": 16, "minibatches": 2, "epochs": 1}
SHORT = Patience(later=2.0)
"""For what hangs; what does not may take long on a busy machine."""
WITHIN = 90.0
AT_REST = "Exits-v0"
"""Of the failing ones, the run of this one trains no more."""
POSITION = {"update": 4, "phase": "update", "epoch": 1, "epochs": 1, "minibatch": 2, "minibatches": 2}


def settings_of(env):
    name = env if env.startswith("CartPole") else f"tests.environments.drawing:{env}"
    return Settings.parse({**SMALL, "env": name})


def weights_of(settings):
    """A frame as the trainer sends it."""
    trainer = Trainer(settings)
    theta = trainer.network.theta.detach().numpy()
    trainer.close()
    return frame.encode({"kind": "weights", "run": "run", "sequence": 9, **POSITION}, {"theta": theta})


class Sitter:
    """A run without a trainer."""

    id = "run"
    state = "paused"
    goes_on = True

    def __init__(self, settings):
        self.settings = settings.model_dump(mode="json")
        self.commands, self.wanted = [], []

    def send(self, command):
        self.commands.append(command)

    def want_weights(self, wanted):
        self.wanted.append(wanted)


def drawn(env, scenario, *, backends=(None,), patience=None, acting=True):
    """Run a scenario with a studio that is watched, and what it showed."""
    settings = settings_of(env)

    async def whole():
        sitter, shown = Sitter(settings), []
        studio = Studio(sitter, lambda *picture: shown.append(picture), patience=patience, backends=backends)
        checking = asyncio.create_task(check(studio))
        try:
            if acting:
                studio.watch(True)
                message = weights_of(settings)
                studio.weights(frame.header(message), message)
            await scenario(studio, sitter, shown)
        finally:
            checking.cancel()
            studio.retire()

    asyncio.run(whole())


async def check(studio):
    while True:
        await asyncio.sleep(0.05)
        studio.check()


def reason_in(shown):
    return next((header["reason"] for header, _ in shown if "reason" in header), None)


def processor_time(pid):
    """Seconds that a process has computed."""
    found = subprocess.run(["ps", "-o", "cputimes=", "-p", str(pid)], capture_output=True, text=True, check=True)
    return int(found.stdout)


def oom_score(pid):
    """How ready Linux is to end a process where memory runs out; None elsewhere."""
    score = Path(f"/proc/{pid}/oom_score_adj")
    return int(score.read_text()) if score.exists() else None


def test_pictures_come_with_numbers_of_their_own_and_the_place_of_their_weights():
    async def scenario(studio, sitter, shown):
        await until(lambda: len(shown) > 12, WITHIN)
        assert sitter.wanted == [True]
        headers = [header for header, _ in shown]
        assert [header["sequence"] for header in headers] == list(range(len(headers)))
        assert (headers[-1]["run"], headers[-1]["update"]) == ("run", 4)
        assert headers[-1]["scalars"]["episode_step"] > 0
        _, arrays = frame.decode(shown[-1][1])
        assert arrays["image"][:3].tobytes() == b"\xff\xd8\xff"
        assert os.getpriority(os.PRIO_PROCESS, studio.pid) > os.getpriority(os.PRIO_PROCESS, 0)
        assert oom_score(studio.pid) in {None, 1000}, "the trainer is not ended for it"

        studio.watch(False)
        await until(lambda: sitter.wanted == [True, False])
        await asyncio.sleep(0.5)
        seen, spent = len(shown), processor_time(studio.pid)
        await asyncio.sleep(1.5)
        assert len(shown) == seen and processor_time(studio.pid) - spent <= 1, "nobody watches: it costs nothing"
        studio.watch(True)
        await until(lambda: len(shown) > seen)

    drawn("CartPole-v1", scenario)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ("Raises-v0", "cannot be drawn: render() failed (drawing.py, line "),
        ("Exits-v0", "cannot be drawn: render() failed (drawing.py, line "),
        ("Leaves-v0", "has ended its process (exit code 4)"),
        ("Crashes-v0", "has crashed its process (SIGSEGV, in render(), drawing.py, line "),
        ("Hangs-v0", "render() has not come back for 2 seconds (drawing.py, line "),
        ("Holds-v0", "render() has not come back for 2 seconds (drawing.py, line "),
        ("Prints-v0", "has not come back for 2 seconds"),
        ("HangsInItsStep-v0", "step() has not come back for 2 seconds (drawing.py, line "),
    ],
)
def test_drawing_that_fails_is_said_once_and_not_tried_again(env, words):
    async def scenario(studio, sitter, shown):
        sitter.goes_on = env != AT_REST
        reason = await until(lambda: reason_in(shown), WITHIN)
        remedy = failures.REMEDY if sitter.goes_on else failures.REMEDY_AT_REST
        assert words in reason and reason.endswith(f". {remedy}")
        await until(lambda: sitter.wanted == [True, False])  # nobody acts with the weights any more
        last = studio.pid
        studio.watch(False)
        await asyncio.sleep(0.2)
        studio.watch(True)
        await asyncio.sleep(0.3)
        assert studio.pid == last and shown[-1][0]["reason"] == reason

    drawn(env, scenario, patience=SHORT if "not come back" in words else None)


def test_what_an_environment_forks_does_not_draw_in_its_name():
    async def scenario(studio, _, shown):
        await until(lambda: len(shown) > 6, WITHIN)
        assert reason_in(shown) is None
        headers = [header["sequence"] for header, _ in shown]
        assert headers == list(range(len(headers)))

    drawn("Forks-v0", scenario)


def test_where_there_is_no_display_the_next_back_end_is_tried():
    async def scenario(_, __, shown):
        await until(lambda: len(shown) > 2, WITHIN)
        assert reason_in(shown) is None

    drawn("NeedsOsmesa-v0", scenario, backends=("egl", "osmesa"))


def test_where_no_back_end_draws_the_variable_is_named():
    async def scenario(_, __, shown):
        reason = await until(lambda: reason_in(shown), WITHIN)
        assert "OpenGL platform library" in reason
        assert "neither MUJOCO_GL=egl nor MUJOCO_GL=osmesa draws here" in reason
        assert len(shown) == 1

    drawn("NeedsADisplay-v0", scenario, backends=("egl", "osmesa"))


def test_a_process_that_is_killed_answers_who_waits_for_a_sample_at_once():
    async def scenario(studio, sitter, shown):
        await until(lambda: len(shown) > 2, WITHIN)
        os.kill(studio.pid, signal.SIGSTOP)
        asking = asyncio.create_task(studio.ask(1, 0, 3))
        await until(lambda: sitter.commands)
        where = {"update": 1, "environment": 0, "step": 3}
        header = {"kind": "look", "run": "run", "sequence": 1, **POSITION, "where": where}
        studio.look(header, frame.encode(header))
        os.kill(studio.pid, signal.SIGKILL)
        answer = await asyncio.wait_for(asking, WITHIN)
        assert "was killed from outside" in answer
        assert await studio.ask(1, 0, 4) == answer, "it is known, and nobody waits"

    drawn("CartPole-v1", scenario)


def test_who_waits_for_the_note_of_a_trainer_that_has_ended_is_answered_at_once():
    async def scenario(studio, sitter, _):
        asking = asyncio.create_task(studio.ask(1, 0, 3))
        await until(lambda: sitter.commands)
        begun = time.monotonic()
        studio.retire()
        assert await asking == ENDED
        assert time.monotonic() - begun < 1 + SLACK
        assert await studio.ask(1, 0, 4) == ENDED

    drawn("CartPole-v1", scenario, acting=False)


@pytest.mark.parametrize(
    ("state", "words"), [("starting", "still starting"), ("stalled", "no sign of life"), ("killed", "has ended")]
)
def test_each_refusal_says_what_is_the_case(state, words):
    async def scenario(studio, sitter, _):
        sitter.state = state
        assert words in await studio.ask(1, 0, 3)
        assert not sitter.commands

    drawn("CartPole-v1", scenario, acting=False)


@pytest.mark.parametrize("env", ["Hangs-v0", "Crashes-v0"])
def test_training_never_notices(env, monkeypatch):
    monkeypatch.setattr(studios, "Patience", lambda: SHORT)

    async def whole():
        notes = Notes()
        supervisor = Supervisor(notes, worker=DEFAULT_WORKER, stall_after=10)
        run = await supervisor.start(settings_of(env), paused=False)
        looking = asyncio.create_task(supervisor.watch(0.05))
        try:
            run.watch(frozenset({"picture"}))
            await until(lambda: "reason" in run.record.latest.get("picture", ({},))[0], WITHIN)
            update = run.describe()["update"]
            await until(lambda: run.describe()["update"] > update + 20, WITHIN)
            assert run.state == "running" and "stalled" not in notes.states
            pictures = [header for header in notes.frames if header["kind"] == "picture"]
            assert sum("reason" in header for header in pictures) == 1 and len(pictures) > 1
        finally:
            looking.cancel()
            await supervisor.close()

    asyncio.run(whole())


def test_a_finished_run_hands_out_its_notes_and_its_pictures_go_on():
    async def whole():
        supervisor = Supervisor(Notes(), worker=DEFAULT_WORKER, stall_after=10)
        run = await supervisor.start(Settings.parse({**SMALL, "total_steps": 16}), paused=True)
        try:
            await until(lambda: run.state == "paused", WITHIN)
            run.send({"type": "step", "size": "update"})
            await until(lambda: run.state == "finished", WITHIN)
            image = await run.depiction(1, 1, 5)
            assert isinstance(image, bytes) and image[:3] == b"\xff\xd8\xff"
            assert "no such sample" in await run.depiction(1, 1, 99)
            run.watch(frozenset({"picture"}))
            await until(lambda: run.record.latest.get("picture", ({"sequence": 0},))[0]["sequence"] > 3, WITHIN)
            await run.stop()
            assert await run.depiction(1, 1, 5) == image, "what was drawn is kept"
            assert await run.depiction(1, 1, 6) == ENDED
        finally:
            await supervisor.close()

    asyncio.run(whole())


class Slow:
    """A process that draws and takes its time to begin."""

    output = ""

    def __init__(self, *_, **__):
        self.pid = 0

    def tell(self, slot, message):
        pass

    def kill(self, number):
        pass


def test_who_leaves_and_comes_back_while_drawing_begins_is_waited_for_as_long(monkeypatch):
    monkeypatch.setattr(studios, "TrainingProcess", Slow)

    async def scenario(studio, _, shown):
        for watched in (False, True, False, True):
            studio.watch(watched)
            studio.check()
        await asyncio.sleep(0.8)
        assert reason_in(shown) is None, "later pictures have 0.3 seconds, the first has a minute"

    drawn("CartPole-v1", scenario, patience=Patience(first=60.0, later=0.3))
