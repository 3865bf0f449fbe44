"""What leaves the training process, and when: nothing oftener than useful, a stop always and at once."""

from __future__ import annotations

import threading
import time
from enum import Enum, auto
from typing import Any

import numpy as np

from ppo_scope.pictures.looks import Looks
from ppo_scope.pictures.weights import Weights
from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.outcome import Outcome
from ppo_scope.ppo.phases import Phase as TrainersPhase
from ppo_scope.ppo.phases import PhaseKind, Update
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.record import Phase
from ppo_scope.wire.activity import COLLECTING, COUNTED, MEASURING, Activity
from ppo_scope.wire.codes import Kind
from ppo_scope.wire.run import Cause, Evaluation
from ppo_scope.worker.clerk import Clerk, Handed
from ppo_scope.worker.desk import Answer, Wish
from ppo_scope.worker.due import Due, Pace
from ppo_scope.worker.facts import facts_of
from ppo_scope.worker.keeping import Keeping
from ppo_scope.worker.looking import Looking
from ppo_scope.worker.outlet import Outlet, Send
from ppo_scope.worker.rows import Rows

LOOK_SECONDS = 0.01
"""Time between two looks at what is due."""
OLD_SECONDS = 1.0
"""Age of the newest snapshot from which it is added to within a rollout, if somebody wants to see more of it."""
END_SECONDS = 1.0
"""For measuring what was passed, before the process ends; then it would be killed."""
ALONE = 200
"""Updates measured here before a clerk that others kept from the processor is asked again."""
CHANGES_AGAIN = 200
"""Changes of settings that are said anew, the newest ones."""
REPORTED = frozenset({PhaseKind.ROLLOUT, PhaseKind.UPDATE})
"""Phases of which something must be noted, whenever they come."""


class Attention(Enum):
    """How closely a phase is looked at."""

    GLANCE = auto()
    """The run goes on at full speed: it is shown if that is due."""
    PASSING = auto()
    """On the way of a step: kept, so that one can go back to it, and measured later."""
    SHOWN = auto()
    """The run halts here, or goes by slowly."""


class Reporter:
    """Decides what is sent when. `send` is the one way out of the process.

    What only sends may be called by any thread.
    """

    def __init__(self, send: Send, run: str, clerk: Clerk | None = None) -> None:
        self._clerk = clerk
        self._clerking = threading.RLock()  # the thread that listens may flush while the other one collects
        self._pace = Pace()
        self.activity = Activity()
        self._outlet = Outlet(send, run)
        self.looking = Looking(self._outlet, self.activity)
        self._rows = Rows(self._outlet, self.looking.not_measured)
        self._due = Due()
        self.keeping: Keeping | None = None
        """Once it has begun."""
        self._trainer: Trainer | None = None
        self._weights: Weights | None = None
        self.kept = True
        """Whether somebody looks at the run when it has ended."""
        self._given_up: int | None = None  # an update whose number is used again
        self._changes_sent = 0
        self._seconds = 0.0  # that measuring has cost since the newest row
        self._next_look = 0.0

    # The course of a run

    def begin(self, trainer: Trainer, looks: Looks) -> None:
        """Report on this trainer from now on, and on which of its rollouts can be drawn."""
        self._trainer, self._weights = trainer, Weights(trainer)
        self.keeping = Keeping(trainer, self._outlet)
        self._outlet.made = trainer.updates
        # Of a run that goes on from a state, those before it are known; not those of an update that begins again.
        self._changes_sent = sum(change.update <= trainer.updates for change in trainer.changes)
        self.looking.begin(trainer, looks)
        self._outlet.event("started", **facts_of(trainer))

    def resumed(self, anew: str | None) -> None:
        """It goes on where another process was; why its environments begin new episodes, if they do."""
        self._outlet.event("resumed", before=self._begun.updates + 1, anew=anew)

    def proved(self) -> None:
        """It has been shown that the run trains."""
        self._outlet.event("proved")

    def gave_up(self, update: int, error: NotFiniteError) -> None:
        """This update was abandoned, because of that; the next one will have its number."""
        self._given_up = update
        self._measure_alone()
        reached = self._outlet.phase.update
        if self.keeping is not None and isinstance(reached, Update) and reached.index == update:
            self.keeping.halted(reached)
        self.looking.halted(error, update)

    def begins(self, update: int) -> None:
        """The rollout of this update begins."""
        if update == self._given_up:
            self._outlet.event("abandoned", abandoned=update)
            self.looking.later.forget(update)
            self._given_up = None
        if self.keeping is not None:
            self.keeping.before_update()

    def end(self) -> None:
        """Send what is owed: rows, the last state, and what was passed, the latest first, as far as there is time."""
        self.flush()
        self.keep_state(again=True)  # changes may wait that did not when it came to rest
        if self._clerk is not None:
            self._clerk.close()
        if self._trainer is None or not self.kept:
            return
        later, until = self.looking.later, time.monotonic() + END_SECONDS
        while len(later) and time.monotonic() < until:
            later.measure_newest()

    def passes_by(self, phase: Phase) -> bool:
        """At full speed: whether nothing need be done about this phase, which most are over before one could ask."""
        if phase.kind in REPORTED or time.perf_counter() >= self._next_look:
            return False
        self._outlet.phase = phase
        return True

    def passed(self, moment: Moment, attention: Attention) -> None:
        """The trainer has done one more phase."""
        if attention is Attention.GLANCE and self.passes_by(moment.phase):
            return
        self._outlet.phase = phase = moment.phase
        start = time.perf_counter()
        self._next_look = start + LOOK_SECONDS
        if phase.kind is PhaseKind.ROLLOUT:
            self._announce_changes()
            self._keep_rollout(phase)
        if phase.kind is PhaseKind.UPDATE:
            self._take_in(moment, glance=attention is Attention.GLANCE)
            self.looking.ended(phase)
        if attention is Attention.SHOWN:
            self.show(moment)
        elif attention is Attention.PASSING:
            self.looking.keep(moment)
        self.progress()
        if self._due.now("series"):
            self._take_answers()
            self._rows.flush()
        elif self._clerk is not None and self._clerk.looked:
            self._take_answers()
        self.hand_on_weights(changed=True)
        self._seconds += time.perf_counter() - start

    def show(self, moment: Moment | None = None) -> None:
        """Send the run exactly as it is, whatever was sent when."""
        self.flush()
        self._due.sent("snapshot")
        self._due.sent("unwatched")
        if self._outlet.phase.kind is PhaseKind.ROLLOUT:
            self.looking.show_the_last_whole()
        self.looking.show(moment or self.looking.moment_at(self._outlet.phase))
        self.hand_on_weights(changed=True)

    def flush(self) -> None:
        """Send the rows of the series that have not been sent; those that the clerk measures are waited for."""
        self._pace.rest()
        self._measure_alone()
        self._rows.flush()

    # Updates, measured here or by the clerk

    def _take_in(self, moment: Moment, *, glance: bool) -> None:
        """An update has ended: its row, how the run is with it, and a snapshot, where the run only passes by."""
        kind = "snapshot" if self.looking.watched else "unwatched"
        beside = glance and self._pace.quick() and not moment.scalars  # a goal has looked at it here already
        waits = beside and self._clerk is not None and self._clerk.looking
        shown = glance and not waits and self._due.now(kind)
        if not (beside and self._handed_over(moment, self.looking.wish() if shown else None)):
            self._measure_alone()
            row = self._rows.add(moment, self._seconds, self._begun.steps)
            self.looking.take_in(moment, row)
            if shown:
                self._rows_go_too()
                self.looking.show(moment, affordable=True)
        self._seconds = 0.0

    def _handed_over(self, moment: Moment, wish: Wish | None) -> bool:
        clerk = self._clerk
        if clerk is None:
            return False
        with self._clerking:
            if clerk.starved:
                self._pace.rest(ALONE)
                return False
            self._take_answers(1 if clerk.full else 0)
            return clerk.hand_over(self._begun, moment, self._seconds, wish, self.looking.state)

    def _take_answers(self, count: int = 0, *, ask: bool = False) -> None:
        """What the clerk has told meanwhile; at least so many, which are waited for. `ask` it for more."""
        if self._clerk is not None and self._clerk.at_work:
            with self._clerking:
                self._take(self._clerk.answers(count))
                if ask:
                    self._clerk.ask()

    def _measure_alone(self) -> None:
        """Wait for what the clerk is at, and measure what follows here."""
        if self._clerk is not None and self._clerk.at_work:
            with self._clerking, self.activity.within(MEASURING):
                self._take(self._clerk.all_answers())
                self.looking.resume(self._clerk.dismiss())

    def _take(self, answered: list[tuple[Handed, Answer]]) -> None:
        for handed, answer in answered:
            self._rows.note(handed.update, np.frombuffer(answer.row), handed.ended)
            for what, why in answer.complaints:
                self.looking.budget.failed.setdefault(what, why)
            if answer.looked is not None and self._clerk is not None:
                self._rows_go_too()
                self.looking.looked(handed.update, answer.looked, self._clerk.made(answer.looked))

    def _rows_go_too(self) -> None:
        """A snapshot is about to go out: so are the rows up to its update, since a page draws them together."""
        self._rows.flush()
        self._due.put_off("series")

    # Evaluations

    def evaluated(self, evaluations: list[Evaluation]) -> None:
        """Say what these evaluations have come to."""
        self._outlet.event("evaluated", evaluations=evaluations)

    # Signs of life

    def progress(self, *, now: bool = False) -> None:
        """Say where the trainer is, which is also the process's sign of life."""
        if now or self._due.now("progress"):
            self._send_progress(self.activity.describe() if self.activity.name in COUNTED else None)

    def collecting(self) -> None:
        """The trainer is within a rollout: it has done no phase, but it lives."""
        if self._due.now("progress"):
            if self.looking.owes_a_look and self.looking.age > OLD_SECONDS:
                self._measure_alone()  # who knows what can be afforded
                self.looking.catch_up(affordable=True)
            self._take_answers(ask=True)
            self._send_progress(self.activity.describe())
            self.hand_on_weights()

    def sign_of_life(self, after: float) -> None:
        """Say what is at work, where nothing has been sent for so many seconds; called by the thread that listens."""
        activity = self.activity.describe()
        if activity is not None and self._outlet.silent >= after:
            self._send_progress(activity)

    def _send_progress(self, activity: dict[str, Any] | None) -> None:
        within: dict[str, Any] = {}
        if activity is not None and activity["name"] == COLLECTING and self._trainer is not None:
            within = {
                "phase": PhaseKind.ROLLOUT.value,
                "update": self._trainer.updates + 1,
                "epoch": 0,
                "minibatch": 0,
            }
        self._outlet.send(Kind.PROGRESS, **within, activity=activity)

    def keep_state(self, *, wanted: bool | None = None, every: int = 0, again: bool = False) -> None:
        """Send the state that the run could go on from, where it stands between two updates and somebody keeps them;
        `wanted`: whether that is so from now on, and `every` how many updates whatever it costs.
        """
        if self.keeping is not None:
            if wanted is not None:
                self.keeping.wanted, self.keeping.every = wanted, every
            self.keeping.keep(again=again)
            self.keeping.keep_last()

    def _keep_rollout(self, phase: Phase) -> None:
        if self.keeping is not None and isinstance(phase, TrainersPhase) and phase.update is not None:
            self.keeping.collected(phase.update)

    # Pictures

    def want_weights(self, wanted: bool) -> None:
        """Whether somebody acts with the weights of this trainer."""
        if self._weights is not None:
            self._weights.want(wanted)
            self.hand_on_weights()

    def seconds_until_weights(self, longest: float) -> float:
        """How long it is until weights that were held back may be sent, `longest` at most."""
        return self._weights.seconds_until_due(longest) if self._weights is not None else longest

    def hand_on_weights(self, *, changed: bool = False) -> None:
        """Send the weights where somebody acts with them and that is due."""
        if self._weights is None:
            return
        if changed:
            self._weights.changed()
        if (arrays := self._weights.due()) is not None:
            self._outlet.send(Kind.WEIGHTS, arrays)

    def look(self, noted: bytes, place: dict[str, Any]) -> None:
        """Hand out the note of a sample's state, for a picture of it."""
        where = {name: place[name] for name in ("update", "environment", "step")}
        self._outlet.send(Kind.LOOK, {"state": np.frombuffer(noted, np.uint8)}, where=where)

    # An update that is made anew

    def compare(self, outcome: Outcome) -> None:
        """Show the update at hand as it is and as it would be, side by side."""
        self.looking.compare(outcome)

    def decided(self) -> None:
        """There is nothing to compare any more."""
        self._outlet.send(Kind.COMPARISON, open=False)

    def amended(self, outcome: Outcome) -> None:
        """The update at hand has been made anew, and this is what it is now."""
        self.flush()
        self._outlet.phase = phase = outcome.phase
        moment = self.looking.moment_at(phase)  # of that one: who begins to look at the run as it is finds it at hand
        self._announce_changes()
        self.looking.later.forget(outcome.update.index)
        self.looking.take_in(moment, self._rows.amend(moment, self._begun.steps), amend=True)
        if self.keeping is not None:
            self.keeping.amended(outcome.update)
        self.keep_state(again=True)
        self.show(moment)

    # What is said of the run

    def state(
        self,
        state: str,
        cause: Cause | None = None,
        *,
        playing: bool = False,
        pausing: bool = False,
        pace: float | None = None,
        met: dict[str, Any] | None = None,
    ) -> None:
        """Say what the run does now; `cause` where it stopped by itself, `pace` (phases a second) in slow motion, `met`
        where it had come to what it was to go on until.

        A run that is `playing` goes on until it is told to stop; one that runs otherwise, until a step is done. One
        that is `pausing` stands still as soon as its rollout is whole.
        """
        pending = self._still_to_come() if self._trainer is not None else {}
        about = {"snapshot": self.looking.sequence, "pending": pending, "cause": cause, "met": met}
        self._outlet.event("state", state=state, playing=playing, pausing=pausing, pace=pace, **about)

    def reply(self, command: dict[str, Any], code: str | None = None, message: str | None = None) -> None:
        """Answer a command that asked for an answer by having an id."""
        if command.get("id") is not None:
            self._outlet.event("reply", id=command["id"], code=code, message=message)

    def again(self, first: int, changes: int) -> None:
        """Say anew what the server has not got: rows of the updates from `first` on, and changes of settings, of which
        it knows so many.
        """
        self._rows.again(first)
        if changes != self._changes_sent:
            self._changes_sent = max(0, self._changes_sent - CHANGES_AGAIN)
            self._announce_changes()

    def _announce_changes(self) -> None:
        changes = self._begun.changes
        for change in changes[self._changes_sent :]:
            self._outlet.event("change", name=change.name, old=change.old, new=change.new, first_update=change.update)
        self._changes_sent = len(changes)

    def _still_to_come(self) -> dict[str, Any]:
        """Changes of settings that wait, or are in use only since the rollout at hand, which has told nothing yet."""
        taken = self._begun.changes[self._changes_sent :]
        return {**{change.name: change.new for change in taken}, **self._begun.pending}

    @property
    def _begun(self) -> Trainer:
        if self._trainer is None:
            raise RuntimeError("nothing to report on before `begin`")
        return self._trainer
