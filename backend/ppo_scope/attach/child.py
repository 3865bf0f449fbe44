"""The process that a watched script runs in. It ends with who began it, however that ends, and first as by Ctrl-C.

Both hold an end of a pipe, the lifeline. Once the other end is closed, by hand or because its process is gone, the
script is interrupted; what it does about that has a moment of time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType

GRACE_SECONDS = 10.0
"""That a script has to end after it was interrupted, to save what it has learned for example."""
LATE_SECONDS = 2.0
"""After those it is ended from outside: it may keep the interpreter's lock from its own last thread."""
VARIABLE = "PPO_SCOPE_LIFELINE"
INSERT = "--insert"
"""Before a script: lines are put into it."""
ENDING = "SIGTERM", "SIGHUP"


# On the side of who begins it


def run(arguments: Sequence[str], **variables: str) -> tuple[int, bool]:
    """Run a script to its end, with these variables in its environment.

    Returns:
        (its exit code, False), or (that of the signal which is to end both, True).

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed, and the script has ended.
    """
    command = [sys.executable, "-m", "ppo_scope.attach.script", *arguments]
    if os.name != "posix":
        return subprocess.call(command, env={**os.environ, **variables}), False
    end, lifeline = os.pipe()
    try:
        process = subprocess.Popen(command, pass_fds=[end], env={**os.environ, **variables, VARIABLE: str(end)})
    finally:
        os.close(end)
    with _signals(process, lifeline) as received:
        code = process.wait()
    if signal.SIGINT in received:
        raise KeyboardInterrupt
    return (128 + received[0], True) if received else (code, False)


@contextlib.contextmanager
def _signals(process: subprocess.Popen[bytes], lifeline: int) -> Iterator[list[int]]:
    """What ends this process ends the script first; the signals that came meanwhile."""
    received: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        received.append(number)
        if not _has_the_terminal():  # else it was pressed there, and the script has got it as well
            process.send_signal(number)

    def end(number: int, _: FrameType | None) -> None:
        received.append(number)
        if len(received) > 1:
            process.kill()
            return
        os.close(lifeline)
        late = threading.Timer(GRACE_SECONDS + LATE_SECONDS, process.kill)
        late.daemon = True
        late.start()

    wanted = {signal.Signals.SIGINT: interrupt, **{signal.Signals[name]: end for name in ENDING}}
    before = {
        number: signal.signal(number, handler)
        for number, handler in wanted.items()
        if signal.getsignal(number) is not signal.SIG_IGN  # as nohup has it
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _has_the_terminal() -> bool:
    """Whether this process is of the group that the keys of a terminal are sent to."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


# On the side of the script


def end_with_parent() -> None:
    """From now on this process is interrupted when who began it is gone, and ended where it then goes on."""
    given = os.environ.pop(VARIABLE, None)
    if given is None:
        return
    lifeline = int(given)
    os.set_inheritable(lifeline, False)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that closes ends the other one: it is heard once
    threading.Thread(target=_wait, args=(lifeline,), daemon=True, name="ppo-scope lifeline").start()


def _wait(lifeline: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(lifeline, 1):
            pass
    deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as a shell begins what is to run in the background
    os.kill(os.getpid(), signal.SIGTERM if deaf else signal.SIGINT)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
