"""A real `ppo-scope serve` and a real Chromium, for tests and benchmarks."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tests.nursery import Forked, Nursery

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]
COMMAND = (sys.executable, "-m", "ppo_scope")
START_SECONDS = 120
END_SECONDS = 25
"""Promised are 10, on a machine that is not busy with other tests."""

CHROMIUM_FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",  # no other machine is ever reached
    "--no-first-run",
    "--no-sandbox",  # a container's root user has none
)
CHROMIUM_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""The first of them has no windows and no use for them: a page costs a quarter less of the processor's time."""
CHROMIUM_APPLICATIONS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
NO_CHROMIUM = (
    "No Chromium was found, and the page is tested in one. Install it (Debian: apt install chromium; macOS: brew "
    "install --cask chromium; anywhere: playwright install chromium), or name yours in PPO_SCOPE_CHROMIUM."
)


PORTS = range(20_000 + os.getpid() % 100 * 100, 20_000 + os.getpid() % 100 * 100 + 100)
"""Of this process, if nobody else takes them; below those that a system gives out by itself."""


def free_port(but: Iterable[int] = ()) -> int:
    """The first that is free, but for those: the one of a server that has gone, as a rule, of which a browser has the
    scripts already, compiled. A page of a server on a new port takes twice the processor time until it is up.
    """
    for port in (port for port in PORTS if port not in but):
        with socket.socket() as place, contextlib.suppress(OSError):
            place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            place.bind(("127.0.0.1", port))
            return port
    return 0


class NoChromiumError(Exception):
    """There is no browser to test with; says how to get one."""


class LiveServer:
    """`ppo-scope serve`, or `open`, in a process of its own, on a free port unless one is among the arguments.

    Among tests it comes from their nursery, if there is one; with `command`, or `anew`, from nowhere but the command.
    """

    nursery: ClassVar[Nursery | None] = None
    ports: ClassVar[dict[int, LiveServer]] = {}
    """Who had each last. One that listens no more, but has not ended, may still answer a browser that knows it."""

    def __init__(
        self,
        *arguments: str,
        command: Sequence[str] = COMMAND,
        folder: Path | None = None,
        verb: str = "serve",
        anew: bool = False,
        opens: bool = False,
    ) -> None:
        """Start it and wait until it answers; `opens`: it may open a browser.

        Raises:
            AssertionError: it ended or did not answer in time; with what it printed.
        """
        port = None
        whole = [verb, *([] if opens else ["--no-browser"]), *arguments]
        if "--port" not in arguments:
            port = free_port(but=[taken for taken, server in self.ports.items() if server.lives])
            whole += ["--port", str(port)]
        if verb == "serve" and "--runs-dir" not in arguments:
            whole += ["--runs-dir", "off"]  # of tests nobody wants to keep anything
        place = str(folder or tempfile.gettempdir())
        self._lines: list[str] = []
        self._interrupted = False
        output, printed = os.pipe()
        self._output = os.fdopen(output)
        try:
            self._process: subprocess.Popen[bytes] | Forked
            besides = self.nursery.besides(environment()) if self.nursery and command is COMMAND and not anew else None
            if self.nursery and besides is not None:
                self._process = self.nursery.begin([*COMMAND[1:], *whole], place, printed, variables=besides)
            else:
                self._process = subprocess.Popen(
                    [*command, *whole],
                    cwd=place,
                    env=environment() if command is COMMAND else None,
                    stdin=subprocess.DEVNULL,
                    stdout=printed,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        finally:
            os.close(printed)
        self.pid = self._process.pid
        if port:
            self.ports[port] = self
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.url = self._wait_for_link()
            self.base, _, self.token = self.url.partition("#token=")
            self._wait_for_health()
        except BaseException:
            self.kill()
            raise

    @property
    def lives(self) -> bool:
        """Whether its process has not ended."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """What it printed until now."""
        return "".join(self._lines)

    def get(self, path: str) -> bytes:
        """The body of `GET path`, relative to the server.

        Raises:
            urllib.error.HTTPError: the answer is not a success.
        """
        with urllib.request.urlopen(self.base.partition("?")[0] + path, timeout=10) as response:
            body: bytes = response.read()
            return body

    def run(self) -> dict[str, Any]:
        """The current run."""
        runs: list[dict[str, Any]] = json.loads(self.get("api/runs"))
        return runs[0]

    def run_count(self) -> int:
        """How many runs it has."""
        return len(json.loads(self.get("api/runs")))

    def interrupt(self) -> None:
        """Press Ctrl-C, once: the second one would end it at once."""
        if not self._interrupted and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._interrupted = True

    def stop(self) -> int:
        """End it as Ctrl-C does; its exit code.

        Raises:
            AssertionError: it did not end in time.
        """
        self.interrupt()
        try:
            code = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not end on Ctrl-C. It printed:\n{self.output}") from None
        self._reader.join(END_SECONDS)
        return code

    def kill(self) -> None:
        """End it as a crash does: it gets no chance to tidy up."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait(END_SECONDS)

    def _read(self) -> None:
        with self._output as output:
            for line in output:
                self._lines.append(line)

    def _wait_for_link(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if found := re.search(r"http://\S+/[#?]\S+", self.output):
                return found[0]
            if (code := self._process.poll()) is not None:
                self._reader.join(1)
                raise AssertionError(f"the server ended with {code}:\n{self.output}")
            time.sleep(0.02)
        raise AssertionError(f"the server printed no link within {START_SECONDS} s:\n{self.output}")

    def _wait_for_health(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.get("api/health")
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise AssertionError(f"the server does not answer:\n{self.output}") from None
                time.sleep(0.02)


def environment() -> dict[str, str]:
    """The environment of a process that runs the source tree, installed or not."""
    backend = str(ROOT / "backend")
    paths = [backend, *filter(None, [os.environ.get("PYTHONPATH")])]
    own = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
    own["PYGAME_HIDE_SUPPORT_PROMPT"] = "hide"  # as Gymnasium leaves it wherever it is imported, sooner or later
    return {**os.environ, **own}


@contextlib.contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """A headless Chromium, with these flags besides the usual ones.

    Raises:
        NoChromiumError: there is none.
    """
    from playwright.sync_api import sync_playwright  # here: most tests look at no page

    with sync_playwright() as playwright:
        path = find_chromium() or playwright.chromium.executable_path
        if not Path(path).exists():
            raise NoChromiumError(NO_CHROMIUM)
        browser = playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_FLAGS, *flags], headless=True)
        try:
            yield browser
        finally:
            browser.close()


def find_chromium() -> str | None:
    """The Chromium of this machine: the one that is named, or one that is installed; not Playwright's own."""
    if named := os.environ.get("PPO_SCOPE_CHROMIUM"):
        return named
    installed = [shutil.which(name) for name in CHROMIUM_NAMES]
    return next(filter(None, installed), None) or next(filter(os.path.exists, CHROMIUM_APPLICATIONS), None)
