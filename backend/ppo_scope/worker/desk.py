"""What is measured of an update that goes by at full speed: its row, the run's health with it, and at times a snapshot.

From a note of the update, by networks of its own, so that it can be done in another process; to the bits that the
trainer would find.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ppo_scope.diagnosis.health import Health
from ppo_scope.diagnosis.indicators import indicators
from ppo_scope.diagnosis.judging import Row
from ppo_scope.ppo.phases import Phase, PhaseKind, Update
from ppo_scope.ppo.rollout import Episode
from ppo_scope.ppo.trainer import EPISODES_AVERAGED
from ppo_scope.probes.cost import Noted
from ppo_scope.probes.faults import described
from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import measure
from ppo_scope.probes.trainers import Facts, PastSubject
from ppo_scope.worker.rows import named, row_of


@dataclass(frozen=True)
class Wish:
    """For a snapshot."""

    probes: frozenset[str]
    failed: frozenset[str]
    """Those of them that are switched off."""
    environment: int | None


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
class Looked:
    """What a snapshot tells."""

    found: Measurement
    spent: list[tuple[str, float, float]]
    """(probe, when it was measured, seconds)"""
    failed: dict[str, str]
    judged: dict[str, Any]
    """How the run is."""
    health: bytes
    """The same as a `Health`, pickled."""


@dataclass(frozen=True)
class Answer:
    """What was measured of one update."""

    row: list[float]
    indicators: bytes
    """Pickled, a `Row`; or None."""
    complaints: list[tuple[str, str]] = field(default_factory=list)
    """What could not be measured, and why."""
    looked: Looked | None = None


class Desk:
    """Measures one update after the other. `health`, `episodes`: how the run is before the first."""

    def __init__(self, facts: Facts, health: Health, episodes: Sequence[Episode]) -> None:
        self._subject = PastSubject(facts)
        self.resume(health, episodes)

    def resume(self, health: Health, episodes: Sequence[Episode]) -> None:
        """Go on from here: others have measured meanwhile."""
        self.health, self._episodes = health, deque(episodes, EPISODES_AVERAGED)

    def measure(self, update: Update, state: dict[str, Tensor], task: Task) -> Answer:
        """Measure the update that follows; `state` is what its last step led to."""
        self._episodes.extend(update.rollout.episodes)
        theta, adam = state["theta"], {name: tensor for name, tensor in state.items() if name != "theta"}
        self._subject.become(theta, task.steps, self._episodes, adam)
        moment = Moment(self._subject, Phase(PhaseKind.UPDATE, update, task.epoch, task.minibatch))
        complaints: list[tuple[str, str]] = []

        def complain(what: str, error: Exception) -> None:
            complaints.append((what, described(error)))

        row, found = row_of(moment, task.seconds, task.steps, complain), None
        try:
            found = indicators(moment)
            take_row(self.health, update.index, row, found)
        except Exception as error:
            complain("health", error)
        looked = None if task.wish is None else self._look(moment, task.wish)
        return Answer(row, pickle.dumps(found), complaints, looked)

    def _look(self, moment: Moment, wish: Wish) -> Looked:
        moment.environment = wish.environment
        budget = Noted()
        found = measure(moment, wish.probes - wish.failed, budget)
        return Looked(found, budget.noted, budget.failed, self.health.told(budget.failed), pickle.dumps(self.health))


def take_row(health: Health, update: int, row: list[float], found: Row) -> None:
    """Have the run's health judged with one more update."""
    health.take_row(update, {**named(row), **found})
