"""The guard of a training process: a process of almost nothing that outlives whatever befalls the one it guards.

The training process may be stopped, or hold the interpreter's lock for ever: no thread of its own can end it then. Its
guard is forked from it, belongs to the same group, and does nothing but wait for the server's end.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

LINGER = 1.5
"""Seconds that a process has to end by itself once its server is gone."""
POLL = 0.05
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
"""Signals to the group, which ask the guarded process to do something."""


def guard(lifeline: int) -> None:
    """Fork the guard of this process, which leads a group.

    `lifeline` is the reading end of a pipe whose other end the server alone holds: it ends with the server. The guard
    then ends the whole group. As long as it lives the group's number is nobody else's, and where the server ends
    the group, the guard ends with it.
    """
    guarded = os.getpid()
    if os.fork() == 0:
        try:
            _watch(lifeline, guarded)
        finally:
            os._exit(0)


def _watch(lifeline: int, guarded: int) -> None:
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    hold_only(lifeline)
    with contextlib.suppress(OSError):
        while os.read(lifeline, 1):
            pass
    end = time.monotonic() + LINGER
    while os.getppid() == guarded and time.monotonic() < end:
        time.sleep(POLL)
    os.killpg(0, signal.SIGKILL)


def hold_only(*descriptors: int) -> None:
    """Close everything else: a pipe that this process held would seem to have a process at its end."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    for number in [int(entry.name) for entry in Path("/dev/fd").iterdir()]:
        if number > 2 and number not in descriptors:
            with contextlib.suppress(OSError):
                os.close(number)
