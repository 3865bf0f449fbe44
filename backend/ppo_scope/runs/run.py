"""One run: its process, its state, its history.

Everything here runs on the event loop; `Inbox` brings what the process's reading thread takes from the pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import signal
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from ppo_scope.ppo.settings import Settings
from ppo_scope.probes import frame as frames
from ppo_scope.runs import ending
from ppo_scope.runs.history import History
from ppo_scope.runs.inbox import Inbox
from ppo_scope.runs.process import NotReading, TrainingProcess
from ppo_scope.runs.pulse import STALL_AFTER, Pulse
from ppo_scope.runs.studio import Studio

logger = logging.getLogger(__name__)

PATIENCE = (3.0, 1.0, 2.0)
"""Seconds that a process has to end after being asked, after SIGTERM, and after SIGKILL."""

ENDED = frozenset({"finished", "stopped", "failed", "killed", "out_of_memory"})
"""States that a run does not leave."""

HEADER = frozenset({"protocol", "kind", "run", "sequence", "scalars", "arrays", "event"})
POSITION = ("update", "phase", "epoch", "epochs", "minibatch", "minibatches")
LATEST = ("snapshot", "series", "picture", "progress", "comparison")
"""Kinds of frames that pages get by themselves; those of the kind `passing` are kept for who asks for them."""

CHANGES_TOLD = 200
"""Changes of settings that a run's description holds, the newest ones: a slider may be moved all day."""


class Listener(Protocol):
    """What a supervisor tells about its runs; called on the event loop."""

    def frame(self, run: Run, header: dict[str, Any], message: bytes) -> None:
        """A frame for the pages."""

    def state(self, run: Run) -> None:
        """The run's state, position or cause changed: see `Run.status`."""

    def change(self, run: Run, change: dict[str, Any]) -> None:
        """A setting took effect."""

    def reply(self, run: Run, command: str, code: str | None, message: str) -> None:
        """The process answered a command: `code` is None for yes."""

    def current(self, run: Run) -> None:
        """A new run became the current one."""


class Run:
    """One run: what the server knows of it, and its process while that lives."""

    def __init__(
        self,
        settings: Settings,
        *,
        paused: bool,
        listener: Listener,
        worker: str,
        stall_after: float = STALL_AFTER,
        trial: bool = False,
    ) -> None:
        self.id = secrets.token_hex(4)
        self.created = datetime.now(UTC).isoformat(timespec="seconds")
        self.history = History()
        self.settings: dict[str, Any] = json.loads(settings.model_dump_json())
        self.pending: dict[str, Any] = {}
        self.facts: dict[str, Any] = {
            "device": settings.device,
            "reward_threshold": None,
            "observation": None,
            "action": None,
            "wrappers": None,
        }
        self.latest: dict[str, tuple[dict[str, Any], bytes]] = {}
        self.wants_pause = paused
        self._position: dict[str, Any] = dict.fromkeys(POSITION, 0) | {"phase": "ready"}
        self._reported = "starting"
        self._stop: int | None = None  # the snapshot that belongs to the state
        self._playing = self._pausing = False
        self._pace: float | None = None
        self._cause: dict[str, str] | None = None
        self._met: dict[str, Any] | None = None
        self._stalled: ending.Cause | None = None
        self._ended: str | None = None
        self._asked = False
        self._complained = False
        self._done = asyncio.Event()
        self._tried, self._proved = asyncio.Event(), False  # a run on trial
        self._listener = listener
        self._pulse = Pulse(stall_after)
        self._unanswered: dict[str, float] = {}
        self._studio = Studio(self, partial(self._show, "picture"))
        self._memory_kills = ending.out_of_memory_kills()
        inbox = Inbox(asyncio.get_running_loop(), self._receive, self._exited)
        self._process = TrainingProcess(self.id, worker, (self.id, self.settings, paused, trial), receiver=inbox)

    @property
    def state(self) -> str:
        """One of the protocol's states."""
        return self._ended or ("stalled" if self._stalled else self._reported)

    @property
    def cause(self) -> dict[str, str] | None:
        """Why it is in that state, where there is something to explain."""
        return self._stalled.describe() if self._stalled and not self._ended else self._cause

    @property
    def ended(self) -> bool:
        """The process is gone, or has nothing left to do."""
        return self.state in ENDED

    @property
    def gone(self) -> bool:
        """The process has ended."""
        return self._ended is not None

    @property
    def pid(self) -> int:
        """The number of the process, which leads a group of its own."""
        return self._process.pid

    def describe(self) -> dict[str, Any]:
        """The run object of the protocol."""
        return {
            "id": self.id,
            "environment": self.settings["env"],
            "seed": self.settings["seed"],
            "state": self.state,
            "update": self._position["update"],
            "settings": self.settings,
            "changes": list(self.history.changes)[-CHANGES_TOLD:],
            "changes_dropped": max(0, self.history.changes_made - CHANGES_TOLD),
            "pending": self.pending,
            "cause": self.cause,
            "created": self.created,
            **self.facts,
        }

    def status(self) -> dict[str, Any]:
        """The `state` message of the protocol, without its type."""
        return {
            "run": self.id,
            "state": self.state,
            **self._position,
            "sequence": self._stop,
            "playing": self._playing,
            "pausing": self._pausing,
            "pace": self._pace,
            "pending": self.pending,
            "cause": self.cause,
            "met": self._met,
        }

    def send(self, command: dict[str, Any]) -> None:
        """Hand a command to the process; never blocks. A command with an `id` is answered by `Listener.reply`.

        Raises:
            NotReading: too many commands wait for it already.
        """
        self._process.send(json.dumps(command, allow_nan=False).encode())
        if "id" in command:
            self._unanswered[command["id"]] = time.monotonic()

    def watch(self, probes: frozenset[str], environment: int | None = None) -> None:
        """Have these measured from now on, and this environment shown where not all can be. Only the last word counts.

        It never fails and takes no place of a command.
        """
        self._studio.watch("picture" in probes)
        self._process.tell(
            "watch", json.dumps({"type": "watch", "probes": sorted(probes), "environment": environment}).encode()
        )

    def want_weights(self, wanted: bool) -> None:
        """Have the trainer send its weights, as often as is good, or not any more."""
        self._process.tell("weights", json.dumps({"type": "weights", "wanted": wanted}).encode())

    async def proved(self, within: float) -> ending.Cause | None:
        """Wait until a run on trial has shown that it trains: None, or why it has not."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._tried.wait(), within)
        if self._proved and not self.ended:
            return None
        if self.cause is not None:
            return ending.Cause(**self.cause)
        return ending.not_proved(within, self._pulse.at, self._process.output)

    def begin(self) -> None:
        """Have a run that was on trial begin. A command and not the newest word: it goes before those that follow."""
        self._process.send(b'{"type":"begin"}')

    async def depiction(self, update: int, environment: int, step: int) -> bytes | str:
        """The picture of an environment at a step of a rollout, as JPEG; or why there is none."""
        return await self._studio.ask(update, environment, step)

    async def stop(self) -> None:
        """End the process and all that it started: asked, then told, then killed, within the sum of `PATIENCE`."""
        self._asked = True
        self._studio.retire()
        with contextlib.suppress(NotReading):
            self._process.send(b'{"type":"stop","id":"stop"}')
        asked, told, killed = PATIENCE
        if self._stalled:
            asked = 0.1  # it will not hear
        for patience, number in zip((asked, told, killed), (signal.SIGTERM, signal.SIGKILL, None), strict=True):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._done.wait(), patience)
                return
            if number is not None:
                self._process.kill(number)

    def kill(self) -> None:
        """End the process at once, without waiting for it. Safe in a signal handler's situation."""
        self._asked = True
        self._studio.close()
        self._process.kill(signal.SIGKILL)

    def look(self) -> None:
        """Notice a process that lives and gives no sign of it; called every now and then."""
        self._studio.check()
        if self.ended:
            return
        waiting = time.monotonic() - min(self._unanswered.values(), default=time.monotonic())
        complaint = self._pulse.complaint(self._reported, waiting)
        if complaint is not None and not self._stalled:
            self._stalled = complaint
            self._listener.state(self)
        elif complaint is None:
            self._recover()

    def _recover(self) -> None:
        if self._stalled:
            self._stalled = None
            self._listener.state(self)

    def _receive(self, messages: list[bytes]) -> None:
        self._pulse.heard()
        for message in messages:
            try:
                self._read(message)
            except (ValueError, KeyError, TypeError):
                # Training is worth more than a frame: drop it, say so once, go on.
                if not self._complained:
                    logger.exception(
                        "Run %s sent a frame that is not in the protocol; such frames are dropped.", self.id
                    )
                    self._complained = True
        if self._stalled and self._pulse.complaint(self._reported, waiting=0.0) is None:
            self._recover()

    def _read(self, message: bytes) -> None:
        header = frames.header(message)
        self._position.update({name: header[name] for name in POSITION})
        kind = header["kind"]
        if kind != "event":
            self._pulse.told(header.get("activity"), header["update"])
        if kind == "event":
            self._event(header)
        elif kind == "passing":
            self.history.moments.keep(header, message)
        elif kind == "weights":
            self._studio.weights(header, message)
        elif kind == "look":
            self._studio.look(header, message)
        elif kind in LATEST:
            self._show(kind, header, message)
        else:
            raise ValueError(f"unknown kind of frame {kind!r}")

    def _show(self, kind: str, header: dict[str, Any], message: bytes) -> None:
        self._keep(kind, header, message)
        self._listener.frame(self, header, message)

    def _keep(self, kind: str, header: dict[str, Any], message: bytes) -> None:
        self.latest[kind] = (header, message)
        if kind == "series" and header.get("amends"):
            _, arrays = frames.decode(message)
            self.history.amend(header["first"], arrays["rows"])
        elif kind == "series":
            _, arrays = frames.decode(message)
            self.history.append_series(header["columns"], header["first"], arrays["rows"], arrays["episodes"])
        elif kind == "snapshot":
            self.history.findings = header.get("history", [])
            self.history.moments.keep(header, message)

    def _event(self, header: dict[str, Any]) -> None:
        match header["event"]:
            case "started":
                self.facts.update({k: v for k, v in header.items() if k not in HEADER and k not in POSITION})
                self._listener.state(self)
            case "proved":
                self._proved = True
                self._tried.set()
            case "state":
                self._take_state(header)
            case "change":
                self._take_change(header)
            case "abandoned":
                self.history.moments.forget(header["abandoned"])
                self._studio.forget(header["abandoned"])
            case "reply":
                self._unanswered.pop(header["id"], None)
                if self._studio.replied(header["id"], header.get("code"), header.get("message") or ""):
                    return
                self._listener.reply(self, header["id"], header.get("code"), header.get("message") or "")
            case other:
                raise ValueError(f"unknown event {other!r}")

    def _take_state(self, header: dict[str, Any]) -> None:
        self._reported = header["state"]
        self._studio.trains(self._reported == "running")
        if self._reported in {"running", "paused"}:
            self.wants_pause = self._reported == "paused"
        self._stop = header.get("snapshot") or None
        self._playing, self._pausing = header.get("playing", False), header.get("pausing", False)
        self._pace = header.get("pace")
        self.pending = header.get("pending") or {}
        self._cause, self._met = header.get("cause"), header.get("met")
        if self._reported in ENDED:
            self._tried.set()
        self._listener.state(self)

    def _take_change(self, header: dict[str, Any]) -> None:
        change = {"update": header["first_update"], **{name: header[name] for name in ("name", "old", "new")}}
        self.history.change(change)
        self.settings = {**self.settings, change["name"]: change["new"]}
        self.pending = {name: value for name, value in self.pending.items() if name != change["name"]}
        self._listener.change(self, change)

    def _exited(self, exitcode: int) -> None:
        self._studio.retire()
        if self._ended is None:
            result = ending.classify(
                exitcode,
                reported=self._reported,
                asked=self._asked,
                out_of_memory=ending.out_of_memory_kills() > self._memory_kills,
                output=self._process.output,
            )
            self._ended = result.state
            if not (result.state == "failed" and self._cause):
                self._cause = result.cause.describe() if result.cause else None
            self._listener.state(self)
        for command in list(self._unanswered):
            self._listener.reply(self, command, "not_running", "The run ended before it could answer.")
        self._unanswered.clear()
        self._tried.set()
        self._done.set()
