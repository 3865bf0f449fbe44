"""Environments that a run's health suffers from, each in one way, and the same without it where there is one."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv

Seen = np.ndarray


class Choice(gym.Env):
    """Four actions, of which the sign of one number tells the best; pays `reward` for it, 50 times."""

    def __init__(self, reward: float = 1.0, *, paid: bool = True) -> None:
        self.observation_space, self.action_space = gym.spaces.Box(-1, 1, (4,)), gym.spaces.Discrete(4)
        self._reward = reward
        self._paid = paid

    def _seen(self) -> Seen:
        self._x = self.np_random.uniform(-1, 1, 3)
        return np.append(self._x, 1 - self._t / 50).astype(np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Seen, dict[str, Any]]:
        super().reset(seed=seed)
        self._t = 0
        return self._seen(), {}

    def step(self, action: int) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        reward = self._reward * float(not self._paid or action == (0 if self._x[0] > 0 else 1))
        self._t += 1
        return self._seen(), reward, self._t >= 50, False, {}


class Lock(gym.Env):
    """Each step costs 1, and ends it all once so many have been the right one in a row; nothing else ends it."""

    def __init__(self, length: int = 30) -> None:
        self.observation_space, self.action_space = gym.spaces.Box(0, 1, (1,)), gym.spaces.Discrete(2)
        self._length = length

    def _seen(self) -> Seen:
        return np.array([self._right / self._length], np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Seen, dict[str, Any]]:
        super().reset(seed=seed)
        self._right = 0
        return self._seen(), {}

    def step(self, action: int) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        self._right = self._right + 1 if action == self._right % 2 else 0
        return self._seen(), -1.0, self._right == self._length, False, {}


class Arm(gym.Env):
    """17 joints that drift, and a return of about −10⁶."""

    def __init__(self, scale: float = 1e4) -> None:
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (17,), np.float32)
        self.action_space = gym.spaces.Box(-1, 1, (17,), np.float32)
        self._scale = scale

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Seen, dict[str, Any]]:
        super().reset(seed=seed)
        self._t = 0
        self._x = self.np_random.normal(size=17).astype(np.float32)
        return self._x, {}

    def step(self, action: Seen) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        noise = 0.05 * self.np_random.normal(size=17)
        self._x = (0.95 * self._x + 0.1 * np.clip(action, -1, 1) + noise).astype(np.float32)
        self._t += 1
        return self._x, float(-self._scale * np.sum(self._x**2)), False, self._t >= 100, {}


class Range(gym.Env):
    """One number between `low` and `high`; best in the middle, which no observation tells."""

    def __init__(self, low: float = 0.0, high: float = 1000.0, steps: int = 50, *, pays: bool = True) -> None:
        self.observation_space = gym.spaces.Box(-1, 1, (3,))
        self.action_space = gym.spaces.Box(low, high, (1,))
        self._middle, self._half, self._steps, self._pays = (low + high) / 2, (high - low) / 2, steps, pays

    def _seen(self) -> Seen:
        return self.np_random.uniform(-1, 1, 3).astype(np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Seen, dict[str, Any]]:
        super().reset(seed=seed)
        self._t = 0
        return self._seen(), {}

    def step(self, action: Seen) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        self._t += 1
        off = abs(float(action[0]) - self._middle) / self._half if self._pays else float(self.np_random.uniform())
        return self._seen(), -off, self._t >= self._steps, False, {}


class ScaledCart(CartPoleEnv):
    """The cart, told in other units: the state times `by`, plus `plus`."""

    def __init__(self, by: float = 1000.0, plus: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (4,), np.float32)
        self._by, self._plus = by, plus

    def reset(self, **options: Any) -> tuple[Seen, dict[str, Any]]:
        observation, info = super().reset(**options)
        return (self._by * observation + self._plus).astype(np.float32), info

    def step(self, action: int) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = super().step(action)
        seen = (self._by * observation + self._plus).astype(np.float32)
        return seen, reward, terminated, truncated, info


class PaidCart(CartPoleEnv):
    """The cart, paid in another currency."""

    def __init__(self, reward: float = 1000.0, **options: Any) -> None:
        super().__init__(**options)
        self._reward = reward

    def step(self, action: int) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        observation, reward, *rest = super().step(action)
        return observation, self._reward * float(reward), *rest


gym.register("ppo_scope_tests/Choice-v0", Choice)
gym.register("ppo_scope_tests/Lock-v0", Lock)
gym.register("ppo_scope_tests/Arm-v0", Arm)
gym.register("ppo_scope_tests/Range-v0", Range)
gym.register("ppo_scope_tests/ScaledCart-v0", ScaledCart, max_episode_steps=500)
gym.register("ppo_scope_tests/PaidCart-v0", PaidCart, max_episode_steps=500)
