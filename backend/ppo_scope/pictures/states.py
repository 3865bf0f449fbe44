"""The state that an environment's looks depend on: taken from the one that is trained on, put into one that draws."""

from __future__ import annotations

import copy
from typing import Any

import gymnasium as gym
import numpy as np

from ppo_scope.pictures.acting import drawable
from ppo_scope.pictures.images import encode
from ppo_scope.ppo.settings import Settings

ATTRIBUTES = ("state", "s", "last_u", "lastaction")
"""What environments keep their looks in: Gymnasium's classic control and toy text."""

Look = dict[str, Any]


def look_of(vector: Any, number: int) -> Look:
    """What the looks of one of the environments depend on; empty where that is not known."""
    whole = vector.unwrapped
    if not hasattr(whole, "envs"):  # a vector environment of its own, whose state holds one column for each
        state = getattr(whole, "state", None)
        return {"state": np.array(state[:, number])} if isinstance(state, np.ndarray) and state.ndim == 2 else {}
    one = whole.envs[number].unwrapped
    if hasattr(one, "set_state") and hasattr(one, "data"):  # MuJoCo
        return {"qpos": one.data.qpos.copy(), "qvel": one.data.qvel.copy()}
    return {name: getattr(one, name) for name in ATTRIBUTES if getattr(one, name, None) is not None}


def put_into(environment: gym.Env[Any, Any], look: Look) -> None:
    """Make an environment look like that."""
    one: Any = environment.unwrapped
    if "qpos" in look:
        one.set_state(look["qpos"], look["qvel"])
        return
    for name, value in look.items():
        setattr(one, name, copy.copy(value))


class Artist:
    """An environment of its own that draws the states which others were in.

    Whatever the environment's own code raises passes through every method.

    Raises:
        CannotRender: the environment offers no pictures.
    """

    def __init__(self, settings: Settings) -> None:
        self._environment = drawable(settings)
        self._environment.reset(seed=settings.seed)

    def draw(self, look: Look) -> bytes:
        """The picture of that state, as JPEG.

        Raises:
            CannotRender: `render()` gave no picture.
        """
        put_into(self._environment, look)
        return encode(self._environment.render())
