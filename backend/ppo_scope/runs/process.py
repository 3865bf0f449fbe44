"""The process that trains: started, fed with commands, drained of frames, and ended as a group.

Nothing here knows what a frame means. The server's event loop is never blocked: a thread drains the process's pipes,
another one writes to it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

OUTPUT_TAIL = 64 * 1024
"""Bytes kept of what the process prints."""
PIPE_SIZE = 1024 * 1024
"""Room in the frame pipe, where the system grants it, so that the trainer does not wait for the server's scheduling."""
COMMANDS = 64
"""Commands that may wait for a process that does not read them."""
POLL = 0.2
"""Seconds between two looks at whether the process still lives: an environment's children may hold its pipes open."""
LINGER = 1.5
"""Seconds that a process has to end by itself once its server is gone."""
MAX_FRAME = 256 * 1024 * 1024

DEFAULT_WORKER = "ppo_scope.runs.worker:main"


class NotReading(Exception):
    """The process does not take commands: too many of them wait already."""


class Receiver(Protocol):
    """What a process reports to; called on the reading thread."""

    def frame(self, message: bytes) -> None:
        """A frame arrived. May block, which slows the process down."""

    def ended(self, exitcode: int) -> None:
        """The process is gone; nothing follows."""


class TrainingProcess:
    """One process in a session of its own, and the pipes to it.

    `worker` names a function `module:function` with the signature of `ppo_scope.runs.worker.main`; it is imported in
    the process only, after its output has been redirected, so that a failing import leaves its words in `output`.
    """

    def __init__(self, run: str, settings: dict[str, Any], *, paused: bool, receiver: Receiver, worker: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._frames, frames = context.Pipe(duplex=False)
        commands, self._commands = context.Pipe(duplex=False)
        self._output, output = context.Pipe(duplex=False)
        lifeline, self._lifeline = context.Pipe(duplex=False)
        _enlarge(self._frames)
        self._receiver = receiver
        self._waiting: queue.Queue[bytes | None] = queue.Queue(COMMANDS)
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._gone = False
        self._lock = threading.RLock()  # a signal handler may kill while the same thread kills
        self._process = context.Process(
            target=_enter,
            args=(worker, output, lifeline, frames, commands, run, settings, paused),
            name=f"ppo-scope {run}",
            daemon=False,
        )
        with _interrupts_blocked():
            self._process.start()
        for end in (frames, commands, output, lifeline):
            end.close()
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        for task in (self._read, self._write):
            threading.Thread(target=task, name=f"{task.__name__} {run}", daemon=True).start()

    def send(self, command: bytes) -> None:
        """Hand a command over; returns at once.

        Raises:
            NotReading: the process has not taken the ones before.
        """
        try:
            self._waiting.put_nowait(command)
        except queue.Full:
            raise NotReading from None

    def kill(self, number: signal.Signals) -> None:
        """Send a signal to the process and everything that it started."""
        with self._lock:  # once it is reaped, its number may belong to somebody else
            if not self._gone:
                _kill_group(self.pid, number)

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
            self._gone = self._process.exitcode is not None
            if self._gone:
                _kill_group(self.pid, signal.SIGKILL)  # what an environment may have left behind
        return self._gone

    def _write(self) -> None:
        while (command := self._waiting.get()) is not None:
            try:
                self._commands.send_bytes(command)
            except OSError:
                break
        self._commands.close()

    def _close(self) -> None:
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        for end in (self._frames, self._output, self._lifeline):
            end.close()


def _kill_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _enlarge(pipe: Connection[Any, Any]) -> None:
    if sys.platform == "linux":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, PIPE_SIZE)


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """A process started inside ignores Ctrl-C in the terminal from the first: its server decides when it ends."""
    resource_tracker.ensure_running()  # its own start, inside the block, would end the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _enter(
    worker: str,
    output: Connection[Any, Any],
    lifeline: Connection[Any, Any],
    frames: Connection[Any, Any],
    commands: Connection[Any, Any],
    run: str,
    settings: dict[str, Any],
    paused: bool,
) -> None:
    """The first thing that the new process does."""
    os.setsid()
    for stream in (1, 2):
        os.dup2(output.fileno(), stream)
    output.close()
    faulthandler.enable()
    threading.Thread(target=_end_with_server, args=(lifeline,), name="lifeline", daemon=True).start()
    module, _, function = worker.partition(":")
    main: Callable[..., None] = getattr(importlib.import_module(module), function)
    main(frames, commands, run, settings, paused)


def _end_with_server(lifeline: Connection[Any, Any]) -> None:
    """Make sure of it even while an environment hangs in its step, and take its children along."""
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv_bytes()
    time.sleep(LINGER)
    os.killpg(0, signal.SIGKILL)
