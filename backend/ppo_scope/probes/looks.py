"""What an environment looked like at a step of a rollout: its state is noted while the run is stepped, and drawn when
somebody asks for the picture.

Drawing every step of every environment would take seconds. A state is a handful of numbers; an environment of its own
is put into it and draws itself.
"""

from __future__ import annotations

import copy
import os
from collections import OrderedDict
from typing import Any

import gymnasium as gym
import numpy as np

from ppo_scope.ppo.environments import make_one
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.acting import CannotRender, encode

ATTRIBUTES = ("state", "s", "last_u", "lastaction")
"""What environments keep their looks in: Gymnasium's classic control and toy text."""
ROLLOUTS = 8
"""Whose states are remembered."""

Look = dict[str, Any]


class Looks:
    """The states of the latest rollouts that were collected while somebody stepped."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._rollouts: OrderedDict[int, list[list[Look]]] = OrderedDict()
        self._noting: list[list[Look]] | None = None
        self._artist: gym.Env[Any, Any] | None = None

    def holds(self, update: int) -> bool:
        """Whether something is remembered of that update's rollout, from which it may be drawn."""
        return any(look for looks in self._rollouts.get(update, ()) for look in looks)

    def forget(self, update: int) -> None:
        """Its rollout was given up: another one takes its number."""
        self._rollouts.pop(update, None)

    def begin(self) -> None:
        """The next rollout is about to begin: note the states before its first step."""
        self._noting = []
        self._rollouts[self._trainer.updates + 1] = self._noting
        while len(self._rollouts) > ROLLOUTS:
            self._rollouts.popitem(last=False)
        self.after_step()

    def after_step(self) -> None:
        """Note the states that a step has led to; does nothing where nobody steps."""
        if self._noting is None:
            return
        if len(self._noting) > self._trainer.settings.rollout_steps:
            self._noting = None
            return
        number = self._trainer.settings.num_envs
        self._noting.append([look_of(self._trainer.environments.vector, n) for n in range(number)])

    def draw(self, update: int, environment: int, step: int) -> bytes:
        """The picture of one environment before that step, as JPEG.

        Raises:
            CannotRender: nothing was noted of it, or the environment cannot be drawn from what was noted.
        """
        rollout = self._rollouts.get(update)
        if rollout is None:
            raise CannotRender("No picture was recorded: that is done while the run is stepped or in slow motion.")
        if not (0 <= step < len(rollout) and 0 <= environment < len(rollout[step])):
            raise CannotRender("There is no such sample.")
        look = rollout[step][environment]
        if not look:
            raise CannotRender("This environment cannot be drawn from a state that it was in.")
        try:
            artist = self._drawing()
            put_into(artist, look)
            return encode(artist.render())
        except Exception as error:
            raise CannotRender(f"The environment cannot be drawn: {error}") from error

    def close(self) -> None:
        """Release the environment that draws."""
        if self._artist is not None:
            self._artist.close()

    def _drawing(self) -> gym.Env[Any, Any]:
        if self._artist is None:
            os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
            self._artist = make_one(self._trainer.settings, "rgb_array")
            self._artist.reset(seed=self._trainer.settings.seed)
        return self._artist


def look_of(vector: Any, number: int) -> Look:
    """What the looks of one of the environments depend on; empty where that is not known."""
    whole = vector.unwrapped
    if not hasattr(whole, "envs"):  # a vector environment of its own, whose state holds one column for each
        state = getattr(whole, "state", None)
        return {"state": np.array(state[:, number])} if isinstance(state, np.ndarray) and state.ndim == 2 else {}
    one = whole.envs[number].unwrapped
    if hasattr(one, "set_state") and hasattr(one, "data"):  # MuJoCo
        return {"qpos": one.data.qpos.copy(), "qvel": one.data.qvel.copy()}
    return {name: copy.copy(getattr(one, name)) for name in ATTRIBUTES if getattr(one, name, None) is not None}


def put_into(environment: gym.Env[Any, Any], look: Look) -> None:
    """Make an environment look like that."""
    one: Any = environment.unwrapped
    if "qpos" in look:
        one.set_state(look["qpos"], look["qvel"])
        return
    for name, value in look.items():
        setattr(one, name, copy.copy(value))
