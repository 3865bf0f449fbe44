"""Where the servers of tests come from on Linux: forked from a process that has imported what each of them imports.

A server that begins anew spends two seconds of processor time on imports, most of them torch's, in the process that its
own processes are forked from. Here all servers are forked from one process, and theirs from one beside it. What is run
is the same command, in a session and a working folder of its own.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 65_536
OF_A_TEST = frozenset({"PYTEST_CURRENT_TEST"})
"""In what it may differ from its nursery's, the environment of a server."""
LOST = -1
"""The exit code of a process that nobody is left to tell of."""


class Nursery:
    """The end that asks for processes. It costs nothing until the first one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = _without_the_test(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._end, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def suits(self, environment: Mapping[str, str]) -> bool:
        """Whether a process with this environment can come from here: it gets the nursery's."""
        return _without_the_test(environment) == self._environment

    def begin(self, arguments: Sequence[str], folder: str, output: int) -> Forked:
        """Run `python -m ppo_scope` with these arguments; what it prints goes to the descriptor `output`."""
        if self._process is None:
            self._process = self._opened()
        news, tell = os.pipe()
        request = json.dumps({"arguments": arguments, "folder": folder}).encode()
        try:
            socket.send_fds(self._end, [request], [output, tell])
        finally:
            os.close(tell)
        return Forked(news)

    def close(self) -> None:
        """No process begins here any more; those that did live on."""
        self._end.close()
        self._theirs.close()
        if self._process is not None:
            self._process.wait()

    def _opened(self) -> subprocess.Popen[bytes]:
        with self._theirs as theirs:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.nursery", str(theirs.fileno())],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )


class Forked:
    """One of its processes, used as `subprocess.Popen` is."""

    def __init__(self, news: int) -> None:
        self._news = os.fdopen(news, "rb", buffering=0)
        self._code: int | None = None
        self.pid = int(self._news.readline() or 0)
        assert self.pid, "the nursery has ended"

    def poll(self) -> int | None:
        """The exit code; None while it lives."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, when it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not within so many seconds.
        """
        if self._code is None:
            if not select.select([self._news], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self._code = int(self._news.readline() or LOST)
            self._news.close()
        return self._code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a crash does."""
        self.send_signal(signal.SIGKILL)


def _without_the_test(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in OF_A_TEST}


def main() -> None:
    """Fork a process for each request until nobody can ask any more. That process does not come back."""
    import uvicorn.protocols.http.h11_impl
    import uvicorn.protocols.websockets.websockets_sansio_impl  # noqa: F401

    import ppo_scope.cli
    import ppo_scope.server.serve  # noqa: F401
    from ppo_scope.processes.spawning import warm_up

    warm_up()
    end = socket.socket(fileno=int(sys.argv[1]))
    while True:
        request, descriptors, _, _ = socket.recv_fds(end, LONGEST, 2)
        if not request:
            return
        output, tell = descriptors
        keeper = os.fork()
        if keeper == 0:
            end.close()
            if _keep(tell):
                _become(output, **json.loads(request))
            return
        os.close(output)
        os.close(tell)
        os.waitpid(keeper, 0)


def _keep(tell: int) -> bool:
    """Fork once more, out of the nursery's sight; the one in between tells the pid, waits, and tells the exit code.

    Where nobody is left to be told, as after tests that were killed, the server is killed, too; what it has started
    ends with it.

    True in the process that is to be the server.
    """
    if os.fork():
        os._exit(0)
    server = os.fork()
    if server == 0:
        os.close(tell)
        return True
    os.setsid()
    os.write(tell, b"%d\n" % server)
    watched = select.poll()
    watched.register(tell, 0)  # an error there: nobody is left to tell
    watched.register(os.pidfd_open(server), select.POLLIN)
    if any(place == tell for place, _ in watched.poll()):
        os.kill(server, signal.SIGKILL)
    _, status = os.waitpid(server, 0)
    with contextlib.suppress(OSError):
        os.write(tell, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(output: int, arguments: list[str], folder: str) -> NoReturn:
    """Be `python -m ppo_scope`, until that ends, and this process with it."""
    os.setsid()
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    os.chdir(folder)
    sys.path[0] = folder
    sys.argv[1:] = arguments
    # It runs beside the nursery, as no child of this process: nothing here can tell whether it lives.
    forkserver.ForkServer.ensure_running = forkserver.ensure_running = lambda *_: None
    try:
        runpy.run_module("ppo_scope", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        _end(end.code)
    except BaseException:
        traceback.print_exc()
        _end(1)
    _end(0)


def _end(code: str | int | None) -> NoReturn:
    """Exit as Python does, but leave what was imported as it is: to take apart what this process shares with its
    nursery means to copy it first, and takes longer than to begin did.
    """
    if isinstance(code, str):
        print(code, file=sys.stderr)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
