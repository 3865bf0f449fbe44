"""Programs of Python that tests run beside themselves: from the nursery of servers, where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tests.live import ROOT, LiveServer, environment
from tests.nursery import TO_TRAIN, Forked

SECONDS = 120


def begin(
    *arguments: str,
    folder: Path = ROOT,
    apart: bool = False,
    adopted: bool = False,
    imported: Sequence[str] = (),
    **variables: str,
) -> subprocess.Popen[str] | Forked:
    """`python` with these arguments, in a session of its own, what it prints in pipes; how: see `Nursery.begin`."""
    nursery = LiveServer.nursery
    besides = nursery.besides(environment()) if nursery else None
    if nursery is None or besides is None:
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
        how = {"apart": apart, "adopted": adopted, "variables": besides | variables, "imported": imported}
        process = nursery.begin(arguments, str(folder), printed, complained, **how)
    finally:
        os.close(printed)
        os.close(complained)
    process.stdout, process.stderr = os.fdopen(output), os.fdopen(errors)
    return process


def run(
    *arguments: str,
    folder: Path = ROOT,
    apart: bool = True,
    adopted: bool = False,
    imported: Sequence[str] = (),
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """What `python` with these arguments has printed, and its exit code; unless `apart`, its processes print elsewhere.

    Raises:
        subprocess.TimeoutExpired: it has closed what it prints to, and does not end.
    """
    process = begin(*arguments, folder=folder, apart=apart, adopted=adopted, imported=imported, **variables)
    complaints: list[str] = []
    with process.stdout, process.stderr:
        reader = threading.Thread(target=lambda: complaints.extend(process.stderr))
        reader.start()
        printed = process.stdout.read()
        reader.join()
    return subprocess.CompletedProcess(arguments, process.wait(SECONDS), printed, "".join(complaints))


def trained(*arguments: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """The same of a training loop of somebody else's: begun sooner, with what all of them import."""
    return run(*arguments, folder=folder, apart=False, adopted=True, imported=TO_TRAIN, **variables)
