"""Whether a run goes on, how fast, and how far."""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Protocol

from ppo_scope.wire.codes import RunState
from ppo_scope.wire.run import Cause
from ppo_scope.worker.goals import Goal
from ppo_scope.worker.reporter import Attention

ROLLOUT_SECONDS = 0.5
"""For a rollout to become whole, where the run is to end in the middle of it: with one, it goes on later to the same
bits.
"""


class Tells(Protocol):
    """Who tells of the run."""

    def show(self) -> None:
        """Send it exactly as it is."""

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
        """Say what it does now: see `Reporter.state`."""


class Going:
    """What a run was told, as far as it has not been done yet."""

    def __init__(self, report: Tells, *, running: bool) -> None:
        self.running = running
        self.pausing = False
        """It was told to pause, and does so once its rollout is whole."""
        self.stopping = False
        """It was told to end: see `stop`."""
        self._stops_by = 0.0
        self.pace: float | None = None
        self.goals: deque[Goal] = deque()
        self.met: dict[str, Any] | None = None
        """What the last step was to go on until, once it has come."""
        self._report = report
        self._next_phase = 0.0  # not before that time

    def stop(self) -> None:
        """It is to end."""
        self.stopping, self._stops_by = True, time.monotonic() + ROLLOUT_SECONDS

    @property
    def stops_now(self) -> bool:
        """It is to end, in whatever it is: also a rollout had its time to become whole."""
        return self.stopping and time.monotonic() >= self._stops_by

    @property
    def standing(self) -> bool:
        """There is nothing to go on to."""
        return not self.running and not self.goals

    @property
    def at_full_speed(self) -> bool:
        """It goes on until told otherwise, and nobody waits for one of its phases."""
        return self.running and not self.pausing and self.pace is None and not self.goals

    @property
    def looked_at_closely(self) -> bool:
        """Each phase is shown or kept."""
        return self.pace is not None or bool(self.goals and self.goals[0].phase_by_phase)

    @property
    def seconds_early(self) -> float:
        """How long a run in slow motion has to wait for its next phase."""
        return self._next_phase - time.monotonic() if self.pace is not None else 0.0

    def attention(self, goal: Goal | None, *, reached: bool) -> Attention:
        """How closely a phase is looked at, on the way to that goal."""
        if reached or self.pace is not None:
            return Attention.SHOWN
        return Attention.PASSING if goal is not None and goal.phase_by_phase else Attention.GLANCE

    def play(self, pace: float | None) -> None:
        """Go on until told otherwise; `pace`: phases a second, None: at full speed."""
        self.met = None
        self.running, self.pausing, self.pace = True, False, pace
        self._next_phase = 0.0
        self.goals.clear()

    def keep_pace(self) -> None:
        """A phase has been shown: the next one comes in its time."""
        if self.pace is not None:
            self._next_phase = time.monotonic() + 1 / self.pace

    def stand_still(self, state: str, cause: Cause | None = None) -> None:
        """Go no further: show everything as it is, and say why."""
        self.running, self.pausing, self.pace = False, False, None
        self.goals.clear()
        self.halt(state, cause)

    def halt(self, state: str, cause: Cause | None = None) -> None:
        """Show everything as it is at this phase, then say the state that it belongs to."""
        self._report.show()
        self._report.state(state, cause, playing=self.running, pace=self.pace, met=self.met)

    def say(self, *, finished: bool) -> None:
        """Say the state; `finished`: the run has reached its end, and cannot go on."""
        state = (RunState.FINISHED if finished else RunState.PAUSED) if self.standing else RunState.RUNNING
        self._report.state(state, playing=self.running, pausing=self.pausing, pace=self.pace, met=self.met)
