"""What brought environments to where they are: how their episodes began, and what was done in them since.

An environment whose state cannot be expressed, such as the world of a physics engine, comes to the same state again
where its episode begins from the same generator and the same actions follow. Whether it does has to be tried:
`resuming.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import SyncVectorEnv
from numpy.typing import NDArray

from ppo_scope.ppo import objects
from ppo_scope.ppo.objects import NotKept, Tree

LONGEST = 20_000
"""Steps of an episode that are noted; longer ones are made again by nobody."""

LOST = {"is": "lost"}
"""How an episode came to where it is is not known."""


class Tape:
    """Of the copies of one vector environment, in Gymnasium's NEXT_STEP mode."""

    def __init__(self, vector: SyncVectorEnv, seed: int) -> None:
        """They have just been reset with that seed."""
        self._vector = vector
        # Of each copy: what its episode began from, what was done in it, and whether another begins with the next step.
        self._from: list[Tree] = [{"seed": seed + n} for n in range(vector.num_envs)]
        self._done: list[list[Any]] = [[] for _ in self._from]
        self._begins = [False for _ in self._from]

    def stepped(self, actions: NDArray[Any], ended: NDArray[np.bool_]) -> None:
        """All have acted, and some episodes [N] have ended: in the next step these copies are reset, and do not act."""
        for n, action in enumerate(actions.copy()):
            if self._begins[n]:
                self._begins[n], self._done[n] = False, []
            elif len(self._done[n]) < LONGEST:
                self._done[n].append(action)
            else:
                self._from[n] = LOST
        if ended.any():
            for n in map(int, np.flatnonzero(ended)):
                self._begins[n], self._from[n] = True, self._generator_of(n)

    def _generator_of(self, n: int) -> Tree:
        try:
            return {"generator": objects.taken(self._vector.envs[n].unwrapped.np_random)}
        except Exception:  # somebody's environment: it trains all the same
            return LOST

    def state(self) -> list[Tree]:
        """Of each copy; None: it begins its next episode with the next step."""
        return [None if begins else self._of(n) for n, begins in enumerate(self._begins)]

    def _of(self, n: int) -> Tree:
        if self._from[n] == LOST:
            return LOST
        actions = np.array(self._done[n])
        return {"from": self._from[n], "dtype": str(actions.dtype), "actions": _small(actions)}

    def repeat(self, state: list[Tree]) -> None:
        """Bring all copies to where those were whose state it is; their generators have to be put right afterwards.

        Raises:
            NotKept: how they came there is not known.
            EnvironmentRaised: they do not take these actions.
        """
        for environment, tree in zip(self._vector.envs, state, strict=True):
            if tree is None:
                continue
            if tree == LOST:
                raise NotKept("an episode had too many steps to be made again")
            if "generator" in tree["from"]:
                environment.unwrapped.np_random = objects.made(tree["from"]["generator"])
            environment.reset(seed=tree["from"].get("seed"))
            for action in _actions_of(tree):
                environment.step(action)

    def go_on_from(self, state: list[Tree] | None) -> None:
        """They are where those were whose state it is; None: how they came there is not known."""
        for n, tree in enumerate(state if state is not None else [LOST] * len(self._from)):
            self._begins[n] = tree is None
            self._from[n] = tree["from"] if tree is not None and tree != LOST else LOST
            self._done[n] = _actions_of(tree) if tree is not None and tree != LOST else []


def _actions_of(tree: Tree) -> list[Any]:
    return list(tree["actions"].astype(tree["dtype"]))


def _small(actions: NDArray[Any]) -> NDArray[Any]:
    """Numbers of choices in as few bytes as they need."""
    if actions.dtype.kind not in "iu" or not actions.size:
        return actions
    return actions.astype(np.result_type(np.min_scalar_type(actions.min()), np.min_scalar_type(actions.max())))
