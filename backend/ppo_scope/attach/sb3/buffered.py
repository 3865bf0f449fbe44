"""A rollout as a buffer of Stable-Baselines3 holds it, put into our shapes when somebody asks for it.

In the loop hardly anybody does: its arrays go to the process beside it as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.attach.arrays import deltas_of, flat
from ppo_scope.attach.facts import Facts
from ppo_scope.attach.record import Batch, Episode, Noted, Rollout, Seen, Told, Update
from ppo_scope.probes.record import Floats

LIBRARIES = frozenset({"stable_baselines3", "sb3_contrib"})
"""Their buffers make their arrays anew for each rollout, and cut minibatches from all of them alike."""


class Form(NamedTuple):
    """What it takes to read the arrays."""

    action_shape: tuple[int, ...]
    choices: bool
    """Actions are kept as numbers with a fraction, and are choices."""
    decay: float
    """γ·λ."""

    @property
    def arrays(self) -> int:
        """How many there are."""
        return len(Buffered.__annotations__)

    def read(self, arrays: Sequence[Any]) -> Buffered:
        """As they went into another process."""
        return Buffered(*arrays)


class Buffered(NamedTuple):
    """Arrays [M, N, …] of a rollout."""

    observations: NDArray[Any]
    actions: NDArray[Any]
    rewards: Floats
    """That advantages were made of."""
    given: Floats
    """As the environment gave them."""
    starts: Floats
    """1 where an episode begins."""
    last: NDArray[np.bool_]
    """[N] the same of the step that follows."""
    cut: NDArray[np.bool_]
    """Which steps' episodes were cut."""
    values: Floats
    log_probs: Floats
    advantages: Floats
    returns: Floats
    action_masks: NDArray[Any] | None

    @classmethod
    def of(cls, model: Any, ends: Sequence[tuple[int, Floats, NDArray[np.bool_]]]) -> Buffered:
        """What a model's buffer holds, and what it does not: (step, rewards, cut) where an episode has ended."""
        buffer = model.rollout_buffer
        keep: Callable[[Any], Any] = _same if is_of_a_library(buffer) else np.copy
        given, cut = buffer.rewards.copy(), np.zeros(buffer.rewards.shape, np.bool_)
        for step, rewards, at_it in ends:
            given[step], cut[step] = rewards, at_it
        return cls(
            observations=keep(buffer.observations),
            actions=keep(buffer.actions),
            rewards=keep(buffer.rewards),
            given=given,
            starts=keep(buffer.episode_starts),
            last=np.array(model._last_episode_starts, np.bool_),
            cut=cut,
            values=keep(buffer.values),
            log_probs=keep(buffer.log_probs),
            advantages=keep(buffer.advantages),
            returns=keep(buffer.returns),
            action_masks=keep(buffer.action_masks) if hasattr(buffer, "action_masks") else None,
        )

    def rollout(self, form: Form, episodes: Sequence[Episode]) -> Rollout:
        """In our shapes."""
        layout = self.rewards.shape
        actions = self.actions.reshape(*layout, *form.action_shape)
        actions = actions.astype(np.int64) if form.choices else actions
        trained = np.ones(layout, np.bool_)
        return Rollout(
            self.observations, actions, self.given, self.dones & ~self.cut, self.cut, trained, tuple(episodes)
        )

    def batch(self, _: Form, rollout: Rollout) -> Batch:
        """The same as samples."""
        return Batch(
            observations=flat(rollout.observations),
            actions=flat(rollout.actions),
            log_probs=flat(self.log_probs),
            values=flat(self.values),
            advantages=flat(self.advantages),
            targets=flat(self.returns),
            action_masks=None if self.action_masks is None else flat(self.action_masks > 0),
        )

    @property
    def dones(self) -> NDArray[np.bool_]:
        """Where an episode ended."""
        return np.concatenate([self.starts[1:], self.last[None]]).astype(np.bool_)

    def deltas(self, form: Form) -> Floats:
        """δ"""
        found: Floats = deltas_of(self.advantages, self.dones, form.decay)
        return found


def is_of_a_library(buffer: Any) -> bool:
    """Whether it is nobody's own: see `LIBRARIES`."""
    return type(buffer).__module__.partition(".")[0] in LIBRARIES


def _same(found: Any) -> Any:
    return found


def form_of(model: Any) -> Form:
    """How the arrays of this model's buffer are to be read."""
    space, kept = model.action_space, model.rollout_buffer.actions.shape[2:]
    choices = isinstance(space, gym.spaces.Discrete)
    shape = (
        () if choices else (int(np.prod(space.shape)),) if isinstance(space, gym.spaces.Box) and space.shape else kept
    )
    return Form(shape, choices, model.gamma * model.gae_lambda)


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
    size: int
    """Samples of each minibatch; the last one may have fewer."""
    kept: list[Kept]

    def samples(self) -> NDArray[np.int64]:
        """Of all of them."""
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
        each = zip(starts, self.kept[first:], strict=True)
        return [Told(self.number, self.order[start : start + self.size], None, kept) for start, kept in each]


class Brief(NamedTuple):
    """A minibatch [B] that brings Â as its loss uses it, and for the rest what the rollout has."""

    epoch: int
    samples: Any
    advantages: Tensor
    values: Tensor
    log_prob: Tensor
    entropy: Tensor

    def told(self) -> Told:
        """As it is recorded."""
        answers = self.values, self.log_prob, self.entropy
        return Told(self.epoch, np.asarray(self.samples, np.int64), Brought(self.advantages), answers)


class Brought(NamedTuple):
    """[B] each; None: what the batch has."""

    advantages: Tensor
    old_values: Tensor | None = None
    old_log_prob: Tensor | None = None
    returns: Tensor | None = None


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
