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

ENOUGH = 1000
"""Steps that are forgotten at once, at least."""
ENDED = b"\1"
"""Among the bytes of an array of truth values: one is true."""
LOST = {"is": "lost"}
"""How an episode came to where it is is not known."""


class Tape:
    """Of the copies of one vector environment, in Gymnasium's NEXT_STEP mode."""

    def __init__(self, vector: SyncVectorEnv, seed: int) -> None:
        """They have just been reset with that seed."""
        self._vector = vector
        self._actions: list[NDArray[Any]] = []
        # Of each copy: what its episode began from, and from where on actions are of it; beyond their end where another
        # episode begins with the next step, whose action counts for nothing.
        self._from: list[Tree] = [{"seed": seed + n} for n in range(vector.num_envs)]
        self._since = [0 for _ in self._from]

    def stepped(self, actions: NDArray[Any], ended: NDArray[np.bool_]) -> None:
        """All have acted, and some episodes [N] have ended: in the next step these copies are reset, and do not act."""
        self._actions.append(actions.copy())
        if ENDED in ended.tobytes():  # a fifth of the time that `any` takes
            for n in map(int, np.flatnonzero(ended)):
                self._from[n], self._since[n] = self._generator_of(n), len(self._actions) + 1
            if min(self._since) > ENOUGH:
                self._cut(min(self._since))
        if len(self._actions) > LONGEST:
            self._cut(LONGEST // 2)

    def _cut(self, count: int) -> None:
        """What is noted of so many steps, forgotten; of an episode that began in them it is not known any more."""
        count = min(count, len(self._actions))
        del self._actions[:count]
        self._from = [LOST if since < count else begun for begun, since in zip(self._from, self._since, strict=True)]
        self._since = [max(0, since - count) for since in self._since]

    def _generator_of(self, n: int) -> Tree:
        try:
            return {"generator": objects.taken(self._vector.envs[n].unwrapped.np_random)}
        except Exception:  # somebody's environment: it trains all the same
            return LOST

    def state(self) -> list[Tree]:
        """Of each copy; None: it begins its next episode with the next step."""
        return [None if since > len(self._actions) else self._of(n, since) for n, since in enumerate(self._since)]

    def _of(self, n: int, since: int) -> Tree:
        if self._from[n] == LOST:
            return LOST
        actions = np.array([actions[n] for actions in self._actions[since:]])
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
        trees = state if state is not None else [LOST for _ in self._from]
        done = [_actions_of(tree) if tree is not None and tree != LOST else [] for tree in trees]
        steps = max(map(len, done))
        like = next((actions[0] for actions in done if actions), np.zeros(()))
        noted = np.zeros((steps, len(done), *like.shape), like.dtype)
        for n, (tree, actions) in enumerate(zip(trees, done, strict=True)):
            self._from[n] = tree["from"] if tree is not None and tree != LOST else LOST
            self._since[n] = steps + 1 if tree is None else steps - len(actions)
            if actions:
                noted[steps - len(actions) :, n] = actions
        self._actions = list(noted)


def _actions_of(tree: Tree) -> list[Any]:
    return list(tree["actions"].astype(tree["dtype"]))


def _small(actions: NDArray[Any]) -> NDArray[Any]:
    """Numbers of choices in as few bytes as they need."""
    if actions.dtype.kind not in "iu" or not actions.size:
        return actions
    return actions.astype(np.result_type(np.min_scalar_type(actions.min()), np.min_scalar_type(actions.max())))
