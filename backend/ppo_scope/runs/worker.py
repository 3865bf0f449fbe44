"""What happens in the training process: drive the trainer, obey commands, send what is watched.

Two functions tie it to the outside, send a frame and receive a command; whatever replaces the pipes replaces those.
"""

from __future__ import annotations

import json
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.outcome import Outcome
from ppo_scope.ppo.phases import Phase
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.threads import use_one_thread
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.acting import CannotRender
from ppo_scope.probes.looks import Looks
from ppo_scope.probes.moment import Moment
from ppo_scope.runs.goals import Goal, goal_of
from ppo_scope.runs.reporter import Attention, Reporter, Send

SIGN_OF_LIFE_SECONDS = 1.0
COMMANDS_SECONDS = 0.005
"""Least time between two looks for commands while training runs: a look costs as much as a step of the optimizer."""

Receive = Callable[[float], "dict[str, Any] | None"]
"""The next command, waited for at most so many seconds."""


class Refused(Exception):
    """A command that cannot be obeyed; `code` is what the page is told."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def main(
    frames: Connection[bytes, bytes],
    commands: Connection[bytes, bytes],
    run: str,
    settings: dict[str, Any],
    paused: bool,
) -> None:
    """Train until told to stop or until the server is gone.

    A failure is reported as the run's cause before the process ends with code 1.
    """
    use_one_thread()
    worker = Worker(sender(frames), receiver(commands), run, paused)
    try:
        try:
            worker.train(Settings.parse(settings))
        except ServerGone:
            raise
        except Exception as error:
            worker.report.flush()
            worker.report.state("failed", cause=_cause(error))
            raise SystemExit(1) from error
    except ServerGone:
        return


class ServerGone(Exception):
    """Nobody is left to train for."""


def sender(frames: Connection[bytes, bytes]) -> Send:
    """The one way out: frames into a pipe.

    Raises, when given a frame:
        ServerGone: nobody reads them any more.
    """

    def send(message: bytes) -> None:
        try:
            frames.send_bytes(message)
        except OSError as error:
            raise ServerGone from error

    return send


def receiver(commands: Connection[bytes, bytes]) -> Receive:
    """The one way in: commands from a pipe.

    Raises, when asked for a command:
        ServerGone: nobody sends them any more.
    """
    looked = 0.0

    def receive(timeout: float) -> dict[str, Any] | None:
        nonlocal looked
        now = time.monotonic()
        if timeout == 0.0 and now - looked < COMMANDS_SECONDS:
            return None
        looked = now
        try:
            if not commands.poll(timeout):
                return None
            looked = 0.0  # there may be more
            command: dict[str, Any] = json.loads(commands.recv_bytes())
        except (EOFError, OSError) as error:
            raise ServerGone from error
        return command

    return receive


def _cause(error: Exception) -> dict[str, str]:
    summary = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    detail = "".join(traceback.format_exception(error))[-4000:]
    remedy = "The weights of the last finished step are as they were. Restart begins again from the seed."
    return {"summary": summary, "detail": detail, "remedy": remedy}


class Worker:
    """One run: drives its trainer as it is told to."""

    def __init__(self, send: Send, receive: Receive, run: str, paused: bool) -> None:
        self.report = Reporter(send, run)
        self._receive = receive
        self._running = not paused
        self._pace: float | None = None
        self._next_phase = 0.0  # not before that time
        self._goals: deque[Goal] = deque()
        self._outcome: Outcome | None = None
        self._stopping = False

    def train(self, settings: Settings) -> None:
        """Run to the end.

        Raises:
            ServerGone: nobody is left to train for.
            UnusableEnvironment: the environment cannot be trained on.
        """
        self.trainer = Trainer(settings, self._collecting)
        self._looks = Looks(self.trainer)
        self.report.begin(self.trainer, self._looks)
        self._halt("running" if self._running else "paused")
        while not self._stopping and not self.trainer.finished:
            try:
                self._follow(self.trainer.phases())
            except NotFiniteError as error:
                self.report.health.halted(f"Not finite: {error}.", self.trainer.updates + 1)
                self._stand_still("paused", _not_finite(error))
        if not self._stopping:
            self._stand_still("finished")
        while not self._stopping:
            self._wait()
        self.report.end()
        self._looks.close()
        self.trainer.close()

    def _follow(self, phases: Iterator[Phase]) -> None:
        while self._may_go_on():
            if not self.trainer.under_way and self._looked_at_closely:
                self._looks.begin()
            phase = next(phases, None)
            if phase is None:
                return
            moment = Moment(self.trainer, phase)
            goal = self._goals[0] if self._goals else None
            reached = goal is not None and goal.reached(moment)
            self.report.passed(moment, self._attention(goal, reached=reached))
            if reached:
                self._goals.popleft()
                self._say_state()
            elif self._pace is not None:
                self._next_phase = time.monotonic() + 1 / self._pace

    def _collecting(self) -> None:
        self.report.collecting()
        self._looks.after_step()

    @property
    def _looked_at_closely(self) -> bool:
        return self._pace is not None or bool(self._goals and self._goals[0].phase_by_phase)

    def _attention(self, goal: Goal | None, *, reached: bool) -> Attention:
        if reached or self._pace is not None:
            return Attention.SHOWN
        return Attention.PASSING if goal is not None and goal.phase_by_phase else Attention.GLANCE

    def _may_go_on(self) -> bool:
        """Take commands; wait while there is nothing to do. False once the run is to end."""
        while (command := self._receive(0.0)) is not None:
            self._obey(command)
        while not self._stopping and (self._standing or self._seconds_early() > 0):
            self._wait(SIGN_OF_LIFE_SECONDS if self._standing else self._seconds_early())
        return not self._stopping

    def _seconds_early(self) -> float:
        """How long a run in slow motion has to wait for its next phase."""
        return self._next_phase - time.monotonic() if self._pace is not None else 0.0

    def _wait(self, longest: float = SIGN_OF_LIFE_SECONDS) -> None:
        command = self._receive(self.report.seconds_until_look(longest))
        if command is not None:
            self._obey(command)
            return
        self.report.look(free=True)
        self.report.progress(now="picture" not in self.report.watched)

    @property
    def _standing(self) -> bool:
        return not self._running and not self._goals

    @property
    def _state(self) -> str:
        if self.trainer.finished and self._standing:
            return "finished"
        return "paused" if self._standing else "running"

    def _stand_still(self, state: str, cause: dict[str, str] | None = None) -> None:
        self._running, self._pace = False, None
        self._goals.clear()
        self._halt(state, cause)

    def _halt(self, state: str, cause: dict[str, str] | None = None) -> None:
        """Show everything as it is at this phase, then say the state that it belongs to."""
        self.report.show()
        self.report.state(state, cause, playing=self._running, pace=self._pace)

    def _say_state(self) -> None:
        self.report.state(self._state, playing=self._running, pace=self._pace)

    def _obey(self, command: dict[str, Any]) -> None:
        try:
            getattr(self, f"_on_{command['type']}")(command)
        except Refused as error:
            self.report.reply(command, error.code, str(error))
        else:
            self.report.reply(command)

    def _on_play(self, command: dict[str, Any]) -> None:
        self._refuse_when_finished()
        self._keep_as_it_is()
        self._running, self._pace = True, command.get("pace")
        self._next_phase = 0.0
        self._goals.clear()
        self._say_state()

    def _on_pause(self, _: dict[str, Any]) -> None:
        if not self._standing:
            self._stand_still("paused")

    def _on_step(self, command: dict[str, Any]) -> None:
        self._refuse_when_finished()
        if self._running:
            raise Refused("conflict", "The run is playing: pause it before you step.")
        self._keep_as_it_is()
        self._goals.append(goal_of(command))
        if len(self._goals) == 1:
            self._say_state()

    def _on_set(self, command: dict[str, Any]) -> None:
        self._refuse_when_finished()
        try:
            self.trainer.change(command["name"], command["value"])
        except ValueError as error:
            raise Refused("invalid", str(error)) from None
        self._say_state()

    def _on_depict(self, command: dict[str, Any]) -> None:
        try:
            image = self._looks.draw(command["update"], command["environment"], command["step"])
        except CannotRender as error:
            raise Refused("not_found", str(error)) from None
        self.report.depict(image, command)

    def _on_redo(self, command: dict[str, Any]) -> None:
        if not self._standing:
            raise Refused("conflict", "The run is going on: pause it before you apply something to an update.")
        self._keep_as_it_is()
        try:
            outcome = self.trainer.redo(command["settings"] or self.trainer.pending)
        except LookupError:
            raise Refused("conflict", "Step to the end of an update first: both outcomes must be whole.") from None
        except ValueError as error:
            raise Refused("invalid", str(error)) from None
        except NotFiniteError as error:
            raise Refused("invalid", f"With these settings the update is not finite: {error}.") from None
        self._outcome = outcome
        self.report.compare(outcome)

    def _on_keep(self, command: dict[str, Any]) -> None:
        if self._outcome is None:
            raise Refused("conflict", "There are no two outcomes to choose from.")
        outcome = self._outcome
        self._keep_as_it_is()
        if command["which"] == "new":
            self.trainer.adopt(outcome)
            self.report.amended(outcome)
        self._say_state()

    def _keep_as_it_is(self) -> None:
        """The outcome that the run is at is the one to go on from."""
        if self._outcome is not None:
            self._outcome = None
            self.report.decided()

    def _on_watch(self, command: dict[str, Any]) -> None:
        self.report.watch(frozenset(command["probes"]), standing=self._standing)

    def _on_stop(self, _: dict[str, Any]) -> None:
        self._stopping = True
        self.report.flush()
        self.report.state("stopped")

    def _refuse_when_finished(self) -> None:
        if self.trainer.finished:
            raise Refused("not_running", "The run has reached total_steps. Restart it, or begin a new one.")


def _not_finite(error: NotFiniteError) -> dict[str, str]:
    remedy = (
        "The weights are those of the last finished step. Lower the learning rate, then press Play to go on with a new "
        "rollout, or restart."
    )
    return {"summary": f"Not finite: {error}.", "detail": "".join(traceback.format_exception(error)), "remedy": remedy}
