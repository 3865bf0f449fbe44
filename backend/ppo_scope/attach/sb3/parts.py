"""Observations of several parts, as a Dict has them: side by side in a row for each sample, and apart for a policy."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Parts = Mapping[str, tuple[int, ...]]
"""The shape that each is kept in, by its name: of a choice its number alone."""


def parts_of(space: gym.Space[Any]) -> Parts | None:
    """Of a model's observations; None: they have one part."""
    if not isinstance(space, gym.spaces.Dict):
        return None
    from stable_baselines3.common.preprocessing import get_obs_shape

    return {name: tuple(get_obs_shape(part)) for name, part in space.spaces.items()}  # type: ignore[arg-type]  # none is a Dict again


def space_of(parts: Parts) -> gym.spaces.Dict:
    """What names the numbers of a row."""
    kept = ((name, gym.spaces.Box(-np.inf, np.inf, shape)) for name, shape in parts.items())
    return gym.spaces.Dict(OrderedDict(kept))  # of a plain one the names would be sorted


def joined(observations: Any, space: gym.Space[Any]) -> NDArray[Any]:
    """[M, N, …] as a buffer keeps them: of several parts [M, N, D], in the order that the space has them."""
    if not isinstance(space, gym.spaces.Dict):
        return np.asarray(observations)
    parts = [observations[name] for name in space.spaces]
    return np.concatenate([one.reshape(*one.shape[:2], -1) for one in parts], axis=-1)


def apart(rows: Tensor, parts: Parts) -> dict[str, Tensor]:
    """[S, D] as a policy takes them."""
    found = torch.split(rows, [math.prod(shape) for shape in parts.values()], dim=-1)
    return {name: one.reshape(-1, *shape) for one, (name, shape) in zip(found, parts.items(), strict=True)}
