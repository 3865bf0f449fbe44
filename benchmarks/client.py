"""A page without a browser: leads a run over the websocket and reads everything that it is sent."""

from __future__ import annotations

import itertools
import json
import time
import urllib.request
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from websockets.sync.client import connect

from ppo_scope.wire import frame
from ppo_scope.wire.frame import PROTOCOL
from ppo_scope.wire.metrics import SERIES_COLUMNS
from tests.live import LiveServer

REST_SECONDS = 600


class Client:
    """Connected and in control from `with` on."""

    def __init__(self, server: LiveServer) -> None:
        origin = server.base.rstrip("/")
        token = json.dumps({"token": server.token}).encode()
        request = urllib.request.Request(f"{server.base}api/session", token, {"Origin": origin})
        with urllib.request.urlopen(request, timeout=10) as response:
            cookie = response.headers["Set-Cookie"].split(";")[0]
            self._session = json.load(response)["session"]
        url = server.base.replace("http://", "ws://") + "ws"
        self._socket = connect(
            url, origin=origin, additional_headers={"Cookie": cookie}, max_size=None, compression=None
        )
        self._ids = itertools.count()
        self._lease = 0
        self._states: list[str] = []

    def __enter__(self) -> Client:
        known = {"server_epoch": None, "run": None, "sequence": None, "session": self._session}
        self._say(type="resume", protocol=PROTOCOL, client="benchmark", **known)
        while not self._lease:
            self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def watch(self, probes: list[str]) -> None:
        """Ask for what these probes measure."""
        self._say(type="watch", id=str(next(self._ids)), probes=probes)

    def play(self) -> None:
        """Let the run train; a refusal shows in `wait_for`."""
        self._say(type="play", id=str(next(self._ids)), lease=self._lease)

    def wait_for(self, state: str) -> None:
        """Read until the run says this state.

        Raises:
            AssertionError: the server refused a command.
            TimeoutError: the server has said nothing for too long.
        """
        while state not in self._states:
            self._read()
        self._states.clear()

    def rows_for(self, seconds: float) -> NDArray[np.float64]:
        """Read for so long: the rows of the series that came, [R, columns of the series]."""
        end, found = time.perf_counter() + seconds, [np.empty((0, len(SERIES_COLUMNS)))]
        while time.perf_counter() < end:
            received = self._read()
            if isinstance(received, bytes) and frame.header(received)["kind"] == "series":
                found.append(frame.decode(received)[1]["rows"])
        return np.concatenate(found)

    def _say(self, **message: Any) -> None:
        self._socket.send(json.dumps(message))

    def _read(self) -> str | bytes:
        received = self._socket.recv(REST_SECONDS)
        if isinstance(received, bytes):
            return received
        message = json.loads(received)
        kind = message["type"]
        assert kind != "error", message
        if kind == "state":
            self._states.append(message["state"])
        elif kind == "hello" and message["run"]:
            self._states.append(message["run"]["state"])
        if kind == "heartbeat":
            self._say(type="heartbeat")
        if kind == "lease" and message["holder"]:
            self._lease = message["generation"]
        return received
