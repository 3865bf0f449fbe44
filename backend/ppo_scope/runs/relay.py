"""A training process on this machine for a server on another one: its frames go there, and commands come from there, by
the server's websocket.

What is trained, and from which state on, is the server's to say, and it is asked as soon as it is reached: whoever
begins again in another's place goes on from the newest state that the server has.
"""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.sync.client import ClientConnection, connect

from ppo_scope import __version__
from ppo_scope.processes.process import DEFAULT_WORKER, MAX_FRAME, NotReading, TrainingProcess

OPEN_SECONDS = 20.0
END_SECONDS = 10.0
"""That a process that was killed has to be gone."""


class Lost(Exception):
    """The run has not come to its end: the training process or the connection broke. It can be tried again."""


class Refused(Exception):
    """The server does not want what it would get from here; one readable line."""


def train_for(place: str, ticket: str) -> None:
    """Train what the server at `place` says, until it says that it is over.

    Raises:
        Lost: it has not come to its end, and shall be tried again.
        Refused: the server is of another version.
        OSError: the server is not reached.
    """
    with connect(
        place,
        additional_headers={"Authorization": f"Bearer {ticket}"},
        compression=None,
        max_size=MAX_FRAME,
        open_timeout=OPEN_SECONDS,
        proxy=None,  # those of a cluster reach each other without one
    ) as connection:
        try:
            connection.send(json.dumps({"version": __version__}))
            order = json.loads(connection.recv())
            state = [connection.recv()] if order["goes_on"] else []
        except ConnectionClosed as closed:
            if (refusal := _why(closed)) is not None:
                raise refusal from None
            return
        sender = _Sender(connection)
        arguments = (*order["arguments"], *state)
        process = sender.process = TrainingProcess(arguments[0], DEFAULT_WORKER, arguments, receiver=sender)
        why: Lost | Refused | None = None
        try:
            while True:
                _obey(process, json.loads(connection.recv()))
        except ConnectionClosed as closed:
            why = _why(closed)
        finally:
            process.kill(signal.SIGKILL)
            sender.over.wait(END_SECONDS)
        if why is not None:
            raise why


def _why(closed: ConnectionClosed) -> Lost | Refused | None:
    """What the end of the connection means; None: all is done."""
    match closed.rcvd.code if closed.rcvd is not None else None:
        case CloseCode.NORMAL_CLOSURE:
            return None
        case CloseCode.POLICY_VIOLATION:
            return Refused(closed.rcvd.reason if closed.rcvd is not None else "")
    return Lost("The run has not come to its end.")


def _obey(process: TrainingProcess, said: dict[str, Any]) -> None:
    match said["do"]:
        case "send":
            with contextlib.suppress(NotReading):
                process.send(said["message"].encode())
        case "tell":
            process.tell(said["slot"], said["message"].encode())
        case "kill":
            process.kill(signal.Signals(said["number"]))


class _Sender:
    """Hands on what the process sends. Where the line is slow, the process waits, as it does for a server here."""

    process: TrainingProcess

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.over = threading.Event()

    def frame(self, message: bytes) -> None:
        """See `Receiver`."""
        with contextlib.suppress(ConnectionClosed):
            self._connection.send(message)

    def ended(self, exitcode: int | None) -> None:
        """See `Receiver`. The server closes the connection then."""
        with contextlib.suppress(ConnectionClosed):
            self._connection.send(json.dumps({"ended": exitcode, "output": self.process.output}))
        self.over.set()
