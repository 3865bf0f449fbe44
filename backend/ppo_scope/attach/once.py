"""What is watched already is not watched twice: hooks upon hooks would tell everything twice, or end a training."""

from __future__ import annotations

from typing import Any, Protocol
from weakref import WeakKeyDictionary, ref

from ppo_scope.attach.watcher import Watcher, say

ALREADY = "This {what} is watched already: its run goes on."


class Watches(Protocol):
    """Has hooks in a model, a trainer or a loss."""

    @property
    def tells(self) -> bool:
        """Whether its run goes on, and is told of what is trained."""

    @property
    def watcher(self) -> Watcher:
        """By which it tells."""


_WATCHED: WeakKeyDictionary[Any, ref[Watches]] = WeakKeyDictionary()
"""By what is trained."""


def note(trained: Any, watches: Watches) -> None:
    """From now on it is watched by that."""
    _WATCHED[trained] = ref(watches)


def watched_as(trained: Any) -> Watches | None:
    """What watches it, or has watched it last."""
    there = _WATCHED.get(trained)
    return None if there is None else there()


def goes_on(trained: Any, what: str) -> bool:
    """Whether it is watched already, which is said. A run that was ended is over: its hooks let everything pass."""
    before = watched_as(trained)
    if before is None:
        return False
    if before.tells:
        say(ALREADY.format(what=what))
        return True
    before.watcher.close(finished=False)
    return False
