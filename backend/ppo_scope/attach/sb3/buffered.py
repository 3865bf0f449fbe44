"""A rollout as a buffer of Stable-Baselines3 holds it, put into our shapes when somebody asks for it.

In the loop hardly anybody does: its arrays go to the process beside it as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from ppo_scope.attach.arrays import deltas_of, flat
from ppo_scope.attach.record import Batch, Episode, Rollout
from ppo_scope.attach.sb3.parts import joined
from ppo_scope.attach.sb3.recurrent import RecurrentBatch
from ppo_scope.probes.record import Floats

LIBRARIES = frozenset({"stable_baselines3", "sb3_contrib"})
"""Their buffers make their arrays anew for each rollout, and cut minibatches from all of them alike."""


OF_SOME = ("action_masks", "hidden_states_pi", "cell_states_pi", "hidden_states_vf", "cell_states_vf")
"""What only a MaskablePPO's buffer has, and what only a RecurrentPPO's has."""


class Form(NamedTuple):
    """What it takes to read the arrays."""

    action_shape: tuple[int, ...]
    choices: bool
    """Actions are choices, of whatever kind of number they are kept as."""
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
    hidden_states_pi: Floats | None
    """[M, layers, N, width], of what remembers, before each step; so the next three."""
    cell_states_pi: Floats | None
    hidden_states_vf: Floats | None
    cell_states_vf: Floats | None

    @classmethod
    def of(cls, model: Any, ends: Sequence[tuple[int, Floats, list[int]]]) -> Buffered:
        """What a model's buffer holds, and what it does not: (step, R, which were cut) where an episode has ended."""
        buffer = model.rollout_buffer
        keep: Callable[[Any], Any] = _same if is_of_a_library(buffer) else np.copy
        given, cut = buffer.rewards.copy(), np.zeros(buffer.rewards.shape, np.bool_)
        for step, rewards, rows in ends:
            given[step] = rewards
            if rows:
                cut[step, rows] = True
        return cls(
            observations=keep(joined(buffer.observations, model.observation_space)),
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
            **{name: keep(getattr(buffer, name)) if hasattr(buffer, name) else None for name in OF_SOME},
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
        told: dict[str, Any] = {
            "observations": flat(rollout.observations),
            "actions": flat(rollout.actions),
            "log_probs": flat(self.log_probs),
            "values": flat(self.values),
            "advantages": flat(self.advantages),
            "targets": flat(self.returns),
            "action_masks": None if self.action_masks is None else flat(self.action_masks > 0),
        }
        if self.hidden_states_pi is None:
            return Batch(**told)
        pi_hidden, pi_cell, vf_hidden, vf_cell, starts = (torch.from_numpy(one) for one in (*self[-4:], self.starts))
        return RecurrentBatch(
            **told, policy_states=(pi_hidden, pi_cell), value_states=(vf_hidden, vf_cell), starts=starts
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
    choices = isinstance(space, gym.spaces.Discrete | gym.spaces.MultiDiscrete | gym.spaces.MultiBinary)
    shape = (
        ()
        if isinstance(space, gym.spaces.Discrete)
        else (int(np.prod(space.shape)),)
        if isinstance(space, gym.spaces.Box) and space.shape
        else kept
    )
    return Form(shape, choices, model.gamma * model.gae_lambda)
