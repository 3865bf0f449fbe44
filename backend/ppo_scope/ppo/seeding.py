"""What is seeded beside the generators of our own: those that environments may draw from."""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec

from ppo_scope.ppo.making import make
from ppo_scope.ppo.settings import Settings


def seed_everybody(seed: int) -> None:
    """The generators that are shared by the whole process: ours are others, but environments may draw from them."""
    random.seed(seed)
    np.random.seed(seed)
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(seed)


def shared_generators() -> dict[str, Any]:
    """The state of those that the whole process shares, as plain values."""
    torch = sys.modules.get("torch")
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "torch": None if torch is None else torch.get_rng_state().numpy(),
    }


def return_shared_generators(state: dict[str, Any]) -> None:
    """Let them go on from there."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))  # as JSON a tuple is a list
    np.random.set_state(state["numpy"])
    if (torch := sys.modules.get("torch")) is not None and state["torch"] is not None:
        torch.set_rng_state(torch.from_numpy(np.array(state["torch"])))


def stream(seed: int, name: str) -> np.random.SeedSequence:
    """What a part of a run draws from that must not draw from what trains: of the run's seed, and named."""
    return np.random.SeedSequence([seed, *name.encode()])


@contextlib.contextmanager
def shared_generators_kept() -> Iterator[None]:
    """Whatever is drawn from the generators that the whole process shares, they are afterwards as they were."""
    state = shared_generators()
    try:
        yield
    finally:
        return_shared_generators(state)


@contextlib.contextmanager
def generators_of_spaces_kept(environments: Iterable[gym.Env[Any, Any]]) -> Iterator[None]:
    """Copies of an environment that are made meanwhile may have these copies' very spaces, which classes like to keep:
    they get generators of their own, and these theirs again.
    """
    parts = {id(part): part for environment in environments for part in _spaces_of(environment)}
    kept: list[tuple[Any, Any]] = [(part, getattr(part, "_np_random", None)) for part in parts.values()]
    try:
        for part, _ in kept:
            part._np_random = None
        yield
    finally:
        for part, generator in kept:
            part._np_random = generator


def seeded_copy(settings: Settings, spec: EnvSpec, number: int) -> gym.Env[Any, Any]:
    """One of the copies. Environments may sample from their spaces, whose generators nobody else seeds; where an
    environment has done so itself, they stay as they are.
    """
    environment = make(settings, spec, f"environment {number}")
    parts = _spaces_of(environment)
    seeds = np.random.SeedSequence([settings.seed, number]).generate_state(len(parts))
    for part, seed in zip(parts, seeds, strict=True):
        if getattr(part, "_np_random", None) is None:
            part.seed(int(seed))
    return environment


def _spaces_of(environment: gym.Env[Any, Any]) -> list[gym.Space[Any]]:
    bare = environment.unwrapped
    return [part for space in (bare.action_space, bare.observation_space) for part in _simple(space)]


def _simple(space: gym.Space[Any]) -> list[gym.Space[Any]]:
    """The spaces that it is made of."""
    if isinstance(space, gym.spaces.Dict):
        return [part for inner in space.spaces.values() for part in _simple(inner)]
    if isinstance(space, gym.spaces.Tuple):
        return [part for inner in space.spaces for part in _simple(inner)]
    return [space]
