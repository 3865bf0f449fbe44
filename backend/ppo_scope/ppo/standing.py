"""Where a trainer stands: where an update began, what of it is there already, and both as plain values."""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ppo_scope.ppo.normalization import RunningStatistics
from ppo_scope.ppo.objects import Tree
from ppo_scope.ppo.outcome import Position
from ppo_scope.ppo.rollout import Episode, Rollout, table_of
from ppo_scope.ppo.settings import Settings


@dataclass(frozen=True)
class Start:
    """Where an update began, to return to if it is abandoned."""

    position: Position
    observation_statistics: RunningStatistics
    steps: int
    episodes: deque[Episode]


@dataclass(frozen=True)
class Collected:
    """An update whose rollout is whole: it can begin again, on the same rollout, in another process as well."""

    rollout: Rollout
    by_hand: frozenset[str]
    """Settings that were changed as it began, and are in force."""
    attempt: int
    waiting: dict[str, Any]
    """Changes that wait for the update behind it."""

    def tree(self, waiting: dict[str, Any]) -> Tree:
        """As plain values, which stay as they are; `waiting`: what waits by now."""
        about = {"by_hand": sorted(self.by_hand), "attempt": self.attempt, "pending": waiting}
        return {**about, "rollout": copy.deepcopy(self.rollout.tree())}

    @classmethod
    def of(cls, tree: Tree) -> Collected:
        """The one that was made into this tree."""
        return cls(Rollout.of(tree["rollout"]), frozenset(tree["by_hand"]), tree["attempt"], dict(tree["pending"]))


def tree_of(start: Start, settings: Settings, acting: np.random.Generator) -> Tree:
    """What does not depend on the environments; `acting`: the generator that draws actions."""
    optimisation = start.position.optimisation
    scale = start.position.reward_scale
    return {
        "settings": settings.model_dump(mode="json"),
        "seed": settings.seed,
        "steps": start.steps,
        "episodes": table_of(start.episodes),
        "theta": optimisation.theta.cpu().numpy(),
        "adam": {name: moment.cpu().numpy() for name, moment in optimisation.adam.items()},
        "shuffling": optimisation.shuffling,
        "adapted": asdict(start.position.adapted),
        "acting": dict(acting.bit_generator.state),
        "observation_statistics": start.observation_statistics.state(),
        "reward_scale": scale.state() if scale is not None else None,
    }


def seed_of(seed: int, steps: int) -> int:
    """Of episodes that begin after so many steps: others than those that the run began with."""
    return int(np.random.SeedSequence([seed, steps]).generate_state(1)[0] >> 1)
