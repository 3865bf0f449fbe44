"""What is measured of an update that goes by at full speed: its row, the run's health with it, and at times a snapshot.

From a note of the update, by networks of its own, so that it can be done in another process; to the bits that the
trainer would find.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from ppo_scope.diagnosis.health import Health, with_indicators
from ppo_scope.diagnosis.judging import Row
from ppo_scope.ppo.phases import Phase, PhaseKind, Update
from ppo_scope.ppo.rollout import Episode
from ppo_scope.ppo.trainer import EPISODES_AVERAGED
from ppo_scope.probes.cost import Budget
from ppo_scope.probes.faults import described
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import measure
from ppo_scope.probes.steps import Steps, in_step
from ppo_scope.probes.trainers import Facts, PastSubject
from ppo_scope.wire.codes import Kind
from ppo_scope.worker.outlet import position_of
from ppo_scope.worker.rows import named, row_of
from ppo_scope.worker.snapshot import told_of, unnumbered

TOGETHER = 4
"""Updates that are measured in step, each with networks of its own."""


@dataclass(frozen=True)
class Wish:
    """For a snapshot."""

    watched: frozenset[str]
    environment: int | None
    known: dict[str, Any]
    """What its header tells that only the trainer's process knows."""


@dataclass(frozen=True)
class Task:
    """What else there is to know of an update."""

    steps: int
    seconds: float
    """That measuring has cost the trainer since the update before."""
    epoch: int
    minibatch: int
    wish: Wish | None

    @property
    def plain(self) -> tuple[Any, ...]:
        """The same, pickled in a fraction of the time."""
        return self.steps, self.seconds, self.epoch, self.minibatch, self.wish


@dataclass(frozen=True)
class State:
    """How the run is, and what measuring has cost, from one update to the next."""

    health: Health
    budget: Budget


@dataclass(frozen=True)
class Looked:
    """A snapshot."""

    frame: bytes | tuple[int, int]
    """Without its number; which of those in shared memory it is, and of how many bytes."""
    place: int
    """Where the number belongs."""
    wanted: frozenset[str]
    """The probes that were to be measured."""


class Answer(NamedTuple):
    """What was measured of one update."""

    row: bytes
    """Its numbers, in double precision."""
    complaints: list[tuple[str, str]]
    """What could not be measured, and why."""
    looked: Looked | None


class Given(NamedTuple):
    """An update to be measured."""

    update: Update
    state: dict[str, Tensor]
    """What its last step led to."""
    task: Task


class Desk:
    """Measures updates in their order. `state`, `episodes`: how the run is before the first."""

    def __init__(self, facts: Facts, state: State, episodes: Sequence[Episode]) -> None:
        self._subjects = [PastSubject(facts) for _ in range(TOGETHER)]
        self.resume(state, episodes)

    def resume(self, state: State, episodes: Sequence[Episode]) -> None:
        """Go on from here: others have measured meanwhile."""
        self.state, self._episodes = state, deque(episodes, EPISODES_AVERAGED)

    def measure(self, given: Sequence[Given]) -> list[Answer]:
        """Measure the updates that follow."""
        return [answer for group in _together(given) for answer in self._measure_together(group)]

    def _measure_together(self, group: list[Given]) -> list[Answer]:
        """Measure them in step; of the last one there may be a snapshot, which tells how the run is after it."""
        moments = [self._moment_of(one, subject) for one, subject in zip(group, self._subjects, strict=False)]
        complaints: list[list[tuple[str, str]]] = [[] for _ in group]
        each = zip(group, moments, complaints, strict=True)
        measured = in_step([self._measured(one.task, moment, noted) for one, moment, noted in each])
        ended = [(moment, row) for moment, (_, row) in zip(moments, measured, strict=True) if row is not None]
        try:
            self.state.health.take_in_all(ended)
        except Exception as error:
            self._complain(complaints[-1], "health", error)
        task = group[-1].task
        looked = None if task.wish is None else self._look(moments[-1], task.wish, task.steps)
        looks = [*[None] * (len(group) - 1), looked]
        rows = [np.array(row).tobytes() for row, _ in measured]
        return [Answer(*answer) for answer in zip(rows, complaints, looks, strict=True)]

    def _moment_of(self, given: Given, subject: PastSubject) -> Moment:
        update, state, task = given
        self._episodes.extend(update.rollout.episodes)
        theta, adam = state["theta"], {name: tensor for name, tensor in state.items() if name != "theta"}
        subject.become(theta, task.steps, tuple(self._episodes), adam)
        return Moment(subject, Phase(PhaseKind.UPDATE, update, task.epoch, task.minibatch))

    def _measured(
        self, task: Task, moment: Moment, complaints: list[tuple[str, str]]
    ) -> Steps[tuple[list[float], Row | None]]:
        """The row of the series, and all that Health looks at; None where that cannot be measured."""
        row = yield from row_of(moment, task.seconds, task.steps, partial(self._complain, complaints))
        try:
            return row, (yield from with_indicators(moment, named(row)))
        except Exception as error:
            self._complain(complaints, "health", error)
            return row, None

    def _complain(self, complaints: list[tuple[str, str]], what: str, error: Exception) -> None:
        complaints.append((what, described(error)))
        self.state.budget.failed.setdefault(*complaints[-1])

    def _look(self, moment: Moment, wish: Wish, steps: int) -> Looked:
        moment.environment = wish.environment
        health, budget = self.state.health, self.state.budget
        wanted = budget.affordable(wish.watched)
        found = measure(moment, wanted, budget)
        header = {"kind": Kind.SNAPSHOT, "steps": steps, **wish.known, **health.told(budget.failed)}
        header |= {**position_of(moment.phase), **told_of(moment, found, budget, {})}
        return Looked(*unnumbered(header, found.arrays), wanted)


def _together(given: Sequence[Given]) -> Iterator[list[Given]]:
    """In groups, in which none but the last one has a wish."""
    group: list[Given] = []
    for one in given:
        group.append(one)
        if one.task.wish is not None or len(group) == TOGETHER:
            yield group
            group = []
    if group:
        yield group
