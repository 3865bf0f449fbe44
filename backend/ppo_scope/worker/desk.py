"""What is measured of an update that goes by at full speed: its row, the run's health with it, and at times a snapshot.

From a note of the update, by networks of its own, so that it can be done in another process; to the bits that the
trainer would find.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from ppo_scope.diagnosis.health import Health
from ppo_scope.ppo.phases import Phase, PhaseKind, Update
from ppo_scope.ppo.rollout import Episode
from ppo_scope.ppo.trainer import EPISODES_AVERAGED
from ppo_scope.probes.cost import Budget
from ppo_scope.probes.faults import described
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import measure
from ppo_scope.probes.trainers import Facts, PastSubject
from ppo_scope.wire.codes import Kind
from ppo_scope.worker.outlet import position_of
from ppo_scope.worker.rows import named, row_of
from ppo_scope.worker.snapshot import told_of, unnumbered


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


class Desk:
    """Measures one update after the other. `state`, `episodes`: how the run is before the first."""

    def __init__(self, facts: Facts, state: State, episodes: Sequence[Episode]) -> None:
        self._subject = PastSubject(facts)
        self.resume(state, episodes)

    def resume(self, state: State, episodes: Sequence[Episode]) -> None:
        """Go on from here: others have measured meanwhile."""
        self.state, self._episodes = state, deque(episodes, EPISODES_AVERAGED)

    def measure(self, update: Update, state: dict[str, Tensor], task: Task) -> Answer:
        """Measure the update that follows; `state` is what its last step led to."""
        self._episodes.extend(update.rollout.episodes)
        theta, adam = state["theta"], {name: tensor for name, tensor in state.items() if name != "theta"}
        self._subject.become(theta, task.steps, self._episodes, adam)
        moment = Moment(self._subject, Phase(PhaseKind.UPDATE, update, task.epoch, task.minibatch))
        complaints: list[tuple[str, str]] = []

        def complain(what: str, error: Exception) -> None:
            complaints.append((what, described(error)))
            self.state.budget.failed.setdefault(*complaints[-1])

        row = row_of(moment, task.seconds, task.steps, complain)
        try:
            self.state.health.take_in(moment, named(row))
        except Exception as error:
            complain("health", error)
        looked = None if task.wish is None else self._look(moment, task.wish, task.steps)
        return Answer(np.array(row).tobytes(), complaints, looked)

    def _look(self, moment: Moment, wish: Wish, steps: int) -> Looked:
        moment.environment = wish.environment
        health, budget = self.state.health, self.state.budget
        wanted = budget.affordable(wish.watched)
        found = measure(moment, wanted, budget)
        header = {"kind": Kind.SNAPSHOT, "steps": steps, **wish.known, **health.told(budget.failed)}
        header |= {**position_of(moment.phase), **told_of(moment, found, budget, {})}
        return Looked(*unnumbered(header, found.arrays), wanted)
