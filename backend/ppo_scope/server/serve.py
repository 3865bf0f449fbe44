"""`ppo-scope serve`: picks a port, prints the link, and ends cleanly."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Protocol

import uvicorn
from fastapi import FastAPI

from ppo_scope.opening import open_page, way_here
from ppo_scope.ppo.settings import Settings
from ppo_scope.processes.process import DEFAULT_WORKER
from ppo_scope.records.library import InUse, KeptRun, Library
from ppo_scope.records.recorded import name_of
from ppo_scope.records.store import CannotRead
from ppo_scope.runs.journal import Journal
from ppo_scope.runs.journals import journal_of
from ppo_scope.runs.reopening import Reopened
from ppo_scope.runs.supervisor import Supervisor
from ppo_scope.server.app import Setup, create_app, leave
from ppo_scope.server.capacity import ACCEPTED_AT_ONCE, Capacity, make_capacity
from ppo_scope.server.quiet import be_quiet
from ppo_scope.server.security import LOOPBACK, Secrets, check_embedders
from ppo_scope.server.static import frontend
from ppo_scope.server.transport import Connections, HttpTransport, WebSocketTransport
from ppo_scope.wire.messages import MAX_BYTES

DEFAULT_PORT = 8000
PORTS_TRIED = 100
SEND_BUFFER = 256 * 1024
"""Bytes that the kernel holds for a page: what a slow one gets shall be new, not queued up here."""
BACKLOG = 2048
"""Connections that wait in the system until they are accepted."""
HEAD_BYTES = 16 * 1024
"""The longest head of a request."""
UNREAD_LIMIT = 15
"""Seconds after which the kernel drops a connection whose other end takes nothing."""
HANG_UP: signal.Signals | None = getattr(signal, "SIGHUP", None)
"""The terminal has closed; not every system says so."""
PING = 5.0
"""Seconds between two pings; a page is gone that leaves one unanswered for twice as long."""

NOT_LOOPBACK = (
    "{host} is not an address of this machine alone. Whoever reaches the dashboard may watch, so it listens on "
    "loopback only: leave --host out, and reach it from another machine through an SSH tunnel "
    "(ssh -L {port}:127.0.0.1:{port} …)."
)


CONTROLS = "Open this link: whoever has it controls the run. Ctrl-C ends it."
WAITS = "\nPPO Scope waits for training loops. Their environment variable PPO_SCOPE_URL is this link:"
SHOWS = "Open this link. Ctrl-C ends it."


class Errand(Protocol):
    """Something that begins runs by itself."""

    about: str
    """What it does, in a line."""

    async def carry_out(self, supervisor: Supervisor) -> bool:
        """Until nothing is left to be done; whether the server is to end then."""
        ...


class Unusable(Exception):
    """The server cannot listen as it was asked to; one readable line."""


def serve(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    paused: bool = False,
    open_browser: bool = True,
    worker: str = DEFAULT_WORKER,
    recording: Path | None = None,
    embedders: Sequence[str] = (),
    library: Library | None = None,
    reopened: Reopened | None = None,
    waiting: bool = False,
    token: str | None = None,
    shown: KeptRun | None = None,
    errand: Errand | None = None,
) -> int:
    """Serve the dashboard until it is ended; the exit code.

    Args:
        settings: of the run that is begun.
        host: to listen on.
        port: None: 8000, or the next free one.
        paused: the run waits before its first rollout.
        open_browser: open the link as well as print it.
        worker: what trains, as `module:function`.
        recording: shown in place of a run; none is begun.
        embedders: origins whose pages may show the dashboard in a frame.
        library: where runs are kept; None: nowhere.
        reopened: a run to go on with, in place of a new one.
        waiting: no run is begun: training loops elsewhere connect by themselves.
        token: that the link has; None: a new one.
        shown: a run on the disk to be shown; none is begun.
        errand: what begins runs by itself, in place of a first one.
    """
    try:
        check_embedders(embedders)
        folder = frontend()
        listener = listen(host, port)
        journal = _journal_of(reopened, library)
    except (Unusable, FileNotFoundError, ValueError) as problem:
        print(f"ppo-scope: {problem}", file=sys.stderr)
        return 2
    port, name = listener.getsockname()[1], _bracketed(host)
    secrets, capacity = Secrets.of(port, token), make_capacity()

    async def send(supervisor: Supervisor) -> None:
        assert errand is not None
        try:
            server.should_exit = await errand.carry_out(supervisor)
        except Exception as problem:  # nobody else would hear of it
            print(f"ppo-scope: {problem}", file=sys.stderr)
            server.should_exit = True

    app = create_app(
        Setup(
            settings=settings,
            secrets=secrets,
            frontend=folder,
            paused=paused,
            hosts=() if name in LOOPBACK else (name,),
            worker=worker,
            capacity=capacity,
            recording=recording,
            embedders=tuple(embedders),
            library=library,
            reopened=reopened,
            journal=journal,
            waiting=waiting,
            shown=shown,
            errand=send if errand is not None else None,
            says=_say if errand is None and not waiting else _nothing,  # those say it themselves
        )
    )
    place = f"http://{name}:{port}/"
    if shown is not None:
        server = Server(app, f"{place}#token={secrets.token}", SHOWS, open_browser, capacity)
        print(f"\nPPO Scope shows run {shown.id} from {shown.folder}. Nothing is trained.", flush=True)
    elif errand is not None:
        server = Server(app, f"{place}?returns=open#token={secrets.token}", CONTROLS, open_browser, capacity)
        print(f"\n{errand.about}", flush=True)
    elif recording is None:
        server = Server(app, f"{place}#token={secrets.token}", CONTROLS, open_browser, capacity)
        print(WAITS if waiting else _about(settings, paused, reopened), flush=True)
    else:
        server = Server(app, f"{place}?recording={name_of(recording)}", SHOWS, open_browser, capacity)
        print(f"\nPPO Scope shows the recording {recording}. Nothing is trained.", flush=True)
    try:
        server.run(sockets=[listener])
    finally:
        app.state.hub.supervisor.kill()
        if journal is not None:
            journal.close()
    return 0 if server.started else 1


def _say(line: str) -> None:
    print(f"ppo-scope: {line}", file=sys.stderr, flush=True)


def _nothing(_: str) -> None:
    pass


def _journal_of(reopened: Reopened | None, library: Library | None) -> Journal | None:
    """What a run that goes on is written down in.

    Raises:
        Unusable: it cannot be; one readable line.
    """
    if reopened is None:
        return None
    try:
        return journal_of(reopened, library.terms if library else None)
    except (InUse, CannotRead) as problem:
        raise Unusable(str(problem)) from None
    except (OSError, sqlite3.Error) as problem:
        raise Unusable(
            f"{reopened.folder} cannot be written ({problem}), and a run that goes on is written there."
        ) from None


def _about(settings: Settings, paused: bool, reopened: Reopened | None) -> str:
    if reopened is not None:
        at, parent = reopened.record.last + 1, reopened.parent
        if parent is not None:
            return f"\nPPO Scope begins run {reopened.record.id}, a fork of {parent['run']} before update {at}."
        return f"\nPPO Scope goes on with run {reopened.record.id} on {settings.env} at update {at}."
    return f"\nPPO Scope trains on {settings.env} (seed {settings.seed}{', paused' if paused else ''})."


def listen(host: str, port: int | None) -> socket.socket:
    """A bound socket: on the port that was asked for, or on the first free one from 8000 on.

    Raises:
        Unusable: the host is not on loopback, or the port is taken.
    """
    address, family = _loopback(host, port or DEFAULT_PORT)
    if port is not None:
        return _bind(address, family, port)
    for candidate in range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED):
        with contextlib.suppress(Unusable):
            return _bind(address, family, candidate)
    raise Unusable(
        f"The ports {DEFAULT_PORT} to {DEFAULT_PORT + PORTS_TRIED - 1} are all in use. Choose one with --port."
    )


def _loopback(host: str, port: int) -> tuple[str, socket.AddressFamily]:
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except OSError:
        raise Unusable(f"There is no host {host}. Leave --host out to use 127.0.0.1.") from None
    family, _, _, _, address = found[0]
    if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise Unusable(NOT_LOOPBACK.format(host=host, port=port))
    return str(address[0]), family


def _bind(address: str, family: socket.AddressFamily, port: int) -> socket.socket:
    # By its name: asyncio switches Nagle's algorithm off only where it reads TCP, and else every answer that is sent in
    # two parts waits 40 ms for the browser to acknowledge the first.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_LIMIT * 1000)
    try:
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        why = error.strerror if isinstance(error, OSError) else "there is no such port"
        raise Unusable(
            f"Port {port} cannot be used ({why}). Choose another one with --port, or leave it out."
        ) from None
    return listener


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


class Server(uvicorn.Server):
    """Uvicorn, with a farewell: the pages are told and the run is ended before connections are cut."""

    def __init__(self, app: FastAPI, link: str, about: str, open_browser: bool, capacity: Capacity) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="asyncio",  # the transports are made for it; uvicorn would take uvloop wherever that is installed
                http=HttpTransport,
                h11_max_incomplete_event_size=HEAD_BYTES,
                backlog=ACCEPTED_AT_ONCE,
                ws=WebSocketTransport,
                ws_max_size=MAX_BYTES,
                ws_per_message_deflate=False,
                ws_ping_interval=PING,
                ws_ping_timeout=2 * PING,
                timeout_graceful_shutdown=2,
                proxy_headers=False,
                server_header=False,
                access_log=False,
                log_level="warning",
            )
        )
        self.server_state = Connections(capacity)
        be_quiet()
        self._app, self._link, self._about, self._open_browser = app, link, about, open_browser

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where."""
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(BACKLOG)  # the event loop has set it to what it accepts in one turn
        way = way_here(self._link)
        print("\n".join(filter(None, [f"\n    {self._link}\n", self._about, way, ""])), flush=True)
        if self._open_browser:
            open_page(self._link)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say goodbye, then stop."""
        for server in self.servers:
            server.close()  # who is told to leave shall not come back yet
        await leave(self._app)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ctrl-C, SIGTERM and a terminal that closes end the server, which is no error: unlike uvicorn's, this does not
        raise them again. Whatever began it may have blocked or ignored Ctrl-C; what ignores SIGHUP, as nohup, means it.
        """
        ends = {signal.SIGINT, signal.SIGTERM}
        if HANG_UP is not None and signal.getsignal(HANG_UP) is not signal.SIG_IGN:
            ends.add(HANG_UP)
        before = {number: signal.signal(number, self.handle_exit) for number in ends}
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ends)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal asks; the second one ends everything at once, but for SIGHUP: one terminal sends several."""
        if self.should_exit and sig != HANG_UP:
            self._app.state.hub.supervisor.kill()
            os._exit(128 + sig)
        self.should_exit = True
