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
from typing import Any, Protocol

from ppo_scope.ppo.settings import Settings
from ppo_scope.probes import frame as frames
from ppo_scope.runs import ending
from ppo_scope.runs.depictions import Depictions
from ppo_scope.runs.history import History
from ppo_scope.runs.inbox import Inbox
from ppo_scope.runs.process import NotReading, TrainingProcess

logger = logging.getLogger(__name__)

STALL_AFTER = 10.0
"""Seconds without a sign of life after which a run counts as stalled."""
START_WITHIN = 120.0
"""The same before the first sign: importing torch from a cold disk takes its time."""
PATIENCE = (3.0, 1.0, 2.0)
"""Seconds that a process has to end after being asked, after SIGTERM, and after SIGKILL."""

ENDED = frozenset({"finished", "stopped", "failed", "killed", "out_of_memory"})
"""States that a run does not leave."""

HEADER = frozenset({"protocol", "kind", "run", "sequence", "scalars", "arrays", "event"})
POSITION = ("update", "phase", "epoch", "epochs", "minibatch", "minibatches")
LATEST = ("snapshot", "series", "picture", "progress", "comparison")
"""Kinds of frames that pages get by themselves; those of the kind `passing` are kept for who asks for them."""

STALLED = ending.Cause(
    "The training process has given no sign of life for {seconds:.0f} seconds.",
    "It may be stopped by the system, or an environment hangs in its step.",
    "Wait for it, or restart: that ends the process.",
)


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
        }
        self.cause: dict[str, str] | None = None
        self.latest: dict[str, tuple[dict[str, Any], bytes]] = {}
        self.wants_pause = paused
        self._position: dict[str, Any] = dict.fromkeys(POSITION, 0) | {"phase": "ready"}
        self._reported = "starting"
        self._stop: int | None = None  # the snapshot that belongs to the state
        self._playing = False
        self._pace: float | None = None
        self._stalled = False
        self._ended: str | None = None
        self._asked = False
        self._complained = False
        self._done = asyncio.Event()
        self._listener = listener
        self._stall_after = stall_after
        self._heard = time.monotonic()
        self._unanswered: dict[str, float] = {}
        self._depictions = Depictions()
        self._memory_kills = ending.out_of_memory_kills()
        inbox = Inbox(asyncio.get_running_loop(), self._receive, self._exited)
        self._process = TrainingProcess(self.id, self.settings, paused=paused, receiver=inbox, worker=worker)

    @property
    def state(self) -> str:
        """One of the protocol's states."""
        return self._ended or ("stalled" if self._stalled else self._reported)

    @property
    def ended(self) -> bool:
        """The process is gone, or has nothing left to do."""
        return self.state in ENDED

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
            "changes": self.history.changes,
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
            "pace": self._pace,
            "pending": self.pending,
            "cause": self.cause,
        }

    def send(self, command: dict[str, Any]) -> None:
        """Hand a command to the process; never blocks. A command with an `id` is answered by `Listener.reply`.

        Raises:
            NotReading: too many commands wait for it already.
        """
        self._process.send(json.dumps(command, allow_nan=False).encode())
        if "id" in command:
            self._unanswered[command["id"]] = time.monotonic()

    async def depiction(self, update: int, environment: int, step: int) -> bytes | str:
        """The picture of an environment at a step of a rollout, as JPEG; or why there is none."""
        return await self._depictions.ask(self, update, environment, step)

    async def stop(self) -> None:
        """End the process and all that it started: asked, then told, then killed, within the sum of `PATIENCE`."""
        self._asked = True
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
        self._process.kill(signal.SIGKILL)

    def look(self) -> None:
        """Notice a process that lives and gives no sign of it; called every now and then."""
        if self.ended:
            return
        now = time.monotonic()
        limit = START_WITHIN if self._reported == "starting" else self._stall_after
        silent = now - self._heard
        waiting = now - min(self._unanswered.values(), default=now)
        # A paused run may be silent as long as it likes, unless somebody waits for its answer.
        stalled = silent > limit and (self._reported != "paused" or waiting > limit)
        if stalled and not self._stalled:
            self._stalled = True
            summary = STALLED.summary.format(seconds=silent)
            self.cause = ending.Cause(summary, STALLED.detail, STALLED.remedy).describe()
            self._listener.state(self)

    def _receive(self, messages: list[bytes]) -> None:
        self._heard = time.monotonic()
        if self._stalled:
            self._stalled, self.cause = False, None
            self._listener.state(self)
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

    def _read(self, message: bytes) -> None:
        header = frames.header(message)
        self._position.update({name: header[name] for name in POSITION})
        kind = header["kind"]
        if kind == "event":
            self._event(header)
        elif kind == "passing":
            self.history.moments.keep(header, message)
        elif kind == "depiction":
            _, arrays = frames.decode(message)
            self._depictions.answer(header["where"], arrays["image"].tobytes())
        elif kind in LATEST:
            self._keep(kind, header, message)
            self._listener.frame(self, header, message)
        else:
            raise ValueError(f"unknown kind of frame {kind!r}")

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
            case "state":
                self._reported = header["state"]
                if self._reported in {"running", "paused"}:
                    self.wants_pause = self._reported == "paused"
                self._stop = header.get("snapshot") or None
                self._playing = header.get("playing", False)
                self._pace = header.get("pace")
                self.pending = header.get("pending") or {}
                self.cause = header.get("cause")
                self._listener.state(self)
            case "change":
                change = {name: header[name] for name in ("name", "old", "new")}
                change = {"update": header["first_update"], **change}
                self.history.changes.append(change)
                self.settings = {**self.settings, change["name"]: change["new"]}
                self.pending = {name: value for name, value in self.pending.items() if name != change["name"]}
                self._listener.change(self, change)
            case "reply":
                self._unanswered.pop(header["id"], None)
                if self._depictions.refused(header["id"], header.get("message") or ""):
                    return
                self._listener.reply(self, header["id"], header.get("code"), header.get("message") or "")
            case other:
                raise ValueError(f"unknown event {other!r}")

    def _exited(self, exitcode: int) -> None:
        if self._ended is None:
            result = ending.classify(
                exitcode,
                reported=self._reported,
                asked=self._asked,
                out_of_memory=ending.out_of_memory_kills() > self._memory_kills,
                output=self._process.output,
            )
            self._ended = result.state
            if not (result.state == "failed" and self.cause):
                self.cause = result.cause.describe() if result.cause else None
            self._listener.state(self)
        for command in list(self._unanswered):
            self._listener.reply(self, command, "not_running", "The run ended before it could answer.")
        self._unanswered.clear()
        self._done.set()
