"""What happens in the training process: drive the trainer, obey commands, send what is watched.

Two functions tie it to the outside, send a frame and receive a command; whatever replaces the pipes replaces those.
Commands are obeyed by the thread that trains, between phases, between the steps of a rollout and between the
minibatches of an update that is made anew. Where a single step takes long, the thread that listens obeys in its place.
"""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from ppo_scope.pictures.looks import Looks, NotNoted
from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.outcome import Outcome
from ppo_scope.ppo.phases import Phase
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.threads import use_one_thread
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.ppo.trial import prove
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.trainers import TrainerSubject
from ppo_scope.processes.expendable import expendable
from ppo_scope.processes.process import MAX_FRAME
from ppo_scope.wire.activity import COLLECTING, REDO, STARTING, TRAINING, TRIAL, TRIAL_STAGES
from ppo_scope.worker import causes
from ppo_scope.worker.ear import Command, Ear, ServerGone
from ppo_scope.worker.goals import Goal, goal_of
from ppo_scope.worker.reporter import Attention, Reporter, Send

SIGN_OF_LIFE_SECONDS = 1.0
CATCH_UP_SECONDS = 0.25
"""Least time between two looks at what has come to be watched since the run stands still."""
HEARD_BY_THE_LISTENER = frozenset({"play", "pause", "step", "set", "keep", "cancel", "stop", "look", "weights"})
"""Commands that only note or read something within a rollout, which any thread can do."""
NOT_WITHIN_A_REDO = frozenset({"play", "step", "redo", "keep"})

Receive = Callable[[float], "Command | None"]
"""The next command, waited for at most so many seconds."""


class Refused(Exception):
    """A command that cannot be obeyed; `code` is what the page is told."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Stopped(Exception):
    """The run was told to end, in the middle of something."""


class Cancelled(Exception):
    """What is at work was given up, and left everything as it was."""


def main(
    frames: Connection[bytes, bytes],
    commands: Connection[bytes, bytes],
    run: str,
    settings: dict[str, Any],
    paused: bool,
    trial: bool = False,
) -> None:
    """Train until told to stop or until the server is gone; after a trial, if this is to be one: see `Worker.prove`.

    A failure is reported as the run's cause before the process ends with code 1.
    """
    ear = Ear(commands)
    worker = Worker(sender(frames), ear.receive, run, paused)
    ear.listen(lambda: worker.beat(ear.overdue))
    use_one_thread()
    try:
        try:
            wanted = Settings.parse(settings)
            if not trial or worker.prove(wanted):
                worker.train(wanted)
        except ServerGone:
            raise
        except (Exception, SystemExit) as error:
            worker.report.flush()
            worker.report.state("failed", cause=causes.failed(error))
            raise SystemExit(1) from error
    except ServerGone:
        return


def sender(frames: Connection[bytes, bytes]) -> Send:
    """The one way out: frames into a pipe.

    Raises, when given a frame:
        ServerGone: nobody reads them any more.
    """

    def send(message: bytes) -> None:
        if len(message) > MAX_FRAME:  # the other end would take it for an attack and hang up
            print(f"A frame of {len(message):,} bytes is too large to be sent: it was dropped.", flush=True)
            return
        try:
            frames.send_bytes(message)
        except OSError as error:
            raise ServerGone from error

    return send


def _in_a_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or "it gave no reason"


def _present(trainer: Trainer) -> None:
    """What a run says first, said to nobody."""
    reporter = Reporter(lambda message: None, "trial")
    reporter.begin(trainer, Looks(trainer))
    reporter.show()


class Worker:
    """One run: drives its trainer as it is told to."""

    def __init__(self, send: Send, receive: Receive, run: str, paused: bool) -> None:
        self.report = Reporter(send, run)
        self._activity = self.report.activity
        self._receive = receive
        self._running = not paused
        self._pausing = False  # it was told to pause, and does so once its rollout is whole
        self._pace: float | None = None
        self._next_phase = 0.0  # not before that time
        self._next_catch_up = 0.0
        self._goals: deque[Goal] = deque()
        self._outcome: Outcome | None = None
        self._met: dict[str, Any] | None = None  # what the last step was to go on until, once it has come
        self._stopping = self._cancelled = False
        self._within: str | None = None  # a rollout or a redo, between whose parts commands are obeyed
        self._obeying = threading.RLock()  # held by the thread that obeys there, and while `_within` changes
        self._handlers: dict[str, Callable[[Command], None]] = {
            "play": self._play,
            "pause": self._pause,
            "step": self._step,
            "set": self._set,
            "look": self._look,
            "weights": self._weights,
            "redo": self._redo,
            "keep": self._keep,
            "cancel": self._cancel,
            "watch": self._watch,
            "stop": self._stop,
        }

    def prove(self, settings: Settings) -> bool:
        """Show that these settings train, and wait for the word to begin. False where the word is to stop.

        Until then another run goes on, so this process is the first to go where memory runs out.

        Raises:
            ServerGone: nobody is left to train for.
            Exception: whatever the environment raises.
        """
        with expendable():
            self._activity.begin(TRIAL, len(TRIAL_STAGES))
            prove(settings, self._activity.advance, _present)
            gc.collect()
            self._activity.begin(None)
            self.report.proved()
            while True:
                command = self._receive(SIGN_OF_LIFE_SECONDS)
                if command is None:
                    self.report.progress(now=True)
                elif command["type"] == "watch":
                    self._watch(command)
                elif command["type"] in {"begin", "stop"}:
                    return bool(command["type"] == "begin")
                else:
                    self.report.reply(command, "not_running", "The run has not begun yet.")

    def train(self, settings: Settings) -> None:
        """Run to the end.

        Raises:
            ServerGone: nobody is left to train for.
            UnusableEnvironment: the environment cannot be trained on.
        """
        self._activity.begin(STARTING)
        self.trainer = Trainer(settings, self._between_steps)
        self._subject = TrainerSubject(self.trainer)
        self._looks = Looks(self.trainer)
        self.report.begin(self.trainer, self._looks)
        with contextlib.suppress(Stopped):
            self._halt("running" if self._running else "paused")
            while not self._stopping and not self.trainer.finished:
                try:
                    self._follow(self.trainer.phases())
                except NotFiniteError as error:
                    self.report.gave_up(self.trainer.updates + 1)
                    self.report.health.halted(error, self.trainer.updates + 1)
                    self._stand_still("paused", causes.not_finite(error, self.trainer.updates))
            if not self._stopping:
                self._stand_still("finished")
            while not self._stopping:
                self._wait()
        self.report.end()
        self.trainer.close()

    def beat(self, overdue: Callable[[frozenset[str]], Command | None]) -> None:
        """Called a few times a second by the thread that listens: signs of life, and answers that are due.

        `overdue` gives the next command, if it is among some and has waited for too long.
        """
        self.report.sign_of_life(SIGN_OF_LIFE_SECONDS)
        with self._obeying:
            while self._within is not None and (command := overdue(HEARD_BY_THE_LISTENER)) is not None:
                self._obey(command)

    def _follow(self, phases: Iterator[Phase]) -> None:
        while self._may_go_on():
            phase = self._next(phases)
            if phase is None:
                return
            moment = Moment(self._subject, phase)
            if self._pausing:
                self.report.passed(moment, Attention.GLANCE)
                self._stand_still("paused")
                continue
            goal = self._goals[0] if self._goals else None
            reached = goal is not None and self._reached(goal, moment)
            self.report.passed(moment, self._attention(goal, reached=reached))
            if reached:
                self._met = self._goals.popleft().met
                self._say_state()
            elif self._pace is not None:
                self._next_phase = time.monotonic() + 1 / self._pace

    def _next(self, phases: Iterator[Phase]) -> Phase | None:
        if self.trainer.under_way:
            self._activity.begin(TRAINING)
            return next(phases, None)
        self.report.begins(self.trainer.updates + 1)
        self._looks.forget(self.trainer.updates + 1)
        if self._looked_at_closely:
            self._looks.begin()
        with self._inside(COLLECTING, self.trainer.settings.rollout_steps):
            return next(phases, None)

    @contextlib.contextmanager
    def _inside(self, activity: str, of: int) -> Iterator[None]:
        """Something long, between whose parts commands are obeyed, by either thread."""
        self._activity.begin(activity, of)
        with self._obeying:
            self._within = activity
        try:
            yield
        finally:
            with self._obeying:
                self._within = None
            self._activity.begin(None)
            if activity == REDO:  # whoever was told that it is under way may decide now
                self.report.progress(now=True)

    def _between_steps(self) -> None:
        """A step of a rollout is done.

        Raises:
            Stopped: the run was told to end.
        """
        self._activity.advance()
        self._looks.after_step()
        self.report.collecting()
        self._hear()

    def _hear(self) -> None:
        with self._obeying:
            while (command := self._receive(0.0)) is not None:
                self._obey(command)
        if self._stopping:
            raise Stopped

    def _reached(self, goal: Goal, moment: Moment) -> bool:
        """Whether the run halts here; also where that cannot be told: it would go on for ever otherwise."""
        try:
            return goal.reached(moment)
        except Exception as error:
            self.report.not_measured("goal", error)
            return True

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
        self._activity.begin(None)
        command = self._receive(0.0)
        if command is None:
            self._catch_up()
            command = self._receive(self._until_catch_up(self.report.seconds_until_weights(longest)))
        if command is not None:
            self._obey(command)
            return
        self.report.hand_on_weights()
        self.report.progress(now=True)

    def _catch_up(self) -> None:
        """Measure what somebody has come to look at, if the run stands still, and not too often."""
        if self._standing and self.report.owes_a_look and time.monotonic() >= self._next_catch_up:
            self._next_catch_up = time.monotonic() + CATCH_UP_SECONDS
            self.report.catch_up()

    def _until_catch_up(self, longest: float) -> float:
        if not (self._standing and self.report.owes_a_look):
            return longest
        return min(longest, max(0.001, self._next_catch_up - time.monotonic()))

    @property
    def _standing(self) -> bool:
        return not self._running and not self._goals

    @property
    def _state(self) -> str:
        if self.trainer.finished and self._standing:
            return "finished"
        return "paused" if self._standing else "running"

    def _stand_still(self, state: str, cause: dict[str, str] | None = None) -> None:
        self._running, self._pausing, self._pace = False, False, None
        self._goals.clear()
        self._halt(state, cause)

    def _halt(self, state: str, cause: dict[str, str] | None = None) -> None:
        """Show everything as it is at this phase, then say the state that it belongs to."""
        self.report.show()
        self.report.state(state, cause, playing=self._running, pace=self._pace, met=self._met)

    def _say_state(self) -> None:
        self.report.state(self._state, playing=self._running, pausing=self._pausing, pace=self._pace, met=self._met)

    def _obey(self, command: Command) -> None:
        try:
            handler = self._handlers.get(command["type"])
            if handler is None:
                raise Refused("invalid", f"A run cannot be told to {command['type']}.")
            if self._within == REDO and command["type"] in NOT_WITHIN_A_REDO:
                raise Refused("conflict", "An update is being made anew: wait for it, or cancel it.")
            handler(command)
        except Refused as error:
            self.report.reply(command, error.code, str(error))
        except (Stopped, Cancelled, ServerGone):
            raise
        except Exception as error:  # a command that cannot be obeyed is no reason to end a training
            self.report.reply(
                command, "failed", f"The run could not do it: {type(error).__name__}: {_in_a_line(error)}"
            )
        else:
            self.report.reply(command)

    def _play(self, command: Command) -> None:
        self._refuse_when_finished()
        self._refuse_when_undecided()
        self._met = None
        self._running, self._pausing, self._pace = True, False, command.get("pace")
        self._next_phase = 0.0
        self._goals.clear()
        self._say_state()

    def _pause(self, _: Command) -> None:
        if self._within == COLLECTING:
            self._pausing = True
            self._say_state()
        elif not self._standing:
            self._stand_still("paused")

    def _step(self, command: Command) -> None:
        self._refuse_when_finished()
        if self._pausing:
            raise Refused("conflict", "The run pauses as soon as this rollout is whole: step then.")
        if self._running:
            raise Refused("conflict", "The run is playing: pause it before you step.")
        self._refuse_when_undecided()
        self._met = None
        self._goals.append(goal_of(command))
        if len(self._goals) == 1:
            self._say_state()

    def _set(self, command: Command) -> None:
        self._refuse_when_finished()
        try:
            self.trainer.change(command["name"], command["value"])
        except ValueError as error:
            raise Refused("invalid", str(error)) from None
        self._say_state()

    def _look(self, command: Command) -> None:
        try:
            noted = self._looks.find(command["update"], command["environment"], command["step"])
        except NotNoted as error:
            raise Refused("not_found", str(error)) from None
        self.report.look(noted, command)

    def _weights(self, command: Command) -> None:
        self.report.want_weights(command["wanted"])

    def _redo(self, command: Command) -> None:
        if not self._standing:
            raise Refused("conflict", "The run is going on: pause it before you apply something to an update.")
        self._refuse_when_undecided()
        values = command["settings"] or self.trainer.pending
        self._cancelled = False
        try:
            settings = self.trainer.settings.changed(**values)
            with self._inside(REDO, settings.epochs * settings.minibatches):
                outcome = self.trainer.redo(values, self._within_a_redo)
        except LookupError:
            raise Refused("conflict", "Step to the end of an update first: both outcomes must be whole.") from None
        except ValueError as error:
            raise Refused("invalid", str(error)) from None
        except NotFiniteError as error:
            raise Refused("invalid", f"With these settings the update is not finite: {error}.") from None
        except Cancelled:
            raise Refused("conflict", "Cancelled: the update is as it was.") from None
        except (RuntimeError, MemoryError) as error:  # torch's word for memory that there is not
            raise Refused(
                "failed", f"The update could not be made anew, and is as it was: {_in_a_line(error)}"
            ) from None
        self._outcome = outcome
        self.report.compare(outcome)

    def _within_a_redo(self, phase: Phase) -> None:
        """A phase of an update that is made anew is done.

        Raises:
            Cancelled, Stopped: it is given up, alone or with the run.
        """
        self._activity.advance(len(phase.update.minibatches) if phase.update else 0)
        self.report.progress()
        self._hear()
        if self._cancelled:
            raise Cancelled

    def _keep(self, command: Command) -> None:
        if self._outcome is None:
            raise Refused("conflict", "There are no two outcomes to choose from.")
        outcome, self._outcome = self._outcome, None
        self.report.decided()
        if command["which"] == "new":
            self.trainer.adopt(outcome)
            self.report.amended(outcome)
        else:
            self._put_back(outcome)
        self._say_state()

    def _put_back(self, outcome: Outcome) -> None:
        """What was tried and is not wanted waits no longer; what was changed again meanwhile does."""
        used, tried, pending = self.trainer.settings.live(), outcome.update.settings.live(), self.trainer.pending
        for name, value in pending.items():
            if value == tried[name]:
                self.trainer.change(name, used[name])

    def _refuse_when_undecided(self) -> None:
        """Neither of two outcomes is chosen by the way."""
        if self._outcome is not None:
            raise Refused(
                "conflict",
                f"Update {self._outcome.update.index} has two outcomes, and none is chosen yet. "
                "Keep one of them first, as it was or the new one.",
            )

    def _cancel(self, _: Command) -> None:
        if self._within != REDO:
            raise Refused("conflict", "There is nothing to cancel.")
        self._cancelled = True

    def _watch(self, command: Command) -> None:
        self.report.watch(frozenset(command["probes"]), command.get("environment"))

    def _stop(self, _: Command) -> None:
        self._stopping = True
        self.report.flush()
        self.report.state("stopped")

    def _refuse_when_finished(self) -> None:
        if self.trainer.finished:
            raise Refused("not_running", "The run has reached total_steps. Restart it, or begin a new one.")
