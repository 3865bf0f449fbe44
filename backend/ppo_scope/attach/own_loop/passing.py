"""Minibatches of a loop of one's own as they go by: copied at once, and put into our shapes all together.

What is done between two operations of a loop is done with cold caches, and takes several times as long there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.attach.arrays import Misshapen
from ppo_scope.attach.own_loop.handed import places_of
from ppo_scope.attach.record import Noted, Seen, Told, Update

NOT_TOLD = None, None, None
"""By those that are `copied`: the last of `Noted`."""


class Passed(NamedTuple):
    """A minibatch of B samples."""

    epoch: int
    samples: Tensor
    columns: Tensor
    """[C, B]: log π and Â, and V and the entropy where they are told."""
    valued: bool
    spread: bool


def copied(
    samples: Any, log_prob: Any, advantages: Any, values: Any, entropy: Any, places: Tensor
) -> tuple[Tensor, Tensor] | None:
    """`samples` and `columns` of a minibatch, of a rollout that has these `places`, 0, 1, 2, … None: these are not all
    tensors [B] in one place, or it has no such samples: see `handed.places_of` and `noted`.

    Samples that lie on a device are looked at later, see `PassingUpdate.of_others`: to fetch them would halt the loop.
    """
    if not isinstance(samples, Tensor) or samples.ndim != 1 or samples.dtype is not torch.int64 or not samples.numel():
        return None
    told = [log_prob, advantages]
    if values is not None:
        told.append(values)
    if entropy is not None:
        told.append(entropy)
    shape, place, bare = samples.shape, None, []
    for one in told:
        if not isinstance(one, Tensor) or one.shape != shape or one.device != (place or one.device):
            return None
        place = one.device
        bare.append(one.detach())  # the other way round they have a graph first
    try:
        which = places.index_select(0, samples) if samples.is_cpu else samples.clone()  # a copy, either way
    except IndexError:
        return None
    return which, torch.stack(bare)


class Together(NamedTuple):
    """Minibatches one after the other."""

    counts: list[tuple[int, int]]
    """Of each: its epoch, and how many samples it has."""
    samples: NDArray[np.int64]
    columns: list[Tensor | None]
    """log π, Â, V and the entropy."""

    def noted(self) -> list[Noted]:
        """Each by itself."""
        sizes = [count for _, count in self.counts]
        none = [None] * len(sizes)
        each = [none if one is None else torch.split(one, sizes) for one in self.columns]
        places = torch.split(torch.from_numpy(self.samples), sizes)
        return [
            Noted(epoch, which.numpy(), log_prob, advantages, values, entropy, *NOT_TOLD)
            for (epoch, _), which, log_prob, advantages, values, entropy in zip(self.counts, places, *each, strict=True)
        ]


def together(passed: Sequence[Passed], count: int) -> Together:
    """The same, of a rollout of `count` samples.

    Raises:
        Misshapen: they are none of the rollout's.
    """
    counts = [(one.epoch, len(one.samples)) for one in passed]
    samples = places_of(torch.cat([one.samples for one in passed]), count)
    log_prob, advantages, *rest = torch.cat([one.columns for one in passed], 1).to("cpu", torch.float32).unbind()
    values, entropy = rest[0] if passed[0].valued else None, rest[-1] if passed[0].spread else None
    return Together(counts, samples, [log_prob, advantages, values, entropy])


class PassingUpdate(Update):
    """One that takes its minibatches over when somebody asks for them, each object less for Python to look after."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.passed: list[Passed] = []
        """Those that it has not taken over yet."""
        self._together: Together | None = None
        super().__init__(*arguments, **named)

    @property
    def told(self) -> list[Seen | Told | Noted]:
        """See `Update`."""
        if self.passed:
            found, self.passed, self._together = self.together(), [], None
            self._told += found.noted()
        return self._told

    @told.setter
    def told(self, found: list[Seen | Told | Noted]) -> None:
        self._told = found

    def together(self) -> Together:
        """Those that have passed. Raises `Misshapen`."""
        if self._together is None or len(self._together.counts) != len(self.passed):
            assert self.batch is not None
            self._together = together(self.passed, len(self.batch.values))
        return self._together

    def of_others(self) -> dict[int, Misshapen]:
        """Those that have passed and name samples that the rollout has not, by their places in the update, and why."""
        try:
            self.together()
        except Misshapen:
            return {place: why for place, one in enumerate(self.passed, len(self._told)) if (why := self._wrong(one))}
        return {}

    def leave_out(self, places: Collection[int]) -> None:
        """Of those that have passed these count for nothing."""
        first, end = len(self._told), len(self._told) + len(self.passed)
        self.passed = [one for place, one in enumerate(self.passed, first) if place not in places]
        left = [place for place in range(end) if place not in places]
        norms = self.gradient_norms
        self.gradient_norms = {now: norms[place] for now, place in enumerate(left) if place in norms}

    def _wrong(self, one: Passed) -> Misshapen | None:
        assert self.batch is not None
        try:
            places_of(one.samples, len(self.batch.values))
        except Misshapen as error:
            return error
        return None

    @property
    def untouched(self) -> bool:
        """Nobody has asked."""
        return bool(self.passed) and not self._told
