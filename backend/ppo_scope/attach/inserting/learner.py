"""An agent of a script, as it is known among others: by the weights that its log π is made of."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ppo_scope.attach.single_file.optimizers import moves, reached_from

if TYPE_CHECKING:
    from ppo_scope.attach.own_loop.scope import Scope


class NotToldApart(Exception):
    """Whose an update is, is not known; why."""


SHARED = "two policies have some of their weights in common"
FORMER = "weights that one of them had before, and others since, learn again"

BEGINNING = 4
"""Numbers of an array of weights."""
NOTHING = torch.zeros(())


class Weights:
    """Some of a script's, each of which may be gone: none is kept alive by us."""

    def __init__(self, found: Iterable[Tensor]) -> None:
        """As they are now."""
        self._held = {id(one): weakref.ref(one) for one in found}

    def now(self) -> set[int]:
        """Those that are still there, by `id`: that of what is gone may be another one's."""
        return {place for place, one in self._held.items() if one() is not None}


class Learner:
    """One agent, and its run."""

    def __init__(self, scope: Scope, weights: Collection[Tensor]) -> None:
        """`weights`: as they are when its first minibatch comes."""
        self.scope: Scope | None = scope
        """None: its run is over."""
        self.updates = 0
        """That have begun."""
        self._had = [Weights(weights)]  # now, and before that
        self._mark = Mark(weights)
        self._optimizers: weakref.WeakSet[Optimizer] = weakref.WeakSet()
        self._is_moved = False

    @property
    def is_gone(self) -> bool:
        """Its run is over, and it will never learn again."""
        return self.scope is None and not any(one.now() for one in self._had)

    def is_of(self, weights: Collection[Tensor]) -> bool:
        """Whether these are its own: the very same, or more or fewer of them, where some of its layers are frozen or
        let go for a while; or a copy of them, as they were when its latest update was over, where nothing is left that
        would move these: then it is the copy that learns on.

        Raises:
            NotToldApart: they are in part, or have been once.
        """
        found, (own, *before) = set(map(id, weights)), (one.now() for one in self._had)
        if found == own:
            return True
        if any(found & one for one in before):
            raise NotToldApart(FORMER)
        if found & own and not (found <= own or found >= own):
            raise NotToldApart(SHARED)
        goes_on_as_copy = self.scope is not None and not self._may_learn(own) and self._mark.is_on(weights)
        if not found & own and not goes_on_as_copy:
            return False
        self._had = [Weights(weights), *(one for one in self._had if one.now())]
        self._mark = Mark(weights)
        return True

    def learns(self, *made: Any) -> bool:
        """Whether what the first of these that has a graph is made of, in the midst of an update, is what that has
        begun with: of what remembers, each weight is come upon at every step, and once is enough.
        """
        own = self._had[0].now()
        missing = set(own)
        for weight in _reached(made):
            missing.discard(id(weight))
            if not missing or (isinstance(weight, nn.Parameter) and id(weight) not in own):
                break
        return not missing

    def steps(self, optimizer: Optimizer) -> None:
        """One has made a step while it learns, perhaps its own."""
        if optimizer not in self._optimizers and moves(optimizer, self._had[0].now()):
            self._optimizers.add(optimizer)
            self._is_moved = True

    def end(self) -> None:
        """It learns no more."""
        if self.scope is not None and self.scope.tells:
            self.scope.update()
            self.scope.close()
        self.scope = None

    def _may_learn(self, own: set[int]) -> bool:
        """Whether its own weights, those of them that are left, may be moved by what has moved them."""
        return bool(own) and (bool(self._optimizers) or not self._is_moved)

    def has_learned(self) -> None:
        """An update is over."""
        self._mark.put()


class Mark:
    """A few numbers of each of an agent's weights, by which a copy of it is known: training alone has made them."""

    def __init__(self, weights: Iterable[Tensor]) -> None:
        """Before it learns."""
        self._of = [weakref.ref(one) for one in weights]
        self._first = self._now = _beginnings(one() for one in self._of)

    def put(self) -> None:
        """As they are now."""
        self._now = _beginnings(one() for one in self._of)

    def is_on(self, weights: Iterable[Tensor]) -> bool:
        """Whether these are a copy of what it was put on."""
        return _are_alike(self._now, _beginnings(weights)) and not _are_alike(self._now, self._first)


def _beginnings(weights: Iterable[Tensor | None]) -> list[Tensor]:
    return [one.detach().reshape(-1)[:BEGINNING].clone() for one in weights if one is not None]


def _are_alike(some: list[Tensor], others: list[Tensor]) -> bool:
    """To the bit."""
    return len(some) == len(others) and all(map(_is_alike, some, others))


def _is_alike(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.device == other.device and torch.equal(one, other)


def weights_of(*made: Any) -> list[Tensor]:
    """What the first of these that has a graph is made of: parameters, where there are any. Empty: none has one."""
    found = list(_reached(made))
    return [weight for weight in found if isinstance(weight, nn.Parameter)] or found


def _reached(made: Iterable[Any]) -> Iterator[Tensor]:
    graphs = (one for one in made if isinstance(one, Tensor) and one.grad_fn is not None)
    return reached_from(next(graphs, NOTHING))
