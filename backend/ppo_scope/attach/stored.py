"""A rollout as the storage of rsl_rl holds it, copied as it is, and put into our shapes when somebody asks for it.

In the loop hardly anybody does: see `buffered.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.attach.arrays import deltas_of, flat
from ppo_scope.attach.record import Batch, Episode, Rollout
from ppo_scope.probes.record import Bools, Floats

Array = NDArray[Any]


class StorageForm(NamedTuple):
    """What it takes to read the arrays."""

    groups: tuple[str, ...]
    """Names of what the networks see."""
    acting: tuple[str, ...]
    """Of those, what the actor does."""
    gaussian: bool
    """What its outputs mean is known."""
    decay: float
    """γ·λ."""

    @property
    def arrays(self) -> int:
        """How many there are."""
        return len(PLAIN) + len(self.groups)

    def read(self, arrays: Sequence[Any]) -> Stored:
        """As they went into another process."""
        return Stored(**dict(zip(PLAIN, arrays, strict=False)), seen=tuple(arrays[len(PLAIN) :]))


@dataclass(frozen=True)
class Stored:
    """Arrays [M, N, …], and [M, N, 1] of what is one number a step."""

    actions: Array
    stored: Floats
    """The rewards that advantages were made of."""
    given: Floats
    """[M, N], as the environment gave them."""
    cut: Bools
    """[M, N]"""
    dones: Array
    values: Floats
    log_probs: Floats
    returns: Floats
    means: Floats
    spreads: Floats
    seen: tuple[Array, ...]
    """By group."""

    def __iter__(self) -> Iterator[Array]:
        """Of all arrays."""
        yield from (getattr(self, name) for name in PLAIN)
        yield from self.seen

    @property
    def rewards(self) -> Floats:
        """See `stored`."""
        return self.stored.reshape(self.given.shape)

    @property
    def ends(self) -> Bools:
        """[M, N], where an episode ended."""
        return self.dones.reshape(self.given.shape).astype(np.bool_)

    def rollout(self, form: StorageForm, episodes: Sequence[Episode]) -> Rollout:
        """In our shapes."""
        layout, by_group = self.given.shape, dict(zip(form.groups, self.seen, strict=True))
        observations = np.concatenate([by_group[name] for name in form.acting], -1)
        ends, trained = self.ends, np.ones(layout, np.bool_)
        ways = ends & ~self.cut, ends & self.cut
        return Rollout(observations, self.actions, self.given, *ways, trained, tuple(episodes))

    def batch(self, form: StorageForm, rollout: Rollout) -> Batch:
        """The same as samples."""
        found = Batch(
            observations=flat(rollout.observations),
            actions=flat(self.actions),
            log_probs=_column(self.log_probs),
            values=_column(self.values),
            advantages=_column(self.returns - self.values),
            targets=_column(self.returns),
            groups={name: flat(one) for name, one in zip(form.groups, self.seen, strict=True)},
        )
        if form.gaussian:
            mean, spread = flat(self.means), flat(self.spreads)
            found.told_outputs = torch.cat([mean, spread.log().expand_as(mean)], -1)
        return found

    def deltas(self, form: StorageForm) -> Floats:
        """δ"""
        return deltas_of((self.returns - self.values).reshape(self.given.shape), self.ends, form.decay)


PLAIN = tuple(name for name in Stored.__annotations__ if name != "seen")


def _column(found: Array) -> Tensor:
    return torch.from_numpy(found.reshape(-1))
