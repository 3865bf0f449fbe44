"""Several agents of one script, each a run of its own: they learn one after the other, or in turns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

AGAIN = (
    "An agent whose run was taken for finished, since another one has made two updates meanwhile, learns on at "
    "{place}: of it nothing more is shown."
)

One = TypeVar("One")


class Turns(Generic[One]):
    """Those whose runs go on."""

    def __init__(self) -> None:
        self._latest: dict[One, tuple[int, int]] = {}  # which update each has begun, and when, counted by beginnings
        self._begun = self._done = 0

    def __iter__(self) -> Iterator[One]:
        """Those of now: what is done with one may end it."""
        return iter(tuple(self._latest))

    @property
    def number(self) -> int:
        """Of the agent that comes next, among those of its script."""
        return 1 + len(self._latest) + self._done

    def add(self, one: One, index: int = 0) -> None:
        """Another agent; `index`: the update that it is known from on."""
        self._latest[one] = index, 0

    def clear(self) -> None:
        """Their runs are another process's."""
        self._latest.clear()

    def took(self, one: One, index: int) -> list[One]:
        """One has come to this update of its own. Those that are done with that: who has not learned between two
        updates of another one learns no more, as one seed after the other; agents that learn in turns have.
        """
        before, turn = self._latest[one]
        if before == index:
            return []
        self._begun += 1
        self._latest[one] = index, self._begun
        done = [other for other, (_, latest) in self._latest.items() if latest < turn]
        for other in done:
            del self._latest[other]
        self._done += len(done)
        return done


def numbered(library: str, number: int) -> str:
    """Whose loop it is, in words, of the agent with this number in its script."""
    return library + (f", its agent {number}" if number > 1 else "")
