"""A process beside the one that trains: it measures the updates that go by at full speed, so that training goes on.

It is forked while the training process has one thread and nothing in it yet, and sleeps until there is something to do.
An update is handed over as a note in shared memory; answers come in the order of the updates. Where the clerk dies, the
notes that it has left unanswered are still there, and the trainer measures them itself.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import pickle
import select
import signal
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ppo_scope.ppo.allocation import keep_memory
from ppo_scope.ppo.rollout import Episode
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.threads import use_one_thread
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.trainers import Facts
from ppo_scope.processes.expendable import be_expendable
from ppo_scope.processes.guard import IGNORED, hold_only
from ppo_scope.processes.process import enlarge
from ppo_scope.worker.desk import Answer, Desk, Given, Looked, State, Task, Wish
from ppo_scope.worker.notes import Layout, Plain, Slot, episodes_of, of_episodes
from ppo_scope.worker.shared import LOOKS, SHARED, Shared

ROOM = 64 * 1024 * 1024
"""Bytes of shared memory, of which what is never written takes nothing."""
UNSAID_SECONDS = 0.05
"""Updates wait no longer for others, so that it hears of them together."""
SLOTS, FEWEST = 8, 2
"""Notes that may wait; where there is no room for `FEWEST`, the trainer measures."""
PATIENCE = 30.0
"""Seconds after which a clerk that has not answered counts as dead."""
NAME = "ppo-scope clerk"
NICE = 10
"""Where there are not cores enough for all, training and the browser go ahead of measuring."""
STARVED = 0.25
"""Share of a core; with less of one, at `NICE`, it holds up the trainer longer than measuring would."""
FORGETS = 0.8
"""Of what it got for earlier messages, the part that counts when the next one comes."""


@dataclass(frozen=True)
class Handed:
    """An update that was handed over."""

    update: int
    """Its number. The update itself is let go of: the next one finds its memory warm."""
    slot: int
    told: Plain
    task: Task
    settings: tuple[Settings, Settings | None]
    """In force, and as they were set."""
    before: list[Episode]
    """The latest episodes that ended before it."""
    ended: list[Episode]
    """Those that ended in it."""


class Clerk:
    """Seen from the process that trains."""

    def __init__(self, pid: int, room: memoryview, tasks: Connection[bytes, Any], answers: Connection[Any, bytes]):
        self.pid: int | None = pid
        """None once it is gone."""
        self.measured = 0
        """Updates."""
        self._room, self._shared = room[:-SHARED], Shared(room[-SHARED:])
        self._tasks, self._answers = tasks, answers
        self._poll = select.poll()
        self._poll.register(answers.fileno(), select.POLLIN)
        self._layout: Layout | None = None
        self._facts: Facts | None = None
        self._slots: list[Slot] = []
        self._next = 0
        self._handed: deque[Handed] = deque()
        self._heard = self._expected = 0  # messages so far, and those that it owes
        self._settings: tuple[Settings | None, Settings | None] = None, None  # that it knows
        self._unsaid: list[tuple[int, Plain, tuple[Any, ...]]] = []  # updates that it does not know of yet
        self._unsaid_since = 0.0
        self._state: bytes | memoryview | None = None  # pickled, as last told
        self._got = self._wanted = 0.0  # of a core, of late, in seconds: while it measured

    @property
    def at_work(self) -> bool:
        """Whether the run's health is kept there, from the first update that was handed over until `dismiss`."""
        return self._state is not None

    @property
    def looking(self) -> bool:
        """Whether snapshots are being measured, and no other one may be wished for until one of them is told."""
        return self._wishes == LOOKS

    @property
    def looked(self) -> bool:
        """Whether one has been: it is told of by itself."""
        return self._wishes > 0 and self._shared.told > self._heard

    @property
    def full(self) -> bool:
        """Whether an answer must be waited for before something can be handed over."""
        return len(self._handed) == len(self._slots) > 0

    @property
    def starved(self) -> bool:
        """Whether it is behind, and others keep it from the processor."""
        return self.full and self._got < STARVED * self._wanted

    def hand_over(self, trainer: Trainer, moment: Moment, seconds: float, wish: Wish | None, state: State) -> bool:
        """Have a finished update measured; False where that cannot be done here. There must be room: see `full`.

        `state` is how the run was before the first one.
        """
        phase, moving = moment.phase, trainer.optimisation.moving()
        update: Any = phase.update
        if self.pid is None or (self._layout is None and not self._begin(trainer, update, moving)):
            return False
        told = self._slots[self._next].write(update, moving)
        if told is None:
            if not self._handed:
                self._layout = None  # the next one is measured from, by where its own arrays would lie
            return False
        before = list(trainer.episodes)[: len(trainer.episodes) - len(update.rollout.episodes)]
        task = Task(trainer.steps, seconds, phase.epoch, phase.minibatch, wish)
        handed = Handed(
            update.index,
            self._next,
            told,
            task,
            (update.settings, update.chosen),
            before,
            update.rollout.episodes,
        )
        self._handed.append(handed)
        self._next = (self._next + 1) % len(self._slots)
        with contextlib.suppress(OSError):  # where it has gone, that is noticed when its answers are waited for
            if self._state is None:
                self._state = pickle.dumps(state)
                self._say("resume", self._state, of_episodes(before))
            if self._settings[0] is not update.settings or self._settings[1] is not update.chosen:
                self._say_unsaid()
                self._settings = handed.settings
                self._say("settings", *handed.settings)
        now = time.monotonic()
        if not self._unsaid:
            self._unsaid_since = now
        self._unsaid.append((handed.slot, told, task.plain))
        many = len(self._unsaid) >= len(self._slots) // 2
        if wish is not None or many or now - self._unsaid_since >= UNSAID_SECONDS:
            self.ask()
        return True

    def ask(self) -> None:
        """Have what was handed over measured, and told. It hears of several updates at once, and tells of them at
        once, since each word costs the trainer time.
        """
        with contextlib.suppress(OSError):
            self._say_unsaid()

    def _say_unsaid(self) -> None:
        if self._unsaid:
            unsaid, self._unsaid = self._unsaid, []
            self._expected += 1
            self._say("measure", unsaid)

    def answers(self, count: int = 0) -> list[tuple[Handed, Answer]]:
        """What has come, in order; at least `count`, which are waited for."""
        found: list[tuple[Handed, Answer]] = []
        if count:
            self.ask()
        while self._expected and self.pid is not None:
            if self._shared.told <= self._heard:
                if len(found) >= count:
                    break
                if not self._poll.poll(1000 * PATIENCE):
                    self._bury()
                    break
            try:
                state, told, got, wanted = pickle.loads(self._answers.recv_bytes())
            except (OSError, EOFError, pickle.UnpicklingError):
                self._bury()
                break
            self._expected -= 1
            self._heard += 1
            self.measured += len(told)
            self._got, self._wanted = FORGETS * self._got + got, FORGETS * self._wanted + wanted
            self._state = self._shared.state(self._heard, state)
            found += [(self._handed.popleft(), answer) for answer in told]
        if self.pid is None:
            found += self._measured_here()
        return found

    def all_answers(self) -> list[tuple[Handed, Answer]]:
        """Those that are outstanding, waited for."""
        return self.answers(len(self._handed))

    def made(self, looked: Looked) -> bytes | memoryview:
        """A snapshot that was answered, until the next one is wished for."""
        return self._shared.look(looked.frame)

    @property
    def _wishes(self) -> int:
        return sum(handed.task.wish is not None for handed in self._handed)

    def dismiss(self) -> State:
        """How the run is, now that all is answered: the trainer measures by itself from here on."""
        assert self._state is not None
        state: State = pickle.loads(self._state)
        self._state = None
        return state

    def close(self) -> None:
        """End it."""
        if self.pid is not None:
            self._bury()

    def _begin(self, trainer: Trainer, update: Any, moving: dict[str, Any]) -> bool:
        if trainer.device.type != "cpu":
            self.close()  # what lies there would have to be fetched before it could be handed over
            return False
        if update.minibatches[0].gradient_norm is None:
            return False  # target_kl has ended it before the first step: it is not like the others
        layout = Layout.of(update, moving)
        count = min(SLOTS, len(self._room) // layout.size)
        if count < FEWEST:
            self.close()  # nothing of this run will ever fit
            return False
        self._facts = Facts.of(trainer)
        try:
            self._say("begin", self._facts, layout, count)
        except OSError:
            self._bury()
            return False
        except Exception:  # something of somebody's environment cannot be sent
            self.close()
            return False
        self._layout, self._slots, self._next = layout, slots_of(layout, count, self._room), 0
        return True

    def _say(self, what: str, *more: Any) -> None:
        self._tasks.send_bytes(pickle.dumps((what, *more), pickle.HIGHEST_PROTOCOL))

    def _measured_here(self) -> list[tuple[Handed, Answer]]:
        """What a clerk that died has left."""
        if not self._handed or self._facts is None or self._state is None:
            return []
        desk = Desk(self._facts, pickle.loads(self._state), self._handed[0].before)
        given = [_given(self._slots[one.slot], one.told, one.settings, one.task) for one in self._handed]
        found = list(zip(self._handed, desk.measure(given), strict=True))
        self._handed.clear()
        self._state = pickle.dumps(desk.state)
        return found

    def _bury(self) -> None:
        pid, self.pid = self.pid, None
        assert pid is not None
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self._tasks.close()
        self._answers.close()


def hired() -> Clerk | None:
    """One more process; None where there is nothing to gain from it, or where it could not safely be forked."""
    if sys.platform != "linux" or threading.active_count() > 1 or len(os.sched_getaffinity(0)) < 2:
        return None
    room = memoryview(mmap.mmap(-1, ROOM))
    heard, tasks = Pipe(duplex=False)
    answers, said = Pipe(duplex=False)
    enlarge(answers)
    pid = os.fork()
    if pid == 0:
        try:
            hold_only(heard.fileno(), said.fileno())
            _work(room, heard, said)
        finally:
            os._exit(0)
    heard.close()
    said.close()
    return Clerk(pid, room, tasks, answers)


def _work(room: memoryview, tasks: Connection[Any, bytes], answers: Connection[bytes, Any]) -> None:
    """What the clerk does, until the other end of its pipes is gone."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(NAME)
    os.nice(NICE)
    be_expendable()
    use_one_thread()
    keep_memory()
    desk: Desk | None = None
    settings: Any = None
    slots: list[Slot] = []
    facts: Any = None
    shared, messages = Shared(room[-SHARED:]), 0
    with contextlib.suppress(EOFError, OSError):
        while True:
            what, *more = pickle.loads(tasks.recv_bytes())
            if what == "begin":
                facts, layout, count = more
                slots = slots_of(layout, count, room)
            elif what == "resume":
                state, ended = pickle.loads(more[0]), episodes_of(more[1])
                if desk is None:
                    desk = Desk(facts, state, ended)
                else:
                    desk.resume(state, ended)
            elif what == "settings":
                settings = more
            else:
                assert desk is not None
                got, wanted = -time.process_time(), -time.perf_counter()
                given = [_given(slots[slot], told, settings, Task(*task)) for slot, told, task in more[0]]
                measured = [shared.put_look(answer) for answer in desk.measure(given)]
                messages += 1
                put = shared.put_state(messages, pickle.dumps(desk.state, pickle.HIGHEST_PROTOCOL))
                got, wanted = got + time.process_time(), wanted + time.perf_counter()
                answers.send_bytes(pickle.dumps((put, measured, got, wanted), pickle.HIGHEST_PROTOCOL))
                shared.count()


def _given(slot: Slot, told: Plain, settings: tuple[Settings, Settings | None], task: Task) -> Given:
    """What lies there, to be measured."""
    update, state = slot.read(told, *settings)
    return Given(update, state, task)


def slots_of(layout: Layout, count: int, room: memoryview) -> list[Slot]:
    """So many, one after the other."""
    return [Slot(layout, room[number * layout.size : (number + 1) * layout.size]) for number in range(count)]
