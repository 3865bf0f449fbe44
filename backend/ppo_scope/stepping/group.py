"""Some of the environments, stepped one after the other into memory that other processes see."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.context import BaseContext
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector.utils import (
    batch_space,
    create_shared_memory,
    read_from_shared_memory,
    write_to_shared_memory,
)
from numpy.typing import NDArray

from ppo_scope.ppo.masks import KEY, choices_of


@dataclass
class Memory:
    """What passes between the processes, for all N environments; it is made once and given to each as it starts."""

    observation_space: gym.Space[Any]
    """Of one environment."""
    action_space: gym.Space[Any]
    """Of one environment."""
    num_envs: int
    seen: Any
    """Observations, as Gymnasium shares them."""
    acted: Any
    answered: Any
    allowed: Any
    """Which actions the states allow, and of which environments that is known."""

    @classmethod
    def of(
        cls, observation_space: gym.Space[Any], action_space: gym.Space[Any], num_envs: int, context: BaseContext
    ) -> Memory:
        """Room for N environments of these spaces."""
        actions = batch_space(action_space, num_envs)
        size = int(np.prod(actions.shape or ())) * np.dtype(actions.dtype).itemsize
        return cls(
            observation_space,
            action_space,
            num_envs,
            create_shared_memory(observation_space, num_envs, context),  # type: ignore[arg-type]
            context.RawArray("b", size),
            context.RawArray("b", num_envs * 10),
            context.RawArray("b", num_envs * (1 + sum(choices_of(action_space) or ()))),
        )

    @property
    def observations(self) -> Any:
        """Views of all observations, as a batch of the space."""
        return read_from_shared_memory(self.observation_space, self.seen, self.num_envs)

    @property
    def actions(self) -> NDArray[Any]:
        """[N, …]"""
        batch = batch_space(self.action_space, self.num_envs)
        return np.frombuffer(self.acted, batch.dtype).reshape(batch.shape or ())

    @property
    def rewards(self) -> NDArray[np.float64]:
        """[N]"""
        return np.frombuffer(self.answered, np.float64, self.num_envs)

    @property
    def ends(self) -> NDArray[np.bool_]:
        """[2, N], terminated and truncated."""
        count = self.num_envs
        return np.frombuffer(self.answered, np.bool_, 2 * count, 8 * count).reshape(2, count)

    @property
    def masks(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """[N, O], which actions the states allow, and [N], of which environments that is known."""
        allowed = np.frombuffer(self.allowed, np.bool_).reshape(self.num_envs, -1)
        return allowed[:, 1:], allowed[:, 0]


class Group:
    """Environments `first` … of all that share the memory.

    In Gymnasium's NEXT_STEP mode, as `SyncVectorEnv` steps them.
    """

    def __init__(self, environments: list[gym.Env[Any, Any]], first: int, memory: Memory) -> None:
        self._environments, self._first = environments, first
        self._memory = memory
        place = slice(first, first + len(environments))
        self._rewards, (self._terminated, self._truncated) = memory.rewards[place], memory.ends[:, place]
        self._masks, self._masked = (part[place] for part in memory.masks)
        self._begins = np.zeros(len(environments), np.bool_)
        plain = isinstance(memory.observation_space, gym.spaces.Box)
        self._rows: Any = memory.observations[place] if plain else None

    def reset(self, seed: int) -> None:
        """Begin anew everywhere, environment n with seed + n; whatever an environment raises passes through."""
        for number, environment in enumerate(self._environments):
            observation, info = environment.reset(seed=seed + self._first + number)
            self._masked[number] = KEY in info
            self._keep(number, observation, info)
        self._rewards[...], self._terminated[...], self._truncated[...] = 0.0, False, False
        self._begins[...] = False

    def step(self, actions: NDArray[Any]) -> None:
        """Act in all of them, [n, …], or begin anew where an episode has ended; what they raise passes through."""
        rewards, terminated, truncated = self._rewards, self._terminated, self._truncated
        for number, (environment, action) in enumerate(zip(self._environments, actions, strict=True)):
            if self._begins[number]:
                observation, info = environment.reset()
                rewards[number], terminated[number], truncated[number] = 0.0, False, False
            else:
                observation, rewards[number], terminated[number], truncated[number], info = environment.step(action)
            self._keep(number, observation, info)
        np.logical_or(terminated, truncated, out=self._begins)

    def _keep(self, number: int, observation: Any, info: dict[str, Any]) -> None:
        if info:  # nothing but a mask is left of it
            self._masks[number] = info[KEY]
        if self._rows is not None:
            self._rows[number] = observation
        else:
            space = self._memory.observation_space
            write_to_shared_memory(space, self._first + number, observation, self._memory.seen)

    def close(self) -> None:
        """Release what they hold; what they raise passes through."""
        for environment in self._environments:
            environment.close()
