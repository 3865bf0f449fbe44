"""What is measured of a foreign loop's update that goes by at full speed: its row, how the run is, and at times a look.

Of a note of the update and by a policy of its own, so that it can be done in another process.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.attach.beside.task import Task, Wish, update_of
from ppo_scope.attach.episodes import LATEST
from ppo_scope.attach.facts import Facts
from ppo_scope.attach.record import Habits, Phase, Update
from ppo_scope.diagnosis.health import Health
from ppo_scope.probes.cost import AT_A_BEGINNING, Budget, Noted
from ppo_scope.probes.faults import described
from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import measure
from ppo_scope.probes.record import Episode as AnyEpisode
from ppo_scope.probes.record import PhaseKind
from ppo_scope.probes.steps import alone
from ppo_scope.probes.subject import Abilities, Distribution, Subject
from ppo_scope.wire.codes import Kind
from ppo_scope.worker.outlet import position_of
from ppo_scope.worker.rows import named, row_of
from ppo_scope.worker.snapshot import told_of, unnumbered


class Measured(Protocol):
    """What answers for the loop in another process."""

    @property
    def distribution(self) -> Distribution | None:
        """What its policy's outputs mean."""
        ...

    def abilities(self) -> Abilities:
        """What it can be asked."""
        ...

    def after(self, task: Task, update: Update, theta: Tensor | None, besides: Sequence[Tensor]) -> None:
        """Be as the loop was when this update had ended; what its policy put out before is found by the way."""
        ...


class Model:
    """A subject that is nothing but a policy and what is known of its run; it can be sent to another process."""

    def __init__(self, subject: Subject, policy: Any) -> None:
        """`policy`: `Measured` there, `Weighed` here."""
        self.env, self.observation_space, self.observation = subject.env, subject.observation_space, subject.observation
        self.is_image, self.reward_threshold = subject.is_image, subject.reward_threshold
        self.time_limit = subject.time_limit
        self.policy, self.distribution = policy, policy.distribution
        self.steps = 0
        self.counted: tuple[float, float] | None = None
        self.latest: deque[AnyEpisode] = deque(subject.episodes, maxlen=LATEST)

    @property
    def episodes(self) -> Sequence[AnyEpisode]:
        """The latest, of which means are taken."""
        return self.latest

    @property
    def abilities(self) -> Abilities:
        """Those of its policy."""
        found: Abilities = self.policy.abilities()
        return replace(found, observations_counted=lambda: self.counted)


class Looked(NamedTuple):
    """What a look tells."""

    frame: bytes | int
    """Without its number; or how many bytes of it lie where the update lay."""
    place: int
    """Where the number belongs."""
    spent: list[tuple[str, float, float]]
    """(probe, when it was measured, seconds)"""
    failed: dict[str, str]
    judged: dict[str, Any]
    """How the run is."""


class Answer(NamedTuple):
    """What was measured of one update."""

    row: bytes
    """Its numbers, in double precision."""
    complaints: list[tuple[str, str]]
    """What could not be measured, and why."""
    looked: Looked | None = None


class Desk:
    """Measures one update after the other."""

    def __init__(self, model: Model, health: Health, run: str) -> None:
        """`health`, `model.latest`: how the run was before the first."""
        self._model, self._health, self._run = model, health, run
        self._budget = Noted()
        self._made_with: tuple[Facts, Habits] | None = None

    def measure(self, task: Task, arrays: Sequence[NDArray[Any] | None]) -> Answer:
        """Measure the update that follows."""
        model, policy = self._model, self._model.policy
        self._made_with = task.made_with or self._made_with
        assert self._made_with is not None
        update, theta, besides = update_of(task, arrays, *self._made_with)
        model.latest.extend(update.rollout.episodes)
        model.steps, model.counted = task.steps, task.counted
        policy.after(task, update, theta, besides)
        moment = Moment(model, Phase(PhaseKind.UPDATE, update, *task.within))
        complaints: list[tuple[str, str]] = []

        def complain(what: str, error: Exception) -> None:
            complaints.append((what, described(error)))

        row = alone(row_of(moment, task.seconds, task.steps, complain))
        try:
            self._health.take_in(moment, {**named(row), **task.known})
        except Exception as error:
            complain("health", error)
        wish = self._wished(task.wish, update.index)
        return Answer(np.array(row).tobytes(), complaints, None if wish is None else self._look(moment, wish))

    def judged(self, failed: dict[str, str]) -> dict[str, Any]:
        """How the run is after the latest update; `failed`: probes that have, and why."""
        return self._health.told(failed)

    def _wished(self, wish: Wish | None, update: int) -> Wish | None:
        """What is to be looked at: an update in which a finding begins is, whether or not somebody wishes it, and with
        its samples. (Not of a language model's, whose tokens come only with a wish.)
        """
        if not self._health.began(update):
            return wish
        if wish is not None:
            return Wish(wish.probes | (AT_A_BEGINNING - wish.failed.keys()), wish.environment, wish.failed)
        if self._model.abilities.text is not None:
            return None
        return Wish(AT_A_BEGINNING - self._budget.failed.keys(), None, self._budget.failed)

    def _look(self, moment: Moment, wish: Wish) -> Looked:
        moment.environment = wish.environment
        budget = self._budget
        budget.noted, budget.failed = [], dict(wish.failed)
        found = measure(moment, wish.probes, budget)
        judged = self.judged(budget.failed)
        header = header_of(moment, found, budget, {})
        frame = unnumbered({"kind": Kind.SNAPSHOT, "run": self._run, **header, **judged}, found.arrays)
        return Looked(*frame, budget.noted, budget.failed, judged)


def header_of(moment: Moment, found: Measurement, budget: Budget, standing: dict[str, Any]) -> dict[str, Any]:
    """What a snapshot's header says, but for how the run is; `standing`: the live settings between updates."""
    told = told_of(moment, found, budget, standing)
    known = {name: value for name, value in found.scalars.items() if not math.isnan(value)}
    about = {"scalars": known, "steps": moment.subject.steps, "pictured": False, "unpictured": None}
    return {**position_of(moment.phase), **told, **about}
