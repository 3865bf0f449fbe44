"""A finished update in memory that two processes share, so that the other one can measure it.

Nothing is known here of what an update's record holds: whatever its fields are, they come out as they went in, but for
what was only of use to make the update, or to make it anew. Where each array lies is settled once, by an update like
those that follow: then a note costs hardly more than copying them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.ppo.optimisation import taken
from ppo_scope.ppo.phases import Batch, Minibatch, Update
from ppo_scope.ppo.rollout import Episode, Rollout
from ppo_scope.ppo.settings import Settings
from ppo_scope.probes.minibatches import SideBySide

ALIGNMENT = 64
"""Bytes: each array begins where arithmetic likes it to."""
LEFT_OUT = frozenset(
    {
        *("judged", "differentiate", "passes", "arrays"),
        *("settings", "chosen", "rollout", "batch", "minibatches", "episodes"),
    }
)
"""What only making and copying need, and what goes another way."""
CUT = ("samples", "trained", "advantages")
"""Of the minibatches of an epoch, which are cut from one array each: see `Pass`."""
FOUND = ("outputs", "values", "logratio")
"""Of a minibatch's loss: see `InNumpy`."""
TERMS = ("policy_loss", "value_loss", "entropy", "loss")
"""The same, single numbers."""
NUMBERED = frozenset({"epoch", "index"})
"""Of a minibatch: follow from how many came before it."""

ARRAYS = frozenset({Tensor, np.ndarray})

Plain = tuple[Any, ...]
"""What is no array, to be pickled."""


@dataclass(frozen=True)
class Place:
    """Where an array lies."""

    name: str
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def within(self, room: memoryview) -> NDArray[Any]:
        """The array."""
        return np.frombuffer(room, self.dtype, math.prod(self.shape), self.offset).reshape(self.shape)


@dataclass(frozen=True)
class Layout:
    """Where the arrays of updates lie that are made like the one that it was drawn up for."""

    update: tuple[Place, ...]
    rollout: tuple[Place, ...]
    batch: tuple[Place, ...]
    state: tuple[Place, ...]
    """What moves on: θ and what Adam remembers."""
    each: tuple[Place, ...]
    """[J, B, …], of the minibatches."""
    terms: Place
    """[J, names], the single numbers of the minibatches."""
    term_names: tuple[str, ...]
    plain: tuple[tuple[str, ...], ...]
    """The names of what is no array: of the update, its rollout, its batch and a minibatch."""
    minibatches: int
    """Of an epoch."""
    size: int
    """Bytes of it all."""

    @classmethod
    def of(cls, update: Update, state: dict[str, Tensor]) -> Layout:
        """Drawn up for updates like this one, also where target_kl ends them early."""
        assert update.batch is not None
        minibatch, count = update.minibatches[0], update.settings.epochs * update.settings.minibatches
        size = 0

        def place(name: str, found: Any, times: int | None = None) -> Place:
            nonlocal size
            array = found.numpy() if isinstance(found, Tensor) else found
            shape = array.shape if times is None else (times, *array.shape)
            made = Place(name, size, array.dtype, shape)
            size += -(-math.prod(shape) * array.dtype.itemsize // ALIGNMENT) * ALIGNMENT
            return made

        def places(record: object) -> tuple[Place, ...]:
            return tuple(place(name, value) for name, value in vars(record).items() if _lies(name, value))

        arrays = {name: value for name, value in vars(minibatch).items() if _lies(name, value)}
        terms = tuple(name for name, value in arrays.items() if not value.ndim)
        return cls(
            update=places(update),
            rollout=places(update.rollout),
            batch=places(update.batch),
            state=tuple(place(name, tensor) for name, tensor in state.items()),
            each=tuple(place(name, value, count) for name, value in arrays.items() if name not in terms),
            terms=place("", np.empty(len(terms), np.float32), count),
            term_names=terms,
            plain=tuple(
                tuple(
                    name
                    for name, value in vars(record).items()
                    if name not in LEFT_OUT | NUMBERED or (record is update and name == "index")
                    if not _lies(name, value)
                )
                for record in (update, update.rollout, update.batch, minibatch)
            ),
            minibatches=update.settings.minibatches,
            size=size,
        )


class Slot:
    """Room for one note: one process writes it, the other one reads it before it is written again."""

    def __init__(self, layout: Layout, room: memoryview) -> None:
        self._layout = layout
        self._update, self._rollout, self._batch, self._state = (
            {place.name: place.within(room) for place in places}
            for places in (layout.update, layout.rollout, layout.batch, layout.state)
        )
        self._each = {place.name: place.within(room) for place in layout.each}
        self._terms = layout.terms.within(room)
        # What a record is read with, made once: its arrays are the slot's.
        self._update_read = {name: _as_in_update(name, array) for name, array in self._update.items()}
        self._batch_read, self._state_read = (
            {name: torch.from_numpy(array) for name, array in arrays.items()} for arrays in (self._batch, self._state)
        )
        # The same, side by side; where target_kl ends an update early, the first of them.
        self._none = torch.tensor(torch.nan)
        self._flat = {name: whole.reshape(-1, *whole.shape[2:]) for name, whole in self._each.items()}
        self._minibatches: list[Minibatch] = []
        self._rest = [attrgetter(*names, names[0]) if names else _nothing for names in layout.plain]
        self._arrays = [list(arrays.items()) for arrays in (self._update, self._rollout, self._batch)]
        first = layout.term_names.index(TERMS[0])
        assert layout.term_names[first : first + len(TERMS)] == TERMS
        self._found = self._terms[:, first : first + len(TERMS)]
        self._others = [(at, name) for at, name in enumerate(layout.term_names) if name not in TERMS]

    def write(self, update: Update, state: dict[str, Tensor]) -> Plain | None:
        """Copy an update's arrays; what else there is to be told of it. None where it is of another shape.

        NumPy's functions, which training has just used: torch's would have to come to the processor first.
        """
        minibatches = update.minibatches
        count = len(minibatches)
        if not 0 < count <= len(self._terms) or update.batch is None:
            return None
        records = update, update.rollout, update.batch
        try:
            for arrays, record in zip(self._arrays, records, strict=True):
                for name, array in arrays:
                    _copied(getattr(record, name), array)
            for name, array in self._state.items():
                _copied(state[name], array)
            for name, flat in self._flat.items():
                if getattr(minibatches[0], name).shape != self._each[name].shape[1:]:
                    return None
                parts = _parts(update, name)
                np.concatenate(parts, out=flat[: sum(map(len, parts))])
            missing = self._write_terms(minibatches)
        except (AttributeError, ValueError, RuntimeError):  # something is none now, or has another shape
            return None
        # attrgetter, given one name twice, gives a tuple in any case.
        plain = [get(record)[:-1] for get, record in zip(self._rest, records, strict=False)]
        each = [self._rest[-1](minibatch)[:-1] for minibatch in minibatches]
        if any(type(value) in ARRAYS for values in (*plain, each[0]) for value in values):
            return None  # what was none has become an array
        return count, missing, plain, each, of_episodes(update.rollout.episodes)

    def _write_terms(self, minibatches: list[Minibatch]) -> list[int]:
        """The single numbers of the minibatches; where one is none."""
        count, width, missing = len(minibatches), len(self._layout.term_names), []
        found = [minibatch.arrays for minibatch in minibatches if minibatch.arrays is not None]
        if len(found) == count:
            self._found[:count] = np.concatenate([arrays.terms for arrays in found]).reshape(count, -1)
        else:
            self._found[:count] = [[getattr(minibatch, name).item() for name in TERMS] for minibatch in minibatches]
        for at, name in self._others:
            terms = [getattr(minibatch, name) for minibatch in minibatches]
            if any(term is None for term in terms):
                missing += [at + row * width for row, term in enumerate(terms) if term is None]
                terms = [self._none if term is None else term for term in terms]
            self._terms[:count, at] = [term.item() for term in terms]
        return missing

    def read(self, told: Plain, settings: Settings, chosen: Settings | None) -> tuple[Update, dict[str, Tensor]]:
        """The update and the state that were written; their arrays lie in this slot."""
        count, missing, plain, each, ended = told
        layout = self._layout
        values = [dict(zip(names, found, strict=True)) for names, found in zip(layout.plain, plain, strict=False)]
        arrays: dict[str, Any] = self._rollout
        rollout = Rollout(**arrays, **values[1], episodes=episodes_of(ended))
        batch = Batch(**self._batch_read, **values[2])
        minibatches = [_copy(minibatch) for minibatch in self._all()[:count]]
        for minibatch, rest in zip(minibatches, each, strict=True):
            for name, value in zip(layout.plain[-1], rest, strict=True):
                setattr(minibatch, name, value)
        for at in missing:
            number, term = divmod(at, len(layout.term_names))
            setattr(minibatches[number], layout.term_names[term], None)
        laid = {name: whole[:count] for name, whole in self._each.items()}
        laid |= {name: self._terms[:count, at] for at, name in enumerate(layout.term_names)}
        records: dict[str, Any] = {"rollout": rollout, "batch": batch, "minibatches": SideBySide(minibatches, laid)}
        update = Update(**self._update_read, **values[0], settings=settings, chosen=chosen, **records)
        return update, dict(self._state_read)

    def _all(self) -> list[Minibatch]:
        """As many as there is room for; their arrays are the slot's, so they are made once."""
        if not self._minibatches:
            columns: dict[str, Sequence[Any]] = {
                name: torch.from_numpy(whole).unbind(0) for name, whole in self._each.items()
            }
            terms = torch.from_numpy(self._terms).unbind(1)
            columns |= dict(zip(self._layout.term_names, map(Tensor.unbind, terms), strict=True))
            nothing: dict[str, Any] = dict.fromkeys(self._layout.plain[-1])
            for number in range(len(self._terms)):
                epoch, index = divmod(number, self._layout.minibatches)
                values = {name: column[number] for name, column in columns.items()} | nothing
                made = Minibatch(epoch=epoch + 1, index=index + 1, **values, differentiate=taken)
                self._minibatches.append(made)
        return self._minibatches


def _copy(minibatch: Minibatch) -> Minibatch:
    """As copy.copy, in a fifth of the time."""
    made = object.__new__(Minibatch)
    vars(made).update(vars(minibatch))
    return made


def of_episodes(ended: Sequence[Episode]) -> list[tuple[int, float, int]]:
    """Episodes as tuples, which are pickled in a tenth of the time."""
    return [(episode.step, episode.episodic_return, episode.length) for episode in ended]


def episodes_of(ended: Sequence[tuple[int, float, int]]) -> list[Episode]:
    """The same as episodes again."""
    return [Episode(*values) for values in ended]


def _lies(name: str, value: Any) -> bool:
    return name not in LEFT_OUT and isinstance(value, Tensor | np.ndarray)


TENSORS = frozenset({"theta_before"})
"""Of an update's own arrays."""


def _as_in_update(name: str, array: NDArray[Any]) -> Any:
    return torch.from_numpy(array) if name in TENSORS else array


def _parts(update: Update, name: str) -> list[NDArray[Any]]:
    """Something of all minibatches of an update, in as few arrays as there are."""
    if name in CUT and update.passes:
        return [getattr(found, name).reshape(-1) for found in update.passes]
    minibatches = update.minibatches
    if name in FOUND and minibatches[0].arrays is not None:
        return [getattr(minibatch.arrays, name) for minibatch in minibatches]
    return [getattr(minibatch, name).numpy() for minibatch in minibatches]


def _copied(found: Any, array: NDArray[Any]) -> None:
    """Raises: ValueError, AttributeError, where it is of another shape, or none."""
    if found.shape != array.shape:
        raise ValueError
    np.copyto(array, found.numpy() if type(found) is Tensor else found)


def _nothing(_: object) -> tuple[Any, ...]:
    return (None,)
