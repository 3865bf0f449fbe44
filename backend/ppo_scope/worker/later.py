"""Phases on the way of a step: noted as they were, and measured when somebody goes back to them or while the run rests.

A note holds what moves on: a copy of θ, how far the update had come, and what was known of the run. What stays as it
was is referred to: the rollout, which the trainer leaves to who looks on, the batch, and what training computed of each
minibatch. Measuring asks networks of its own, so that it can come at any time and nothing of the trainer is touched.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from ppo_scope.ppo.optimisation import taken
from ppo_scope.ppo.phases import Batch, Minibatch, Phase, PhaseKind, Update
from ppo_scope.ppo.rollout import Episode
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.trainers import Facts, PastSubject

ROOM = 64 * 1024 * 1024
"""Bytes that notes may hold; beyond them the oldest update's are dropped."""
MOST = 4096
"""Notes; so beyond these."""
NEWEST = 2
"""Updates of which nothing is dropped, that under way among them: what there is no room for is measured on the way."""
BEFORE_THE_STEP = frozenset({PhaseKind.LOSS, PhaseKind.GRADIENT})


@dataclass(frozen=True)
class Told:
    """What else is known at a phase, and must be measured and said as it was then."""

    probes: frozenset[str]
    environment: int | None
    header: dict[str, Any]


@dataclass
class _Shared:
    """What the notes of one update have in common."""

    update: Update
    episodes: tuple[Episode, ...]
    weights: tuple[int, Tensor]
    """θ after so many minibatches, the newest that was copied."""
    notes: int = 0
    minibatches: int = 0
    """Whose size is known."""
    of_minibatches: int = 0
    """Bytes."""
    of_rollout: int = 0
    """Bytes, with its batch."""
    batch: Batch | None = None
    """What `of_rollout` covers."""
    bytes: int = 0


@dataclass(frozen=True)
class _Note:
    phase: Phase
    """Of a copy of the update's record, as far as it had come."""
    theta: Tensor
    bytes: int
    """Of θ, where it was copied for this note."""
    steps: int
    told: Told
    shared: _Shared


Measure = Callable[[int, Moment, Told], None]
"""Measure a moment that was noted under a number, and send it."""


@dataclass
class Later:
    """The notes of one run, by the numbers under which they were announced."""

    trainer: Trainer
    announce: Callable[[], int]
    """Say that there is a phase to be gone back to; the number that it has from then on."""
    measure: Measure
    drop: Callable[[list[int]], None]
    """Say that these were dropped, and cannot be gone back to any more."""
    bytes: int = 0
    """That the notes hold."""
    _notes: dict[int, _Note] = field(default_factory=dict)  # the oldest first
    _wanted: deque[int] = field(default_factory=deque)  # any thread adds to it
    _shared: _Shared | None = None  # of the update that was noted last
    _subject: PastSubject | None = None

    def __len__(self) -> int:
        """How many phases have not been measured."""
        return len(self._notes)

    def note(self, phase: Phase, told: Told) -> None:
        """Keep the phase that the trainer is at, and announce it.

        Raises:
            RuntimeError, MemoryError: there is no room for another copy of θ; it is not announced.
        """
        if phase.update is None:
            return
        shared = self._shared_by(phase.update)
        theta, copied = self._theta(shared, phase)
        self._notes[self.announce()] = _Note(
            _as_it_is(phase, phase.update), theta, copied, self.trainer.steps, told, shared
        )
        shared.notes += 1
        self.bytes += copied + _grown(shared)
        while self.bytes > ROOM or len(self._notes) > MOST:
            self._make_room(phase.update.index)

    def _make_room(self, under_way: int) -> None:
        """A step is not made to wait for the measuring of what lies far behind it."""
        sequence, oldest = next(iter(self._notes.items()))
        update = oldest.shared.update.index
        if update > under_way - NEWEST:
            self._measure(sequence)
        else:
            self.drop(self._take_all(update))

    def want(self, sequence: int) -> None:
        """Somebody has gone back to it. Any thread may say so."""
        self._wanted.append(sequence)

    def measure_wanted(self) -> None:
        """Measure what somebody has gone back to."""
        while self._wanted:
            sequence = self._wanted.popleft()
            if sequence in self._notes:
                self._measure(sequence)

    def measure_newest(self) -> None:
        """Measure the latest that has not been; who goes back begins there."""
        if self._notes:
            self._measure(next(reversed(self._notes)))

    def past(self, phase: Phase, theta: Tensor, steps: int, episodes: tuple[Episode, ...]) -> Moment:
        """A phase that went by unnoted, with the weights and with what was known of the run as they were there; until
        the next moment is asked for.
        """
        if self._subject is None:
            self._subject = PastSubject(Facts.of(self.trainer))
        self._subject.become(theta, steps, episodes)
        return Moment(self._subject, phase)

    def forget(self, update: int) -> None:
        """It was given up or made anew: what was noted of it is of something that is no more."""
        self._take_all(update)

    def _shared_by(self, update: Update) -> _Shared:
        if self._shared is None or self._shared.update is not update:
            if _size(update.rollout) <= ROOM:  # else it is measured at once
                self.trainer.leave(update.rollout)
            self._shared = _Shared(update, tuple(self.trainer.episodes), (0, update.theta_before))
        return self._shared

    def _theta(self, shared: _Shared, phase: Phase) -> tuple[Tensor, int]:
        """(θ at this phase, how many bytes were copied): it moves once a minibatch."""
        done = len(shared.update.minibatches) - (phase.kind in BEFORE_THE_STEP)
        if shared.weights[0] == done:
            return shared.weights[1], 0
        theta = self.trainer.network.theta.detach().clone()
        shared.weights = done, theta
        return theta, theta.nbytes

    def _measure(self, sequence: int) -> None:
        note = self._take(sequence)
        self.measure(sequence, self.past(note.phase, note.theta, note.steps, note.shared.episodes), note.told)

    def _take_all(self, update: int) -> list[int]:
        sequences = [number for number, note in self._notes.items() if note.shared.update.index == update]
        for sequence in sequences:
            self._take(sequence)
        return sequences

    def _take(self, sequence: int) -> _Note:
        note = self._notes.pop(sequence)
        self.bytes -= note.bytes
        note.shared.notes -= 1
        if not note.shared.notes:
            self.bytes -= note.shared.bytes
            if note.shared is self._shared:
                self._shared = None
        return note


def _as_it_is(phase: Phase, update: Update) -> Phase:
    """The phase, with a copy of the record of its update that does not grow."""
    record = copy(update)
    record.minibatches = list(update.minibatches)
    if phase.kind is PhaseKind.LOSS:  # its gradient is still to come; what it is made from need not be kept
        record.minibatches[-1] = replace(record.minibatches[-1], differentiate=taken)
    return Phase(phase.kind, record, phase.epoch, phase.minibatch)


def _grown(shared: _Shared) -> int:
    """The bytes that have come to what notes of this update refer to."""
    update, known = shared.update, shared.bytes
    new: list[Minibatch] = update.minibatches[shared.minibatches :]
    shared.of_minibatches += sum(map(_size, new))
    shared.minibatches += len(new)
    if shared.batch is None:
        shared.batch = update.batch
        shared.of_rollout = sum(map(_size, (update.rollout, update.judged, update.batch)))
    shared.bytes = shared.of_minibatches + shared.of_rollout
    return shared.bytes - known


def _size(record: object) -> int:
    """Bytes of the arrays in a record; some are views of others, and counted twice."""
    return 0 if record is None else sum(getattr(value, "nbytes", 0) for value in vars(record).values())
