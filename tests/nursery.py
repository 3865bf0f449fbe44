"""Where programs that tests start come from on Linux: forked from a process that has imported what they import.

A server that begins anew spends two seconds of processor time on imports, most of them torch's, in the process that its
own processes are forked from. Here all servers are forked from one process, and theirs from one beside it. What is run
is the same command, in a session and a working folder of its own.

A training loop that is watched begins programs itself: a process that measures beside it, a server, a script. They come
from here as well, where a test asks for that: see `Nursery.adopt`.
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
from collections.abc import Callable, Mapping, Sequence
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
TO_TRAIN = ("torch._dynamo", "stable_baselines3")
"""What a training loop of somebody else's imports besides: the former with its first optimiser, which takes seconds."""
BEGINNING = ("attach.beside.clerk", "attach.child", "attach.connecting.server")
"""Modules of ours that begin programs of ours beside a loop."""
READ_LATER = (
    *("PPO_SCOPE_", "PYTHONWARNINGS", "SLOWLY"),
    *("TORCHELASTIC_", "MASTER_", "WORLD_SIZE", "RANK", "LOCAL_RANK"),  # torchrun's
)
"""How variables begin that are read after the imports: in these a program may differ from its nursery."""
MANY, HIGH = 16, 512
"""Descriptors that come with a request; and numbers of descriptors that nobody asks for."""
LOST = -1
"""The exit code of a process that nobody is left to tell of."""


class Nursery:
    """The end that asks for processes. It costs nothing until the first one."""

    def __init__(self, environment: Mapping[str, str], end: socket.socket | None = None) -> None:
        """end: to one that lives already, of which a process comes that asks for more."""
        self._environment = _without_the_test(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._end = end

    def differs(self, environment: Mapping[str, str]) -> set[str]:
        """The variables because of which one cannot."""
        theirs = _without_the_test(environment)
        return {name for name, _ in theirs.items() ^ self._environment.items()}

    def besides(self, environment: Mapping[str, str]) -> dict[str, str] | None:
        """The variables of a process from here with which it finds this environment; None: that cannot be."""
        other = self.differs(environment)
        if not all(name.startswith(READ_LATER) and name in environment for name in other):
            return None
        return {name: environment[name] for name in other}

    def begin(
        self,
        arguments: Sequence[str],
        folder: str,
        output: int,
        errors: int | None = None,
        *,
        also: Mapping[int, int] | None = None,
        apart: bool = False,
        adopted: bool = False,
        variables: Mapping[str, str] | None = None,
        imported: Sequence[str] = (),
    ) -> Forked:
        """Run `python` with these arguments; what it prints goes to the descriptors `output` and `errors`.

        also: other descriptors, by the number that they have there.
        apart: it forks its own processes, which otherwise come from one that all share.
        adopted: programs that it begins beside a loop come from here, too.
        variables: what its environment has besides; for what is read after the imports.
        imported: modules that the nursery imports before, unless it has them; all that follow have them, too.
        """
        if self._end is None:
            self._process, self._end = self._open()
        given = {1: output, 2: output if errors is None else errors, **(also or {})}
        how = {"arguments": arguments, "folder": folder, "apart": apart, "adopted": adopted}
        how |= {"variables": dict(variables or {}), "numbers": list(given)}
        request = json.dumps({"imported": imported, "how": how}).encode()
        news, tell = os.pipe()
        try:
            socket.send_fds(self._end, [request], [*given.values(), tell])
        finally:
            os.close(tell)
        return Forked(news)

    def adopt(self, environment: Callable[[], Mapping[str, str]] = lambda: os.environ) -> None:
        """Have what this process begins beside a training loop come from here, instead of importing torch anew.

        environment: what such a program would find, unless it is given another.
        """
        stand_in = types.SimpleNamespace(**{**vars(subprocess), "Popen": self._popen})
        self._around = environment
        for name in BEGINNING:
            vars(importlib.import_module(f"ppo_scope.{name}"))["subprocess"] = stand_in

    def _popen(
        self,
        command: Sequence[str],
        *,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        pass_fds: Sequence[int] = (),
        env: Mapping[str, str] | None = None,
        text: bool = False,
        **how: Any,
    ) -> subprocess.Popen[Any] | Forked:
        """As `subprocess.Popen`, but from here, where the environment is such that it can."""
        variables = self.besides(self._around() if env is None else env)
        if variables is None:
            streams = {"stdin": stdin, "stdout": stdout, "stderr": stderr}
            return subprocess.Popen(command, pass_fds=pass_fds, env=env, text=text, **streams, **how)
        with contextlib.ExitStack() as closed:
            streams, ends = {}, {}
            for number, wanted in enumerate((stdin, stdout, stderr)):
                streams[number] = number
                if wanted == subprocess.STDOUT:
                    streams[number] = streams[1]
                elif wanted == subprocess.DEVNULL:
                    streams[number] = os.open(os.devnull, os.O_RDWR)
                    closed.callback(os.close, streams[number])
                elif wanted == subprocess.PIPE:
                    read, write = os.pipe()
                    streams[number], ends[number] = (write, read) if number else (read, write)
                    closed.callback(os.close, streams[number])
            also = {0: streams[0], **{number: number for number in pass_fds}}
            process = self.begin(
                command[1:],
                str(Path.cwd()),
                streams[1],
                streams[2],
                also=also,
                adopted=True,
                variables=variables,
                imported=TO_TRAIN,
            )
        for number, end in ends.items():
            mode = ("r" if number else "w") + "b" * (not text)
            setattr(process, ("stdin", "stdout", "stderr")[number], os.fdopen(end, mode))
        return process

    def close(self) -> None:
        """No process begins here any more; those that did live on."""
        if self._process is not None and self._end is not None:
            self._end.close()
            self._process.wait()

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

    stdin: IO[Any]
    stdout: IO[Any]
    stderr: IO[Any]

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

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash does."""
        self.send_signal(signal.SIGKILL)


def _without_the_test(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in OF_A_TEST}


def main() -> None:
    """Fork a process for each request until the tests ask no more. That process does not come back."""
    (descriptor,) = sys.argv[1:]
    environment = dict(os.environ)
    for module in IMPORTED:
        importlib.import_module(module)
    static = importlib.import_module("ppo_scope.server.static")
    _ = static.edition_of(static.frontend()).packed  # what each server would make for its first page
    warm_up()
    end = socket.socket(fileno=int(descriptor))
    asks, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # of those that are adopted
    asks = _moved(asks, HIGH)
    either = select.poll()
    for one in (end, asked):
        either.register(one, select.POLLIN)
    while True:
        ready = {number for number, _ in either.poll()}
        request, descriptors, _, _ = socket.recv_fds(end if end.fileno() in ready else asked, LONGEST, MANY)
        if not request:
            return
        heard = json.loads(request)
        for module in heard["imported"]:
            importlib.import_module(module)
        *given, tell = descriptors
        keeper = os.fork()
        if keeper == 0:
            end.close()
            asked.close()
            if _keep(tell):
                _become(given, Nursery(environment, asks), **heard["how"])
            return
        for one in descriptors:
            os.close(one)
        os.waitpid(keeper, 0)


def _moved(end: socket.socket, number: int) -> socket.socket:
    """The same, under a number that no program of tests has for anything else."""
    with end:
        return socket.socket(fileno=os.dup2(end.fileno(), number, inheritable=False))


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


def _become(
    given: list[int],
    nursery: Nursery,
    arguments: list[str],
    folder: str,
    apart: bool,
    adopted: bool,
    variables: dict[str, str],
    numbers: list[int],
) -> NoReturn:
    """Be `python` with these arguments, until that ends, and this process with it."""
    os.setsid()
    out_of_the_way = [os.dup2(one, HIGH + at, inheritable=False) for at, one in enumerate(given, 1)]
    for one in given:
        os.close(one)
    for one, number in zip(out_of_the_way, numbers, strict=True):
        os.dup2(one, number)
        os.close(one)
    # What these were may have been a file, which one could go back in.
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, closefd=False) for stream in (1, 2))
    os.chdir(folder)
    os.environ.update(variables)
    if adopted:
        nursery.adopt()
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
    if "PYTHONWARNINGS" in os.environ:
        warnings.simplefilter(cast(Any, os.environ["PYTHONWARNINGS"]))
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
