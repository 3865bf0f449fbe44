"""Our own trainer as a subject: it can do everything that can be asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from ppo_scope.ppo import by_hand, losses
from ppo_scope.ppo.adam import Adam
from ppo_scope.ppo.dense import Dense
from ppo_scope.ppo.distributions import Distribution
from ppo_scope.ppo.engine import Engine, Rule, in_numpy, packed
from ppo_scope.ppo.engines import engine_of
from ppo_scope.ppo.inference import inference_of
from ppo_scope.ppo.judging import judge
from ppo_scope.ppo.networks import ActorCritic
from ppo_scope.ppo.rollout import Episode
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.spaces import Spaces
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.record import Batch, Floats, Minibatch, Update
from ppo_scope.probes.subject import Abilities, Hidden


@dataclass(frozen=True)
class Facts:
    """What is true of a trainer from its start to its end; it can be sent to another process."""

    settings: Settings
    """Those that its networks were made with."""
    spaces: Spaces
    observation_space: gym.Space[Any]
    """Of one environment."""
    reward_threshold: float | None
    time_limit: int | None
    device: torch.device

    @classmethod
    def of(cls, trainer: Trainer) -> Facts:
        """Those of this trainer."""
        environments = trainer.environments
        # What prepares observations is made of functions without a name, which cannot be sent; no probe prepares any.
        spaces = replace(trainer.spaces, prepare=_unprepared, prepare_one=_unprepared)
        space = environments.vector.single_observation_space
        known = environments.reward_threshold, environments.time_limit
        return cls(trainer.settings, spaces, space, *known, trainer.device)


def _unprepared(_: Any) -> Any:
    """Raises: RuntimeError, always."""
    raise RuntimeError("observations are prepared where the environments are")


class _OwnNetworks:
    """Networks of ours as a subject, as far as they alone are asked: see `subject.Subject`."""

    def __init__(self, facts: Facts, network: ActorCritic, engine: Engine, typical: Callable[[], Floats]) -> None:
        self._network, self._engine = network, engine
        self._inference = inference_of(network)
        spaces = facts.spaces
        self.env: str = facts.settings.env
        self.observation_space: gym.Space[Any] = facts.observation_space
        self.observation = spaces.observation
        self.is_image = spaces.is_image
        self.distribution: Distribution = spaces.distribution
        self.reward_threshold, self.time_limit = facts.reward_threshold, facts.time_limit
        parts = network.parts()
        self.abilities = Abilities(
            judge=self._judge,
            judge_between=self._judge_between,
            theta=network.theta.detach,
            parts=lambda: parts,
            differentiate=self._differentiate,
            differentiate_each=None if spaces.is_image else self._differentiate_each,
            hidden=None if spaces.is_image else self._hidden,
            typical_gradient=typical,
        )

    def _judge(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return judge(self._inference, batch.observations.cpu().numpy(), self._network.device, batch.action_masks)

    def _judge_between(self, update: Update, samples: Tensor, factors: Sequence[float]) -> Tensor:
        """θ itself stays untouched."""
        assert update.batch is not None and update.theta_before is not None
        before, after = update.theta_before, self._network.theta.detach()
        observations, engine = update.batch.observations[samples], self._engine
        masks = None if update.batch.action_masks is None else update.batch.action_masks[samples]
        # lerp is exact at 0 and at 1.
        return torch.cat([engine.outputs(torch.lerp(before, after, factor), observations, masks) for factor in factors])

    def _differentiate(self, update: Update, minibatch: Minibatch) -> Sequence[Floats]:
        assert update.batch is not None
        weights = losses.mean_weights(minibatch.trained)
        rule = Rule.of(update.settings)
        samples = packed(update.batch, minibatch.samples, minibatch.advantages, weights, with_kl=rule.penalises)
        return self._engine.gradients(samples, rule)

    def _differentiate_each(self, update: Update, used: Floats) -> Sequence[Floats]:
        batch, dense = update.batch, self._dense()
        assert batch is not None
        advantages = torch.from_numpy(np.nan_to_num(used))
        rule, every = Rule.of(update.settings), torch.arange(len(used), device=batch.values.device)
        whole = packed(batch, every, advantages, torch.ones(len(used)), with_kl=rule.penalises)
        return by_hand.norms(dense, self.distribution, in_numpy(whole), rule)

    def _hidden(self, observations: Floats) -> Hidden:
        dense = self._dense()
        _, _, policy, value = dense.forward(observations)
        return policy[1:], value[1:] if dense.value_trunk is not None else []

    def _dense(self) -> Dense:
        dense = self._network.dense()
        assert dense is not None
        return dense


class TrainerSubject(_OwnNetworks):
    """A trainer as it is."""

    def __init__(self, trainer: Trainer) -> None:
        optimisation = trainer.optimisation
        super().__init__(Facts.of(trainer), trainer.network, optimisation.engine, optimisation.typical_gradient)
        self._trainer = trainer
        self.abilities = replace(
            self.abilities,
            draw=lambda: trainer.environments.vector,
            redo=trainer.redo,
            change=trainer.change,
            wait=trainer.phases,
        )

    @property
    def steps(self) -> int:
        """See `Subject`."""
        return self._trainer.steps

    @property
    def episodes(self) -> Sequence[Episode]:
        """See `Subject`."""
        return self._trainer.episodes


class PastSubject(_OwnNetworks):
    """A trainer as it was: networks of its own take the weights of then, so that nothing of the trainer is touched."""

    def __init__(self, facts: Facts) -> None:
        network = ActorCritic(facts.spaces, facts.settings, 0, facts.device)
        engine = engine_of(network, facts.spaces.distribution)
        self._adam = Adam(network.theta)
        super().__init__(facts, network, engine, lambda: self._adam.typical_gradient().cpu().numpy())
        self._steps = 0
        self._episodes: Sequence[Episode] = ()

    @property
    def steps(self) -> int:
        """See `Subject`."""
        return self._steps

    @property
    def episodes(self) -> Sequence[Episode]:
        """See `Subject`."""
        return self._episodes

    @torch.no_grad()
    def become(
        self, theta: Tensor, steps: int, episodes: Sequence[Episode], adam: dict[str, Tensor] | None = None
    ) -> None:
        """What the trainer was with these weights [P], after so many steps and with these latest episodes.

        `adam` is what it remembered of the gradients, where somebody will ask for that.
        """
        self._network.theta.copy_(theta)
        self._steps, self._episodes = steps, episodes
        if adam is not None:
            self._adam.return_to(adam)
