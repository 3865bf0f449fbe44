"""What is told of a foreign loop, and when: its rows without a gap, snapshots as often as they are of use."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ppo_scope.attach.beside.clerk import Clerk, Handed, hired
from ppo_scope.attach.beside.desk import Desk, Looked, Model, header_of
from ppo_scope.attach.beside.task import Wish, size_of, task_of
from ppo_scope.attach.record import Habits, Phase, Update
from ppo_scope.diagnosis.health import Health
from ppo_scope.probes.cost import AT_A_BEGINNING, Budget
from ppo_scope.probes.facts import Facts
from ppo_scope.probes.faults import described
from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import measure
from ppo_scope.probes.record import Phase as AnyPhase
from ppo_scope.probes.record import PhaseKind
from ppo_scope.probes.subject import Subject
from ppo_scope.wire.codes import Kind
from ppo_scope.wire.run import Cause
from ppo_scope.worker.ear import Command
from ppo_scope.worker.outlet import Outlet, Send
from ppo_scope.worker.rows import Rows

NO_PICTURES = "This run's training loop is somebody else's: its environment is not drawn."

COMPARED = frozenset({"ratio", "minibatches"})
"""The probes of two outcomes side by side."""

RAISED_BY_HAND = ("learning_rate", "clip_range")
"""Settings that are no schedule's doing once they were changed on the page."""
WATCHED_SECONDS = 1 / 8
"""Between two looks at full speed, and between two lots of rows: to send one costs the loop time."""
UNWATCHED_SECONDS = 1.0
"""Between two words on how the run is, and between two lots of rows, while nobody looks at a panel."""
SLOW_SECONDS, WAITED = 1.0, 0.01
"""The end of an update that takes so long is told at once: what is measured of it is waited for, for this part of the
time that it has taken at most.
"""
TOGETHER = 4
"""Updates that the clerk hears of at once, unless somebody waits for one: each word costs time."""


@dataclass(frozen=True)
class Beside:
    """What it takes to measure in a process beside the loop."""

    model: Callable[[], Model]
    """Policy and run as they are now, between two updates."""
    library: str
    """To import there."""


class Report:
    """On one loop. What only sends may be called by any thread."""

    def __init__(self, send: Send, run: str, subject: Subject, facts: Facts, beside: Beside | None) -> None:
        """`facts`: what is known before the first update."""
        self.watched: frozenset[str] = frozenset()
        self.pending: dict[str, Any] = {}
        """Settings that wait for the next update."""
        self._subject, self._facts = subject, facts
        self._environment: int | None = None
        self._outlet = Outlet(send, run)
        self._outlet.phase = Phase(PhaseKind.READY, None)
        self._budget, self._health = Budget(), Health()
        self._rows = Rows(self._outlet, self._not_measured)
        self._looked_at = 0.0
        self._ended_at = time.monotonic()
        self._beside = beside
        self._clerk: Clerk | None = hired(beside.library) if beside is not None else None
        self._known: tuple[Any, Habits] | None = None  # what the clerk knows that updates are made with
        self._judged: dict[str, Any] | None = None  # how the run is, as the clerk has told it last
        self._judged_after = self._handed = 0  # after which update, and which one it has been given last
        self._newest: Moment | None = None
        self._sequence = 0
        self._seconds = 0.0  # that measuring has cost since the newest row
        self._changes: list[dict[str, Any]] = []

    # The course of the loop

    def introduce(self) -> None:
        """Say the facts that were not in the greeting; to each server that comes."""
        distribution = self._subject.distribution
        self._outlet.event(
            "started",
            observation=self._subject.observation,
            action=None,
            reward_threshold=self._subject.reward_threshold,
            max_entropy=distribution.max_entropy if distribution is not None else None,
            wrappers=[],
        )
        self._outlet.send(Kind.PICTURE, mime=None, reason=NO_PICTURES)

    def moment_at(self, phase: AnyPhase) -> Moment:
        """A phase of the loop, as the probes see it."""
        return Moment(self._subject, phase)

    def at(self, phase: Phase) -> None:
        """The loop has come there, and nobody looks: what has been measured beside it meanwhile is told."""
        self._outlet.phase = phase
        if self._clerk is not None and self._clerk.owes:
            self._take_from(self._clerk, all_of_them=False)
            self._flush_if_due()

    def ended(self, moment: Moment, *, shown: bool) -> None:
        """An update has ended: its row, how the run is with it, and a snapshot, if it is `shown` or that is due."""
        start = time.perf_counter()
        if isinstance(update := moment.phase.update, Update):
            update.known["set_on_page"] = float(any(change["name"] in RAISED_BY_HAND for change in self._changes))
        if not self._measured_beside(moment, shown=shown):
            row = self._rows.add(moment, self._seconds, self._subject.steps)
            try:
                self._health.take_in(moment, {**row, **known_of(moment.phase)})
            except Exception as error:
                self._not_measured("health", error)
            began = self._health.began(moment.update.index)
            if shown or self._look_is_due() or began:
                self.show(moment, affordable=not shown, besides=AT_A_BEGINNING if began else frozenset())
        if shown:
            self._rows.flush()
        self._flush_if_due()
        self._seconds = time.perf_counter() - start

    def catch_up(self) -> None:
        """No update has ended for a while, as where a notebook's cell has: what waits for the next one is told."""
        if time.monotonic() - self._ended_at < UNWATCHED_SECONDS:
            return
        if self._clerk is not None and self._clerk.at_work:
            self._clerk.ask()
            self._take_from(self._clerk, all_of_them=False)
        self._flush_if_due()

    def _flush_if_due(self) -> None:
        if self._rows.age > (WATCHED_SECONDS if self.watched else UNWATCHED_SECONDS):
            self._rows.flush()

    def _look_is_due(self) -> bool:
        now, between = time.monotonic(), WATCHED_SECONDS if self.watched else UNWATCHED_SECONDS
        due = now - self._looked_at >= between
        if due:
            self._looked_at = now
        return due

    # Updates that are measured beside the loop

    def _measured_beside(self, moment: Moment, *, shown: bool) -> bool:
        """Hand the update over to the clerk, and take what it has measured; where it is shown, all is waited for."""
        clerk, update = self._clerk, moment.phase.update
        taken, self._ended_at = time.monotonic() - self._ended_at, time.monotonic()
        if clerk is None or self._beside is None or not isinstance(update, Update):
            return False
        if not clerk.at_work and not (clerk.ready and self._begun(clerk, self._beside, update)):
            return False
        wish: Wish | None = None
        if shown:
            wish = self._wish(frozenset())
        elif not clerk.looking and self._look_is_due():
            wish = self._wish(self._budget.affordable(self.watched) - self._budget.failed.keys())
        self._hand_over(clerk, Phase(PhaseKind.UPDATE, update, moment.phase.epoch, moment.phase.minibatch), wish)
        slow = taken >= SLOW_SECONDS
        if wish is not None or slow or clerk.unsaid >= TOGETHER:
            clerk.ask()
            self._take_from(clerk, all_of_them=shown, within=WAITED * taken if slow else 0.0)
        elif self.watched:
            self._take_from(clerk, all_of_them=False)
        if shown:
            self.show(moment)
        return True

    def _wish(self, probes: frozenset[str]) -> Wish:
        return Wish(probes, self._environment, dict(self._budget.failed))

    def _hand_over(self, clerk: Clerk, phase: Phase, wish: Wish | None) -> None:
        if clerk.full:
            self._take_from(clerk, all_of_them=False)
        update = phase.update
        assert update is not None
        made_with = self._known
        if made_with is None or update.settings is not made_with[0] or update.habits != made_with[1]:
            self._known = update.settings, update.habits
        news = None if self._known is made_with else self._known
        task, arrays = task_of(phase, self._policy, self._subject.steps, self._seconds, news, wish)
        clerk.hand_over(task, arrays, update.episodes)
        self._handed = update.index

    def _begun(self, clerk: Clerk, beside: Beside, update: Update) -> bool:
        """The clerk goes on from how the run was before this update."""
        model = beside.model()
        self._policy = model.policy
        size = size_of(update, model.policy.theta())
        for _ in update.episodes:  # it is told of them with the update
            if model.latest:
                model.latest.pop()
        return clerk.begin(Desk(model, self._health, self._outlet.run), size)

    def _take_from(self, clerk: Clerk, *, all_of_them: bool, within: float = 0.0) -> None:
        for handed, answer in clerk.answers(all_of_them=all_of_them, within=within):
            self._rows.note(handed.update, np.frombuffer(answer.row), handed.episodes)
            for what, why in answer.complaints:
                self._budget.failed.setdefault(what, why)
            if answer.looked is not None:
                # One that was wished for and is waited for is shown by whoever waits.
                self._looked(clerk, handed, answer.looked, send=not (all_of_them and handed.looked_at))
        if clerk.ended:  # from here on the loop measures, and remembers nothing of before
            self._clerk = self._judged = None

    def _looked(self, clerk: Clerk, handed: Handed, looked: Looked, *, send: bool) -> None:
        for spent in looked.spent:
            self._budget.spent(*spent)
        for name, why in looked.failed.items():
            self._budget.failed.setdefault(name, why)
        self._judged, self._judged_after = looked.judged, handed.update
        if send:
            self._sequence = self._outlet.send_made(clerk.made(handed, looked), looked.place)

    def anew(self) -> None:
        """The policy is another one, or other weights of it are trained: who measures beside the loop has it anew."""
        clerk, beside = self._clerk, self._beside
        if clerk is not None and beside is not None:
            self._take_from(clerk, all_of_them=True)
            clerk.close()
            self._clerk, self._known, self._judged = hired(beside.library), None, None

    def close(self) -> None:
        """Nothing is measured any more."""
        if self._clerk is not None:
            self._clerk.close()

    def passed(self, moment: Moment) -> None:
        """A phase on the way of a step: kept, so that one can go back to it."""
        number = self._outlet.passed()
        found = self._measured(moment, self._budget.quick(self.watched))
        self._outlet.send(Kind.PASSING, found.arrays, late=number, **self._header(moment, found))

    def show(
        self, moment: Moment | None = None, *, affordable: bool = False, besides: frozenset[str] = frozenset()
    ) -> None:
        """Send the run as it is: a moment with everything that is watched, or with what can be afforded of it, and with
        what other probes find.
        """
        if not affordable:
            self.flush()
            self._judge()
        if moment is None and (self._newest is None or self._newest.phase is not self._outlet.phase):
            moment = self.moment_at(self._outlet.phase)
        self._newest = moment = moment or self._newest
        assert moment is not None
        probes = self._budget.affordable(self.watched) if affordable else self.watched
        found = self._measured(moment, probes | besides)
        self._sequence = self._outlet.send(Kind.SNAPSHOT, found.arrays, **self._header(moment, found))

    def watch(self, command: Command) -> None:
        """What is measured from now on."""
        self.watched, self._environment = frozenset(command["probes"]), command.get("environment")

    def flush(self) -> None:
        """Send the rows that have not been sent; those that are being measured are waited for."""
        if (clerk := self._clerk) is not None and clerk.at_work:
            self._take_from(clerk, all_of_them=True)
        self._rows.flush()

    # Two outcomes of one update

    @property
    def whole(self) -> bool:
        """Whether the loop stands at the end of an update."""
        return self._outlet.phase.kind is PhaseKind.UPDATE

    def compare(self, new: Phase, visit: AbstractContextManager[None]) -> None:
        """Show the update at hand as it is ("old") and as it would be ("new"), side by side."""
        phase = self._outlet.phase
        assert phase.update is not None and new.update is not None
        found = {"old": self._measured(self.moment_at(phase), COMPARED)}
        with visit:
            found["new"] = self._measured(self.moment_at(new), COMPARED)
        scalars = {f"{which}_{name}": value for which, of in found.items() for name, value in of.scalars.items()}
        arrays = {f"{which}_{name}": array for which, of in found.items() for name, array in of.arrays.items()}
        settings = {"old": phase.update.settings.live(), "new": new.update.settings.live()}
        self._outlet.send(Kind.COMPARISON, arrays, scalars=scalars, open=True, settings=settings)

    def decided(self) -> None:
        """There is nothing to compare any more."""
        self._outlet.send(Kind.COMPARISON, open=False)

    def amended(self, phase: Phase) -> None:
        """The update at hand has been made anew, and this is what it is now."""
        self.flush()
        self._outlet.phase = phase
        moment = self.moment_at(phase)
        row = self._rows.amend(moment, self._subject.steps)
        if self._clerk is None or not self._clerk.at_work:  # else it is the clerk who knows how the run is
            self._health.amend(moment, {**row, **known_of(phase)})
        self.show(moment)

    # What is said of it

    def progress(self) -> None:
        """Where the loop is, which is also its sign of life."""
        self._outlet.send(Kind.PROGRESS, activity=None)

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
        """What the loop does now: see `worker.reporter.Reporter.state`."""
        about = {"snapshot": self._sequence, "pending": self.pending, "cause": cause, "met": met}
        self._outlet.event("state", state=state, playing=playing, pausing=pausing, pace=pace, **about)

    def reply(self, command: Command, code: str | None = None, message: str | None = None) -> None:
        """Answer a command that asked for an answer by having an id."""
        if command.get("id") is not None:
            self._outlet.event("reply", id=command["id"], code=code, message=message)

    def changed(self, change: dict[str, Any]) -> None:
        """A setting took effect: `name`, `old`, `new`, `first_update`."""
        self._changes.append(change)
        self._outlet.event("change", **change)

    def again(self, first: int, changes: int) -> None:
        """Say anew what the server has not got: rows from the update `first` on, and changes beyond so many."""
        self._rows.again(first)
        for change in self._changes[changes:]:
            self._outlet.event("change", **change)

    # Inside

    def _judge(self) -> None:
        """How the run is now: what was said at the latest look may be of some updates before."""
        clerk = self._clerk
        if clerk is not None and clerk.at_work and self._judged_after != self._handed:
            self._judged, self._judged_after = clerk.judged(self._budget.failed), self._handed
            if clerk.ended:
                self._clerk = None

    def _not_measured(self, what: str, error: Exception) -> None:
        self._budget.failed.setdefault(what, described(error))

    def _measured(self, moment: Moment, probes: frozenset[str]) -> Measurement:
        moment.environment = self._environment
        return measure(moment, probes, self._budget)

    def _header(self, moment: Moment, found: Measurement) -> dict[str, Any]:
        header = header_of(moment, found, self._budget, self._facts.live())
        return {**header, **(self._judged or self._health.told(self._budget.failed))}


def known_of(phase: AnyPhase) -> dict[str, float]:
    """What only the loop can tell of an update, for Health."""
    return phase.update.known if isinstance(phase.update, Update) else {}
