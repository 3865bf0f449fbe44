"""What the numbers of an observation and the choices of an action are called."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

import gymnasium as gym

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class Known:
    """What the documentation of an environment calls its numbers and its actions, which its spaces do not say."""

    observation: tuple[str, ...]
    actions: tuple[str, ...] = ()


_CART = Known(("cart position", "cart velocity", "pole angle", "pole velocity"), ("push left", "push right"))
_CAR = ("car position", "car velocity")
_LANDER = ("x", "y", "velocity x", "velocity y", "angle", "angular velocity", "left leg down", "right leg down")
_ENGINES = ("nothing", "left engine", "main engine", "right engine")

KNOWN = {
    "CartPole": _CART,
    "MountainCar": Known(_CAR, ("push left", "coast", "push right")),
    "MountainCarContinuous": Known(_CAR, ("force",)),
    "Acrobot": Known(
        ("cos θ₁", "sin θ₁", "cos θ₂", "sin θ₂", "velocity θ₁", "velocity θ₂"), ("torque −1", "torque 0", "torque +1")
    ),
    "Pendulum": Known(("cos θ", "sin θ", "angular velocity"), ("torque",)),
    "LunarLander": Known(_LANDER, _ENGINES),
    "Taxi": Known((), ("south", "north", "east", "west", "pick up", "drop off")),
    "LunarLanderContinuous": Known(_LANDER, ("main engine", "side engines")),
}
"""By the name of the environment, without its version."""


def known(env: str) -> Known | None:
    """What is known of a registered environment."""
    return KNOWN.get(env.rpartition(":")[2].rpartition("-v")[0])


def observation_names(space: gym.Space[Any], env: str, most: int) -> list[str]:
    """Names of the first `most` numbers of an observation, flattened as Gymnasium does it."""
    names = list(islice(_names(space, "o" if isinstance(space, gym.spaces.Box) else "s"), most + 1))
    documented = known(env)
    if documented is not None and len(documented.observation) == len(names):
        names = list(documented.observation)
    return names[:most]


def action_names(env: str, count: int) -> list[str] | None:
    """What the actions do, where that is documented."""
    documented = known(env)
    return list(documented.actions) if documented is not None and len(documented.actions) == count else None


def _names(space: gym.Space[Any], stem: str) -> Any:
    """Name after name of the flattened space. A Dict's keys and a Tuple's places name their parts."""
    if isinstance(space, gym.spaces.Dict):
        outermost = stem == "s"
        for key, part in space.spaces.items():
            yield from _names(part, str(key) if outermost else f"{stem}.{key}")
    elif isinstance(space, gym.spaces.Tuple):
        for index, part in enumerate(space.spaces):
            yield from _names(part, f"{stem}[{index}]")
    elif isinstance(space, gym.spaces.Discrete):
        for value in range(int(space.n)):
            yield f"{stem} = {value + int(space.start)}"
    elif isinstance(space, gym.spaces.MultiDiscrete):
        counts, starts = space.nvec.reshape(-1).tolist(), space.start.reshape(-1).tolist()
        for index, (count, start) in enumerate(zip(counts, starts, strict=True)):
            for value in range(count):
                yield f"{indexed(stem, index, len(counts))} = {value + start}"
    else:
        size = gym.spaces.flatdim(space)
        for index in range(size):
            yield indexed(stem, index, size)


def indexed(stem: str, index: int, size: int) -> str:
    """The name of one of several: o₁."""
    return stem + str(index).translate(SUBSCRIPTS) if size > 1 else stem
