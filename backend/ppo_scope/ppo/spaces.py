"""What a policy sees and does: from Gymnasium's spaces to numbers for the networks and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from ppo_scope.ppo.distributions import Bernoulli, Categorical, DiagonalGaussian, Distribution, MultiCategorical

IMAGE_DIMENSIONS = (3, 4)


class UnusableEnvironment(ValueError):
    """An environment that cannot be trained on; the message is one line for the person who named it."""


@dataclass(frozen=True)
class Spaces:
    """The two spaces in the terms of the networks."""

    observation: str
    """The environment's own observation space, in words."""
    action: str
    """The environment's own action space, in words."""
    observation_shape: tuple[int, ...]
    """Of one observation as the networks get it: (D,)."""
    distribution: Distribution


def describe(observation: gym.Space[Any], action: gym.Space[Any]) -> Spaces:
    """What the spaces mean for the networks.

    Raises:
        UnusableEnvironment: the policy cannot act in these spaces; the space is named.
    """
    return Spaces(_words(observation), _words(action), (_size(observation),), distribution_of(action))


def is_flat(space: gym.Space[Any]) -> bool:
    """Whether observations of this space are plain arrays already."""
    return isinstance(space, gym.spaces.Box)


def _size(space: gym.Space[Any]) -> int:
    """How many numbers an observation is, flattened: one-hot where it is a choice."""
    parts = [space]
    while parts:
        part = parts.pop()
        if isinstance(part, gym.spaces.Dict | gym.spaces.Tuple):
            parts += list(part.spaces.values()) if isinstance(part, gym.spaces.Dict) else list(part.spaces)
        elif isinstance(part, gym.spaces.Box) and part.dtype == np.uint8 and len(part.shape) in IMAGE_DIMENSIONS:
            raise UnusableEnvironment(f"observation space {_words(space)} is not supported: it holds images")
        elif not isinstance(
            part, gym.spaces.Box | gym.spaces.Discrete | gym.spaces.MultiDiscrete | gym.spaces.MultiBinary
        ):
            raise UnusableEnvironment(
                f"observation space {_words(space)} is not supported: it must be made of Box, Discrete, MultiDiscrete, "
                "MultiBinary, Dict and Tuple"
            )
    flat = gym.spaces.flatten_space(space)
    return int(np.prod(flat.shape or (0,), dtype=int))


def distribution_of(space: gym.Space[Any]) -> Distribution:
    """The family of policies over an action space.

    Raises:
        UnusableEnvironment: there is none for this space.
    """
    if isinstance(space, gym.spaces.Discrete):
        return Categorical(int(space.n), int(space.start))
    if isinstance(space, gym.spaces.MultiDiscrete):
        return MultiCategorical(space.nvec.reshape(-1).tolist(), space.start.reshape(-1), space.nvec.shape)
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
