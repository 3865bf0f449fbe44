"""What leaves the training process: numbered frames of the moment that the run is at, none oftener than useful."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

import numpy as np

from ppo_scope.diagnosis.health import Health
from ppo_scope.pictures.looks import Looks
from ppo_scope.pictures.weights import Weights
from ppo_scope.ppo.outcome import Outcome
from ppo_scope.ppo.phases import Phase as TrainersPhase
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.cost import Budget
from ppo_scope.probes.faults import described
from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.places import BY_SAMPLE
from ppo_scope.probes.probes import measure, series_row
from ppo_scope.probes.record import Episode, Phase, PhaseKind
from ppo_scope.probes.subject import Subject
from ppo_scope.probes.trainers import TrainerSubject
from ppo_scope.wire import frame
from ppo_scope.wire.activity import COLLECTING, COUNTED, MEASURING, Activity
from ppo_scope.wire.metrics import EPISODE_COLUMNS, MINIBATCH_COLUMNS, SERIES_COLUMNS

SECONDS = {"snapshot": 1 / 24, "series": 1 / 20, "progress": 1 / 10}
"""Least time between two frames of a kind while training runs; a stop is always shown."""
LOOK_SECONDS = 0.01
"""Time between two looks at what is due."""
OLD_SECONDS = 1.0
"""Age of the newest snapshot from which it is added to within a rollout, if somebody wants to see more of it."""
REPORTED = frozenset({PhaseKind.ROLLOUT, PhaseKind.UPDATE})
"""Phases of which something must be noted, whenever they come."""
COMPARED = frozenset({"ratio", "minibatches"})
"""The probes of two outcomes side by side."""

Send = Callable[[bytes], None]


class Attention(Enum):
    """How closely a phase is looked at."""

    GLANCE = auto()
    """The run goes on at full speed: it is shown if that is due."""
    PASSING = auto()
    """On the way of a step: measured and kept, so that one can go back to it."""
    SHOWN = auto()
    """The run halts here, or goes by slowly."""


class Reporter:
    """Measures and sends. `send` is the one way out of the process.

    What only sends may be called by any thread: frames are numbered and sent one after the other.
    """

    def __init__(self, send: Send, run: str) -> None:
        self._send_bytes = send
        self._run = run
        self._trainer: Trainer | None = None
        self._subject: Subject | None = None
        self._looks: Looks | None = None
        self._weights: Weights | None = None
        self._phase: Phase = TrainersPhase(PhaseKind.READY, None)
        self._sending = threading.Lock()
        self._sequence = 0
        self._sent = time.monotonic()
        self._snapshot_sequence = 0
        self._moment: Moment | None = None  # of the newest snapshot
        self._found = Measurement()
        self._wanted: frozenset[str] = frozenset()  # what was looked for in it
        self._shown = 0.0  # when
        self._given_up: int | None = None  # an update whose number is used again
        self._changes_sent = 0
        self._rows: list[list[float]] = []
        self._episodes: list[tuple[int, Episode]] = []
        self._seconds = 0.0
        self._next = dict.fromkeys(SECONDS, 0.0)
        self._next_look = 0.0
        self._budget = Budget()
        self.activity = Activity()
        self.health = Health()
        self.watched: frozenset[str] = frozenset()
        self._environment: int | None = None

    def begin(self, trainer: Trainer, looks: Looks) -> None:
        """Report on this trainer from now on, and on which of its rollouts can be drawn."""
        self._trainer, self._looks, self._weights = trainer, looks, Weights(trainer)
        self._subject = TrainerSubject(trainer)
        environments = trainer.environments
        self._event(
            "started",
            device=str(trainer.device),
            observation=environments.spaces.observation,
            action=environments.spaces.action,
            reward_threshold=environments.reward_threshold,
            max_entropy=trainer.distribution.max_entropy,
            wrappers=list(environments.wrappers),
        )

    def proved(self) -> None:
        """It has been shown that the run trains."""
        self._event("proved")

    def gave_up(self, update: int) -> None:
        """This update was abandoned; the next one will have its number."""
        self._given_up = update

    def begins(self, update: int) -> None:
        """The rollout of this update begins."""
        if update == self._given_up:
            self._event("abandoned", abandoned=update)
            self._given_up = None

    def end(self) -> None:
        """Send what is owed."""
        self.flush()

    def passed(self, moment: Moment, attention: Attention) -> None:
        """The trainer has done one more phase."""
        self._phase = phase = moment.phase
        start = time.perf_counter()
        if attention is Attention.GLANCE and phase.kind not in REPORTED and start < self._next_look:
            return  # most phases are over in less time than it takes to ask what is due
        self._next_look = start + LOOK_SECONDS
        if phase.kind is PhaseKind.ROLLOUT:
            self._announce_changes()
        if phase.kind is PhaseKind.UPDATE:
            self._rows.append(self._row(moment, self._seconds))
            self._take_in(moment, self._rows[-1])
            self._seconds = 0.0
            self._episodes += [(moment.update.index, episode) for episode in moment.update.rollout.episodes]
        if attention is Attention.SHOWN:
            self.show(moment)
        elif attention is Attention.PASSING:
            self._send_snapshot("passing", moment, self._measured(moment, self._budget.quick(self.watched)))
        elif phase.kind is PhaseKind.UPDATE and self._due("snapshot"):
            self._snapshot(moment, self._budget.affordable(self.watched))
        self.progress()
        if self._due("series"):
            self.flush()
        self.hand_on_weights(changed=True)
        self._seconds += time.perf_counter() - start

    def show(self, moment: Moment | None = None) -> None:
        """Send the run exactly as it is, whatever was sent when."""
        self.flush()
        self._snapshot(moment or self._moment_at(self._phase), self.watched)
        self.hand_on_weights(changed=True)

    def watch(self, probes: frozenset[str], environment: int | None = None) -> None:
        """Measure these from now on, and show this environment sample by sample; see `catch_up` for a run at rest."""
        self.watched = probes
        if environment != self._environment:
            self._environment = environment
            self._wanted -= BY_SAMPLE

    @property
    def owes_a_look(self) -> bool:
        """Whether something is watched that was not looked for when the run's present moment was measured."""
        return self._moment is not None and self._moment.phase is self._phase and bool(self.watched - self._wanted)

    def catch_up(self, probes: frozenset[str] | None = None) -> None:
        """Measure what is watched (or these) and has not been yet at this moment, and send it with what has been."""
        missing = (self.watched if probes is None else probes) - self._wanted
        if self._moment is None or not missing:
            return
        self._found.take(self._measured(self._moment, missing))
        self._wanted |= missing
        self._snapshot_sequence = self._send_snapshot("snapshot", self._moment, self._found)

    def not_measured(self, what: str, error: Exception) -> None:
        """Something that is no probe could not be measured: say so in every snapshot from now on."""
        self._budget.failed.setdefault(what, described(error))

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
            self._send("weights", arrays)

    def progress(self, *, now: bool = False) -> None:
        """Say where the trainer is, which is also the process's sign of life."""
        if now or self._due("progress"):
            self._send_progress(self.activity.describe() if self.activity.name in COUNTED else None)

    def collecting(self) -> None:
        """The trainer is within a rollout: it has done no phase, but it lives."""
        if self._due("progress"):
            if self.owes_a_look and time.monotonic() - self._shown > OLD_SECONDS:
                self.catch_up(self._budget.affordable(self.watched))
            self._send_progress(self.activity.describe())
            self.hand_on_weights()

    def sign_of_life(self, after: float) -> None:
        """Say what is at work, where nothing has been sent for so many seconds; called by the thread that listens."""
        activity = self.activity.describe()
        if activity is not None and time.monotonic() - self._sent >= after:
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
        self._send("progress", **within, activity=activity)

    def compare(self, outcome: Outcome) -> None:
        """Show the update at hand as it is ("old") and as it would be ("new"), side by side."""
        trainer = self._begun
        found = {"old": self._measured(self._moment_at(self._phase), COMPARED)}
        with trainer.visit(outcome):
            found["new"] = self._measured(self._moment_at(outcome.phase), COMPARED)
        scalars = {f"{which}_{name}": value for which, of in found.items() for name, value in of.scalars.items()}
        arrays = {f"{which}_{name}": array for which, of in found.items() for name, array in of.arrays.items()}
        settings = {"old": trainer.settings.live(), "new": outcome.update.settings.live()}
        self._send("comparison", arrays, scalars=scalars, open=True, settings=settings)

    def look(self, noted: bytes, place: dict[str, Any]) -> None:
        """Hand out the note of a sample's state, for a picture of it."""
        where = {name: place[name] for name in ("update", "environment", "step")}
        self._send("look", {"state": np.frombuffer(noted, np.uint8)}, where=where)

    def decided(self) -> None:
        """There is nothing to compare any more."""
        self._send("comparison", open=False)

    def amended(self, outcome: Outcome) -> None:
        """The update at hand has been made anew, and this is what it is now."""
        self.flush()
        self._phase = outcome.phase
        moment = self._moment_at(outcome.phase)
        self._announce_changes()
        row = self._row(moment, 0.0)
        self._take_in(moment, row, amend=True)
        rows = np.array([row], np.float64)
        self._send("series", {"rows": rows}, first=moment.update.index, columns=SERIES_COLUMNS, amends=True)
        self.show(moment)

    def flush(self) -> None:
        """Send the rows of the series that have not been sent."""
        if not self._rows:
            return
        episodes = [(update, e.step, e.episodic_return, e.length) for update, e in self._episodes]
        arrays = {
            "rows": np.array(self._rows, np.float64),
            "episodes": np.array(episodes, np.float64).reshape(-1, len(EPISODE_COLUMNS)),
        }
        first = self._begun.updates - len(self._rows) + 1
        self._send("series", arrays, first=first, columns=SERIES_COLUMNS, episode_columns=EPISODE_COLUMNS)
        self._rows, self._episodes = [], []

    def state(
        self,
        state: str,
        cause: dict[str, str] | None = None,
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
        pending = self._trainer.pending if self._trainer is not None else {}
        about = {"snapshot": self._snapshot_sequence, "pending": pending, "cause": cause, "met": met}
        self._event("state", state=state, playing=playing, pausing=pausing, pace=pace, **about)

    def reply(self, command: dict[str, Any], code: str | None = None, message: str | None = None) -> None:
        """Answer a command that asked for an answer by having an id."""
        if command.get("id") is not None:
            self._event("reply", id=command["id"], code=code, message=message)

    def _moment_at(self, phase: Phase) -> Moment:
        if self._subject is None:
            raise RuntimeError("nothing to report on before `begin`")
        return Moment(self._subject, phase)

    @property
    def _begun(self) -> Trainer:
        if self._trainer is None:
            raise RuntimeError("nothing to report on before `begin`")
        return self._trainer

    def _announce_changes(self) -> None:
        changes = self._begun.changes
        for change in changes[self._changes_sent :]:
            self._event("change", name=change.name, old=change.old, new=change.new, first_update=change.update)
        self._changes_sent = len(changes)

    def _row(self, moment: Moment, seconds: float) -> list[float]:
        """The row of the series of a finished update; of what cannot be measured, the number of steps is left."""
        try:
            return series_row(moment, seconds)
        except Exception as error:
            self.not_measured("series", error)
            return [float(self._begun.steps) if name == "steps" else math.nan for name in SERIES_COLUMNS]

    def _take_in(self, moment: Moment, row: list[float], *, amend: bool = False) -> None:
        take = self.health.amend if amend else self.health.take_in
        try:
            take(moment, dict(zip(SERIES_COLUMNS, row, strict=True)))
        except Exception as error:
            self.not_measured("health", error)

    def _judged_health(self) -> dict[str, Any]:
        """The fields of a snapshot that tell how the run is."""
        health = self.health
        try:
            return {
                "findings": health.findings(),
                "history": health.history(),
                "unknown": health.unknown(),
                "health": {name: value for name, value in health.values().items() if math.isfinite(value)},
            }
        except Exception as error:
            self.not_measured("health", error)
            return {"findings": [], "history": [], "unknown": {}, "health": {}}

    def _measured(self, moment: Moment, probes: frozenset[str]) -> Measurement:
        moment.environment = self._environment
        with self.activity.within(MEASURING):
            return measure(moment, probes, self._budget)

    def _snapshot(self, moment: Moment, probes: frozenset[str]) -> None:
        self._next["snapshot"] = max(self._next["snapshot"], time.monotonic())
        self._moment, self._wanted, self._shown = moment, probes, time.monotonic()
        self._found = self._measured(moment, probes)
        self._snapshot_sequence = self._send_snapshot("snapshot", moment, self._found)

    def _send_snapshot(self, kind: str, moment: Moment, found: Measurement) -> int:
        settings = moment.phase.update.settings if moment.phase.update else self._begun.settings
        return self._send(
            kind,
            found.arrays,
            scope=moment.scope,
            steps=self._begun.steps,
            settings=settings.live(),
            stopped_by_kl=moment.phase.update is not None and moment.phase.update.stopped_by_kl,
            pictured=self._looks is not None and self._looks.holds(self._position()["update"]),
            unpictured=self._looks.off if self._looks is not None else None,
            minibatch_columns=MINIBATCH_COLUMNS,
            scalars=found.scalars,
            notes=found.notes,
            measured=found.measured,
            failed=self._budget.failed,
            lacks=found.lacks,
            costs=self._budget.costs,
            shares=self._budget.shares,
            **self._judged_health(),
        )

    def _due(self, kind: str) -> bool:
        now = time.monotonic()
        if now < self._next[kind]:
            return False
        # From the time that it was due, not from now: what comes in steps of updates then keeps its pace on average.
        self._next[kind] = max(self._next[kind] + SECONDS[kind], now)
        return True

    def _event(self, event: str, **fields: Any) -> None:
        self._send("event", event=event, **fields)

    def _send(self, kind: str, arrays: dict[str, Any] | None = None, **header: Any) -> int:
        with self._sending:
            self._sequence += 1
            whole = {"kind": kind, "run": self._run, "sequence": self._sequence, **self._position(), **header}
            self._send_bytes(frame.encode(whole, arrays))
            self._sent = time.monotonic()
            return self._sequence

    def _position(self) -> dict[str, Any]:
        update = self._phase.update
        return {
            "update": update.index if update else 0,
            "phase": self._phase.kind.value,
            "epoch": self._phase.epoch,
            "epochs": update.settings.epochs if update else 0,
            "minibatch": self._phase.minibatch,
            "minibatches": update.settings.minibatches if update else 0,
        }
