"""How the processes of ours come to be.

On Linux they are forked from a process that has imported torch already, which takes a twentieth of what the import
does. Elsewhere a fork after such imports is not safe: there each process begins anew.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

if sys.platform == "linux":
    CONTEXT = multiprocessing.get_context("forkserver")
    CONTEXT.set_forkserver_preload(["ppo_scope.worker.preload"])
else:
    CONTEXT = multiprocessing.get_context("spawn")
SAFE_PATH = "PYTHONSAFEPATH"
"""Where this is set, Python does not look for modules in the working folder first."""


def warm_up() -> None:
    """Have what every process needs imported in the background, so that the first one begins sooner."""
    if CONTEXT.get_start_method() == "forkserver":
        with as_ours():
            forkserver.ensure_running()


@functools.cache
def until_warm() -> None:
    """Wait until a process can begin at once: the first one of all waits for those imports, which takes seconds. For a
    thread that has nothing else to do.
    """
    if CONTEXT.get_start_method() == "forkserver":
        first = CONTEXT.Process(target=_nothing, name="ppo-scope first")
        first.start()
        first.join()


def _nothing() -> None:
    """What the first process does."""


@contextlib.contextmanager
def as_ours() -> Iterator[None]:
    """A process started inside ignores Ctrl-C, and looks for modules in the working folder last."""
    with _working_folder_last(), _interrupts_blocked():
        yield


def restore_safe_path(safe_path: str | None) -> None:
    """Let the processes that this one starts find modules as the user wants it."""
    if safe_path is None:
        os.environ.pop(SAFE_PATH, None)
    else:
        os.environ[SAFE_PATH] = safe_path


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """A process started inside ignores Ctrl-C in the terminal from the first: its server decides when it ends."""
    resource_tracker.ensure_running()  # its own start, inside the block, would end the block
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _working_folder_last() -> Iterator[None]:
    """A process started inside looks for modules in the working folder after all other places.

    So a file there that has the name of another module does not take its place. The folder that this very package lies
    in stays where it is.
    """
    folder, own = Path.cwd(), Path(__file__).parents[2]
    before, path = os.environ.get(SAFE_PATH), sys.path
    os.environ[SAFE_PATH] = "1"
    first = [entry for entry in path if (found := Path(entry).absolute()) != folder or found == own]
    sys.path = [*first, str(folder)]
    try:
        yield
    finally:
        sys.path = path
        restore_safe_path(before)
