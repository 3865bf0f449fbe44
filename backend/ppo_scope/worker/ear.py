"""How the training process hears: a thread of its own reads the commands, whatever the thread that trains is at."""

from __future__ import annotations

import json
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

BEAT_SECONDS = 0.25
"""Time between two looks of the listening thread at how things are."""
OVERDUE_SECONDS = 0.25
"""Time that the thread that trains has to come to a command before the listening one may answer in its place."""
MOST_WAITING = 64
"""Commands that are taken from the pipe and wait; more of them wait in it."""

Command = dict[str, Any]


class ServerGone(Exception):
    """Nobody is left to train for."""


class Ear:
    """The way in: commands from a pipe, one after the other; of those that say what is watched, only the latest."""

    def __init__(self, commands: Connection[bytes, bytes]) -> None:
        self._pipe = commands
        self._commands: deque[tuple[float, Command]] = deque()
        self._watch: Command | None = None
        self._gone = False
        self._something = False  # read without the lock, many times for each time that it is true
        self._news = threading.Condition()

    def listen(self, beat: Callable[[], None]) -> None:
        """Begin to listen, on a thread of its own, which also calls `beat` a few times a second."""
        threading.Thread(target=self._listen, args=(beat,), name="listening", daemon=True).start()

    def receive(self, timeout: float) -> Command | None:
        """The next command, waited for at most so many seconds.

        Raises:
            ServerGone: nobody sends them any more.
        """
        if timeout == 0.0 and not self._something:
            return None
        with self._news:
            self._news.wait_for(lambda: self._something, timeout)
            return self._take()

    def overdue(self, kinds: frozenset[str]) -> Command | None:
        """The next command, if it is one of these and has waited for too long."""
        with self._news:
            if not self._commands:
                return None
            since, command = self._commands[0]
            return self._take() if command["type"] in kinds and time.monotonic() - since > OVERDUE_SECONDS else None

    def _take(self) -> Command | None:
        command = None
        if self._commands:
            _, command = self._commands.popleft()
        elif self._watch is not None:
            command, self._watch = self._watch, None
        elif self._gone:
            raise ServerGone
        self._something = bool(self._commands) or self._watch is not None or self._gone
        return command

    def _listen(self, beat: Callable[[], None]) -> None:
        try:
            while True:
                try:
                    if len(self._commands) >= MOST_WAITING:
                        time.sleep(BEAT_SECONDS)
                    elif self._pipe.poll(BEAT_SECONDS):
                        self._hear(json.loads(self._pipe.recv_bytes()))
                    beat()
                except (EOFError, OSError, ServerGone):
                    raise
                except Exception:  # a run that does not hear any more is worse than one word that was not understood
                    traceback.print_exc()
        except (EOFError, OSError, ServerGone):
            with self._news:
                self._gone = self._something = True
                self._news.notify_all()

    def _hear(self, command: Command) -> None:
        with self._news:
            if command["type"] == "watch":
                self._watch = command
            else:
                self._commands.append((time.monotonic(), command))
            self._something = True
            self._news.notify_all()
