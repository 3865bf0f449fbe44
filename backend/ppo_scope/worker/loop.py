"""The loop that drives a trainer: phase after phase, as far as it was told to go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from ppo_scope.pictures.looks import Looks
from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.phases import Phase
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.moment import Moment
from ppo_scope.wire.activity import COLLECTING, TRAINING
from ppo_scope.wire.codes import RunState
from ppo_scope.worker import causes
from ppo_scope.worker.between import Between, Receive
from ppo_scope.worker.ear import Command
from ppo_scope.worker.evaluating import Evaluating
from ppo_scope.worker.goals import Goal
from ppo_scope.worker.going import Going
from ppo_scope.worker.reporter import Attention, Reporter

SIGN_OF_LIFE_SECONDS = 1.0
CATCH_UP_SECONDS = 0.25
"""Least time between two looks at what has come to be watched since the run stands still."""
REST_SECONDS = 0.3
"""After which a run that stands still measures what it has passed; until then its last phase is sent and drawn."""


class Loop:
    """Of one run."""

    def __init__(
        self,
        trainer: Trainer,
        looks: Looks,
        report: Reporter,
        going: Going,
        between: Between,
        evaluating: Evaluating,
        receive: Receive,
        obey: Callable[[Command], None],
    ) -> None:
        self._trainer, self._looks, self._report = trainer, looks, report
        self._going, self._between = going, between
        self._evaluating = evaluating
        self._receive, self._obey = receive, obey
        self._next_catch_up = 0.0
        self._next_passed = 0.0  # not before that time is what was passed measured

    def run(self) -> None:
        """To the end, and beyond it as long as somebody may look.

        Raises:
            Stopped: the run was told to end, in the middle of something.
            ServerGone: nobody is left to train for.
        """
        going, trainer = self._going, self._trainer
        going.halt(RunState.RUNNING if going.running else RunState.PAUSED)
        while not going.stopping and not trainer.finished:
            try:
                self._follow(trainer.phases())
            except NotFiniteError as error:
                self._report.gave_up(trainer.updates + 1, error)
                going.stand_still(RunState.PAUSED, causes.not_finite(error, trainer.updates))
        self._evaluating.tell()
        if not going.stopping:
            going.stand_still(RunState.FINISHED)
        while not going.stopping:
            self._wait()

    def _follow(self, phases: Iterator[Phase]) -> None:
        going = self._going
        while self._may_go_on():
            phase = self._next(phases)
            if phase is not None and going.at_full_speed:
                phase = self._past_what_passes_by(phase, phases)
            if phase is None:
                return
            self._next_passed = time.monotonic() + REST_SECONDS
            moment = self._report.looking.moment_at(phase)
            if going.pausing:
                self._report.passed(moment, Attention.GLANCE)
                going.stand_still(RunState.PAUSED)
                continue
            goal = going.goals[0] if going.goals else None
            reached = goal is not None and self._reached(goal, moment)
            self._report.passed(moment, going.attention(goal, reached=reached))
            self._report.looking.later.measure_wanted()
            if reached:
                going.met = going.goals.popleft().met
                going.say(finished=self._trainer.finished)
            else:
                going.keep_pace()
            self._evaluating.catch_up()

    def _past_what_passes_by(self, phase: Phase, phases: Iterator[Phase]) -> Phase | None:
        """The first phase, this one or one behind it, about which something is to be done; None: there are no more.

        It comes soon: commands can wait for it.
        """
        passes_by, begin = self._report.passes_by, self._report.activity.begin
        while passes_by(phase):
            begin(TRAINING)
            if (following := next(phases, None)) is None:
                return None
            phase = following
        return phase

    def _next(self, phases: Iterator[Phase]) -> Phase | None:
        trainer = self._trainer
        if trainer.under_way:
            self._report.activity.begin(TRAINING)
            return next(phases, None)
        self._report.begins(trainer.updates + 1)
        self._looks.forget(trainer.updates + 1)
        if self._going.looked_at_closely:
            self._looks.begin()
        with self._between.inside(COLLECTING, trainer.settings.rollout_steps):
            return next(phases, None)

    def _reached(self, goal: Goal, moment: Moment) -> bool:
        """Whether the run halts here; also where that cannot be told: it would go on for ever otherwise."""
        try:
            return goal.reached(moment)
        except Exception as error:
            self._report.looking.not_measured("goal", error)
            return True

    def _may_go_on(self) -> bool:
        """Take commands; wait while there is nothing to do. False once the run is to end."""
        going = self._going
        while (command := self._receive(0.0)) is not None:
            self._do(command)
        while not going.stopping and (going.standing or going.seconds_early > 0):
            self._wait(SIGN_OF_LIFE_SECONDS if going.standing else going.seconds_early)
        return not going.stopping

    def _do(self, command: Command) -> None:
        self._obey(command)
        if not self._going.stopping:
            self._evaluating.catch_up()  # of an update that was made anew
            self._report.looking.later.measure_wanted()
        self._next_passed = time.monotonic() + REST_SECONDS

    def _wait(self, longest: float = SIGN_OF_LIFE_SECONDS) -> None:
        report = self._report
        report.activity.begin(None)
        report.keep_state()
        self._evaluating.tell()
        command = self._receive(0.0)
        if command is None:
            self._catch_up()
            command = self._receive(self._until_something(report.seconds_until_weights(longest)))
        if command is not None:
            self._do(command)
        elif not self._measured_what_was_passed():
            report.hand_on_weights()
            report.progress(now=True)

    def _measured_what_was_passed(self) -> bool:
        """Measure one phase, the latest first, if the run rests. As long as that takes, as long it waits for the next:
        the core may be wanted for drawing.
        """
        later, start = self._report.looking.later, time.monotonic()
        if not self._going.standing or not len(later) or start < self._next_passed:
            return False
        later.measure_newest()
        now = time.monotonic()
        self._next_passed = now + (now - start)
        return True

    def _catch_up(self) -> None:
        """Measure what somebody has come to look at, if the run stands still, and not too often."""
        if self._owes_a_look and time.monotonic() >= self._next_catch_up:
            self._next_catch_up = time.monotonic() + CATCH_UP_SECONDS
            self._report.looking.catch_up()

    def _until_something(self, longest: float) -> float:
        """Seconds until there is something to measure."""
        now = time.monotonic()
        if self._owes_a_look:
            longest = min(longest, self._next_catch_up - now)
        if self._going.standing and len(self._report.looking.later):
            longest = min(longest, self._next_passed - now)
        return max(0.001, longest)

    @property
    def _owes_a_look(self) -> bool:
        return self._going.standing and self._report.looking.owes_a_look
