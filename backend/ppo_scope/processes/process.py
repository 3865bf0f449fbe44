"""A process of our own, as the one that trains: started, fed with commands, drained of frames, and ended as a group.

Nothing here knows what a frame means. The server's event loop is never blocked: a thread drains the process's pipes,
another one writes to it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import itertools
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from ppo_scope.processes.expendable import be_expendable
from ppo_scope.processes.guard import guard
from ppo_scope.processes.spawning import CONTEXT, SAFE_PATH, as_ours, restore_safe_path

OUTPUT_TAIL = 64 * 1024
"""Bytes kept of what the process prints."""
PIPE_SIZE = 1024 * 1024
"""Room in the frame pipe, where the system grants it, so that the trainer does not wait for the server's scheduling."""
COMMANDS = 64
"""Commands that may wait for a process that does not read them."""
POLL = 0.2
"""Seconds between two looks at whether the process still lives: an environment's children may hold its pipes open."""
MAX_FRAME = 256 * 1024 * 1024

DEFAULT_WORKER = "ppo_scope.worker.worker:main"


class NotReading(Exception):
    """The process does not take commands: too many of them wait already."""


class Receiver(Protocol):
    """What a process reports to; called on the reading thread."""

    def frame(self, message: bytes) -> None:
        """A frame arrived. May block, which slows the process down."""

    def ended(self, exitcode: int | None) -> None:
        """The process is gone; nothing follows. None: it was elsewhere, and is not reached any more."""


class TrainingProcess:
    """One process in a session of its own, and the pipes to it.

    `worker` names a function `module:function` that is called with a pipe for frames, a pipe of commands, and
    `arguments`, as `ppo_scope.worker.worker.main` is. It is imported in the process only, after its output has been
    redirected, so that a failing import leaves its words in `output`. An `expendable` process is the first to be ended
    where memory runs out, for as long as it lives.
    """

    def __init__(
        self, name: str, worker: str, arguments: tuple[Any, ...], *, receiver: Receiver, expendable: bool = False
    ) -> None:
        self._frames, frames = CONTEXT.Pipe(duplex=False)
        commands, self._commands = CONTEXT.Pipe(duplex=False)
        self._output, output = CONTEXT.Pipe(duplex=False)
        lifeline, self._lifeline = CONTEXT.Pipe(duplex=False)
        enlarge(self._frames)
        self._receiver = receiver
        self._outbox = Outbox()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._gone = False
        self._lock = threading.RLock()  # a signal handler may kill while the same thread kills
        self._process = CONTEXT.Process(
            target=_enter,
            args=(worker, output, lifeline, os.environ.get(SAFE_PATH), expendable, frames, commands, *arguments),
            name=f"ppo-scope {name}",
            daemon=False,
        )
        with as_ours():
            self._process.start()
        for end in (frames, commands, output, lifeline):
            end.close()
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        self._end = _end_of(self.pid)
        for task in (self._read, self._write):
            threading.Thread(target=task, name=f"{task.__name__} {name}", daemon=True).start()

    def send(self, command: bytes) -> None:
        """Hand a command over; returns at once.

        Raises:
            NotReading: the process has not taken the ones before.
        """
        self._outbox.put(command)

    def tell(self, slot: str, message: bytes) -> None:
        """Hand over how something is now; returns at once. What waits in the same slot is replaced, so it never fails.

        It reaches the process after the commands that wait.
        """
        self._outbox.replace(slot, message)

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to the process and everything that it started."""
        with self._lock:  # once it is reaped, its number may belong to somebody else
            if not self._gone and not _kill_group(self.pid, number):
                # It has not come so far as to lead a group: alone, then. Left alive, it would be waited for at the end.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)

    @property
    def output(self) -> str:
        """The tail of what the process printed, both streams."""
        return b"".join(list(self._tail))[-OUTPUT_TAIL:].decode(errors="replace")

    def _read(self) -> None:
        sources: list[Connection[Any, Any]] = [self._frames, self._output]
        while not self._reap():
            if sources:
                ready = wait(sources, POLL)
            else:
                time.sleep(POLL / 10)
                continue
            for source in ready:
                try:
                    self._take(source)
                except (EOFError, OSError):
                    sources.remove(source)  # type: ignore[arg-type]
        for source in sources:  # what it said last
            with contextlib.suppress(EOFError, OSError):
                while source.poll(0):
                    self._take(source)
        self._close()
        self._receiver.ended(self._process.exitcode or 0)

    def _take(self, source: Any) -> None:
        if source is self._frames:
            self._receiver.frame(self._frames.recv_bytes(MAX_FRAME))
            return
        text = os.read(self._output.fileno(), OUTPUT_TAIL)
        if not text:
            raise EOFError
        self._tail.append(text)
        self._tail_size += len(text)
        while self._tail_size - len(self._tail[0]) >= OUTPUT_TAIL:
            self._tail_size -= len(self._tail.popleft())

    def _reap(self) -> bool:
        with self._lock:
            self._gone = self._process.exitcode is not None and not self._outlives_its_parent()
            if self._gone:
                _kill_group(self.pid, signal.SIGKILL)  # what an environment may have left behind
        return self._gone

    def _outlives_its_parent(self) -> bool:
        """Whether it lives although its exit code is there: what forked it has ended, and took the code along."""
        return self._end is not None and not wait([self._end], 0)

    def _write(self) -> None:
        while (message := self._outbox.take()) is not None:
            try:
                self._commands.send_bytes(message)
            except OSError:
                break
        self._commands.close()

    def _close(self) -> None:
        self._outbox.close()
        if self._end is not None:
            os.close(self._end)
        for end in (self._frames, self._output, self._lifeline):
            end.close()


class Outbox:
    """What waits to be written to a process, oldest first: commands, and slots whose newest content alone counts."""

    def __init__(self) -> None:
        self._waiting: dict[str | int, bytes] = {}  # slots by their names, commands by their numbers
        self._commands, self._numbers = 0, itertools.count()
        self._closed = False
        self._news = threading.Condition()

    def put(self, command: bytes) -> None:
        """Add a command.

        Raises:
            NotReading: too many wait.
        """
        with self._news:
            if self._commands >= COMMANDS:
                raise NotReading
            self._commands += 1
            self._waiting[next(self._numbers)] = command
            self._news.notify()

    def replace(self, slot: str, message: bytes) -> None:
        """Put a message into a slot, in place of what waits there: before every command that came after that."""
        with self._news:
            self._waiting[slot] = message
            self._news.notify()

    def take(self) -> bytes | None:
        """The next message, waited for; None once it is closed."""
        with self._news:
            self._news.wait_for(lambda: self._closed or self._waiting)
            if self._closed:
                return None
            oldest = next(iter(self._waiting))
            self._commands -= isinstance(oldest, int)
            return self._waiting.pop(oldest)

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._news:
            self._closed = True
            self._news.notify_all()


def _end_of(pid: int) -> int | None:
    """A descriptor that can be read from once the process has ended, where the system has such a thing."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # it has ended already, or the kernel is too old
            return os.pidfd_open(pid)
    return None


def _kill_group(group: int, number: signal.Signals) -> bool:
    """Whether there was one."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False


def enlarge(pipe: Connection[Any, Any]) -> None:
    """Give a pipe all the room that the system grants it."""
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_SIZE)


def _enter(
    worker: str,
    output: Connection[Any, Any],
    lifeline: Connection[Any, Any],
    safe_path: str | None,
    expendable: bool,
    *arguments: Any,
) -> None:
    """The first thing that the new process does."""
    os.setsid()
    guard(lifeline.fileno())  # before anything is imported that dislikes being forked
    lifeline.close()
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    faulthandler.enable()
    restore_safe_path(safe_path)
    if expendable:
        be_expendable()
    module, _, function = worker.partition(":")
    main: Callable[..., None] = getattr(importlib.import_module(module), function)
    main(*arguments)
