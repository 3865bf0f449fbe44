"""The other end of the wire, as a test drives it: a page without a browser, and a server in a process of its own."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import uuid
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from ppo_scope.wire import frame
from ppo_scope.wire.frame import PROTOCOL
from tests.programs import begin

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds for what comes at once unless the machine is busy
SLACK = 6.0  # seconds that a busy machine may take beyond what is promised
LAUNCH = """
import importlib, resource, sys
if {descriptors}:
    resource.setrlimit(resource.RLIMIT_NOFILE, ({descriptors}, {descriptors}))
sys.path[:0] = [{root!r}, {backend!r}]
from pathlib import Path
from ppo_scope.ppo.settings import Settings
from ppo_scope.records.library import Library
from ppo_scope.processes.spawning import CONTEXT
from ppo_scope.server.serve import serve
if {scripted} and CONTEXT.get_start_method() == "forkserver":
    CONTEXT.set_forkserver_preload([])
for of, name, seconds in {sooner!r} + {later!r}:
    module = importlib.import_module("ppo_scope.server." + of)
    assert (getattr(module, name) > seconds) == ((of, name, seconds) in {sooner!r})
    setattr(module, name, seconds)
if __name__ == "__main__":
    library = Library(Path({kept!r})) if {kept!r} else None
    settings = Settings(num_envs=2, rollout_steps=32) if library else Settings()
    sys.exit(serve(settings, port={port}, paused={paused}, open_browser=False, worker={worker!r}, library=library))
"""


class ServerProcess:
    """`serve` in a process of its own, with a worker of the test's choice."""

    def __init__(self, worker="obedient", *, paused=True, port=0, descriptors=None, kept="", sooner=(), later=()):
        """`kept`: the folder that runs are kept in; empty: they are not.

        sooner: (module, constant, seconds) of how long the server waits, for a test that has to see the end of it.
        later: the same for a test that has to be in time, however busy the machine is.
        """
        if ":" not in worker:
            worker = f"tests.server.scripted_workers:{worker}"
        paths = {"root": str(ROOT), "backend": str(ROOT / "backend")}
        scripted = worker.startswith("tests.")  # it needs no torch, whose import takes longer than most of these tests
        about = {
            "port": port,
            "paused": paused,
            "worker": worker,
            "descriptors": descriptors,
            "scripted": scripted,
            "kept": str(kept),
            "sooner": tuple(sooner),
            "later": tuple(later),
        }
        self.process = begin("-c", LAUNCH.format(**paths, **about), apart=scripted)
        self.output = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.errors = []
        self._error_reader = threading.Thread(target=lambda: self.errors.extend(self.process.stderr), daemon=True)
        self._error_reader.start()
        link = wait_for(self._link)
        self.port, self.token = int(link[1]), link[2]
        self.host = f"127.0.0.1:{self.port}"
        self.origin = f"http://{self.host}"
        self.session = None

    def _read(self):
        self.output.extend(self.process.stdout)

    def _link(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended: {self.errors}")
        return re.search(r"http://127\.0\.0\.1:(\d+)/#token=(\S+)", "".join(self.output))

    def request(self, method, path, body=None, **headers):
        """(status, headers, body) of one request; no headers but the given ones and Host."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
            data = json.dumps(body).encode() if isinstance(body, dict) else body
            if data is not None:
                headers["Content-Length"] = str(len(data))
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders(data)
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def get(self, path):
        status, _, body = self.request("GET", path)
        assert status == 200, body
        return json.loads(body)

    def cookie(self):
        """The cookie for the token; the secret that belongs to it is in `session` from then on."""
        status, headers, body = self.request("POST", "/api/session", {"token": self.token}, Origin=self.origin)
        assert status == 200
        self.session = json.loads(body)["session"]
        return headers["Set-Cookie"].split(";")[0]

    def own(self):
        """Headers of a request that the page of a controller makes."""
        cookie = self.cookie()
        return {"Origin": self.origin, "Cookie": cookie, "X_PPO_Scope_Session": self.session}

    def run(self):
        return self.get("/api/runs")[0]

    def worker_pid(self):
        """The training process: the first below the server that leads a session of its own."""
        return min(leaders(self.process.pid), default=None)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        self._finish()

    def kill(self):
        """End it without waiting for the farewell, whatever its worker does."""
        if self.process.poll() is None:
            worker = self.worker_pid()
            self.process.kill()
            self.process.wait()
            if worker is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(worker, signal.SIGKILL)
        self._finish()

    def _finish(self):
        for reader, stream in ((self._reader, self.process.stdout), (self._error_reader, self.process.stderr)):
            reader.join(5)
            stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


class Page:
    """One websocket and everything that it received; who has the cookie sends the secret, unless told otherwise."""

    def __init__(self, server, *, tab=None, cookie=None, resume=True, welcome=True, **fields):
        self._session = server.session if cookie else None
        headers = {"Cookie": cookie} if cookie else {}
        self._open = contextlib.ExitStack()
        address = f"ws://{server.host}/ws"
        connecting = connect(address, origin=server.origin, additional_headers=headers, compression=None, max_size=None)
        self.socket = self._open.enter_context(connecting)
        self.messages, self.frames, self.close_code = [], [], None
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not welcome:
            return
        self.hello = self.wait("hello")
        if resume:
            self.resume(tab or uuid.uuid4().hex, **fields)

    def resume(self, tab, **fields):
        known = {"server_epoch": None, "run": None, "sequence": None, "session": self._session, **fields}
        self.say(type="resume", protocol=PROTOCOL, client=tab, **known)
        self.wait("lease")

    def _read(self):
        try:
            for received in self.socket:
                with self._news:
                    if isinstance(received, bytes):
                        self.frames.append((time.monotonic(), received))
                    else:
                        self.messages.append(json.loads(received))
                    self._news.notify_all()
        except ConnectionClosed:
            pass
        with self._news:
            received = self.socket.protocol.close_rcvd
            self.close_code, self.close_reason = (received.code, received.reason) if received else (1006, "")
            self._news.notify_all()

    def until(self, condition, timeout=PATIENCE):
        """Wait until the condition gives something, and return it."""
        end = time.monotonic() + timeout
        with self._news:
            while not (found := condition()):
                left = end - time.monotonic()
                assert left > 0, f"nothing came: {self.messages[-8:]} close {self.close_code}"
                self._news.wait(left)
            return found

    def wait(self, type, timeout=PATIENCE, since=0, **fields):
        """The first message of a type, with these fields, from position `since` on."""
        wanted = {"type": type, **fields}
        return self.until(
            lambda: next((m for m in self.messages[since:] if wanted.items() <= m.items()), None), timeout
        )

    def say(self, **message):
        self.socket.send(json.dumps(message))

    def send(self, raw):
        self.socket.send(raw)

    @property
    def role(self):
        return next(m["role"] for m in self.messages if m["type"] == "role")

    @property
    def lease(self):
        return [m for m in self.messages if m["type"] == "lease"][-1]

    def ask(self, type, *, led=True, timeout=PATIENCE, **fields):
        """Send a command and give its reply."""
        id = uuid.uuid4().hex
        lease = {"lease": self.lease["generation"]} if led else {}
        self.say(**{"type": type, "id": id, **lease, **fields})
        return self.reply(id, timeout)

    def reply(self, id, timeout=PATIENCE):
        return self.until(
            lambda: next((m for m in self.messages if m["type"] in {"ack", "error"} and m["id"] == id), None),
            timeout,
        )

    def headers(self, kind):
        return [header for _, raw in list(self.frames) if (header := frame.header(raw))["kind"] == kind]

    def closed(self, timeout=PATIENCE):
        self.until(lambda: self.close_code, timeout)
        return self.close_code

    def close(self):
        self._open.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def wait_for(condition, timeout=PATIENCE, every=0.02):
    """Wait until the condition gives something, and return it."""
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(every)
    return found


def children(pid):
    """Direct children of a process."""
    found = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in found.splitlines())
    return [int(row[0]) for row in rows if int(row[1]) == pid and not row[2].startswith("Z")]


def leaders(pid):
    """What a server has started that leads a session: what trains, and what draws.

    They are below it, or, where a nursery has forked them, not; these have a pipe in common with it, which its parent
    has not.
    """
    columns = "pid=,ppid=,sess=,stat="
    found = subprocess.run(["ps", "-A", "-o", columns], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in found.splitlines()]
    parents = {int(row[0]): int(row[1]) for row in rows}
    below = {pid}
    while more := {one for one, parent in parents.items() if parent in below} - below:
        below |= more
    own = pipes(pid) - pipes(parents.get(pid, pid))
    leading = {int(row[0]) for row in rows if row[0] == row[2] and row[3][0] != "Z"} - {pid}
    return sorted(one for one in leading if one in below or pipes(one) & own)


def pipes(pid):
    """Those that a process has open."""
    names = set()
    with contextlib.suppress(OSError):
        for one in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                names.add(str(one.readlink()))
    return {name for name in names if name.startswith("pipe:")}


def alive(pid):
    """Whether a process runs; a zombie does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")


def raw_websocket(server, receive_buffer=None):
    """A connected websocket as a bare socket, for a client that never reads."""
    bare = socket.socket()
    if receive_buffer:
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    bare.connect(("127.0.0.1", server.port))
    lines = [
        "GET /ws HTTP/1.1",
        f"Host: {server.host}",
        f"Origin: {server.origin}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    bare.sendall("\r\n".join([*lines, "", ""]).encode())
    assert bare.recv(12) == b"HTTP/1.1 101"
    return bare


def masked(text):
    """A text frame as a client sends it."""
    data = text.encode()
    assert len(data) < 65536
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + data
