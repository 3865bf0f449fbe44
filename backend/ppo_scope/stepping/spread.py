"""A vector environment whose copies are stepped by several processes at the same time, this one among them.

Each has a part of them, which it steps one after the other: a process for each would be woken and asked more often than
it works. Which part is stepped where changes no number, since each copy has generators of its own; only what draws from
a generator shared by its whole process sees another one.
"""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import signal
from multiprocessing import util
from typing import Any

import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ppo_scope.ppo.environments import OfCopies
from ppo_scope.ppo.failures import EnvironmentFault
from ppo_scope.ppo.masks import KEY
from ppo_scope.ppo.seeding import seeded_copy
from ppo_scope.ppo.settings import Settings
from ppo_scope.stepping.group import Group, Memory
from ppo_scope.stepping.helper import CLOSE, RESET, STEP, Turns, Waiting, check_alike, main

CONTEXT = multiprocessing.get_context("spawn")
"""Not forked: environments may have brought in libraries that do not survive it."""
PATIENCE = 2.0
"""Seconds that a process has to release its environments."""


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(settings: Settings, spec: EnvSpec) -> SpreadVectorEnv:
    """The copies, over as many processes as there are cores."""
    return SpreadVectorEnv(settings, spec, cores())


class SpreadVectorEnv(OfCopies):
    """N copies in up to `processes` processes; this one has the first of them, in `envs`.

    Raises:
        UnusableEnvironment: it cannot be made, or its copies differ. Those of other processes are made by `reset`.
        EnvironmentFault: when reset or stepped: an environment fails, or a process that has some has ended.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(self, settings: Settings, spec: EnvSpec, processes: int) -> None:
        parts = np.array_split(np.arange(settings.num_envs), min(processes, settings.num_envs))
        # Where they do not come out even, this process, which has something else to do too, has the fewest.
        sizes = sorted(map(len, parts))
        self._settings, self._sizes = settings, sizes
        self.num_envs = settings.num_envs
        self.envs = [seeded_copy(settings, spec, number) for number in range(sizes[0])]
        self.single_observation_space = self.envs[0].observation_space
        self.single_action_space = self.envs[0].action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._helpers: list[_Helper] = []
        self._group: Group | None = None

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Observations [N, …], environment n's with seed + n, which is the settings' whatever is said."""
        if self._group is None:
            memory = Memory.of(self.single_observation_space, self.single_action_space, self.num_envs, CONTEXT)
            for environment in self.envs:
                check_alike(self._settings, memory, environment)
            self._group = Group(list(self.envs), 0, memory)
            self._seen, self._actions = memory.observations, memory.actions
            self._rewards, self._ends = memory.rewards, memory.ends
            self._masks, self._masked = memory.masks
            first = self._sizes[0]
            for size in self._sizes[1:]:
                self._helpers.append(_Helper(self._settings, first, size, memory))
                first += size
        with self._others_at(RESET):
            self._group.reset(self._settings.seed)
        self._any_masked = bool(self._masked.any())
        return copy.deepcopy(self._seen), self._info()

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Act once everywhere: (observations [N, …], rewards, terminated and truncated [N] each, info)."""
        assert self._group is not None, "reset comes first"
        self._actions[...] = actions
        with self._others_at(STEP):
            self._group.step(actions[: self._sizes[0]])
        terminated, truncated = self._ends.copy()
        return copy.deepcopy(self._seen), self._rewards.copy(), terminated, truncated, self._info()

    def _info(self) -> dict[str, Any]:
        """The action masks, where there are any, as Gymnasium's vector environments hand them out."""
        return {KEY: self._masks.copy(), f"_{KEY}": self._masked.copy()} if self._any_masked else {}

    def close(self, **_: Any) -> None:
        """Release all environments and end the processes."""
        for helper in self._helpers:
            helper.close()
        self._helpers = []
        for environment in self.envs:
            environment.close()

    def _others_at(self, order: bytes) -> _Others:
        return _Others(self._helpers, order)


class _Others:
    """Inside, the other processes do the same as this one; what they raise is raised once all have done it."""

    def __init__(self, helpers: list[_Helper], order: bytes) -> None:
        self._helpers, self._order = helpers, order

    def __enter__(self) -> None:
        for helper in self._helpers:
            helper.begin(self._order)

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        failures = [failure for helper in self._helpers if (failure := helper.finish()) is not None]
        if kind is None and failures:
            raise failures[0]  # that of the environment with the lowest number, as in one process


class _Helper:
    """Another process, seen from this one."""

    def __init__(self, settings: Settings, first: int, count: int, memory: Memory) -> None:
        self._env, self._first, self._last = settings.env, first, first + count - 1
        self._turns = Turns(
            CONTEXT.Semaphore(0), CONTEXT.Semaphore(0), CONTEXT.RawValue("c", b" "), CONTEXT.RawValue("c", b" ")
        )
        self._waiting = Waiting(self._turns.done)
        self._failures, failures = CONTEXT.Pipe(duplex=False)
        self._busy = False
        self._process = CONTEXT.Process(
            target=main, args=(settings, first, count, memory, self._turns, failures), name=f"environments from {first}"
        )
        self._process.start()
        failures.close()
        # Whatever becomes of this process, it does not wait for the other one at its end.
        self._end = util.Finalize(self, _end, (self._process, self._turns), exitpriority=10)

    def begin(self, order: bytes) -> None:
        """Have it do something; what it was still doing, because this process was interrupted, is waited for."""
        if self._busy:
            self.finish()
        self._turns.order.value = order
        self._busy = True
        self._turns.begin.release()

    def finish(self) -> BaseException | None:
        """Wait until it has; what went wrong."""
        if not self._waiting.take(self._process.is_alive):
            return EnvironmentFault(
                f"env {self._env}: the process that steps environments {self._first} to {self._last} has ended: "
                f"{_cause(self._process.exitcode)}"
            )
        self._busy = False
        if self._turns.failed.value == b" ":
            return None
        self._turns.failed.value = b" "
        failure: BaseException = pickle.loads(self._failures.recv_bytes())
        return failure

    def close(self) -> None:
        """End it."""
        self._end()
        self._failures.close()


def _end(process: Any, turns: Turns) -> None:
    turns.order.value = CLOSE
    turns.begin.release()
    process.join(PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()


def _cause(code: int | None) -> str:
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
