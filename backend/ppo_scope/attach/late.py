"""An update whose rollout and minibatches stay as their library has them until somebody asks for them in our shapes.

In the loop hardly anybody does: its arrays go to the process beside it as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.attach.facts import Facts
from ppo_scope.attach.record import Batch, Episode, Noted, Rollout, Seen, Told, Update
from ppo_scope.probes.record import Floats

Kept = tuple[Tensor, Tensor, Tensor | None]
"""(V, log π(a|s), entropy) of a minibatch."""


def without_graph(found: Kept) -> Kept:
    """The graph that hangs on it is the loop's, which is then rid of it as soon as without us."""
    values, log_prob, entropy = found
    return values.detach(), log_prob.detach(), None if entropy is None else entropy.detach()


class Epoch(NamedTuple):
    """Minibatches that hold what the rollout has, one after the other."""

    number: int
    order: NDArray[np.int64]
    """As its library draws them."""
    places: NDArray[np.int64]
    """Of the library's samples, among ours."""
    size: int
    """Samples of each minibatch; the last one may have fewer."""
    kept: list[Kept]

    def drawn(self) -> NDArray[np.int64]:
        """Samples of all of them, as the library counts."""
        return self.order[: self.size * len(self.kept)]

    def counts(self) -> list[tuple[int, int]]:
        """Of each: the epoch, and how many samples it has."""
        found = [(self.number, self.size)] * len(self.kept)
        if (fewer := len(self.order) - self.size * len(self.kept)) < 0:
            found[-1] = self.number, self.size + fewer
        return found

    def told(self, first: int) -> list[Told]:
        """From that one on."""
        starts = range(first * self.size, len(self.kept) * self.size, self.size)
        samples, each = self.places[self.order], zip(starts, self.kept[first:], strict=True)
        return [Told(self.number, samples[start : start + self.size], None, kept) for start, kept in each]


class Brief(NamedTuple):
    """A minibatch [B] that brings Â as its loss uses it and, where there is one, what its loss adds for the exact KL to
    π_old; for the rest it has what the rollout has.
    """

    epoch: int
    samples: Any
    advantages: Tensor
    values: Tensor
    log_prob: Tensor
    entropy: Tensor
    penalty: Tensor | None = None

    def told(self) -> Told:
        """As it is recorded."""
        answers = self.values, self.log_prob, self.entropy
        brought = Brought(self.advantages, penalty=self.penalty)
        return Told(self.epoch, np.asarray(self.samples, np.int64), brought, answers)


class Brought(NamedTuple):
    """[B] each; None: what the batch has."""

    advantages: Tensor
    old_values: Tensor | None = None
    old_log_prob: Tensor | None = None
    returns: Tensor | None = None
    penalty: Tensor | None = None


LATE = ("rollout", "batch", "rewards", "deltas")


class LateUpdate(Update):
    """One whose rollout is read when somebody asks for it."""

    def __init__(
        self,
        index: int,
        settings: Facts,
        learning_rate: float,
        theta_before: Tensor,
        source: tuple[Any, Any],
        episodes: Sequence[Episode],
        judged: Callable[[Any, Any], Tensor] | None = None,
    ) -> None:
        """`source`: how to read a rollout, and the rollout as its library holds it: a `Form` and `Buffered`, or what is
        like them. `judged`: the policy's outputs for a batch, by its weights before.
        """
        nothing: Any = None
        super().__init__(index, settings, learning_rate, nothing, None, theta_before)
        for name in LATE:
            delattr(self, name)
        self.source = source
        self.epochs: list[Epoch] = []
        """Its minibatches, where they bring nothing else than the rollout has."""
        self.brief: list[Brief] = []
        """Those that it has not taken over yet, where they bring Â alone."""
        self._ended, self._how_judged = episodes, judged

    @property
    def episodes(self) -> Sequence[Episode]:
        """Those that ended in it."""
        return self._ended

    @property
    def told(self) -> list[Seen | Told | Noted]:
        """See `Update`; made of `epochs` or `brief`, as far as somebody asks."""
        if self.brief:
            self._told += [one.told() for one in self.brief]
            self.brief.clear()
            return self._told
        missing = -len(self._told)
        for epoch in self.epochs:
            missing += len(epoch.kept)
            if missing > 0:
                self._told += epoch.told(len(epoch.kept) - missing)
                missing = 0
        return self._told

    @told.setter
    def told(self, found: list[Seen | Told | Noted]) -> None:
        self._told = found

    @property
    def untouched(self) -> bool:
        """Nobody has asked for minibatches that bring Â alone."""
        return bool(self.brief) and not self._told

    def anew(self, settings: Facts, learning_rate: float) -> LateUpdate:
        """The same before its first minibatch, to be made with other settings."""
        assert self.theta_before is not None
        about = self.theta_before, self.source, self._ended, self._how_judged
        made = LateUpdate(self.index, settings, learning_rate, *about)
        vars(made).update({name: vars(self)[name] for name in LATE if name in vars(self)})
        made.size, made.habits, made.counted, made.known = self.size, self.habits, self.counted, self.known
        return made

    @cached_property
    def rollout(self) -> Rollout:  # type: ignore[override]
        """See `Update`; so the next three."""
        form, arrays = self.source
        found: Rollout = arrays.rollout(form, self._ended)
        return found

    @cached_property
    def batch(self) -> Batch:  # type: ignore[override]  # noqa: D102
        form, arrays = self.source
        found: Batch = arrays.batch(form, self.rollout)
        if (judged := self._how_judged) is not None:
            found.judged = lambda batch: judged(batch, self.theta_before)
        return found

    @cached_property
    def rewards(self) -> Floats:  # type: ignore[override]  # noqa: D102
        found: Floats = self.source[1].rewards
        return found

    @cached_property
    def deltas(self) -> Floats:  # type: ignore[override]  # noqa: D102
        form, arrays = self.source
        found: Floats = arrays.deltas(form)
        return found
