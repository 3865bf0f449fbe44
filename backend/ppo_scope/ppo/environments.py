"""Environments side by side: how they are made, what they accept and where their episodes end."""

from __future__ import annotations

import difflib
import importlib
import time
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.wrappers.vector import FlattenObservation
from numpy.typing import NDArray

from ppo_scope.ppo.distributions import Actions
from ppo_scope.ppo.spaces import UnusableEnvironment, describe, is_flat

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


class Environments:
    """N copies of an environment that act side by side and reset themselves.

    Gymnasium's NEXT_STEP mode: the step after an episode's end ignores the action and returns the first observation of
    the next episode with reward 0. Such a row is no transition; whoever stores rows must mask it (`rollout.py`).

    Raises:
        UnusableEnvironment: no such environment, a missing extra, or spaces that are not supported.
    """

    def __init__(self, env: str, num_envs: int, seed: int) -> None:
        spec = find(env)
        self.reward_threshold: float | None = spec.reward_threshold
        self.vector: VectorEnv[Any, Any, Any] = _make(env, num_envs)
        mode = self.vector.metadata.get("autoreset_mode")
        if mode != AutoresetMode.NEXT_STEP:
            raise UnusableEnvironment(f"env {env!r}: its autoreset mode {mode} is not supported, only NEXT_STEP")
        self.spaces = describe(self.vector.single_observation_space, self.vector.single_action_space)
        if not is_flat(self.vector.single_observation_space):
            self.vector = FlattenObservation(self.vector)
        self.num_envs = num_envs
        self.observations: Floats = self._flat(self.vector.reset(seed=seed)[0])
        self.seconds = 0.0

    def step(self, actions: Actions) -> tuple[Floats, Floats, Bools, Bools]:
        """Act once everywhere: (observations [N, D], rewards [N], terminated [N], truncated [N])."""
        start = time.perf_counter()
        observations, rewards, terminated, truncated, _ = self.vector.step(actions)
        self.observations = self._flat(observations)
        self.seconds += time.perf_counter() - start
        return self.observations, rewards, terminated, truncated

    def close(self) -> None:
        """Release what the environments hold."""
        self.vector.close()

    def _flat(self, observations: NDArray[Any]) -> Floats:
        return observations.reshape(self.num_envs, -1).astype(np.float32, copy=False)


def _make(env: str, num_envs: int) -> VectorEnv[Any, Any, Any]:
    try:
        return gym.make_vec(env, num_envs=num_envs)
    except gym.error.DependencyNotInstalled as error:
        raise UnusableEnvironment(f"env {env!r}: {error}") from None
    except (gym.error.Error, ImportError) as error:
        raise UnusableEnvironment(f"env {env!r}: cannot be made: {_first_sentence(error)}") from None
