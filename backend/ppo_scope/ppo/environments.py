"""Environments side by side: how they are made, what they accept and where their episodes end."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers import (
    FrameStackObservation,
    GrayscaleObservation,
    MaxAndSkipObservation,
    ResizeObservation,
)
from numpy.typing import NDArray

from ppo_scope.ppo.distributions import Actions
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.spaces import Observations, UnusableEnvironment, describe

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


def find(env: str) -> gym.envs.registration.EnvSpec:
    """The registered environment of that id.

    Raises:
        UnusableEnvironment: there is none; the nearest names are given.
    """
    module, _, name = env.rpartition(":")
    try:
        if module:
            importlib.import_module(module)
        return gym.spec(name)
    except ImportError as error:
        raise UnusableEnvironment(f"env {env!r}: the module {module!r} cannot be imported: {error}") from None
    except gym.error.Error as error:
        near = difflib.get_close_matches(name, gym.registry, n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UnusableEnvironment(f"env {env!r}: {_first_sentence(error)}{hint}") from None


def _first_sentence(error: Exception) -> str:
    text = str(error).split("\n")[0].split(". ")[0].rstrip(".")
    return text[:200]


@dataclass
class Step:
    """What N environments answered to their actions."""

    observations: Observations
    """[N, …], as the networks take them."""
    rewards: Floats
    """[N]"""
    terminated: Bools
    """[N]"""
    truncated: Bools
    """[N]"""
    final_observations: dict[int, Observations] = field(default_factory=dict)
    """Environment → [1, …], the last state of an episode that ended; in SAME_STEP mode only, where `observations` holds
    the first state of the next one already."""


class EnvironmentFault(ValueError):
    """An environment that breaks its own promises; one line that says what was expected and what came."""


class Environments:
    """N copies of an environment that act side by side and reset themselves.

    In Gymnasium's NEXT_STEP mode the step after an episode's end ignores the action and returns the first observation
    of the next episode with reward 0. Such a row is no transition; whoever stores rows must mask it (`rollout.py`). In
    SAME_STEP mode every row is one.

    Raises:
        UnusableEnvironment: no such environment, a missing extra, or spaces that are not supported.
        EnvironmentFault: its observations do not fit its space.
    """

    def __init__(self, settings: Settings) -> None:
        self.reward_threshold: float | None = find(settings.env).reward_threshold
        self.vector: VectorEnv[Any, Any, Any] = _make(settings)
        mode = self.vector.metadata.get("autoreset_mode")
        if mode not in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
            raise UnusableEnvironment(
                f"env {settings.env!r}: its autoreset mode {mode} is not supported, only NEXT_STEP and SAME_STEP"
            )
        self.same_step = mode == AutoresetMode.SAME_STEP
        self.spaces = describe(
            self.vector.single_observation_space,
            self.vector.single_action_space,
            normalized=settings.normalize_observations,
        )
        self.num_envs = settings.num_envs
        with self._named_faults():
            self.observations = self._prepared(self.vector.reset(seed=settings.seed)[0])
        self.seconds = 0.0

    def step(self, actions: Actions) -> Step:
        """Act once everywhere.

        Raises:
            EnvironmentFault: an observation does not fit the space.
        """
        start = time.perf_counter()
        with self._named_faults():
            given, rewards, terminated, truncated, info = self.vector.step(actions)
            self.observations = self._prepared(given)
        self.seconds += time.perf_counter() - start
        finals = {}
        if self.same_step and "final_obs" in info:
            ended = np.flatnonzero(info["_final_obs"])
            finals = {int(n): self.spaces.prepare_one(info["final_obs"][n]) for n in ended}
        return Step(self.observations, rewards, terminated, truncated, finals)

    def close(self) -> None:
        """Release what the environments hold."""
        self.vector.close()

    def _prepared(self, observations: Any) -> Observations:
        prepared = self.spaces.prepare(observations)
        if len(prepared) != self.num_envs:
            raise ValueError(f"{len(prepared)} observations of {self.num_envs} environments")
        return prepared

    @contextlib.contextmanager
    def _named_faults(self) -> Iterator[None]:
        """What does not fit into Gymnasium's arrays or ours is looked for among the environments' own observations."""
        try:
            yield
        except (ValueError, TypeError, AssertionError) as error:
            space = self.vector.single_observation_space
            for n, observation in enumerate(getattr(self.vector.unwrapped, "_env_obs", ())):
                if observation is not None and not space.contains(observation):
                    raise EnvironmentFault(
                        f"observation of environment {n}: expected {_kind(space)}, got {_kind(observation)}"
                    ) from error
            raise


def _kind(of: Any) -> str:
    """Shape and type where there are any."""
    if getattr(of, "shape", None) is not None and getattr(of, "dtype", None) is not None:
        return f"shape {tuple(of.shape)} of {of.dtype}"
    return str(of)[:100]


def make_one(settings: Settings, render_mode: str) -> gym.Env[Any, Any]:
    """One copy, looked at as those that are trained on are."""
    kwargs: dict[str, Any] = settings.env_kwargs
    environment: gym.Env[Any, Any] = gym.make(settings.env, render_mode=render_mode, **kwargs)
    for wrapper in _preprocessing(settings):
        environment = wrapper(environment)
    return environment


def _make(settings: Settings) -> VectorEnv[Any, Any, Any]:
    env, wrappers = settings.env, _preprocessing(settings)
    # A vector environment of the environment's own, as CartPole has, knows no wrappers.
    mode = {"vectorization_mode": "sync", "wrappers": wrappers} if wrappers else {}
    kwargs: dict[str, Any] = {**mode, **settings.env_kwargs}
    try:
        return gym.make_vec(env, num_envs=settings.num_envs, **kwargs)
    except gym.error.DependencyNotInstalled as error:
        raise UnusableEnvironment(f"env {env!r}: {error}") from None
    except UnusableEnvironment:
        raise
    except (gym.error.Error, ImportError) as error:
        raise UnusableEnvironment(f"env {env!r}: cannot be made: {_first_sentence(error)}") from None
    except TypeError as error:
        if not settings.env_kwargs:
            raise
        raise UnusableEnvironment(f"env_kwargs: {env} does not take them: {_first_sentence(error)}") from None


def _preprocessing(settings: Settings) -> list[Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]]]:
    """Gymnasium's own wrappers, in the usual order."""
    wrappers: list[Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]]] = []
    if settings.frame_skip > 1:
        wrappers.append(_for_images("frame_skip", partial(MaxAndSkipObservation, skip=settings.frame_skip)))
    if settings.grayscale:
        wrappers.append(_for_images("grayscale", GrayscaleObservation))
    if settings.frame_size is not None:
        size = (settings.frame_size, settings.frame_size)
        wrappers.append(_for_images("frame_size", partial(ResizeObservation, shape=size)))
    if settings.frame_stack > 1:
        wrappers.append(partial(FrameStackObservation, stack_size=settings.frame_stack))
    return wrappers


def _for_images(name: str, wrapper: Callable[..., gym.Env[Any, Any]]) -> Callable[..., gym.Env[Any, Any]]:
    """Raises, when applied: UnusableEnvironment where observations are no pictures, or OpenCV is missing."""

    def wrapped(environment: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
        space = environment.observation_space
        if not isinstance(space, gym.spaces.Box) or space.dtype != np.uint8 or len(space.shape) < 2:
            raise UnusableEnvironment(f"{name}: only for images, and the observation space is {space}")
        try:
            return wrapper(environment)
        except gym.error.DependencyNotInstalled:  # its message names an extra of Gymnasium's
            raise UnusableEnvironment(
                f'{name}: needs OpenCV, which is not installed; pip install "ppo-scope[images]" brings it'
            ) from None

    return wrapped
