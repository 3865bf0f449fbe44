"""The moments of a run that one can go back to: snapshots, by where in the run they were taken."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from ppo_scope.wire.headers import MOMENT_COLUMNS

UPDATE_BYTES = 64 * 1024 * 1024
"""Room for snapshots taken at the end of an update, newest first."""
INNER_BYTES = 48 * 1024 * 1024
"""Room for those taken inside of an update, while it was stepped through."""
RETIRED_SHARE = 16
"""What is left of that room to a run that has been replaced by another one: one part of so many."""

REPLACED = 32
"""Older pictures of a moment whose numbers are remembered: it may be measured again and again."""


@dataclass(frozen=True)
class Place:
    """Where in a run a moment is."""

    update: int
    phase: str
    epoch: int
    minibatch: int

    @property
    def order(self) -> tuple[int, int, int, int, int]:
        """Sorts as the run goes."""
        stage = {"ready": 0, "rollout": 1, "advantages": 2, "update": 4}.get(self.phase, 3)
        within = {"loss": 0, "gradient": 1, "step": 2}
        after_all = int(self.phase == "epoch")
        return self.update, stage, self.epoch, after_all, 4 * self.minibatch + within.get(self.phase, 3)


@dataclass(frozen=True)
class Kept:
    """A snapshot, its number, and the numbers of the pictures of the same moment that it replaced."""

    sequence: int
    message: bytes | None
    """None: it is still to be measured, under that number."""
    replaced: tuple[int, ...] = ()


Entry = tuple[Place, int]
Row = tuple[int, int, str, int, int]


def listed(entries: Iterable[Entry]) -> list[Row]:
    """Rows of `MOMENT_COLUMNS`, in the order of the run. Takes its time where there are many."""
    ordered = sorted(entries, key=lambda entry: entry[0].order)
    return [(sequence, p.update, p.phase, p.epoch, p.minibatch) for p, sequence in ordered]


class Moments:
    """Bounded in memory: the oldest make room.

    A moment that is shown anew replaces the older picture of it, also for who asks for the older one by its number:
    it may have been measured again since the list was read.
    """

    def __init__(
        self, update_bytes: int = UPDATE_BYTES, inner_bytes: int = INNER_BYTES, *, again: bool = False
    ) -> None:
        """`again`: an update can be made again, with all its moments, by whoever asks for its end: where its moments
        make room its end keeps its place, and is still to be measured.
        """
        self._again = again
        self._ends = _Shelf(update_bytes, keeps_places=again)
        self._inner = _Shelf(inner_bytes)

    @property
    def held(self) -> int:
        """What is held."""
        return self._ends.size + self._inner.size

    @property
    def unmeasured(self) -> int:
        """Places that are kept for what is still to be measured."""
        return self._ends.unmeasured + self._inner.unmeasured

    @property
    def room(self) -> int:
        """What may be held."""
        return self._ends.room + self._inner.room

    def keep(self, header: dict[str, Any], message: bytes | None) -> None:
        """Keep the snapshot with that header; None: a place for one that is still to be measured."""
        place = Place(*(header[name] for name in MOMENT_COLUMNS[1:]))
        self._shelf(place).put(place, header["sequence"], message)
        self._make_room()

    def fill(self, header: dict[str, Any], message: bytes) -> None:
        """Keep a snapshot that was measured later, where a place is still kept for it."""
        place = Place(*(header[name] for name in MOMENT_COLUMNS[1:]))
        self._shelf(place).fill(place, header["sequence"], message)
        self._make_room()

    def _make_room(self) -> None:
        self._ends.trim()
        for place in self._inner.trim():
            if self._again:
                self._ends.owe(self._ends.of_update(place.update))

    def owed(self, sequence: int) -> bool:
        """Whether the snapshot with that number is still to be measured."""
        return any(shelf.owed(sequence) for shelf in (self._ends, self._inner))

    def let_go(self, sequences: Iterable[int]) -> None:
        """Drop the places that are still kept for these: they will not be measured."""
        for sequence in sequences:
            for shelf in (self._ends, self._inner):
                if shelf.owed(sequence):
                    shelf.drop([shelf.numbers[sequence]])

    def forgo(self) -> int:
        """Nothing more is measured: drop the places that are still kept for it, and tell how many they were."""
        return self._ends.forgo() + self._inner.forgo()

    def _shelf(self, place: Place) -> _Shelf:
        return self._ends if place.phase == "update" else self._inner

    def number_of_end(self, update: int) -> int | None:
        """The number of the snapshot of an update's end, if it is still kept."""
        found = next(iter(self._ends.of_update(update)), None)
        return self._ends.items[found].sequence if found else None

    def at(self, sequence: int) -> bytes | None:
        """The snapshot with that number, or the one that replaced it, if it is still kept and has been measured."""
        for shelf in (self._ends, self._inner):
            if (place := shelf.numbers.get(sequence)) is not None:
                return shelf.items[place].message
        return None

    def entries(self) -> list[Entry]:
        """Everything that is kept, in no order; see `listed`."""
        both = (*self._ends.items.items(), *self._inner.items.items())
        return [(place, kept.sequence) for place, kept in both]

    def list(self) -> list[Row]:
        """Rows of `MOMENT_COLUMNS`, in the order of the run."""
        return listed(self.entries())

    def forget(self, update: int) -> None:
        """Drop all of an update: it has been made anew."""
        for shelf in (self._ends, self._inner):
            shelf.drop(shelf.of_update(update))

    def shrink(self) -> None:
        """Keep few from now on."""
        for shelf in (self._ends, self._inner):
            shelf.room //= RETIRED_SHARE
        self._make_room()


class _Shelf:
    """What is kept within some room."""

    def __init__(self, room: int, *, keeps_places: bool = False) -> None:
        self.room = room
        self._keeps_places = keeps_places
        self._measured: dict[Place, None] = {}  # of what is held, the one that came first before the others
        self.items: OrderedDict[Place, Kept] = OrderedDict()
        self.numbers: dict[int, Place] = {}
        self.size = 0
        self._updates: dict[int, dict[Place, None]] = {}

    def of_update(self, update: int) -> list[Place]:
        """What is kept of it."""
        return list(self._updates.get(update, ()))

    def put(self, place: Place, sequence: int, message: bytes | None) -> None:
        older = self.items.get(place)
        self.drop([place])
        kept = Kept(sequence, message, (*older.replaced, older.sequence)[-REPLACED:] if older else ())
        self.items[place] = kept
        self.numbers.update(dict.fromkeys((sequence, *kept.replaced), place))
        self._updates.setdefault(place.update, {})[place] = None
        if message is not None:
            self._hold(place, message)

    def _hold(self, place: Place, message: bytes) -> None:
        self.size += len(message)
        self._measured[place] = None

    @property
    def unmeasured(self) -> int:
        return sum(kept.message is None for kept in self.items.values())

    def owed(self, sequence: int) -> bool:
        place = self.numbers.get(sequence)
        return place is not None and self.items[place].message is None

    def fill(self, place: Place, sequence: int, message: bytes) -> None:
        """It stays where it is: what is measured last may be the oldest."""
        announced = self.numbers.get(sequence)
        kept = self.items.get(announced) if announced is not None else None
        if announced is None or kept is None or kept.sequence != sequence or kept.message is not None:
            return
        if place != announced:  # an update that is made again may end earlier than was known
            self.drop([announced])
            self.put(place, sequence, message)
            return
        self.items[place] = replace(kept, message=message)
        self._hold(place, message)

    def owe(self, places: list[Place]) -> None:
        """They are still to be measured again."""
        for place in places:
            kept = self.items[place]
            self.items[place] = replace(kept, message=None)
            self.size -= len(kept.message or b"")
            self._measured.pop(place, None)

    def forgo(self) -> int:
        owed = [place for place, kept in self.items.items() if kept.message is None]
        self.drop(owed)
        return len(owed)

    def drop(self, places: list[Place]) -> None:
        for place in places:
            if place not in self.items:
                continue
            kept = self.items.pop(place)
            self.size -= len(kept.message or b"")
            self._measured.pop(place, None)
            for number in (kept.sequence, *kept.replaced):
                self.numbers.pop(number, None)
            others = self._updates[place.update]
            del others[place]
            if not others:
                del self._updates[place.update]

    def trim(self) -> list[Place]:
        """Let go of what there is no room for; which."""
        gone = []
        while self.size > self.room:
            place = next(iter(self._measured if self._keeps_places else self.items))
            (self.owe if self._keeps_places else self.drop)([place])
            gone.append(place)
        return gone
