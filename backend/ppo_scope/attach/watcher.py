"""Watches a foreign loop from inside its hooks: reports where it is, and holds it where it was told to wait.

Everything runs in the thread that trains, but for signs of life. An error of ours is said once, and nothing is watched
any more: it never ends a training.
"""

from __future__ import annotations

import contextlib
import mmap
import multiprocessing
import os
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import numpy as np

from ppo_scope.attach.arrays import Misshapen
from ppo_scope.attach.connecting.address import Address, begins_paused
from ppo_scope.attach.connecting.line import Line
from ppo_scope.attach.facts import Facts
from ppo_scope.attach.greeting import greeting_of
from ppo_scope.attach.here import note, weakly
from ppo_scope.attach.orders import Orders
from ppo_scope.attach.record import Phase
from ppo_scope.attach.report import Beside, Report
from ppo_scope.attach.sb3.again import Outcomes, Repeats
from ppo_scope.probes.record import PhaseKind
from ppo_scope.probes.subject import Subject
from ppo_scope.wire.codes import RunState
from ppo_scope.wire.run import Cause
from ppo_scope.worker import causes
from ppo_scope.worker.going import Going
from ppo_scope.worker.reporter import Attention

WAIT_SECONDS = 0.5
"""Between two looks of a loop that is held at whether anybody is there to let it go."""
ALONE_SECONDS = 30.0
"""A loop that is held goes on once the server has been away for so long: nobody could let it go."""
GOODBYE_SECONDS = 3.0
LOOK_SECONDS = 0.25
"""Between two looks at where the loop is, at full speed, unless a command has come."""

BROKEN = "PPO Scope has failed and watches no more; the training goes on. Please report it:"
COPIED = (
    "This process is a copy of one whose run is shown, and what it trains itself is not shown: call "
    "ppo_scope.watch(model), or make a Scope, in the process that trains."
)
WENT_ON = "PPO Scope has been away while this loop was held: it goes on training."

P = ParamSpec("P")


unraised = np.errstate(all="ignore")
"""What we compute in somebody's process shows what is not finite as such, also where their own arithmetic raises."""


class Mark:
    """Set in this process, or in one that was forked of it: a study may train in several."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    def set(self) -> None:
        """From now on, in all of them."""
        self._shared[0] = 1

    @property
    def is_set(self) -> bool:
        """Whether one of them has."""
        return bool(self._shared[0])


FOUND = Mark()
"""There is a loop, by whatever way."""


class Hooked(Protocol):
    """Who has hooks in a loop."""

    @property
    def watcher(self) -> Watcher:
        """That they tell."""


class Left(Subject, Protocol):
    """What is watched."""

    def left(self) -> None:
        """It is over: an update that has begun and not ended is told as it is."""


Me = TypeVar("Me", bound=Hooked)


def guarded(hook: Callable[Concatenate[Me, P], None]) -> Callable[Concatenate[Me, P], None]:
    """A hook whose errors are ours: said once, then nothing is watched any more. What a user did wrong is raised."""
    quiet = unraised(hook)

    def safely(me: Me, /, *arguments: P.args, **named: P.kwargs) -> None:
        watcher = me.watcher
        if watcher.off:
            watcher.explain()
            return
        try:
            quiet(me, *arguments, **named)
        except Misshapen:
            raise
        except Exception as error:
            watcher.give_up(error)

    update_wrapper(safely, hook)
    return safely


class Watcher:
    """Of one loop."""

    def __init__(
        self,
        subject: Left,
        facts: Facts,
        *,
        address: Address | None,
        library: str,
        changeable: Collection[str] = (),
        paused: bool = False,
        seed: int | None = None,
        beside: Beside | None = None,
        repeats: Repeats | None = None,
        quiet: bool = False,
        unnamed: Collection[str] = (),
        loss: str = "",
        inserted: str = "",
        values_apart: bool = False,
    ) -> None:
        """`address`: None: there is no server, and nothing is watched. `changeable`: the settings that the loop reads
        anew at every update. `beside`: by which policy updates are measured in a process of its own. `repeats`: how
        to make an update a second time. `quiet`: another process reports; this one's hooks note what it does.
        `unnamed`: settings that its library has a name for, and this loop has not. `loss`: how its loss differs from L.
        `inserted`: the lines that were put into its script, if they tell of it. `values_apart`: V has a clip range of
        its own, whatever loops of this library have.
        """
        self.off = address is None and not quiet
        """Something of ours has failed: nothing is watched any more."""
        self._facts, self._subject = facts, subject
        self._closing = False  # nothing waits for a page any more
        self._trains = threading.current_thread()
        self.copied = False
        """This process has been forked of the one that watches."""
        self._explained = False
        self._telling = threading.RLock()
        """Held where updates are told, by the thread that trains or, while that is elsewhere, by that of the line."""
        self.run = secrets.token_hex(4)
        greeting = greeting_of(
            self.run, subject, facts, library, changeable, seed, unnamed, repeats=repeats is not None, loss=loss
        )
        greeting.inserted, greeting.limits_values = inserted, greeting.limits_values and not values_apart
        self._line = (
            Line(address, greeting.model_dump_json, weakly(self._beat), weakly(self._heard), say)
            if address is not None
            else None
        )
        self._report = Report(self._send, self.run, subject, facts, beside if address is not None else None)
        self._going = Going(self._report, running=not (paused or begins_paused()))
        outcomes = Outcomes(repeats, self._report) if repeats is not None else None
        self.orders = Orders(self._report, self._going, outcomes, frozenset(changeable), self._flow)
        self.next_look = 0.0
        """By `time.perf_counter`: until then the loop goes on past the phases within an update."""
        self._last_error = getattr(sys, "last_value", None)  # of before: no cause of this run's end
        self._pid = os.getpid()
        FOUND.set()
        note(self)
        if self._line is not None:
            self._line.begin()

    @property
    def stopping(self) -> bool:
        """Somebody has ended the run on the page."""
        return self._going.stopping

    @property
    def tells(self) -> bool:
        """Whether the run goes on, and is told of what the loop does."""
        return not self.off and not self.stopping

    @property
    def attended(self) -> bool:
        """Somebody looks, or has told the loop how to go."""
        return bool(self._report.watched) or not self._going.at_full_speed

    @property
    def stepped(self) -> bool:
        """Somebody has told the loop how to go: its phases are shown one by one."""
        return not self._going.at_full_speed

    @unraised
    def reached(self, phase: Phase) -> None:
        """The loop has come to this phase. Returns when it may go on."""
        if self._line is not None:
            self._trains = threading.current_thread()
            with self._telling:
                self._reached(phase, self._line)

    def _reached(self, phase: Phase, line: Line) -> None:
        going, report = self._going, self._report
        ended = phase.kind is PhaseKind.UPDATE
        if not ended:
            now = time.perf_counter()
            if now < self.next_look:
                if phase.kind is PhaseKind.ADVANTAGES:
                    report.at(phase)  # the update before is let go of
                return
            self.next_look = now + LOOK_SECONDS  # before the look, or what comes right after it would be missed
            if going.at_full_speed and not line.waiting:
                report.at(phase)
                return
        report.at(phase)
        self.next_look = time.perf_counter() + LOOK_SECONDS
        if ended and (self._closing or (going.at_full_speed and not line.waiting)):
            report.ended(report.moment_at(phase), shown=False)
            return
        self._obey_all()
        moment = report.moment_at(phase)
        goal = going.goals[0] if going.goals else None
        reached = not going.pausing and goal is not None and goal.reached(moment)
        attention = going.attention(goal, reached=reached)
        if ended:
            report.ended(moment, shown=attention is Attention.SHOWN)
        elif attention is Attention.SHOWN:
            report.show(moment)
        elif attention is Attention.PASSING:
            report.passed(moment)
        if going.pausing:
            going.stand_still(RunState.PAUSED)
        elif goal is not None and reached:
            going.met = going.goals.popleft().met
            going.say(finished=False)
        else:
            going.keep_pace()
        self._hold()
        if not going.at_full_speed or line.waiting:
            self.next_look = 0.0

    def begins(self) -> dict[str, Any]:
        """An update begins: the settings that it is to be made with from now on, where somebody has changed any."""
        return self.orders.taken()

    def changed(self, name: str, old: Any, new: Any, update: int) -> None:
        """A setting has another value from this update on."""
        self._report.changed({"name": name, "old": old, "new": new, "first_update": update})

    def has_another_policy(self) -> None:
        """What is asked from here on is not what was asked before."""
        with self._telling:
            self._report.anew()

    def give_up(self, error: BaseException) -> None:
        """Something of ours has failed: say so, once, and let go."""
        self.off = True
        say(f"{BROKEN}\n{''.join(traceback.format_exception(error))}")
        if self._line is None:
            return
        self._let_beat_end()
        with contextlib.suppress(Exception):  # what is asked for meanwhile may fail as that has, which is said already
            self._settle()
        try:
            self._report.state(RunState.FAILED, causes.unwatched(error))
        except Exception:
            traceback.print_exc()
        self._report.close()
        self._open.close(GOODBYE_SECONDS)

    @unraised
    def close(
        self,
        *,
        finished: bool = True,
        error: BaseException | None = None,
        shown: bool = True,
        cause: Cause | None = None,
    ) -> None:
        """The loop is done: send what is owed and say goodbye.

        Args:
            finished: whether it has come to its end.
            error: what has ended it.
            shown: whether its end is shown once more, with an update that has not ended.
            cause: why it is not watched any more, while its training goes on.
        """
        shown = shown and cause is None  # else nobody can say any more what the loop's numbers are
        if shown and self._line is not None and not self.off:
            self._leave()
        if self.off or self._line is None:
            return
        self.off = True
        self._let_beat_end()
        try:
            self._settle()
            self._report.flush()
            if shown:
                self._report.show()
            if cause is not None:
                self._report.state(RunState.FAILED, cause)
            elif isinstance(error, Exception):
                self._report.state(RunState.FAILED, causes.failed(error))
            elif self.stopping or error is not None or not finished:
                self._report.state(RunState.STOPPED)
            else:
                self._report.state(RunState.FINISHED)
        except Exception:
            traceback.print_exc()
        self._report.close()
        self._open.close(GOODBYE_SECONDS)

    def rests(self) -> None:
        """`learn` has returned. In a worker's process, which a pool may end without a word from here on, what is owed
        is sent.
        """
        if self.off or self._line is None or multiprocessing.parent_process() is None:
            return
        try:
            self._settle()
            with self._telling:
                self._report.flush()
                self._report.show()
            self._line.drain(GOODBYE_SECONDS)
        except Exception as error:
            self.give_up(error)

    def ends_with_process(self) -> None:
        """A traceback on its way out is the run's cause. In a notebook, and wherever else people type, none is: what
        failed in one cell has ended nothing.
        """
        error = None if hasattr(sys, "ps1") else getattr(sys, "last_value", None)
        self.close(error=sys.exc_info()[1] or (None if error is self._last_error else error))

    def is_copied(self) -> None:
        """This process has just been forked: the other one watches, and what is between it and others is its own."""
        self.copied = self.copied or not self.off
        self.off = True

    def explain(self) -> None:
        """A loop that is not watched any more goes on: why, once, where that has not been said."""
        if self.copied and not self._explained:
            self._explained = True
            say(COPIED)

    def __del__(self) -> None:
        """Nobody has the loop any more: in a study, say, that trains one model after the other. Its run is over.

        That may show in any thread, in the middle of anything, so it is done by one of its own, and looks at nothing.
        """
        if sys.is_finalizing() or getattr(self, "off", True):  # what is owed at the process's end has been sent
            return
        if getattr(self, "_line", None) is not None and self._pid == os.getpid():
            with contextlib.suppress(RuntimeError):  # as late as that no thread begins any more
                threading.Thread(target=self.close, kwargs={"shown": False}, name="ppo-scope goodbye").start()

    # Inside

    def _leave(self) -> None:
        """An update that has not ended is told, unless another thread is at it."""
        if self._trains is threading.current_thread() or not self._trains.is_alive():
            self._closing = True
            self._subject.left()

    def _let_beat_end(self) -> None:
        """Of those that begin from now on none tells anything; a loop that is held in a thread of its own lets go."""
        if self._telling.acquire(timeout=GOODBYE_SECONDS):
            self._telling.release()

    def _settle(self) -> None:
        """A run may be over before the server has said that it listens: wait for it a moment."""
        until = time.monotonic() + GOODBYE_SECONDS
        while self._open.hopeful and not self._open.flowing and time.monotonic() < until:
            if (command := self._open.receive(0.1)) is not None:
                self.orders.obey(command)

    def _hold(self) -> None:
        """Wait as long as the loop stands still, or is early in slow motion, and is watched."""
        going = self._going
        while not (self.off or going.stopping) and (going.standing or going.seconds_early > 0):
            command = self._open.receive(
                min(WAIT_SECONDS, max(going.seconds_early, 0.001)) if going.pace else WAIT_SECONDS
            )
            if command is not None:
                self.orders.obey(command)
            elif going.standing and self._open.absent > ALONE_SECONDS:
                say(WENT_ON)
                going.play(None)

    def _obey_all(self) -> None:
        while (command := self._open.receive(0.0)) is not None:
            self.orders.obey(command)

    def _send(self, message: bytes) -> None:
        if self._line is not None:
            self._line.send(message)

    def _flow(self) -> None:
        self._open.flow()

    @property
    def _open(self) -> Line:
        assert self._line is not None  # else `off`
        return self._line

    def _beat(self) -> None:
        """By the line's thread."""
        self._report.progress()
        if self._telling.acquire(blocking=False):
            try:
                if not self.off:
                    with contextlib.suppress(Exception):  # which the loop comes upon itself
                        self._report.catch_up()
            finally:
                self._telling.release()

    def _heard(self) -> None:
        """By the line's thread: the loop is to look at its next phase."""
        self.next_look = 0.0


def say(sentence: str) -> None:
    """A line for who trains."""
    print(f"ppo-scope: {sentence}", file=sys.stderr, flush=True)
