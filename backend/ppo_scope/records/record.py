"""A run as a record: what is known of it, whether or not a process still adds to it.

It grows by the frames of the run and can be read at any time. In memory; nothing of it knows a process.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from ppo_scope.records.history import History, Slice
from ppo_scope.records.moments import Entry, Moments
from ppo_scope.wire import frame as frames
from ppo_scope.wire.codes import LATEST, Kind
from ppo_scope.wire.headers import MOMENT_COLUMNS, POSITION, START
from ppo_scope.wire.run import Branch, Cause, Change, Evaluation, Parent, Resumption, Run, RunBrief
from ppo_scope.wire.told import Met, StateTold

HEADER = frozenset({"protocol", "kind", "run", "sequence", "scalars", "arrays", "event"})
CHANGES_TOLD = 200
"""Changes of settings that a run's description holds, the newest ones: a slider may be moved all day."""
SKETCHED = 32
"""Points of the return's curve in a list of runs."""
FACTS = ("device", "reward_threshold", "observation", "action", "wrappers")
"""What is known of a run once it has begun; None until then."""


def script_in(facts: Any) -> str:
    """The program that a run's loop is in, where that is not ours; else empty. Facts may come from a disk."""
    attached = facts.get("attached") if isinstance(facts, dict) else None
    script = attached.get("script") if isinstance(attached, dict) else None
    return script if isinstance(script, str) else ""


@dataclass(frozen=True)
class Said:
    """What a run said of its state, the last time it did."""

    state: str = "starting"
    stop: int | None = None
    """The snapshot that belongs to the state."""
    playing: bool = False
    pausing: bool = False
    pace: float | None = None
    cause: Cause | None = None
    met: Met | None = None

    @classmethod
    def of(cls, header: dict[str, Any]) -> Said:
        """What the event `state` says."""
        return cls(
            header["state"],
            header.get("snapshot") or None,
            header.get("playing", False),
            header.get("pausing", False),
            header.get("pace"),
            header.get("cause"),
            header.get("met"),
        )


@dataclass
class RunRecord:
    """Settings, facts, series, episodes, changes, findings and moments of one run, and where it has come to."""

    id: str
    settings: dict[str, Any]
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    pending: dict[str, Any] = field(default_factory=dict)
    unwritten: str | None = None
    """What the disk says, while it does not take what is to be kept; or why the run is kept nowhere."""
    facts: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(FACTS))
    parent: Parent | None = None
    """Of a fork."""
    sweep: str | None = None
    """The name of the one that it belongs to."""
    resumed: list[Resumption] = field(default_factory=list)
    """When it went on from a kept state."""
    latest: dict[str, tuple[dict[str, Any], bytes]] = field(default_factory=dict)
    """The newest frame of each kind of `LATEST`, with its header."""
    said: Said = field(default_factory=Said)
    position: dict[str, Any] = field(default_factory=START.copy)
    forks: list[Branch] = field(default_factory=list)
    pauses: deque[int] = field(default_factory=lambda: deque(maxlen=CHANGES_TOLD))
    """Updates at which it stopped playing."""
    _history: History = field(default_factory=History)

    # Grow

    def locate(self, header: dict[str, Any]) -> None:
        """The run has come to where this frame was made.

        Raises:
            KeyError: the header does not say where.
        """
        self.position.update({name: header[name] for name in POSITION})

    def add(self, kind: str, header: dict[str, Any], message: bytes) -> None:
        """Keep what a frame brings: the newest of its kind, rows of the series, a moment.

        Raises:
            ValueError, KeyError, TypeError: the frame does not fit what is there. Nothing of it is kept but itself.
        """
        if kind in LATEST:
            self.latest[kind] = (header, message)
        if kind == Kind.SERIES:
            _, arrays = frames.decode(message)
            if header.get("amends"):
                self._history.amend(header["first"], arrays["rows"])
            else:
                self._history.append_series(header["columns"], header["first"], arrays["rows"], arrays["episodes"])
        if kind == Kind.SNAPSHOT:
            self._history.findings = header.get("history", [])
        if kind == Kind.PASSING:
            self._history.moments.fill(header, message)
        elif kind == Kind.PASSED:
            for row in header["passed"]:
                self._history.moments.keep(dict(zip(MOMENT_COLUMNS, row, strict=True)), None)
            self._history.moments.let_go(header.get("dropped", ()))
        elif kind == Kind.SNAPSHOT:
            self._history.moments.keep(header, message)

    def can_be_made_again(self) -> None:
        """Whatever moment makes room can be measured again: of a run on the disk."""
        self._history.moments = Moments(again=True)

    def take_series(self, columns: list[str], first: int, rows: Any, episodes: Any) -> None:
        """Rows [R, C] and episodes [E, 4] of a run that was there before."""
        self._history.append_series(columns, first, rows, episodes)

    def take_change(self, change: Change) -> None:
        """A change that took effect before."""
        self._history.change(change)

    def started(self, header: dict[str, Any]) -> None:
        """The facts of the run are known."""
        self.facts.update({k: v for k, v in header.items() if k not in HEADER and k not in POSITION})

    def stops(self, said: Said) -> bool:
        """Whether a run that says so stops playing with that: one that was stepped does not."""
        return self.said.playing and said.state == "paused"

    def told(self, said: Said, pending: dict[str, Any]) -> None:
        """The run has said its state, and which changes wait."""
        if self.stops(said):
            self.pauses.append(self.position["update"])
        self.said, self.pending = said, pending

    def went_on(self, before: int, anew: str | None) -> Resumption:
        """It has gone on from a kept state before this update; `anew`: why its environments began new episodes."""
        resumption: Resumption = {"before": before, "anew": anew}
        self.resumed.append(resumption)
        return resumption

    def changed(self, header: dict[str, Any]) -> list[Change]:
        """A setting took effect; what is to be told of it: nothing where that is known already.

        Where it comes late, the newest change of the same setting is told again after it: that is the one that counts.
        """
        change: Change = {
            "update": header["first_update"],
            "name": header["name"],
            "old": header["old"],
            "new": header["new"],
        }
        if not self._history.change(change):
            return []
        newest = next(one for one in reversed(self._history.changes) if one["name"] == change["name"])
        self.settings = {**self.settings, newest["name"]: newest["new"]}
        if newest is not change:
            return [change, newest]
        self.pending = {name: value for name, value in self.pending.items() if name != change["name"]}
        return [change]

    def evaluated(self, evaluations: list[Evaluation]) -> None:
        """The policy was evaluated, once or several times."""
        for evaluation in evaluations:
            self._history.evaluated(evaluation)

    def forget(self, update: int) -> None:
        """An update was given up: its moments were of something that is no more."""
        self._history.moments.forget(update)

    def forgo(self) -> int:
        """Nothing more is measured: how many of the moments that were passed are lost with it."""
        return self._history.moments.forgo()

    def retire(self) -> None:
        """Another run takes the page: keep few moments from now on."""
        self._history.moments.shrink()

    # Read

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What has been wrong with the run so far."""
        return self._history.findings

    @property
    def changes(self) -> list[Change]:
        """Of settings, the earliest first, as far as they are kept."""
        return list(self._history.changes)

    @property
    def evaluations(self) -> list[Evaluation]:
        """Of policies, the earliest first, as far as they are kept."""
        return list(self._history.evaluations.values())

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the series; empty before its first row."""
        return self._history.columns

    @property
    def last(self) -> int:
        """The newest update with a row in the series; 0 where there is none."""
        return max(0, self._history.last)

    @property
    def changes_made(self) -> int:
        """Of settings, since the run began."""
        return self._history.changes_made

    def series(self, start: int | None, end: int | None, rows: int, episodes: int) -> tuple[Slice, int | None]:
        """Rows of the updates `start` to `end`, as far as they are kept, and where to go on: `History.page`."""
        return self._history.page(start, end, rows, episodes)

    def taken(self, columns: tuple[str, ...]) -> Any:
        """Some columns of all rows that are kept: `History.taken`."""
        return self._history.taken(columns)

    def moments(self) -> list[Entry]:
        """Places and numbers of everything that one can go back to, in no order."""
        return self._history.moments.entries()

    @property
    def held(self) -> int:
        """Bytes of moments that are kept."""
        return self._history.moments.held

    @property
    def unmeasured(self) -> int:
        """Moments whose bytes are still to come."""
        return self._history.moments.unmeasured

    @property
    def room(self) -> int:
        """Bytes of moments that may be kept."""
        return self._history.moments.room

    def moment(self, sequence: int) -> bytes | None:
        """The snapshot with that number, or the one that replaced it, if it is still kept and has been measured."""
        return self._history.moments.at(sequence)

    def number_of_end(self, update: int) -> int | None:
        """The number of the snapshot of an update's end, if it is still kept."""
        return self._history.moments.number_of_end(update)

    def owed(self, sequence: int) -> bool:
        """Whether the snapshot with that number is still to be measured."""
        return self._history.moments.owed(sequence)

    def describe(self, state: str, cause: Cause | None, *, gone: bool = False) -> Run:
        """The run object of the protocol."""
        history, facts = self._history, self.facts
        run: Run = {
            "id": self.id,
            "environment": self.settings["env"],
            "seed": self.settings.get("seed"),
            "state": state,
            "gone": gone,
            "update": self.position["update"],
            "settings": self.settings,
            "changes": list(history.changes)[-CHANGES_TOLD:],
            "changes_dropped": max(0, history.changes_made - CHANGES_TOLD),
            "evaluations": list(history.evaluations.values()),
            "forks": list(self.forks),
            "pauses": list(self.pauses),
            "pending": self.pending,
            "cause": cause,
            "unwritten": self.unwritten,
            "created": self.created,
            "device": facts["device"],
            "reward_threshold": facts["reward_threshold"],
            "observation": facts["observation"],
            "action": facts["action"],
            "wrappers": facts["wrappers"],
            "parent": self.parent,
            "sweep": self.sweep,
            "resumed": list(self.resumed),
        }
        return cast(Run, {**run, **facts})  # and what else was said of it when it had begun

    def brief(self, state: str, *, gone: bool = False) -> RunBrief:
        """What a list of runs says of one: small, told again and again."""
        return {
            "id": self.id,
            "environment": self.settings["env"],
            "seed": self.settings.get("seed"),
            "state": state,
            "gone": gone,
            "update": self.position["update"],
            "created": self.created,
            "sweep": self.sweep,
            "script": script_in(self.facts),
            "returns": self._history.sketch("episodic_return_mean", SKETCHED),
        }

    def status(self, state: str, cause: Cause | None, *, gone: bool = False) -> StateTold:
        """The message `state` of the protocol."""
        said, position = self.said, self.position
        return {
            "type": "state",
            "run": self.id,
            "state": state,
            "gone": gone,
            "update": position["update"],
            "phase": position["phase"],
            "epoch": position["epoch"],
            "epochs": position["epochs"],
            "minibatch": position["minibatch"],
            "minibatches": position["minibatches"],
            "sequence": said.stop,
            "playing": said.playing,
            "pausing": said.pausing,
            "pace": said.pace,
            "pending": self.pending,
            "cause": cause,
            "unwritten": self.unwritten,
            "met": said.met,
        }
