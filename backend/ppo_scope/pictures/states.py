"""The state that an environment's looks depend on: taken from the one that is trained on, put into one that draws."""

from __future__ import annotations

import copy
import math
import zlib
from typing import Any

import gymnasium as gym
import numpy as np

from ppo_scope.pictures.acting import drawable
from ppo_scope.pictures.images import Pixels, encode
from ppo_scope.ppo.settings import Settings

ATTRIBUTES = ("state", "s", "last_u", "lastaction")
"""What environments keep their looks in: Gymnasium's classic control and toy text."""

Look = dict[str, Any]
RGB = 3


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


def seen(observation: Pixels, space: gym.Space[Any]) -> Look:
    """What the policy sees, [channels, height, width], of an environment whose observations are images.

    It is kept itself: the frames of a stack row by row, the oldest one first.
    """
    colours = RGB if len(observation) > 1 and (space.shape or ())[-1] == RGB else 1
    frames = observation.reshape(-1, colours, *observation.shape[1:])
    columns = math.ceil(math.sqrt(len(frames)))
    rows = -(-len(frames) // columns)
    room = np.full((rows * columns, *frames.shape[1:]), 255, np.uint8)
    room[: len(frames)] = frames
    height, width = observation.shape[1:]
    sheet = room.reshape(rows, columns, colours, height, width).transpose(0, 3, 1, 4, 2)
    shape = (rows * height, columns * width, colours)
    return {"seen": zlib.compress(sheet.tobytes(), 1), "shape": shape}


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
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._environment: gym.Env[Any, Any] | None = None

    def draw(self, look: Look) -> bytes:
        """The picture of that state, as JPEG.

        Raises:
            CannotRender: the environment offers no pictures, or `render()` gave none.
        """
        if "seen" in look:  # needs no environment
            return encode(np.frombuffer(zlib.decompress(look["seen"]), np.uint8).reshape(look["shape"]))
        if self._environment is None:
            self._environment = drawable(self._settings)
            self._environment.reset(seed=self._settings.seed)
        put_into(self._environment, look)
        return encode(self._environment.render())
