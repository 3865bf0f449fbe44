"""Whether a process that lives gives signs of it, and whether what it is at goes on."""

from __future__ import annotations

import time
from typing import Any

from ppo_scope.runs.ending import Cause
from ppo_scope.wire.activity import EVALUATING, SOMEBODY_ELSES, STARTING, TRIAL, TRIAL_STAGES

STALL_AFTER = 10.0
"""Seconds without a sign of life, or within one step of an environment, after which a run counts as stalled."""
START_WITHIN = 120.0
"""The same before a run has begun: importing torch from a cold disk takes its time, and so do environments."""
GENEROSITY = 3.0
"""How many times as long as the longest one so far a step may take before it counts as hanging."""

SILENT = Cause(
    "The training process has given no sign of life for {seconds:.0f} seconds.",
    "It may be stopped by the system, or compiled code of an environment holds it and does not return.",
    "Wait for it, or restart: that ends the process.",
)
HANGING = Cause(
    "{what} has taken {seconds:.0f} seconds so far.",
    "The training process lives and hears: it waits for the environment. The longest one before took {longest:.3g} s.",
    "Wait for it, or restart: that ends the process. Where steps always take that long, nothing is wrong.",
)


class Pulse:
    """Of one process."""

    def __init__(self, stall_after: float) -> None:
        self._stall_after = stall_after
        self._heard = time.monotonic()
        self._told = self._heard
        self._activity: dict[str, Any] | None = None

    def heard(self) -> None:
        """The process has sent something."""
        self._heard = time.monotonic()

    def told(self, activity: dict[str, Any] | None, update: int) -> None:
        """It has said what it is at."""
        self._told = time.monotonic()
        self._activity = {**activity, "update": update} if activity else None

    @property
    def at(self) -> str:
        """What it was at when it said so last, in words."""
        return describe(self._activity) if self._activity else "starting its process"

    def complaint(self, state: str, waiting: float) -> Cause | None:
        """What is wrong, if something is. `waiting`: seconds for which the oldest command has waited for its answer."""
        now = time.monotonic()
        silent, limit = now - self._heard, START_WITHIN if state == "starting" else self._stall_after
        # A paused run may be silent as long as it likes, unless somebody waits for its answer.
        if silent > limit and (state != "paused" or waiting > limit):
            return _filled(SILENT, seconds=silent)
        activity = self._activity
        if activity is None or activity["name"] not in SOMEBODY_ELSES:
            return None  # it computes, and says so
        seconds, longest = activity["seconds"] + now - self._told, activity.get("longest", 0.0)
        limit = START_WITHIN if activity["name"] == STARTING else self._stall_after
        if seconds > max(limit, GENEROSITY * longest):
            what = describe(activity)
            return _filled(HANGING, what=what[0].upper() + what[1:], seconds=seconds, longest=longest)
        return None


def describe(activity: dict[str, Any]) -> str:
    """What a process is at, as the beginning of a sentence or its end."""
    if activity["name"] == TRIAL:
        return TRIAL_STAGES[min(activity["done"], len(TRIAL_STAGES) - 1)]
    if activity["name"] == STARTING:
        return "making and resetting the environments"
    if activity["name"] == EVALUATING:
        return f"a step of the evaluation after update {activity['update']}"
    return f"step {activity['done'] + 1} of {activity['of']} of the rollout of update {activity['update']}"


def _filled(cause: Cause, **values: Any) -> Cause:
    return Cause(cause.summary.format(**values), cause.detail.format(**values), cause.remedy)
