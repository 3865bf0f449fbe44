"""Whom a live run deals with: who hears of it, and what adds to it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ppo_scope.processes.process import Receiver
from ppo_scope.wire.run import Change, Evaluation

if TYPE_CHECKING:
    from ppo_scope.runs.live import LiveRun


class Listener(Protocol):
    """What a supervisor tells about its runs; called on the event loop."""

    def frame(self, run: LiveRun, header: dict[str, Any], message: bytes) -> None:
        """A frame for the pages."""

    def state(self, run: LiveRun) -> None:
        """The run's state, position or cause changed: see `LiveRun.status`."""

    def change(self, run: LiveRun, change: Change) -> None:
        """A setting took effect."""

    def evaluated(self, run: LiveRun, evaluations: list[Evaluation]) -> None:
        """Its policy was evaluated, once or several times."""

    def reply(self, run: LiveRun, command: str, code: str | None, message: str) -> None:
        """The process answered a command: `code` is None for yes."""

    def begun(self, run: LiveRun, instead: LiveRun | None) -> None:
        """A new run is there; where it takes the place of another one, of which."""


class Trains(Protocol):
    """What adds to the record: a process of ours, as `TrainingProcess` says, or a loop elsewhere."""

    pid: int

    @property
    def output(self) -> str | None:
        """The tail of what it printed; None: that is not for us."""

    def send(self, command: bytes) -> None:
        """Hand a command over, or raise NotReading."""

    def tell(self, slot: str, message: bytes) -> None:
        """Hand over how something is now."""

    def kill(self, number: signal.Signals) -> None:
        """End it."""


Elsewhere = Callable[[Receiver, tuple[Any, ...]], Trains]
"""Begins what trains elsewhere; given whom it reports to, and the arguments of a worker here."""
