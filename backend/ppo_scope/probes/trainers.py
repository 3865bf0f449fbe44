"""Our own trainer as a subject: it can do everything that can be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from ppo_scope.ppo import by_hand, losses
from ppo_scope.ppo.distributions import Distribution
from ppo_scope.ppo.rollout import Episode
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.record import Batch, Floats, Minibatch, Update
from ppo_scope.probes.subject import Abilities, Hidden


class TrainerSubject:
    """See `subject.Subject`."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        spaces = trainer.spaces
        self.env: str = trainer.settings.env
        self.observation_space: gym.Space[Any] = trainer.environments.vector.single_observation_space
        self.observation = spaces.observation
        self.is_image = spaces.is_image
        self.distribution: Distribution = trainer.distribution
        self.reward_threshold = trainer.environments.reward_threshold
        self.abilities = Abilities(
            judge=self._judge,
            judge_between=self._judge_between,
            theta=trainer.network.theta.detach,
            parts=trainer.network.parts,
            differentiate=self._differentiate,
            differentiate_each=None if spaces.is_image else self._differentiate_each,
            hidden=None if spaces.is_image else self._hidden,
            typical_gradient=trainer.optimisation.typical_gradient,
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

    def _judge(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return self._trainer.judge(batch.observations.cpu().numpy())

    def _judge_between(self, update: Update, samples: Tensor, factors: Sequence[float]) -> Tensor:
        """θ itself stays untouched."""
        network = self._trainer.network
        assert update.batch is not None and update.theta_before is not None
        before, after = update.theta_before, network.theta.detach()
        observations = update.batch.observations[samples]
        points = [torch.lerp(before, after, factor) for factor in factors]  # exact at 0 and at 1
        if network.in_numpy is None:
            with torch.no_grad():
                return torch.cat([network.at(theta, observations)[0] for theta in points])
        dense, seen = network.in_numpy, observations.numpy()
        return torch.from_numpy(np.concatenate([dense.at(theta.numpy()).outputs(seen) for theta in points]))

    def _hidden(self, observations: Floats) -> Hidden:
        dense = self._trainer.network.dense()
        assert dense is not None
        _, _, policy, value = dense.forward(observations)
        return policy[1:], value[1:] if dense.value_trunk is not None else []

    def _differentiate(self, update: Update, minibatch: Minibatch) -> Sequence[Floats]:
        return (self._by_torch if self._trainer.network.in_numpy is None else self._by_hand)(update, minibatch)

    def _by_hand(self, update: Update, minibatch: Minibatch) -> list[Floats]:
        """By the code that trains."""
        dense, batch, settings, samples = (
            self._trainer.network.in_numpy,
            update.batch,
            update.settings,
            minibatch.samples,
        )
        assert dense is not None and batch is not None
        known = by_hand.Samples(
            observations=batch.observations[samples].numpy(),
            actions=batch.actions[samples].numpy(),
            log_probs=batch.log_probs[samples].numpy(),
            values=batch.values[samples].numpy(),
            advantages=minibatch.advantages.numpy(),
            targets=batch.targets[samples].numpy(),
            weights=losses.mean_weights(minibatch.trained).numpy(),
        )
        # c₁ = 1 and c₂ = −1: the slopes are those of L_VF and S themselves.
        rule = by_hand.Rule(settings.objective, settings.clip_range, 1.0, -1.0, settings.value_clip_range)
        terms = by_hand.forward(dense, self.distribution, known, rule)
        nothing = np.zeros_like(terms.d_values)
        hidden = terms.policy_hidden, terms.value_hidden
        return [
            dense.backward(*hidden, terms.pullback(d_log_probs, d_entropies), d_values)
            for d_log_probs, d_values, d_entropies in (
                (terms.d_log_probs, nothing, nothing),
                (nothing, terms.d_values, nothing),
                (nothing, nothing, terms.d_entropies),
            )
        ]

    def _by_torch(self, update: Update, minibatch: Minibatch) -> list[Floats]:
        """The same by autograd: images, and other devices than the CPU."""
        network, batch, settings, samples = self._trainer.network, update.batch, update.settings, minibatch.samples
        assert batch is not None
        weights = losses.mean_weights(minibatch.trained)
        outputs, values = network(batch.observations[samples])
        log_probs, entropies = self.distribution.evaluate(outputs, batch.actions[samples])
        ratio = losses.ratio_of(log_probs - batch.log_probs[samples])
        policy = losses.policy_loss(settings.objective, log_probs, ratio, minibatch.advantages, settings.clip_range)
        value = losses.value_loss(values, batch.targets[samples], batch.values[samples], settings.value_clip_range)
        terms = policy @ weights, value @ weights, entropies @ weights
        return [torch.autograd.grad(term, network.theta, retain_graph=True)[0].cpu().numpy() for term in terms]

    def _differentiate_each(self, update: Update, used: Floats) -> Sequence[Floats]:
        dense, batch, settings = self._trainer.network.dense(), update.batch, update.settings
        assert dense is not None and batch is not None
        samples = by_hand.Samples(
            observations=batch.observations.cpu().numpy(),
            actions=batch.actions.cpu().numpy(),
            log_probs=batch.log_probs.cpu().numpy(),
            values=batch.values.cpu().numpy(),
            advantages=np.nan_to_num(used),
            targets=batch.targets.cpu().numpy(),
            weights=np.ones(len(used), np.float32),
        )
        rule = by_hand.Rule(
            objective=settings.objective,
            clip_range=settings.clip_range,
            value_coef=settings.value_coef,
            entropy_coef=settings.entropy_coef,
            value_clip_range=settings.value_clip_range,
        )
        terms = by_hand.forward(dense, self.distribution, samples, rule)
        none = np.zeros_like(terms.d_values)
        hidden = terms.policy_hidden, terms.value_hidden
        return (
            dense.norms(*hidden, terms.pullback(terms.d_log_probs, none), none),
            dense.norms(*hidden, terms.pullback(none, none), terms.d_values),
            dense.norms(*hidden, terms.pullback(none, terms.d_entropies), none),
            dense.norms(*hidden, terms.pullback(terms.d_log_probs, terms.d_entropies), terms.d_values),
        )
