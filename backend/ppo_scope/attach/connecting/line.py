"""The line from somebody's training process to a server: frames go out, commands come in, and training never waits.

A thread of its own connects, and connects again after a while where the server is absent. What is sent meanwhile is
dropped: the server asks for rows that it has not got once it is there.
"""

from __future__ import annotations

import contextlib
import json
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from ppo_scope.attach.connecting.address import Address
from ppo_scope.wire.codes import CloseCode
from ppo_scope.worker.ear import Command

ROOM = 32 * 1024 * 1024
"""Bytes that may wait for a slow line; beyond them frames are dropped."""
BEAT_SECONDS = 1.0
"""Between two signs of life."""
AGAIN_SECONDS = (0.5, 5.0)
"""Until it is tried again: at first, and at most."""
JITTER = random.Random()
"""Of that: the generator of `random` is the loop's."""
OPEN_SECONDS = 5.0
DRAIN_SECONDS = 0.002
MOST_WAITING = 256
"""Commands that wait for the loop to come to one of its hooks."""
FORBIDDEN = 403

SILENT = logging.Logger("ppo-scope line", logging.CRITICAL + 1)
"""Of the websocket, which would print tracebacks of a broken connection among the training's own lines: that it has
broken is said once, in a line."""

ABSENT = "PPO Scope is not reached at {place} ({why}). Training goes on; it is tried again every few seconds."
REFUSED = "PPO Scope at {place} does not show this loop: {why} Training goes on without it."
WRONG_TOKEN = "the token in the link is not the one of this server."


class Line:
    """One, for as long as the process lives. Any thread may call it."""

    def __init__(
        self,
        address: Address,
        greeting: Callable[[], str],
        beat: Callable[[], None],
        heard: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        """`greeting`: the first message; `beat`: called every second while connected; `heard`: when a command has come,
        by another thread; `say`: a line for the user.
        """
        self._address, self._greeting, self._beat, self._say = address, greeting, beat, say
        self._tell = heard
        self._out: deque[bytes] = deque()
        self._size = 0
        self._sending = False
        self._commands: deque[Command] = deque()
        self._watch: Command | None = None
        self._news = threading.Condition()
        self._heard = threading.Condition()
        self._connection: ClientConnection | None = None
        self._flowing = False  # what the server knows of the run has been told
        self._closing = False
        self._given_up = self._in_vain = False
        self._absent_since: float | None = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="ppo-scope line", daemon=True)

    def begin(self) -> None:
        """Connect. From here on what it was given is called, by its thread."""
        self._thread.start()

    @property
    def connected(self) -> bool:
        """A server takes what is sent."""
        return self._connection is not None

    @property
    def absent(self) -> float:
        """Seconds since the server went; 0 while it is there."""
        since = self._absent_since
        return time.monotonic() - since if since is not None else 0.0

    def send(self, message: bytes) -> None:
        """Hand a frame over; never waits. Dropped where nobody is there, or the line is too slow."""
        with self._news:
            if self._flowing and self._size + len(message) <= ROOM:
                self._out.append(message)
                self._size += len(message)
                self._news.notify()

    @property
    def flowing(self) -> bool:
        """What is sent goes through."""
        return self._flowing

    @property
    def hopeful(self) -> bool:
        """A server is there, or may be: it has not been tried in vain."""
        return not self._given_up and (self.connected or not self._in_vain)

    def flow(self) -> None:
        """From now on what is sent goes through: the server has said what it knows, and is told the rest first."""
        with self._news:
            self._flowing = self._connection is not None

    @property
    def waiting(self) -> bool:
        """A command is there."""
        return bool(self._commands) or self._watch is not None

    def receive(self, timeout: float) -> Command | None:
        """The next command, waited for so long at most; of those that say what is watched, only the latest."""
        if timeout == 0.0 and not self.waiting:
            return None
        with self._heard:
            self._heard.wait_for(lambda: self._commands or self._watch is not None, timeout)
            if self._commands:
                return self._commands.popleft()
            command, self._watch = self._watch, None
            return command

    def drain(self, within: float) -> None:
        """Wait until what was handed over has been sent, for so many seconds at most."""
        until = time.monotonic() + within
        while (self._out or self._sending) and self.connected and time.monotonic() < until:
            time.sleep(DRAIN_SECONDS)

    def close(self, within: float) -> None:
        """Send what waits, so far as that goes in so many seconds, and say goodbye."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join(within)

    # The threads

    def _work(self) -> None:
        wait, told = AGAIN_SECONDS[0], False
        while not self._closing and not self._given_up:
            try:
                with self._connected() as connection:
                    self._in_vain = False
                    wait, told = AGAIN_SECONDS[0], False
                    self._write(connection)
            except InvalidStatus as error:
                status = error.response.status_code
                if status == FORBIDDEN:
                    self._give_up(WRONG_TOKEN)
                    return
                why = f"it answers {status}"
            except (OSError, InvalidHandshake, TimeoutError, ImportError) as error:  # a proxy may need a library
                why = str(error) or type(error).__name__
            except ConnectionClosed as error:
                if error.rcvd is not None and error.rcvd.code == CloseCode.POLICY:
                    self._give_up(error.rcvd.reason)
                    return
                why = "the connection broke"
            else:
                continue
            self._in_vain = True
            if not told and not self._closing:
                self._say(ABSENT.format(place=self._address.origin, why=why))
                told = True
            with self._news:
                self._news.wait_for(lambda: self._closing, JITTER.uniform(0.5, 1.0) * wait)
            wait = min(2 * wait, AGAIN_SECONDS[1])

    def _give_up(self, why: str) -> None:
        self._given_up = True
        self._say(REFUSED.format(place=self._address.origin, why=why))

    @contextlib.contextmanager
    def _connected(self) -> Iterator[ClientConnection]:
        headers = {"Authorization": f"Bearer {self._address.token}"}
        with connect(
            self._address.place,
            origin=Origin(self._address.origin),
            additional_headers=headers,
            compression=None,
            open_timeout=OPEN_SECONDS,
            close_timeout=1,
            proxy=None if self._address.is_here else True,
            logger=SILENT,
        ) as connection:
            connection.send(self._greeting())
            with self._news:
                self._out.clear()
                self._size = 0
                self._connection, self._absent_since = connection, None
            reader = threading.Thread(target=self._read, args=(connection,), name="ppo-scope ear", daemon=True)
            reader.start()
            try:
                yield connection
            finally:
                with self._news:
                    self._connection, self._absent_since, self._flowing = None, time.monotonic(), False

    def _write(self, connection: ClientConnection) -> None:
        beat = 0.0
        while True:
            with self._news:
                self._news.wait_for(lambda: self._out or self._closing or self._connection is None, BEAT_SECONDS)
                waiting = list(self._out)
                self._out.clear()
                self._size = 0
                closing = self._closing
                self._sending = bool(waiting)
            for message in waiting:
                connection.send(message)
            self._sending = False
            if self._connection is None:  # the reader has seen it end
                connection.recv(0)  # raises why
                return
            if closing:
                return
            if time.monotonic() - beat >= BEAT_SECONDS:
                beat = time.monotonic()
                self._beat()

    def _read(self, connection: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            while True:
                self._hear(json.loads(connection.recv()))
        with self._news:
            if self._connection is connection:
                self._connection, self._absent_since, self._flowing = None, time.monotonic(), False
            self._news.notify()
        with self._heard:
            self._heard.notify()

    def _hear(self, command: dict[str, Any]) -> None:
        with self._heard:
            if command["type"] == "watch":
                self._watch = command
            elif len(self._commands) < MOST_WAITING:
                self._commands.append(command)
            self._heard.notify()
        self._tell()
