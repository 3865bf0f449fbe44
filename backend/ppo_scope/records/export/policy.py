"""The policy of a kept state, with an environment made anew that says what it sees and does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ppo_scope.ppo.environments import Environments
from ppo_scope.ppo.networks import ActorCritic
from ppo_scope.ppo.normalization import RunningStatistics
from ppo_scope.ppo.objects import Tree
from ppo_scope.ppo.seeding import shared_generators_kept
from ppo_scope.ppo.settings import Settings

ENVIRONMENTS = 2
"""That are made: enough to see whether all are treated alike."""


@dataclass(frozen=True)
class Policy:
    """Networks with the weights of a state."""

    settings: Settings
    environments: Environments
    """Few, at the beginning of an episode."""
    network: ActorCritic
    statistics: RunningStatistics
    """Of the observations; without any, nothing is normalised."""
    returns: RunningStatistics | None
    """Of discounted returns, where rewards are normalised."""

    def acting_weights(self) -> dict[str, NDArray[Any]]:
        """θ [P], and what observations are normalised by where they are: as whoever acts takes them."""
        found: dict[str, NDArray[Any]] = {"theta": self.network.theta.detach().numpy()}
        if self.network.observation_mean is not None and self.network.observation_deviation is not None:
            found["observation_mean"] = self.network.observation_mean
            found["observation_deviation"] = self.network.observation_deviation
        return found

    @property
    def normalizes(self) -> bool:
        """Whether observations are normalised before the networks see them."""
        return self.network.observation_mean is not None


@contextlib.contextmanager
def policy_of(state: Tree) -> Iterator[Policy]:
    """The policy of a state of `Trainer.state`; its environments are closed at the end.

    Raises:
        UnusableEnvironment, EnvironmentFault: its environment cannot be made, or its own code fails.
        ValueError: the settings in it are none.
    """
    settings = Settings.parse(state["settings"])
    with shared_generators_kept():
        environments = Environments(settings.model_copy(update={"num_envs": ENVIRONMENTS}))
        try:
            network = ActorCritic(environments.spaces, settings, 0, torch.device("cpu"))
            with torch.no_grad():
                network.theta.copy_(torch.from_numpy(np.array(state["theta"])))
            statistics = RunningStatistics(environments.spaces.observation_shape)
            statistics.return_to(state["observation_statistics"])
            if settings.normalize_observations and statistics.count:
                network.normalize_by(statistics)
            returns = None
            if state["reward_scale"] is not None:
                returns = RunningStatistics()
                returns.return_to(state["reward_scale"]["statistics"])
            yield Policy(settings, environments, network, statistics, returns)
        finally:
            environments.close()
