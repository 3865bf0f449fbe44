"""What a policy sees and does: from Gymnasium's spaces to numbers for the networks and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector.utils import batch_space, iterate
from numpy.typing import NDArray

from ppo_scope.ppo.distributions import Bernoulli, Categorical, DiagonalGaussian, Distribution, MultiCategorical
from ppo_scope.ppo.failures import UnusableEnvironment

Observations = NDArray[Any]
SMALLEST_IMAGE = 36
"""Pixels of a side: with fewer the Nature CNN has nothing left to look at, and bytes are codes more often than not."""
COLOURS = (1, 3, 4)
MOST_STACKED = 16


@dataclass(frozen=True)
class Spaces:
    """The two spaces in the terms of the networks."""

    observation: str
    """The environment's own observation space, in words."""
    action: str
    """The environment's own action space, in words."""
    observation_shape: tuple[int, ...]
    """Of one observation as the networks get it: (D,), or (channels, height, width) of an image."""
    is_image: bool
    distribution: Distribution
    prepare: Callable[[Any], Observations]
    """A batch of observations as the vector environment gives it → [N, *observation_shape]."""
    prepare_one: Callable[[Any], Observations]
    """One observation → [1, *observation_shape]."""
    dtype: type[np.generic]
    """Of observations as they are stored and prepared."""


def describe(observation: gym.Space[Any], action: gym.Space[Any], *, normalized: bool = False) -> Spaces:
    """What the spaces mean for the networks. `normalized`: observations are, before the networks see them.

    Observations that single precision does not hold exactly stay in double precision where they are normalised: a clock
    of 1.7·10⁹ seconds has no other value within a minute, once it is rounded.

    Raises:
        UnusableEnvironment: the policy cannot act in these spaces; the space is named.
    """
    distribution = distribution_of(action)
    words = _words(observation), _words(action)
    if is_image(observation):
        shape, order = _image_layout(observation)
        images = partial(_as_images, order=order, shape=shape)
        return Spaces(*words, shape, True, distribution, images, lambda one: images(np.asarray(one)[None]), np.uint8)
    size = _size(observation)
    dtype: type[np.floating] = np.float64 if normalized and not _exact_in_single(observation) else np.float32
    if isinstance(observation, gym.spaces.Box):
        vectors = partial(_as_vectors, size=size, dtype=dtype)
        return Spaces(*words, (size,), False, distribution, vectors, lambda one: vectors(np.asarray(one)[None]), dtype)

    batched = batch_space(observation, 1)

    def flattened(one: Any) -> Observations:
        return _as_vectors(np.asarray(gym.spaces.flatten(observation, one))[None], size=size, dtype=dtype)

    def all_flattened(batch: Any) -> Observations:
        return np.concatenate([flattened(one) for one in iterate(batched, batch)])

    return Spaces(*words, (size,), False, distribution, all_flattened, flattened, dtype)


def is_image(space: gym.Space[Any]) -> bool:
    """Whether observations of this space are pictures: bytes, along two axes or more of a picture's size.

    Smaller arrays of bytes are numbers: maps of a grid's codes, say, which must not be blended.
    """
    if not isinstance(space, gym.spaces.Box) or space.dtype != np.uint8:
        return False
    return sum(side >= SMALLEST_IMAGE for side in space.shape) >= 2


def _image_layout(space: gym.Space[Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """((channels, height, width), the order of the axes of a batch that brings the channels forward).

    Images are [H, W], [H, W, C], stacked as [K, H, W] or [K, H, W, C], or [C, H, W].
    """
    shape = space.shape or ()
    layout: tuple[int, ...]
    order: tuple[int, ...]
    if len(shape) == 2:
        layout, order = (1, *shape), (0, 1, 2)
    elif len(shape) == 3 and shape[-1] in COLOURS and min(shape[:2]) > MOST_STACKED:
        layout, order = (shape[2], shape[0], shape[1]), (0, 3, 1, 2)
    elif len(shape) == 3 and shape[0] <= MOST_STACKED:
        layout, order = shape, (0, 1, 2, 3)
    elif len(shape) == 4 and shape[-1] in COLOURS and shape[0] <= MOST_STACKED:
        layout, order = (shape[0] * shape[3], shape[1], shape[2]), (0, 1, 4, 2, 3)
    else:
        raise UnusableEnvironment(
            f"observation space {_words(space)} is not supported: an image must be height × width × colours, or a stack"
        )
    return layout, order


def _as_images(batch: Any, order: tuple[int, ...], shape: tuple[int, ...]) -> Observations:
    return np.ascontiguousarray(np.transpose(np.asarray(batch), order)).reshape(-1, *shape)


def _as_vectors(batch: Any, size: int, dtype: type[np.floating]) -> Observations:
    return np.asarray(batch).reshape(-1, size).astype(dtype, copy=False)


def _exact_in_single(space: gym.Space[Any]) -> bool:
    """Whether single precision holds every observation of this space; choices are 0 and 1 once they are flattened."""
    if isinstance(space, gym.spaces.Dict):
        return all(map(_exact_in_single, space.spaces.values()))
    if isinstance(space, gym.spaces.Tuple):
        return all(map(_exact_in_single, space.spaces))
    return not isinstance(space, gym.spaces.Box) or np.can_cast(space.dtype, np.float32)


def _size(space: gym.Space[Any]) -> int:
    """How many numbers an observation is, flattened: one-hot where it is a choice."""
    for path, part in _parts(space):
        if (why := _unfit(part)) is not None:
            raise UnusableEnvironment(
                f"observation space {_words(space)} is not supported: {_place(path, part)}{why}{_way_out(space)}"
            )
    size = int(np.prod(gym.spaces.flatten_space(space).shape or (0,), dtype=int))
    if size == 0:
        raise UnusableEnvironment(f"observation space {_words(space)} is not supported: it is empty")
    return size


def _parts(space: gym.Space[Any], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], gym.Space[Any]]]:
    """What it is made of in the end, each with its keys from the outside in."""
    if isinstance(space, gym.spaces.Dict):
        inner = [(str(key), part) for key, part in space.spaces.items()]
    elif isinstance(space, gym.spaces.Tuple):
        inner = [(str(number), part) for number, part in enumerate(space.spaces)]
    else:
        return [(path, space)]
    return [found for key, part in inner for found in _parts(part, (*path, key))]


def _unfit(part: gym.Space[Any]) -> str | None:
    """Why a part of an observation can be no numbers."""
    if is_image(part):
        return "a picture, and pictures are looked at alone"
    if isinstance(part, gym.spaces.Box | gym.spaces.Discrete | gym.spaces.MultiDiscrete | gym.spaces.MultiBinary):
        return None
    return "not made of Box, Discrete, MultiDiscrete, MultiBinary, Dict and Tuple"


def _place(path: tuple[str, ...], part: gym.Space[Any]) -> str:
    return f"its part {'.'.join(path)!r} ({type(part).__name__}) is " if path else "it is "


def _way_out(space: gym.Space[Any]) -> str:
    if not isinstance(space, gym.spaces.Dict) or len(space.spaces) < 2:
        return ""
    unfit = [key for key in space.spaces if any(_unfit(part) for _, part in _parts(space.spaces[key]))]
    return f"; --leave-out {','.join(unfit)} trains without it" if len(unfit) < len(space.spaces) else ""


def distribution_of(space: gym.Space[Any]) -> Distribution:
    """The family of policies over an action space.

    Raises:
        UnusableEnvironment: there is none for this space.
    """
    if isinstance(space, gym.spaces.Box | gym.spaces.MultiDiscrete | gym.spaces.MultiBinary) and 0 in space.shape:
        raise UnusableEnvironment(f"action space {_words(space)} is not supported: it is empty")
    if isinstance(space, gym.spaces.Discrete):
        return Categorical(int(space.n), int(space.start), space.dtype)
    if isinstance(space, gym.spaces.MultiDiscrete):
        starts = space.start.reshape(-1).astype(np.int64)
        return MultiCategorical(space.nvec.reshape(-1).tolist(), starts, space.nvec.shape, space.dtype)
    if isinstance(space, gym.spaces.MultiBinary):
        return Bernoulli(tuple(space.shape))
    if isinstance(space, gym.spaces.Box) and np.issubdtype(space.dtype, np.floating):
        return DiagonalGaussian(space.low, space.high)
    raise UnusableEnvironment(
        f"action space {_words(space)} is not supported: it must be Discrete, MultiDiscrete, MultiBinary or a Box of "
        "real numbers"
    )


def _words(space: gym.Space[Any]) -> str:
    return " ".join(str(space).split())[:300]
