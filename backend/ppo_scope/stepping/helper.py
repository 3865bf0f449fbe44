"""A process that steps some of the environments, and how it and the one that trains take turns."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Semaphore
from typing import Any

import gymnasium as gym

from ppo_scope.ppo.allocation import keep_memory
from ppo_scope.ppo.failures import PASSED_ON, EnvironmentRaised, UnusableEnvironment
from ppo_scope.ppo.registry import find
from ppo_scope.ppo.seeding import seed_everybody, seeded_copy
from ppo_scope.ppo.settings import Settings
from ppo_scope.stepping.group import Group, Memory

SPIN, SHORTEST = 0.0001, 0.00001
"""Seconds to look again and again before falling asleep: to be woken takes the system tens of microseconds."""
PARENT_POLL = 0.5

RESET, STEP, CLOSE = b"r", b"s", b"c"


@dataclass
class Turns:
    """Whose turn it is. A semaphore each way; both are 0 while nobody has anything to do for the other."""

    begin: Semaphore
    done: Semaphore
    order: Any
    """One byte: what to do."""
    failed: Any
    """One byte: not 0 where an exception waits in the pipe."""


class Waiting:
    """How one side waits for its turns: awake as long as that has paid of late, then asleep.

    Where the other side has no core of its own, staying awake keeps it from working.
    """

    def __init__(self, turn: Semaphore) -> None:
        self._turn, self._awake = turn, SPIN

    def take(self, alive: Callable[[], bool]) -> bool:
        """Wait for a turn; False once the other side is not `alive` any more."""
        turn, start = self._turn, time.perf_counter()
        while time.perf_counter() < start + self._awake:
            if turn.acquire(block=False):
                return True
        while not turn.acquire(timeout=PARENT_POLL):
            if not alive():
                return turn.acquire(block=False)
        would_have_paid = time.perf_counter() < start + 2 * SPIN
        self._awake = SPIN if would_have_paid else max(self._awake / 2, SHORTEST)
        return True


def main(
    settings: Settings, first: int, count: int, memory: Memory, turns: Turns, failures: Connection[Any, Any]
) -> None:
    """Step environments `first` … until told to close, or until the process that trains is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that trains
    parent = os.getppid()
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    keep_memory()
    environments: list[gym.Env[Any, Any]] = []
    stage = "__init__"

    def obey(order: bytes, group: Group | None) -> Group:
        nonlocal stage
        if group is None:
            seed_everybody(settings.seed)
            spec = find(settings.env)
            environments.extend(seeded_copy(settings, spec, first + n) for n in range(count))
            for environment in environments:
                check_alike(settings, memory, environment)
            group = Group(environments, first, memory)
        stage = "reset" if order == RESET else "step"
        if order == RESET:
            group.reset(settings.seed)
        else:
            group.step(actions[first : first + count].copy())
        return group

    actions, group = memory.actions, None
    waiting = Waiting(turns.begin)
    while waiting.take(lambda: os.getppid() == parent) and turns.order.value != CLOSE:
        try:
            group = obey(turns.order.value, group)
        except BaseException as error:
            told = error if isinstance(error, PASSED_ON) else EnvironmentRaised(settings.env, stage, error)
            failures.send_bytes(pickle.dumps(told))
            turns.failed.value = b"x"
        turns.done.release()
    with contextlib.suppress(Exception):  # as where one process has them all: nothing depends on it any more
        for environment in environments:
            environment.close()


def check_alike(settings: Settings, memory: Memory, environment: gym.Env[Any, Any]) -> None:
    """Raises: UnusableEnvironment where its spaces are not those of environment 0."""
    for name in ("observation_space", "action_space"):
        expected, found = getattr(memory, name), getattr(environment, name)
        if found != expected:
            raise UnusableEnvironment(
                f"env {settings.env!r}: its copies have different spaces: {name} is {expected} and {found}"
            )


def _end_with(parent: int) -> None:
    """Whatever an environment is in the middle of."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL)
    os._exit(1)
