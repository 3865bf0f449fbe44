"""What each command does."""

from __future__ import annotations

from collections.abc import Callable

from ppo_scope.pictures.looks import Looks, NotNoted
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.wire.activity import COLLECTING, EVALUATING, REDO
from ppo_scope.wire.codes import ErrorCode, Refused, RunState
from ppo_scope.worker.between import Between, Stopped
from ppo_scope.worker.causes import in_a_line
from ppo_scope.worker.ear import Command, ServerGone
from ppo_scope.worker.evaluating import Evaluating
from ppo_scope.worker.goals import goal_of
from ppo_scope.worker.going import Going
from ppo_scope.worker.outcomes import Cancelled, Outcomes
from ppo_scope.worker.reporter import Reporter

NOT_WITHIN_A_REDO = frozenset({"play", "step", "redo", "keep"})
NOT_WITHIN_AN_EVALUATION = frozenset({"redo", "keep"})
"""They change the weights."""


class Orders:
    """Carries commands out, and answers them. What takes its time is only noted: `Going`."""

    def __init__(
        self, trainer: Trainer, looks: Looks, report: Reporter, going: Going, between: Between, evaluating: Evaluating
    ) -> None:
        self._evaluating = evaluating
        self._trainer, self._looks = trainer, looks
        self._report, self._going, self._between = report, going, between
        self._outcomes = Outcomes(trainer, report, between)
        self._handlers: dict[str, Callable[[Command], None]] = {
            "play": self._play,
            "pause": self._pause,
            "step": self._step,
            "set": self._set,
            "look": self._look,
            "weights": self._weights,
            "states": self._states,
            "redo": self._redo,
            "keep": self._keep,
            "cancel": self._cancel,
            "watch": self._watch,
            "measure": self._measure,
            "stop": self._stop,
            "again": self._again,
        }

    def obey(self, command: Command) -> None:
        """Carry a command out, and answer it.

        Raises:
            Stopped, Cancelled: what is under way is given up.
            ServerGone: nobody is there to be answered.
        """
        try:
            handler = self._handlers.get(command["type"])
            if handler is None:
                raise Refused(ErrorCode.INVALID, f"A run cannot be told to {command['type']}.")
            if self._between.within == REDO and command["type"] in NOT_WITHIN_A_REDO:
                raise Refused(ErrorCode.CONFLICT, "An update is being made anew: wait for it, or cancel it.")
            if self._between.within == EVALUATING and command["type"] in NOT_WITHIN_AN_EVALUATION:
                raise Refused(ErrorCode.CONFLICT, "The policy is being evaluated: wait for it.")
            handler(command)
        except Refused as error:
            self._report.reply(command, error.code, str(error))
        except (Stopped, Cancelled, ServerGone):
            raise
        except Exception as error:  # a command that cannot be obeyed is no reason to end a training
            message = f"The run could not do it: {type(error).__name__}: {in_a_line(error)}"
            self._report.reply(command, ErrorCode.FAILED, message)
        else:
            self._report.reply(command)

    def _play(self, command: Command) -> None:
        self._refuse_when_finished()
        self._outcomes.refuse_when_undecided()
        self._going.play(command.get("pace"))
        self._say_state()

    def _pause(self, _: Command) -> None:
        if self._between.within in {COLLECTING, EVALUATING} and not self._going.standing:
            self._going.pausing = True
            self._say_state()
        elif not self._going.standing:
            self._going.stand_still(RunState.PAUSED)

    def _step(self, command: Command) -> None:
        going = self._going
        self._refuse_when_finished()
        if going.pausing:
            raise Refused(ErrorCode.CONFLICT, "The run pauses as soon as this rollout is whole: step then.")
        if going.running:
            raise Refused(ErrorCode.CONFLICT, "The run is playing: pause it before you step.")
        self._outcomes.refuse_when_undecided()
        going.met = None
        going.goals.append(goal_of(command))
        if len(going.goals) == 1:
            self._say_state()

    def _set(self, command: Command) -> None:
        self._refuse_when_finished()
        try:
            self._trainer.change(command["name"], command["value"])
        except ValueError as error:
            raise Refused(ErrorCode.INVALID, str(error)) from None
        self._say_state()

    def _look(self, command: Command) -> None:
        try:
            noted = self._looks.find(command["update"], command["environment"], command["step"])
        except NotNoted as error:
            raise Refused(ErrorCode.NOT_FOUND, str(error)) from None
        self._report.look(noted, command)

    def _weights(self, command: Command) -> None:
        self._report.want_weights(command["wanted"])

    def _states(self, command: Command) -> None:
        self._report.keep_state(wanted=command["wanted"], every=command.get("every", 0))

    def _redo(self, command: Command) -> None:
        if not self._going.standing:
            message = "The run is going on: pause it before you apply something to an update."
            raise Refused(ErrorCode.CONFLICT, message)
        self._outcomes.refuse_when_undecided()
        self._outcomes.make(command)

    def _keep(self, command: Command) -> None:
        self._outcomes.choose(command)
        self._say_state()

    def _cancel(self, _: Command) -> None:
        self._outcomes.cancel()

    def _watch(self, command: Command) -> None:
        self._report.looking.watch(frozenset(command["probes"]), command.get("environment"))

    def _measure(self, command: Command) -> None:
        self._report.looking.later.want(command["sequence"])

    def _stop(self, command: Command) -> None:
        self._report.kept = command.get("kept", True)
        self._going.stop()
        self._report.flush()
        self._report.state(RunState.STOPPED)

    def _again(self, command: Command) -> None:
        self._report.again(command["first"], command["changes"])
        self._evaluating.again(command["first"])
        self._say_state()

    def _say_state(self) -> None:
        self._going.say(finished=self._trainer.finished)

    def _refuse_when_finished(self) -> None:
        if self._trainer.finished:
            raise Refused(ErrorCode.NOT_RUNNING, "The run has reached total_steps. Restart it, or begin a new one.")
