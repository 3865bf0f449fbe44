"""A run that lives: a record, and the process that adds to it.

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
from functools import partial
from typing import Any

from ppo_scope.ppo.settings import Settings
from ppo_scope.processes.process import NotReading, TrainingProcess
from ppo_scope.records.library import KeptRun, is_run
from ppo_scope.records.record import RunRecord, Said
from ppo_scope.runs import ending
from ppo_scope.runs.condition import Condition
from ppo_scope.runs.hearing import Hearing
from ppo_scope.runs.inbox import Inbox
from ppo_scope.runs.journal import Journal
from ppo_scope.runs.measuring import NOT_YET, Measuring
from ppo_scope.runs.parties import Elsewhere, Listener, Trains
from ppo_scope.runs.pulse import STALL_AFTER, Pulse
from ppo_scope.runs.studio import Studio
from ppo_scope.runs.trial import Trial
from ppo_scope.runs.writing import Writing
from ppo_scope.wire.codes import ENDED, LATEST, ErrorCode, Kind, RunState
from ppo_scope.wire.run import Cause, Run, RunBrief
from ppo_scope.wire.told import StateTold

logger = logging.getLogger(__name__)

PATIENCE = (3.0, 1.0, 2.0)
"""Seconds that a process has to end after being asked, after SIGTERM, and after SIGKILL."""

GOING = frozenset({"play", "pause", "step"})
"""Orders that say whether it goes on."""
READER = "ppo_scope.worker.reading:main"
"""What shows a run without training it."""


class LiveRun:
    """A record and its process."""

    def __init__(
        self,
        settings: Settings,
        *,
        paused: bool,
        listener: Listener,
        worker: str,
        stall_after: float = STALL_AFTER,
        trial: bool = False,
        record: RunRecord | None = None,
        state: bytes | None = None,
        shown: KeptRun | None = None,
        begin: Elsewhere | None = None,
    ) -> None:
        """`record` and `state`: of a run that was there before, to go on with; `shown`: or only to be looked at.
        `begin`: where it trains, unless that is a process of this machine.
        """
        self.record = record or RunRecord(secrets.token_hex(4), json.loads(settings.model_dump_json()))
        self.record.facts["device"] = self.record.facts["device"] or settings.device
        self.shown = shown
        """The run on the disk that it is, where nothing is trained."""
        self._writing = Writing()
        self.wants_pause = paused
        """Whether whoever leads wants it to stand still: it does, or was told to and has not come to it."""
        self._told_to: str | None = None  # go on or stand still, by the order of this identifier
        self._condition = Condition(self.record)
        self._done = asyncio.Event()
        self._trial = Trial()
        self._listener = listener
        self._pulse = Pulse(stall_after)
        self._unanswered: dict[str, float] = {}
        self._studio = Studio(self, partial(self._show, Kind.PICTURE))
        self._measuring = Measuring(self.send)
        self._hearing = Hearing(self.record, self._read, lambda question: self._process.tell("again", question))
        inbox = Inbox(asyncio.get_running_loop(), self._receive, self._exited)
        arguments: tuple[Any, ...] = (self.id, self.settings, paused, trial, *([state] if state is not None else []))
        if shown is not None:
            worker, arguments = READER, (self.id, str(shown.folder))
        self.elsewhere = begin is not None
        """No core of this machine is kept busy by it."""
        self._process: Trains = (
            begin(inbox, arguments) if begin else TrainingProcess(self.id, worker, arguments, receiver=inbox)
        )

    @property
    def id(self) -> str:
        """The record's."""
        return self.record.id

    @property
    def settings(self) -> dict[str, Any]:
        """Those in use."""
        return self.record.settings

    @property
    def state(self) -> str:
        """One of the protocol's states."""
        return self._condition.state

    @property
    def cause(self) -> Cause | None:
        """Why it is in that state, where there is something to explain."""
        return self._condition.cause

    @property
    def ended(self) -> bool:
        """The process is gone, or has nothing left to do."""
        return self.state in ENDED

    @property
    def goes_on(self) -> bool:
        """It trains, or will."""
        return self.shown is None and not self.ended

    @property
    def gone(self) -> bool:
        """The process has ended."""
        return self._condition.gone

    @property
    def dispensable(self) -> bool:
        """It need not stay listed for ever."""
        return self.gone

    def let_go(self) -> None:
        """Nobody knows it any more but the pages that look at it."""

    @property
    def pid(self) -> int:
        """The number of the process, which leads a group of its own."""
        return self._process.pid

    def describe(self) -> Run:
        """The run object of the protocol."""
        run = self.record.describe(self.state, self.cause, gone=self.gone)
        run["stored"] = self._writing.begun
        if self.shown is not None:
            run["kept"] = self.shown.told()
        return run

    def brief(self) -> RunBrief:
        """What a list of runs says of it."""
        return self.record.brief(self.state, gone=self.gone)

    def status(self) -> StateTold:
        """The message `state` of the protocol."""
        return self.record.status(self.state, self.cause, gone=self.gone)

    def send(self, command: dict[str, Any]) -> None:
        """Hand a command to the process; never blocks. A command with an `id` is answered by `Listener.reply`.

        Raises:
            NotReading: too many commands wait for it already.
        """
        self._process.send(json.dumps(command, allow_nan=False).encode())
        if "id" in command:
            self._unanswered[command["id"]] = time.monotonic()
        if command["type"] in GOING:
            self.wants_pause, self._told_to = command["type"] != "play", command.get("id")

    def keep_in(self, journal: Journal) -> None:
        """Write down what the run says from now on; of one that has ended since it proved that it trains, how."""
        self._writing.begin(journal)
        if self.record.said.state != RunState.STARTING:  # else it has yet to say all that
            self._writing.about(facts=self.record.facts)
            if not self.gone:
                self._note("state", {"state": self.state, "cause": self.cause})
        wanted = {"type": "states", "wanted": True, "every": journal.terms.every}
        self._process.tell("states", json.dumps(wanted).encode())
        if self.gone:
            self._note_end()

    @property
    def refused_by_the_disk(self) -> bool:
        """It is to be kept, and is not."""
        return not self._writing.begun and self.record.unwritten is not None

    async def written(self) -> None:
        """Wait until all that an ended run has said is on the disk, or the disk refuses."""
        await self._writing.done()

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
        await self._trial.over(within)
        if self._trial.proved and not self.ended:
            return None
        if self.cause is not None:
            return ending.Cause(self.cause["summary"], self.cause.get("detail") or "", self.cause.get("remedy") or "")
        return ending.not_proved(within, self._pulse.at, self._process.output or "")

    def begin(self) -> None:
        """Have a run that was on trial begin. A command and not the newest word: it goes before those that follow."""
        self._process.send(b'{"type":"begin"}')

    async def depiction(self, update: int, environment: int, step: int) -> bytes | str:
        """The picture of an environment at a step of a rollout, as JPEG; or why there is none."""
        return await self._studio.ask(update, environment, step)

    async def moment(self, sequence: int | None) -> bytes | str | None:
        """The snapshot with that number, measured now where it has not been; why not yet; None: it is not kept.

        Where it was replaced by another picture of the same moment, that one.
        """
        if sequence is None:
            return None
        if self.record.owed(sequence):
            await self._measuring.ask(sequence)
        return NOT_YET if self.record.owed(sequence) else self.record.moment(sequence)

    async def stop(self, *, kept: bool = True, why: ending.Cause | None = None) -> None:
        """End the process and all that it started: asked, then told, then killed, within the sum of `PATIENCE`.

        `kept`: its record is looked at further, so what has not been measured yet is, as far as there is time. `why`:
        where that is to be explained.
        """
        self._condition.ask_to_end(why)
        self._studio.retire()
        with contextlib.suppress(NotReading):
            self._process.send(json.dumps({"type": "stop", "id": "stop", "kept": kept}).encode())
        asked, told, killed = PATIENCE
        if self._condition.stalled:
            asked = 0.1  # it will not hear
        for patience, number in ((asked, signal.SIGTERM), (told, signal.SIGKILL)):
            await self._left(patience)
            if self._done.is_set():
                return
            self._process.kill(number)
        await self._left(killed)

    async def _left(self, within: float) -> None:
        """Wait until it has ended, so long at most."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), within)

    def kill(self) -> None:
        """End the process at once, without waiting for it. Safe in a signal handler's situation."""
        self._condition.ask_to_end()
        self._studio.close()
        self._process.kill(signal.SIGKILL)

    def deleted(self) -> None:
        """It is not on the disk any more: what has been shown of it is all that there is."""
        if not self.gone:
            self.kill()
        self._condition.delete()
        self._listener.state(self)

    @property
    def _is_there(self) -> bool:
        """Whether it lies where it is kept, if it is."""
        place = self.shown.folder if self.shown is not None else self._writing.folder
        return place is None or is_run(place)

    def look(self) -> None:
        """Notice a process that lives and gives no sign of it, and a run whose folder has gone; called now and then."""
        if self.ended and not self._is_there:
            self.deleted()
        if self.gone:
            return
        self._studio.check()
        problem = self._writing.problem
        if self._writing.begun and problem != self.record.unwritten:
            self.record.unwritten = problem
            self._listener.state(self)
        if self.ended:
            return
        self._hearing.ask_again()
        waiting = time.monotonic() - min(self._unanswered.values(), default=time.monotonic())
        complaint = self._pulse.complaint(self.record.said.state, waiting)
        if complaint is None:
            self._recover()
        elif not self._condition.stalled:
            self._stall(complaint)

    def _stall(self, why: ending.Cause | None) -> None:
        """It counts as stalled, or (None) not any more. Whoever looks at the disk is told, too."""
        self._condition.stalled = why
        self._note("state", {"state": self.state, "cause": self.cause})
        self._listener.state(self)

    def _recover(self) -> None:
        if self._condition.stalled:
            self._stall(None)

    def _receive(self, messages: list[bytes]) -> None:
        self._pulse.heard()
        self._hearing.take(messages)
        if self._condition.stalled and self._pulse.complaint(self.record.said.state, waiting=0.0) is None:
            self._recover()

    def _read(self, header: dict[str, Any], message: bytes) -> None:
        kind = header["kind"]
        if kind == Kind.PASSING:  # of where the run was, under the number that it had then
            self.record.add(kind, header, message)
            self._measuring.came(header["sequence"])
            return
        if self.shown is None or kind != Kind.WEIGHTS:  # whoever acts may do so as the run was
            self.record.locate(header)
        if kind == Kind.EVENT:
            self._event(header)
            return
        self._pulse.told(header.get("activity"), header["update"])
        if kind == Kind.WEIGHTS:
            self._studio.weights(header, message)
        elif kind == Kind.LOOK:
            self._studio.look(header, message)
        elif kind == Kind.PASSED:
            self.record.add(kind, header, message)
        elif kind in {Kind.STATE, Kind.ROLLOUT}:
            self._writing.state(header, message)
        elif kind in LATEST:
            self._show(kind, header, message)
        else:
            raise ValueError(f"unknown kind of frame {kind!r}")

    def _show(self, kind: str, header: dict[str, Any], message: bytes) -> None:
        self.record.add(kind, header, message)
        if kind == Kind.SERIES:
            self._writing.series(header, message)
        if kind == Kind.SNAPSHOT:
            self._writing.snapshot(header)
        self._listener.frame(self, header, message)

    def _event(self, header: dict[str, Any]) -> None:
        match header["event"]:
            case "started":
                self.record.started(header)
                self._writing.about(facts=self.record.facts)
                self._listener.state(self)
            case "proved":
                self._trial.prove()
            case "state":
                self._take_state(header)
            case "change":
                for change in self.record.changed(header):
                    self._listener.change(self, change)
                    self._writing.change(change)
            case "resumed":
                self._note("resumed", {**self.record.went_on(header["before"], header["anew"])})
                self._writing.forget_from(header["before"], rows=header["anew"] is not None)
            case "evaluated":
                self.record.evaluated(header["evaluations"])
                for evaluation in header["evaluations"]:
                    self._note("evaluated", evaluation)
                self._listener.evaluated(self, header["evaluations"])
            case "abandoned":
                self.record.forget(header["abandoned"])
                self._studio.forget(header["abandoned"])
            case "reply":
                self._unanswered.pop(header["id"], None)
                if header["id"] == self._told_to and header.get("code"):
                    self._wants_what_it_says()
                if self._studio.replied(header["id"], header.get("code"), header.get("message") or ""):
                    return
                self._listener.reply(self, header["id"], header.get("code"), header.get("message") or "")
            case other:
                raise ValueError(f"unknown event {other!r}")

    def _wants_what_it_says(self) -> None:
        said = self.record.said
        if said.state in {"running", "paused"}:
            self.wants_pause = not said.playing or said.pausing

    def _take_state(self, header: dict[str, Any]) -> None:
        said = Said.of(header)
        if (self.record.said.state, said.state) == (RunState.FINISHED, RunState.STOPPED):
            return  # that its process goes makes no other end of it
        if said.state != self.record.said.state:
            self._note("state", {"state": said.state, "cause": said.cause})
        if self.record.stops(said):
            self._note("paused", {})
        self.record.told(said, header.get("pending") or {})
        self._studio.trains(said.state == "running")
        if self._told_to not in self._unanswered:  # else it may not have heard
            self._wants_what_it_says()
        if said.state in ENDED:
            self._trial.end()
        if said.state != "running":
            self._writing.rest()
        self._listener.state(self)

    def _note(self, what: str, said: dict[str, Any]) -> None:
        self._writing.event(self.record.position["update"], what, said)

    def _note_end(self) -> None:
        if self.state not in {self.record.said.state, RunState.DELETED}:  # else it has said so itself
            self._note("state", {"state": self.state, "cause": self.cause})
        self._writing.end()

    def _exited(self, exitcode: int | None) -> None:
        self._studio.retire()
        lost = self.record.forgo()
        self._measuring.end()
        if not self.gone:
            self._condition.end(exitcode, self._process.output, lost)
            self._listener.state(self)
        self._note_end()
        self._answer_all(ErrorCode.NOT_RUNNING, "The run ended before it could answer.")
        self._trial.end()
        self._done.set()

    def _answer_all(self, code: ErrorCode, message: str) -> None:
        """Whoever waits for an answer hears that none will come."""
        unanswered, self._unanswered = self._unanswered, {}
        for command in unanswered:
            self._listener.reply(self, command, code, message)
