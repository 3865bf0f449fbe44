"""The watchers of this process: what becomes of them when it is forked, or ends."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import weakref
from collections.abc import Callable
from multiprocessing.util import Finalize
from typing import Protocol


class Watching(Protocol):
    """What is noted."""

    def is_copied(self) -> None:
        """This process has just been forked of the one that it is of."""

    def ends_with_process(self) -> None:
        """The process ends."""


_HERE: weakref.WeakSet[Watching] = weakref.WeakSet()


def note(watcher: Watching) -> None:
    """It is told when this process ends and when it has been forked, as long as somebody has it."""
    _HERE.add(watcher)
    atexit.register(_at_exit, weakref.ref(watcher))
    if multiprocessing.parent_process() is not None:  # a worker's process may end without what `atexit` has
        Finalize(None, _at_exit, args=(weakref.ref(watcher),), exitpriority=0)


def weakly(method: Callable[[], None]) -> Callable[[], None]:
    """As long as somebody has what it is of: a thread holds no loop, which would have its model for ever."""
    kept = weakref.WeakMethod(method)

    def called() -> None:
        if (there := kept()) is not None:
            there()

    return called


def _forked() -> None:
    for watcher in list(_HERE):
        watcher.is_copied()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _at_exit(watcher: weakref.ref[Watching]) -> None:
    if (there := watcher()) is not None:
        there.ends_with_process()
