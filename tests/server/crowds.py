"""Crowds: what many can do to a server that hold no token, from a process of their own.

    python -m tests.server.crowds KIND COUNT PORT

It says "ready" when the crowd is in place, and goes on until its input ends. Bare sockets: it costs as little of the
machine as it can.
"""

import contextlib
import itertools
import json
import select
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROBES = ["advantages", "gradients", "policy", "ratio", "samples", "values"]
RESUME = {"type": "resume", "protocol": 3, "server_epoch": None, "run": None, "sequence": None, "session": None}
HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Crowd:
    """One in a process of its own, in place from `with` on."""

    def __init__(self, kind, count, port):
        command = [sys.executable, "-m", "tests.server.crowds", kind, str(count), str(port)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


def connected(port, attempts=50):
    """A connection; the system may be slow to take so many."""
    for _ in range(attempts):
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), timeout=10)
        time.sleep(0.05)
    raise OSError("no connection")


def page(port):
    """A websocket whose stream has been asked for, with all probes."""
    bare = connected(port)
    bare.sendall(HANDSHAKE.format(host=f"127.0.0.1:{port}").encode())
    with contextlib.suppress(OSError):
        bare.recv(4096)
        say(bare, {**RESUME, "client": f"crowd-{bare.fileno()}-{time.monotonic_ns()}"})
        say(bare, {"type": "watch", "id": "w", "probes": PROBES})
    return bare


def say(bare, message):
    """A text frame as a client sends it."""
    data = json.dumps(message).encode()
    length = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
    bare.sendall(b"\x81" + length + bytes(4) + data)


class Reader:
    """Reads frames without a look at them, but for pings: who leaves those unanswered is let go."""

    def __init__(self, bare):
        self._bare, self._left, self._skip = bare, b"", 0

    def read(self):
        """What there is; False at the end."""
        received = self._bare.recv(1 << 20)
        if self._skip >= len(received):
            self._skip -= len(received)
            return bool(received)
        data, self._skip = self._left + received[self._skip :], 0
        while len(data) >= 2:
            extra = {126: 2, 127: 8}.get(data[1], 0)
            if len(data) < 2 + extra or (data[0] == 0x89 and len(data) < 2 + data[1]):
                break
            size = int.from_bytes(data[2 : 2 + extra]) if extra else data[1]
            if data[0] == 0x89:
                self._bare.sendall(bytes([0x8A, 0x80 | size]) + bytes(4) + data[2 : 2 + size])
            whole = 2 + extra + size
            self._skip, data = max(0, whole - len(data)), data[whole:]
        self._left = data
        return True


def drain(sockets):
    """Read whatever comes, for ever."""
    poll, found = select.epoll(), {bare.fileno(): Reader(bare) for bare in sockets}
    for number in found:
        poll.register(number, select.EPOLLIN)
    while True:
        for number, _ in poll.poll():
            with contextlib.suppress(OSError):
                if found[number].read():
                    continue
            poll.unregister(number)


def background(function, *arguments):
    threading.Thread(target=function, args=arguments, daemon=True).start()


def viewers(port, count):
    """Pages that watch everything, and read it."""
    background(drain, [page(port) for _ in range(count)])


def deaf(port, count):
    """Pages that watch everything, and never read."""
    kept.extend(page(port) for _ in range(count))


def idle(port, count):
    """Connections that never say a word."""
    kept.extend(connected(port) for _ in range(count))


def reconnects(port, count):
    """Pages that all come, and all go at once, again and again."""

    def come_and_go():
        while True:
            for bare in [page(port) for _ in range(count)]:
                bare.close()

    background(come_and_go)


def togglers(port, count):
    """Pages that change their mind about what they watch 90 times a second."""

    def toggle(bare):
        background(drain, [bare])
        for number in itertools.count():
            say(bare, {"type": "watch", "id": f"w{number}", "probes": PROBES if number % 2 else []})
            time.sleep(1 / 90)

    for _ in range(count):
        background(toggle, page(port))


def askers(port, count):
    """Those who ask for everything, again and again."""
    base = f"http://127.0.0.1:{port}/api"
    run = json.loads(urllib.request.urlopen(f"{base}/runs", timeout=30).read())[0]["id"]
    of_run = [f"{base}/runs/{run}/{what}" for what in ("series", "series?format=frame", "moments", "frames/1")]
    everything = [*of_run, f"{base}/runs", f"{base}/settings", f"http://127.0.0.1:{port}/vendor/plotly.min.js"]

    def ask():
        for address in itertools.cycle(everything):
            with contextlib.suppress(OSError, urllib.error.HTTPError):
                urllib.request.urlopen(address, timeout=60).read()

    for _ in range(count):
        background(ask)
    time.sleep(0.5)


def pingers(port, count):
    """Websockets that ping as fast as they can, and never read the answers."""

    def ping(bare):
        with contextlib.suppress(OSError):
            while True:
                bare.sendall(b"\x89\x80\0\0\0\0" * 4096)

    for _ in range(count):
        bare = page(port)
        bare.settimeout(None)
        background(ping, bare)


def flooders(port, count):
    """Connections that ask for the list of runs as fast as they can, with long addresses."""
    request = f"GET /api/runs?{'x' * 8000} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()

    def flood():
        while True:
            with contextlib.suppress(OSError), connected(port) as bare:
                while bare.sendall(request) is None and bare.recv(1 << 20):
                    pass

    for _ in range(count):
        background(flood)


def strangers(port, count):
    """Those who knock in every wrong way: no HTTP, from another site, in an unknown protocol."""
    host = f"127.0.0.1:{port}"
    handshake = HANDSHAKE.format(host=host)
    knocks = [
        "\x16\x03\x01 is not HTTP\r\n\r\n",
        handshake.replace("Origin: http://", "Origin: http://evil."),
        handshake.replace("Upgrade: websocket", "Upgrade: h2c"),
        handshake.replace("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 1"),
        handshake.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: short"),
        handshake.replace("GET /ws", "GET /elsewhere"),
        handshake + "\xff\xff\xff\xff" * 100,
        f"GET /api/runs HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n",
    ]

    def knock():
        for words in itertools.cycle(knocks):
            with contextlib.suppress(OSError), connected(port) as bare:
                bare.sendall(words.encode("latin-1"))
                bare.recv(4096)

    for _ in range(count):
        background(knock)


kept = []
KINDS = {
    kind.__name__: kind for kind in (viewers, deaf, idle, reconnects, togglers, askers, pingers, flooders, strangers)
}


def main():
    kind, count, port = sys.argv[1:]
    with contextlib.suppress(ImportError, ValueError):
        import resource

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most), most))
    KINDS[kind](int(port), int(count))
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
