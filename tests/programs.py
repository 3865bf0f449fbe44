"""Programs of Python that tests run beside themselves: from the nursery of servers, where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from tests.live import ROOT, LiveServer, environment
from tests.nursery import Forked

SECONDS = 120


def begin(
    *arguments: str, folder: Path = ROOT, apart: bool = False, **variables: str
) -> subprocess.Popen[str] | Forked:
    """`python` with these arguments, in a session of its own, what it prints in pipes; how: see `Nursery.begin`."""
    nursery = LiveServer.nursery
    if nursery is None or not nursery.suits(environment()):
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env={**environment(), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    (output, printed), (errors, complained) = os.pipe(), os.pipe()
    try:
        process = nursery.begin(arguments, str(folder), printed, complained, apart=apart, variables=variables)
    finally:
        os.close(printed)
        os.close(complained)
    process.stdout, process.stderr = os.fdopen(output), os.fdopen(errors)
    return process


def run(*arguments: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """What `python` with these arguments has printed, and its exit code.

    Raises:
        subprocess.TimeoutExpired: it has closed what it prints to, and does not end.
    """
    process = begin(*arguments, folder=folder, apart=True, **variables)
    complaints: list[str] = []
    with process.stdout, process.stderr:
        reader = threading.Thread(target=lambda: complaints.extend(process.stderr))
        reader.start()
        printed = process.stdout.read()
        reader.join()
    return subprocess.CompletedProcess(arguments, process.wait(SECONDS), printed, "".join(complaints))
