"""A process beside somebody's training: it measures the updates that go by at full speed, so that training goes on.

The loop's process may have threads, so this one is not forked but started; until it is there, updates are measured in
the loop. Updates are handed over in shared memory, several at once, and so are their answers, in the same order.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import mmap
import os
import pickle
import select
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ppo_scope.attach.beside.room import Array, Layout, Room
from ppo_scope.processes.process import enlarge
from ppo_scope.wire.metrics import SERIES_COLUMNS

if TYPE_CHECKING:
    from ppo_scope.attach.beside.desk import Answer, Desk, Looked
    from ppo_scope.attach.beside.task import Task
    from ppo_scope.attach.record import Episode

SLOTS = 8
"""Updates that may wait; the loop then waits for the clerk."""
LEAST, MOST = 1024 * 1024, 256 * 1024 * 1024
"""Bytes of a slot. What is larger is measured in the loop."""
PATIENCE = 30.0
"""Seconds after which a clerk that has not answered counts as dead."""
LOOK_SECONDS = 5.0
"""Between two looks at whether the loop is there."""
NAME = "ppo-scope clerk"
GONE = "the process that measures beside the loop has ended"


WORKING: set[Clerk] = set()
"""Until they are ended: what has a clerk may be let go of, and its pipes are not to be closed before it has said so."""


class Handed(NamedTuple):
    """An update that was handed over. The update itself is let go of: the next one finds its memory warm."""

    update: int
    steps: int
    episodes: Sequence[Episode]
    looked_at: bool
    room: int


class Clerk:
    """Seen from the process that trains."""

    def __init__(self, process: subprocess.Popen[bytes], tasks: Connection[Any, Any], answers: Connection[Any, Any]):
        self._process: subprocess.Popen[bytes] | None = process
        self._tasks, self._answers = tasks, answers
        self._poll = select.poll()
        self._poll.register(answers.fileno(), select.POLLIN)
        self._ready = self._begun = False
        self._rooms: list[Room] = []
        self._next = 0
        self._handed: deque[Handed] = deque()
        self._unsaid: list[tuple[int, Task, Layout | None, dict[int, Array]]] = []  # what it has not heard of yet
        self._expected = 0  # messages that it owes
        self._pid = os.getpid()
        WORKING.add(self)

    @property
    def at_work(self) -> bool:
        """It is told of every update."""
        return self._begun and self._process is not None

    @property
    def ended(self) -> bool:
        """It is no more."""
        return self._process is None

    @property
    def ready(self) -> bool:
        """It can begin, or has begun."""
        if not self._ready and self._process is not None and self._poll.poll(0):
            try:
                self._ready = bool(self._answers.recv() == "ready")
            except (OSError, EOFError):
                self.close()
        return self._ready and self._process is not None and self._pid == os.getpid()

    @property
    def full(self) -> bool:
        """There is no room for another update before one is answered."""
        return len(self._handed) == SLOTS

    @property
    def looking(self) -> bool:
        """Whether a look is being measured."""
        return any(handed.looked_at for handed in self._handed)

    @property
    def owes(self) -> bool:
        """It has been asked for answers that it has not given yet."""
        return self._expected > 0

    @property
    def unsaid(self) -> int:
        """Updates that it has not heard of yet."""
        return len(self._unsaid)

    def begin(self, desk: Desk, size: int) -> bool:
        """Hand everything over to it; `size`: bytes of an update. False: that cannot be done."""
        slot = max(LEAST, -(-2 * size // mmap.PAGESIZE) * mmap.PAGESIZE)
        try:
            if slot > MOST:
                raise ValueError(size)
            packed = _packed(desk)
            shared = os.memfd_create(NAME)
            os.ftruncate(shared, SLOTS * slot)
            self._rooms = rooms(mmap.mmap(shared, SLOTS * slot), slot)
            place = f"/proc/{os.getpid()}/fd/{shared}"
            self._tasks.send((sys.path, place, slot, packed))
            began = self._poll.poll(1000 * PATIENCE) and self._answers.recv() == "begun"
            os.close(shared)
        except Exception:  # something of the user's cannot be sent
            began = False
        if not began:
            self.close()
        self._begun = bool(began)
        return self._begun

    def hand_over(self, task: Task, arrays: Sequence[Array | None], episodes: Sequence[Episode]) -> None:
        """Have a finished update measured, once it is asked for answers. There must be room: see `full`."""
        room = self._next
        self._unsaid.append((room, task, *self._rooms[room].put(arrays)))
        self._handed.append(Handed(task.update, task.steps, episodes, task.wish is not None, room))
        self._next = (room + 1) % SLOTS

    def ask(self) -> None:
        """Have what was handed over measured: it hears of all at once, since each word costs the loop time."""
        if self._unsaid and self._process is not None:
            unsaid, self._unsaid = self._unsaid, []
            self._expected += 1
            with contextlib.suppress(OSError):  # what is not answered tells
                self._tasks.send_bytes(pickle.dumps(unsaid, pickle.HIGHEST_PROTOCOL))

    def answers(self, *, all_of_them: bool = False, within: float = 0.0) -> list[tuple[Handed, Answer]]:
        """What has come or comes within so many seconds, in order; where there is no room for more, one at least."""
        found: list[tuple[Handed, Answer]] = []
        if all_of_them or self.full:
            self.ask()
        while self._expected and self._process is not None:
            wanted = all_of_them or self.full
            if not self._poll.poll(1000 * (PATIENCE if wanted else min(within, PATIENCE))):
                if wanted:
                    self.close()
                break
            try:
                told = pickle.loads(self._answers.recv_bytes())
            except (OSError, EOFError, pickle.UnpicklingError):
                self.close()
                break
            self._expected -= 1
            found += [(self._handed.popleft(), answer) for answer in told]
        if self._process is None:
            found += [(handed, unmeasured(handed)) for handed in self._handed]
            self._handed.clear()
        return found

    def judged(self, failed: dict[str, str]) -> dict[str, Any] | None:
        """How the run is after all that was handed over, each of which has been answered; None: it does not say.

        Args:
            failed: probes that have, and why.
        """
        if self._process is not None:
            with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
                self._tasks.send_bytes(pickle.dumps(failed, pickle.HIGHEST_PROTOCOL))
                if self._poll.poll(1000 * PATIENCE):
                    told: dict[str, Any] = pickle.loads(self._answers.recv_bytes())
                    return told
            self.close()
        return None

    def made(self, handed: Handed, looked: Looked) -> bytes | memoryview:
        """A snapshot that was answered, until another update is handed over."""
        return looked.frame if isinstance(looked.frame, bytes) else self._rooms[handed.room].memory[: looked.frame]

    def close(self) -> None:
        """End it."""
        WORKING.discard(self)
        process, self._process = self._process, None
        if process is not None and self._pid == os.getpid():
            process.kill()
            process.wait()
            self._tasks.close()
            self._answers.close()


def _packed(desk: Desk) -> bytes:
    """With classes of the user's own, where the library brings what it takes to pickle them."""
    try:
        pickling: Any = importlib.import_module("cloudpickle")
    except ImportError:
        pickling = pickle
    packed: bytes = pickling.dumps(desk)
    return packed


def unmeasured(handed: Handed) -> Answer:
    """Of an update that a clerk which died has left: its place in the series."""
    from ppo_scope.attach.beside.desk import Answer

    row = [float(handed.steps) if name == "steps" else math.nan for name in SERIES_COLUMNS]
    return Answer(np.array(row).tobytes(), [("series", GONE)])


def hired(library: str) -> Clerk | None:
    """One more process, that gets ready by itself and imports a library; None where there is nothing to gain from."""
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return None
    heard, tasks = Pipe(duplex=False)
    answers, said = Pipe(duplex=False)
    enlarge(answers)
    enlarge(tasks)
    ends = heard.fileno(), said.fileno()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "ppo_scope.attach.beside.clerk", *map(str, ends), library],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=ends,
        start_new_session=True,  # Ctrl-C is the loop's
    )
    heard.close()
    said.close()
    return Clerk(process, tasks, answers)


def main(tasks: Connection[Any, Any], answers: Connection[Any, Any], library: str) -> None:
    """What the clerk does, until the other end of its pipes is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(NAME)
    from ppo_scope.ppo.threads import use_one_thread
    from ppo_scope.processes.expendable import be_expendable

    be_expendable()
    use_one_thread()
    with contextlib.suppress(ImportError):
        importlib.import_module(library)
    with contextlib.suppress(EOFError, OSError):
        answers.send("ready")
        sys.path[:], place, slot, packed = tasks.recv()
        with Path(place).open("r+b") as file:
            slots = rooms(mmap.mmap(file.fileno(), SLOTS * slot), slot)
        desk: Desk = pickle.loads(packed)
        answers.send("begun")
        while True:
            while not tasks.poll(LOOK_SECONDS):
                if os.getppid() != parent:  # an environment's process may hold the other end of the pipe still
                    return
            asked = pickle.loads(tasks.recv_bytes())
            if isinstance(asked, dict):
                answers.send_bytes(pickle.dumps(desk.judged(asked), pickle.HIGHEST_PROTOCOL))
                continue
            measured = []
            for number, task, layout, rest in asked:
                room = slots[number]
                measured.append(laid(desk.measure(task, room.take(layout, rest)), room.memory))
            answers.send_bytes(pickle.dumps(measured, pickle.HIGHEST_PROTOCOL))


def laid(answer: Answer, memory: memoryview) -> Answer:
    """An answer whose snapshot lies there, if it has one and there is room."""
    looked = answer.looked
    if looked is None or isinstance(looked.frame, int) or len(looked.frame) > len(memory):
        return answer
    memory[: len(looked.frame)] = looked.frame
    return answer._replace(looked=looked._replace(frame=len(looked.frame)))


def rooms(memory: mmap.mmap, size: int) -> list[Room]:
    """One after the other."""
    whole = memoryview(memory)
    return [Room(whole[start : start + size]) for start in range(0, SLOTS * size, size)]


if __name__ == "__main__":
    main(Connection(int(sys.argv[1]), writable=False), Connection(int(sys.argv[2]), readable=False), sys.argv[3])
