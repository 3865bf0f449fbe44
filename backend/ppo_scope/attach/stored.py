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
BESIDE = 4
"""Arrays beside those of groups."""


class StorageForm(NamedTuple):
    """What it takes to read the arrays."""

    groups: tuple[str, ...]
    """Names of what the networks see."""
    acting: tuple[str, ...]
    """Of those, what the actor does."""
    width: int
    """Of an action."""
    gaussian: bool
    """What its outputs mean is known."""
    decay: float
    """γ·λ."""

    @classmethod
    def of(cls, algorithm: Any, *, gaussian: bool) -> StorageForm:
        """That of an algorithm's storage."""
        storage, acting = algorithm.storage, tuple(algorithm.actor.obs_groups)
        width = storage.actions.shape[-1]
        return cls(tuple(storage.observations.keys()), acting, width, gaussian, algorithm.gamma * algorithm.lam)

    @property
    def arrays(self) -> int:
        """How many there are."""
        return BESIDE + len(self.groups)

    def read(self, arrays: Sequence[Any]) -> Stored:
        """As they went into another process."""
        numbers, given, cut, dones = arrays[:BESIDE]
        return Stored(self.width, numbers, given, cut, dones, tuple(arrays[BESIDE:]))


@dataclass(frozen=True)
class Stored:
    """Arrays [M, N, …]."""

    width: int
    """Of an action."""
    numbers: Floats
    """[M, N, 4 + …]: the reward that advantages were made of, V, log π, V_targ, the action, means, spreads: at once, as
    it takes as long to copy one of them.
    """
    given: Floats
    """[M, N], R as the environment gave it."""
    cut: Bools
    """[M, N]"""
    dones: Array
    """[M, N, 1]"""
    seen: tuple[Array, ...]
    """By group."""

    @classmethod
    def of(cls, form: StorageForm, storage: Any, given: Tensor, cut: Tensor) -> Stored:
        """What is written over in the next rollout."""
        each = [storage.rewards, storage.values, storage.actions_log_prob, storage.returns, storage.actions]
        if form.gaussian:
            each += storage.distribution_params
        numbers: Floats = torch.cat(each, -1).detach().cpu().numpy()
        seen = tuple(_copied(storage.observations[name]) for name in form.groups)
        return cls(form.width, numbers, _copied(given), _copied(cut), _copied(storage.dones), seen)

    def __iter__(self) -> Iterator[Array]:
        """Of all arrays."""
        return iter((self.numbers, self.given, self.cut, self.dones, *self.seen))

    @property
    def rewards(self) -> Floats:
        """That advantages were made of; so the next four: [M, N]."""
        return self.numbers[..., 0]

    @property
    def values(self) -> Floats:  # noqa: D102
        return self.numbers[..., 1]

    @property
    def log_probs(self) -> Floats:  # noqa: D102
        return self.numbers[..., 2]

    @property
    def returns(self) -> Floats:  # noqa: D102
        return self.numbers[..., 3]

    @property
    def ends(self) -> Bools:  # noqa: D102
        return self.dones[..., 0].astype(np.bool_)

    def rollout(self, form: StorageForm, episodes: Sequence[Episode]) -> Rollout:
        """In our shapes."""
        by_group = dict(zip(form.groups, self.seen, strict=True))
        observations = np.concatenate([by_group[name] for name in form.acting], -1)
        ends, trained = self.ends, np.ones(self.given.shape, np.bool_)
        ways = ends & ~self.cut, ends & self.cut
        return Rollout(observations, self._actions, self.given, *ways, trained, tuple(episodes))

    def batch(self, form: StorageForm, rollout: Rollout) -> Batch:
        """The same as samples."""
        found = Batch(
            observations=flat(rollout.observations),
            actions=flat(self._actions),
            log_probs=flat(self.log_probs),
            values=flat(self.values),
            advantages=flat(self.returns - self.values),
            targets=flat(self.returns),
            groups={name: flat(one) for name, one in zip(form.groups, self.seen, strict=True)},
        )
        if form.gaussian:
            mean, spread = flat(self.numbers[..., 4 + self.width : 4 + 2 * self.width]), flat(self._spreads)
            found.told_outputs = torch.cat([mean, spread.log().expand_as(mean)], -1)
        return found

    def deltas(self, form: StorageForm) -> Floats:
        """δ"""
        return deltas_of(self.returns - self.values, self.ends, form.decay)

    @property
    def _actions(self) -> Floats:
        return self.numbers[..., 4 : 4 + self.width]

    @property
    def _spreads(self) -> Floats:
        return self.numbers[..., 4 + 2 * self.width :]


def _copied(found: Tensor) -> Array:
    copied: Array = found.detach().to("cpu", copy=True).numpy()
    return copied
