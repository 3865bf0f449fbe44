"""A rollout: what the environments did under one policy, in preallocated arrays, and its collection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.ppo.distributions import Actions
from ppo_scope.ppo.environments import Environments
from ppo_scope.ppo.inference import Inference
from ppo_scope.ppo.masks import forbid
from ppo_scope.ppo.objects import Tree
from ppo_scope.ppo.spaces import Observations, Spaces

ARRAYS = ("observations", "actions", "rewards", "terminated", "truncated", "trained", "action_masks")

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Episode:
    """An episode that ended: its return, its length, and the step of the run at which it did."""

    step: int
    episodic_return: float
    length: int


@dataclass
class Rollout:
    """M steps of N environments, time first. The arrays are used again for the next rollout."""

    observations: Observations
    """[M + 1, N, …]; the last row is the state after the last step."""
    actions: Actions
    """[M, N, *action_shape], as the policy drew them."""
    rewards: Floats
    """[M, N], as the environment gave them."""
    terminated: Bools
    """[M, N]"""
    truncated: Bools
    """[M, N]"""
    trained: Bools
    """[M, N]; False on autoreset rows, which are no transitions."""
    action_masks: Bools | None = None
    """[M, N, O], which actions were allowed; None where the environment does not say."""
    final_observations: dict[tuple[int, int], Observations] = field(default_factory=dict)
    """(t, n) → [1, …], the last state of an episode where row t + 1 does not hold it (SAME_STEP mode)."""
    episodes: list[Episode] = field(default_factory=list)
    """The episodes that ended in this rollout, in order of time."""
    seconds_environment: float = 0.0
    seconds_inference: float = 0.0

    @classmethod
    def empty(cls, steps: int, num_envs: int, spaces: Spaces, *, masked: bool = False) -> Rollout:
        """Room for `steps` steps; `masked`: of environments that say which actions are allowed."""
        shape = (steps, num_envs)
        distribution = spaces.distribution
        return cls(
            observations=np.zeros((steps + 1, num_envs, *spaces.observation_shape), spaces.dtype),
            actions=np.zeros((*shape, *distribution.action_shape), distribution.action_dtype),
            rewards=np.zeros(shape, np.float32),
            terminated=np.zeros(shape, np.bool_),
            truncated=np.zeros(shape, np.bool_),
            trained=np.ones(shape, np.bool_),
            action_masks=np.ones((*shape, distribution.outputs), np.bool_) if masked else None,
        )

    @property
    def transitions(self) -> int:
        """How many rows are transitions."""
        return int(self.trained.sum())

    def tree(self) -> Tree:
        """All of it as plain values; the arrays are the same."""
        finals = self.final_observations
        return {
            **{name: getattr(self, name) for name in ARRAYS},
            "final_places": np.array(list(finals), np.int64).reshape(-1, 2),
            "final_observations": np.concatenate(list(finals.values())) if finals else None,
            "episodes": table_of(self.episodes),
            "seconds": [self.seconds_environment, self.seconds_inference],
        }

    @classmethod
    def of(cls, tree: Tree) -> Rollout:
        """The rollout that was made into this tree."""
        places, finals = tree["final_places"].tolist(), tree["final_observations"]
        rollout = cls(**{name: tree[name] for name in ARRAYS})
        rollout.final_observations = {(t, n): finals[k : k + 1] for k, (t, n) in enumerate(places)}
        rollout.episodes = episodes_in(tree["episodes"])
        rollout.seconds_environment, rollout.seconds_inference = tree["seconds"]
        return rollout


def table_of(episodes: Iterable[Episode]) -> NDArray[np.float64]:
    """[E, 3]: step, return and length of each."""
    return np.array([astuple(episode) for episode in episodes], np.float64).reshape(-1, 3)


def episodes_in(table: NDArray[np.float64]) -> list[Episode]:
    """Those of a table [E, 3]."""
    return [Episode(int(step), paid, int(length)) for step, paid, length in table.tolist()]


class Collector:
    """Fills rollouts, and keeps what spans two of them: episodes under way and resets that are due."""

    def __init__(self, environments: Environments, between_steps: Callable[[], None]) -> None:
        self.step = 0
        """How many steps the latest rollout has made."""
        self._environments = environments
        self._between_steps = between_steps
        self._reset_due = np.zeros(environments.num_envs, np.bool_)
        self._returns = np.zeros(environments.num_envs)
        self._lengths = np.zeros(environments.num_envs, np.int64)

    def state(self) -> dict[str, Any]:
        """What spans two rollouts, as arrays [N]."""
        return {"reset_due": self._reset_due, "returns": self._returns, "lengths": self._lengths}

    def return_to(self, state: dict[str, Any]) -> None:
        """Go on with episodes that were under way then."""
        self._reset_due = np.array(state["reset_due"], np.bool_)
        self._returns = np.array(state["returns"], np.float64)
        self._lengths = np.array(state["lengths"], np.int64)

    def collect(self, networks: Inference, rollout: Rollout, generator: np.random.Generator, steps_before: int) -> None:
        """Act through the whole rollout, which is overwritten. `steps_before`: the run's transitions so far.

        Raises:
            EnvironmentFault, EnvironmentRaised: the environments' own; and whatever `between_steps` raises.
        """
        start = time.perf_counter()
        environments = self._environments
        environments.seconds = 0.0
        self.step = 0
        try:
            self._act(networks, rollout, generator)
        finally:
            # Where that was cut short, the environments have moved so far all the same, and episodes go on from there.
            self._take_in(rollout, self.step, steps_before)
        rollout.seconds_environment = environments.seconds
        rollout.seconds_inference = time.perf_counter() - start - environments.seconds

    def _act(self, networks: Inference, rollout: Rollout, generator: np.random.Generator) -> None:
        environments, distribution = self._environments, self._environments.spaces.distribution
        noise = distribution.noise(generator, rollout.rewards.shape)
        observations = environments.observations
        rollout.observations[0] = observations
        rollout.final_observations = {}
        for t in range(len(rollout.actions)):
            outputs = networks.outputs(networks.normalized(observations))
            if environments.masks is not None and rollout.action_masks is not None:
                rollout.action_masks[t] = environments.masks
                outputs = forbid(outputs, environments.masks)
            actions = distribution.act(outputs, noise[t])
            rollout.actions[t] = actions
            step = environments.step(distribution.to_environment(actions))
            observations = step.observations
            rollout.rewards[t], rollout.terminated[t], rollout.truncated[t] = (
                step.rewards,
                step.terminated,
                step.truncated,
            )
            rollout.observations[t + 1] = observations
            for n, final in step.final_observations.items():
                rollout.final_observations[t, n] = final
            self.step = t + 1
            self._between_steps()

    def _take_in(self, rollout: Rollout, steps: int, steps_before: int) -> None:
        """Which rows are transitions and which episodes have ended, of the first `steps` steps."""
        rollout.episodes = []
        if not steps:
            return
        done = (rollout.terminated | rollout.truncated)[:steps]
        if not self._environments.same_step:
            rollout.trained[0] = ~self._reset_due
            rollout.trained[1:steps] = ~done[:-1]
            self._reset_due = done[-1].copy()
        rollout.episodes = self._finished(rollout.rewards[:steps], rollout.trained[:steps], done, steps_before)

    def _finished(self, rewards: Floats, trained: Bools, done: Bools, steps_before: int) -> list[Episode]:
        """The episodes that ended, in order of time; those with a reward that is not finite have no return to tell.

        Every episode is summed by itself: differences of one running sum would carry what a huge reward, or one that
        is none, has done to it into all that follow.
        """
        steps, num_envs = rewards.shape
        counted = np.cumsum(trained.sum(1))
        # Environment by environment, each from its first row or from the row after an episode's end.
        begins = np.zeros((num_envs, steps + 1), np.bool_)
        begins[:, 0] = True
        begins[:, 1:] = done.T
        # One more row of nothing each, where an episode may begin that has not been seen yet.
        paid = np.zeros((num_envs, steps + 1))
        paid[:, :-1] = np.where(trained, rewards, 0.0).T
        rows = np.zeros((num_envs, steps + 1), np.int64)
        rows[:, :-1] = trained.T
        starts = np.flatnonzero(begins)
        returns, lengths = np.add.reduceat(paid.reshape(-1), starts), np.add.reduceat(rows.reshape(-1), starts)
        first = np.searchsorted(starts, np.arange(num_envs) * (steps + 1))
        returns[first] += self._returns
        lengths[first] += self._lengths
        last = np.append(first[1:], len(starts)) - 1
        self._returns, self._lengths = returns[last], lengths[last]
        ended = np.delete(np.arange(len(starts)), last)
        environments, ends = np.divmod(starts[ended + 1], steps + 1)
        order = np.lexsort((environments, ends))
        return [
            Episode(steps_before + int(counted[end - 1]), float(returns[k]), int(lengths[k]))
            for end, k in zip(ends[order], ended[order], strict=True)
            if np.isfinite(returns[k])
        ]
