"""Where programs that tests start come from on Linux: forked from a process that has imported what they import.

A server that begins anew spends two seconds of processor time on imports, most of them torch's, in the process that its
own processes are forked from. Here all servers are forked from one process, and theirs from one beside it. What is run
is the same command, in a session and a working folder of its own.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
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
import types
import warnings
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import IO, Any, NoReturn, cast

from ppo_scope.processes.spawning import warm_up

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 65_536
OF_A_TEST = frozenset({"PYTEST_CURRENT_TEST", "TORCHINDUCTOR_CACHE_DIR", "MUJOCO_GL", "SDL_VIDEODRIVER"})
"""In what it may differ from its nursery's, the environment of a server: pytest says which test it is, torch names a
folder once an optimiser has stepped, and whoever draws chooses what with, as each server does for itself.
"""
IMPORTED = (
    "uvicorn.protocols.http.h11_impl",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
    "ppo_scope.cli",
    "ppo_scope.server.serve",
)
"""Beside what the processes of a server import."""
LOST = -1
"""The exit code of a process that nobody is left to tell of."""


class Nursery:
    """The end that asks for processes. It costs nothing until the first one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = _without_the_test(environment)
        self._opened: tuple[subprocess.Popen[bytes], socket.socket] | None = None

    def suits(self, environment: Mapping[str, str]) -> bool:
        """Whether a process with this environment can come from here: it gets the nursery's."""
        return not self.differs(environment)

    def differs(self, environment: Mapping[str, str]) -> set[str]:
        """The variables because of which one cannot."""
        theirs = _without_the_test(environment)
        return {name for name, _ in theirs.items() ^ self._environment.items()}

    def begin(
        self,
        arguments: Sequence[str],
        folder: str,
        output: int,
        errors: int | None = None,
        *,
        apart: bool = False,
        variables: Mapping[str, str] | None = None,
        imported: Sequence[str] = (),
    ) -> Forked:
        """Run `python` with these arguments; what it prints goes to the descriptors `output` and `errors`.

        apart: it forks its own processes, which otherwise come from one that all share.
        variables: what its environment has besides; for what is read after the imports.
        imported: modules that the nursery imports before, unless it has them; all that follow have them, too.
        """
        if self._opened is None:
            self._opened = self._open()
        _, end = self._opened
        how = {"arguments": arguments, "folder": folder, "apart": apart, "variables": dict(variables or {})}
        request = json.dumps({"imported": imported, "how": how}).encode()
        news, tell = os.pipe()
        try:
            socket.send_fds(end, [request], [output, output if errors is None else errors, tell])
        finally:
            os.close(tell)
        return Forked(news)

    def close(self) -> None:
        """No process begins here any more; those that did live on."""
        if self._opened is not None:
            process, end = self._opened
            end.close()
            process.wait()

    def _open(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.nursery", str(theirs.fileno())],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        return process, end


class Forked:
    """One of its processes, used as `subprocess.Popen` is."""

    stdout: IO[str]
    stderr: IO[str]

    def __init__(self, news: int) -> None:
        self._news = os.fdopen(news, "rb", buffering=0)
        self.returncode: int | None = None
        self.pid = int(self._news.readline() or 0)
        assert self.pid, "the nursery has ended"

    def poll(self) -> int | None:
        """The exit code; None while it lives."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, when it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not within so many seconds.
        """
        if self.returncode is None:
            if not select.select([self._news], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self.returncode = int(self._news.readline() or LOST)
            self._news.close()
        return self.returncode

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
    (descriptor,) = sys.argv[1:]
    for module in IMPORTED:
        importlib.import_module(module)
    warm_up()
    end = socket.socket(fileno=int(descriptor))
    while True:
        request, descriptors, _, _ = socket.recv_fds(end, LONGEST, 3)
        if not request:
            return
        asked = json.loads(request)
        for module in asked["imported"]:
            importlib.import_module(module)
        *outputs, tell = descriptors
        keeper = os.fork()
        if keeper == 0:
            end.close()
            if _keep(tell):
                _become(outputs, **asked["how"])
            return
        for one in descriptors:
            os.close(one)
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


def _become(outputs: list[int], arguments: list[str], folder: str, apart: bool, variables: dict[str, str]) -> NoReturn:
    """Be `python` with these arguments, until that ends, and this process with it."""
    os.setsid()
    for stream, output in enumerate(outputs, 1):
        os.dup2(output, stream)
        os.close(output)
    # What these were may have been a file, which one could go back in.
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, closefd=False) for stream in (1, 2))
    os.chdir(folder)
    os.environ.update(variables)
    shared = forkserver._forkserver
    if apart:
        shared._forkserver_address = shared._forkserver_alive_fd = shared._forkserver_pid = None
    else:
        # It runs beside the nursery, as no child of this process: nothing here can tell whether it lives.
        forkserver.ForkServer.ensure_running = forkserver.ensure_running = lambda *_: None
    try:
        _run(arguments)
    except SystemExit as end:
        _end(end.code)
    except BaseException:
        traceback.print_exc()
        _end(1)
    _end(0)


def _run(arguments: list[str]) -> None:
    while arguments[0] == "-W":
        warnings.simplefilter(cast(Any, arguments[1]))
        arguments = arguments[2:]
    match arguments:
        case ["-m", module, *rest]:
            sys.path[0] = str(Path.cwd())
            sys.argv[1:] = rest
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-c", code, *rest]:
            sys.path[0], sys.argv = "", ["-c", *rest]
            sys.modules["__main__"] = main = types.ModuleType("__main__")
            exec(compile(code, "<string>", "exec"), main.__dict__)
        case [script, *_]:
            sys.path[0], sys.argv = str(Path(script).parent), arguments
            runpy.run_path(script, run_name="__main__")


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
