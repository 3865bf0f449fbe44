"""What is measured of a moment, and sent as a snapshot: what somebody looks at, as far as it can be afforded."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from ppo_scope.diagnosis.health import Health
from ppo_scope.pictures.looks import Looks
from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.outcome import Outcome
from ppo_scope.ppo.phases import Phase as TrainersPhase
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.rollout import Episode
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.cost import Budget
from ppo_scope.probes.faults import described
from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.places import BY_SAMPLE
from ppo_scope.probes.probes import measure
from ppo_scope.probes.record import Phase
from ppo_scope.probes.subject import Subject
from ppo_scope.probes.trainers import TrainerSubject
from ppo_scope.wire.activity import MEASURING, Activity
from ppo_scope.wire.codes import Kind
from ppo_scope.worker.desk import Looked, State, Wish
from ppo_scope.worker.later import Later, Told
from ppo_scope.worker.outlet import Outlet, position_of
from ppo_scope.worker.snapshot import told_of

COMPARED = frozenset({"ratio", "minibatches"})
"""The probes of two outcomes side by side."""


@dataclass(frozen=True)
class _End:
    """Of an update, and what was known of the run there."""

    phase: TrainersPhase
    update: int
    steps: int
    episodes: tuple[Episode, ...]


class Looking:
    """At one run: what is watched, what the newest snapshot showed, and how the run is."""

    later: Later
    """What was passed and has not been measured; from `begin` on."""

    def __init__(self, outlet: Outlet, activity: Activity) -> None:
        self.watched: frozenset[str] = frozenset()
        self.health = Health()
        self.budget = Budget()
        self.sequence = 0
        """Of the newest snapshot."""
        self._outlet, self._activity = outlet, activity
        self._trainer: Trainer | None = None
        self._subject: Subject | None = None
        self._looks: Looks | None = None
        self._environment: int | None = None
        self._moment: Moment | None = None  # of the newest snapshot
        self._found: Measurement | None = Measurement()  # in it; None: somebody else has found it
        self._wanted: frozenset[str] = frozenset()  # what was looked for in it
        self._shown = 0.0  # when
        self._end: _End | None = None  # of the newest update that has one
        self._whole = 0  # the newest update whose end was shown, or can be gone back to
        self._judgement: dict[str, Any] | None = None  # of the run's health, until something of it changes

    def begin(self, trainer: Trainer, looks: Looks | None) -> None:
        """Look at this trainer from now on, and say which of its rollouts can be drawn; None: none can."""
        self._trainer, self._subject, self._looks = trainer, TrainerSubject(trainer), looks
        self.later = Later(trainer, self._outlet.passed, self._send_late, self._outlet.dropped)

    def watch(self, probes: frozenset[str], environment: int | None = None) -> None:
        """Measure these from now on, and show this environment sample by sample; see `catch_up` for a run at rest."""
        self.watched = probes
        if environment != self._environment:
            self._environment = environment
            self._wanted -= BY_SAMPLE

    def moment_at(self, phase: Phase) -> Moment:
        """A phase of the run, as the probes see it."""
        if self._subject is None:
            raise RuntimeError("nothing to look at before `begin`")
        return Moment(self._subject, phase)

    # Snapshots

    def show(self, moment: Moment, *, affordable: bool = False) -> None:
        """Send a moment with everything that is watched, or with what can be afforded of it."""
        probes = self.budget.affordable(self.watched) if affordable else self.watched
        self._moment, self._wanted, self._shown = moment, probes, time.monotonic()
        self._found = self._measured(moment, probes, self._environment)
        self.sequence = self._send(Kind.SNAPSHOT, moment, self._found)
        self._note_whole(moment.phase)

    def _note_whole(self, phase: Phase) -> None:
        if phase.kind is PhaseKind.UPDATE and phase.update is not None:
            self._whole = phase.update.index

    def ended(self, phase: Phase) -> None:
        """An update has ended, and may go by unseen."""
        assert isinstance(phase, TrainersPhase) and phase.update is not None
        self._end = _End(phase, phase.update.index, self._begun.steps, tuple(self._begun.episodes))

    def show_the_last_whole(self) -> None:
        """The run halts right behind a rollout, of which there is little to see: show the end of the update before it,
        if it went by unseen.
        """
        end, update = self._end, self._outlet.phase.update
        if end is None or update is None or end.update != update.index - 1 or end.update == self._whole:
            return
        # The weights are those that collected the rollout.
        moment = self.later.past(end.phase, self._begun.network.theta.detach(), end.steps, end.episodes)
        found = self._measured(moment, self.watched, self._environment)
        header = self._header(moment, found, {**self._known_of_the_run(end.update), "steps": end.steps})
        self._outlet.send(Kind.SNAPSHOT, found.arrays, **{**position_of(end.phase), **header})

    def keep(self, moment: Moment, *, whole: bool = False) -> None:
        """Announce a phase on the way of a step, to be gone back to. It is measured later, by what is quick.

        `whole`: by all that is watched.
        """
        phase = moment.phase
        assert isinstance(phase, TrainersPhase)
        self._note_whole(phase)
        probes = self.watched if whole else self.budget.quick(self.watched)
        told = Told(probes, self._environment, self._known_of_the_run())
        try:
            self.later.note(phase, told)
        except (RuntimeError, MemoryError) as error:  # torch's word for memory that there is not
            self.not_measured("passed", error)

    def measure(self, number: int, moment: Moment) -> None:
        """Measure what was announced under that number, now."""
        self._send_late(number, moment, Told(self.watched, self._environment, self._known_of_the_run()))

    @property
    def owes_a_look(self) -> bool:
        """Whether something is watched that was not looked for when the run's present moment was measured."""
        at_hand = self._moment is not None and self._moment.phase is self._outlet.phase
        return at_hand and bool(self.watched - self._wanted)

    @property
    def age(self) -> float:
        """Seconds since the newest snapshot was measured."""
        return time.monotonic() - self._shown

    def catch_up(self, *, affordable: bool = False) -> None:
        """Measure what is watched, or can be afforded of it, and has not been at this moment; send both together."""
        missing = (self.budget.affordable(self.watched) if affordable else self.watched) - self._wanted
        if self._moment is None or not missing:
            return
        if self._found is None:  # none of it is here to be added to
            missing |= self._wanted
            self._found = Measurement()
        self._found.take(self._measured(self._moment, missing, self._environment))
        self._wanted |= missing
        self.sequence = self._send(Kind.SNAPSHOT, self._moment, self._found)

    def compare(self, outcome: Outcome) -> None:
        """Show the update at hand as it is ("old") and as it would be ("new"), side by side."""
        trainer = self._begun
        found = {"old": self._measured(self.moment_at(self._outlet.phase), COMPARED, self._environment)}
        with trainer.visit(outcome):
            found["new"] = self._measured(self.moment_at(outcome.phase), COMPARED, self._environment)
        scalars = {f"{which}_{name}": value for which, of in found.items() for name, value in of.scalars.items()}
        arrays = {f"{which}_{name}": array for which, of in found.items() for name, array in of.arrays.items()}
        settings = {"old": trainer.settings.live(), "new": outcome.update.set_to.live()}
        self._outlet.send(Kind.COMPARISON, arrays, scalars=scalars, open=True, settings=settings)

    # Updates that the clerk measures

    def wish(self) -> Wish:
        """What a snapshot would be taken of now."""
        update = self._outlet.position["update"]
        return Wish(self.watched, self._environment, {"run": self._outlet.run, **self._pictured(update)})

    def looked(self, update: int, looked: Looked, made: bytes | memoryview) -> None:
        """Send a snapshot of an update's end that was measured elsewhere."""
        phase, self._shown = self._outlet.phase, time.monotonic()
        at_hand = phase.kind is PhaseKind.UPDATE and phase.update is not None and phase.update.index == update
        self._moment = self.moment_at(phase) if at_hand else None
        self._wanted, self._found = looked.wanted, None
        self.sequence = self._outlet.send_made(made, looked.place)
        self._whole = update

    @property
    def state(self) -> State:
        """For whoever measures the updates that follow."""
        return State(self.health, self.budget)

    def resume(self, state: State) -> None:
        """Measure oneself again."""
        for what, why in self.budget.failed.items():
            state.budget.failed.setdefault(what, why)
        self.health, self.budget, self._judgement = state.health, state.budget, None

    # How the run is

    def take_in(self, moment: Moment, row: dict[str, float], *, amend: bool = False) -> None:
        """Have the run's health judged with one more update, or with another row for the newest."""
        take = self.health.amend if amend else self.health.take_in
        self._judgement = None
        try:
            take(moment, row)
        except Exception as error:
            self.not_measured("health", error)

    def as_told(self, judgement: tuple[int, dict[str, Any]] | None, **more: Any) -> None:
        """From now on, say how the run was as it was told (after which update, what) in place of judging it.

        `more`: what else snapshots tell.
        """
        after, told = judgement or (None, Health().told({}))
        self._judgement = {**told, "judged_after": after, **more}

    def halted(self, error: NotFiniteError, update: int) -> None:
        """The run halted in this update because something is not finite."""
        self.health.halted(error, update)
        self._judgement = None

    def not_measured(self, what: str, error: Exception) -> None:
        """Something that is no probe could not be measured: say so in every snapshot from now on."""
        self.budget.failed.setdefault(what, described(error))

    def _judged_health(self) -> dict[str, Any]:
        """The fields of a snapshot that tell how the run is: the same all through an update."""
        if self._judgement is None:
            self._judgement = self.health.told(self.budget.failed)
        return self._judgement

    # Inside

    @property
    def _begun(self) -> Trainer:
        if self._trainer is None:
            raise RuntimeError("nothing to look at before `begin`")
        return self._trainer

    def _measured(self, moment: Moment, probes: frozenset[str], environment: int | None) -> Measurement:
        moment.environment = environment
        with self._activity.within(MEASURING):
            return measure(moment, probes, self.budget)

    def _send(self, kind: str, moment: Moment, found: Measurement) -> int:
        return self._outlet.send(kind, found.arrays, **self._header(moment, found, self._known_of_the_run()))

    def _send_late(self, sequence: int, moment: Moment, told: Told) -> None:
        found = self._measured(moment, told.probes, told.environment)
        header = {**position_of(moment.phase), **self._header(moment, found, told.header)}
        self._outlet.send(Kind.PASSING, found.arrays, late=sequence, **header)

    def _known_of_the_run(self, update: int | None = None) -> dict[str, Any]:
        """What a snapshot tells that is not in its moment; of this update, or of the one at hand."""
        update = self._outlet.position["update"] if update is None else update
        return {
            "steps": self._begun.steps,
            **self._pictured(update),
            **self._judged_health(),
        }

    def _pictured(self, update: int) -> dict[str, Any]:
        """Whether there are pictures of its rollout; why there can be none."""
        return {
            "pictured": self._looks is not None and self._looks.holds(update),
            "unpictured": self._looks.off if self._looks is not None else None,
        }

    def _header(self, moment: Moment, found: Measurement, known: dict[str, Any]) -> dict[str, Any]:
        return {**told_of(moment, found, self.budget, self._begun.settings.live()), **known}
