"""The learner: what makes better weights of a rollout. It has no environments, and collects nothing."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ppo_scope.ppo import leashes, losses
from ppo_scope.ppo.engines import engine_of
from ppo_scope.ppo.estimates import batch_of
from ppo_scope.ppo.inference import inference_of
from ppo_scope.ppo.judging import judge, judged, scaled_rewards
from ppo_scope.ppo.networks import ActorCritic
from ppo_scope.ppo.normalization import RewardScale, RunningStatistics
from ppo_scope.ppo.objects import Tree
from ppo_scope.ppo.optimisation import Optimisation
from ppo_scope.ppo.outcome import OptimisationPosition, Outcome, Position
from ppo_scope.ppo.phases import Batch, Judged, Phase, PhaseKind, Update
from ppo_scope.ppo.rollout import Rollout
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.spaces import Spaces


class Learner:
    """The networks, their optimizer, and all else that an update moves: together, a `Position`.

    `weights`: the seed that they are initialised by; `shuffling` draws the order of samples; `asynchronous` is
    explained at `Optimisation`.
    """

    def __init__(
        self,
        settings: Settings,
        spaces: Spaces,
        device: torch.device,
        *,
        weights: int,
        shuffling: np.random.Generator,
        asynchronous: bool,
    ) -> None:
        self._spaces, self._device = spaces, device
        self.network = ActorCritic(spaces, settings, weights, device)
        engine = engine_of(self.network, spaces.distribution)
        self.optimisation = Optimisation(self.network, engine, shuffling, asynchronous=asynchronous)
        self.inference = inference_of(self.network)
        """The policy that collects, and is judged; it takes over the weights when it is told to."""
        self.observation_statistics = RunningStatistics(spaces.observation_shape)
        self.reward_scale = RewardScale(settings.num_envs) if settings.normalize_rewards else None
        self.adapted = leashes.Adapted.of(settings)

    def position(self) -> Position:
        """A copy of all that an update moves."""
        return Position(self.optimisation.position(), copy.deepcopy(self.reward_scale), self.adapted)

    def return_to(self, position: Position) -> None:
        """Become what it was there."""
        self.optimisation.return_to(position.optimisation)
        self.reward_scale = copy.deepcopy(position.reward_scale)
        self.adapted = position.adapted

    @contextlib.contextmanager
    def visit(self, position: Position) -> Iterator[None]:
        """Be what it was there, for as long as somebody looks."""
        here = self.position()
        try:
            self.return_to(position)
            yield
        finally:
            self.return_to(here)

    def stand_at(self, state: Tree, settings: Settings, *, reseeded: bool) -> None:
        """Become the learner of a state that was kept: see `Trainer.stand_at`."""
        moments = {name: torch.from_numpy(np.array(moment)) for name, moment in state["adam"].items()}
        theta = torch.from_numpy(np.array(state["theta"]))
        shuffling = self.optimisation.position().shuffling if reseeded else state["shuffling"]
        self.optimisation.return_to(OptimisationPosition(theta, moments, shuffling))
        self.observation_statistics.return_to(state["observation_statistics"])
        if settings.normalize_observations:
            self.network.normalize_by(self.observation_statistics)
        if self.reward_scale is not None:
            self.reward_scale.return_to(state["reward_scale"])
        self.adapted = leashes.Adapted(**state["adapted"])

    def begin(self, index: int, settings: Settings, steps: int, rollout: Rollout, theta: Tensor) -> Update:
        """The record of an update that begins after so many steps of the run, with weights θ [P]."""
        rate = leashes.learning_rate(settings, self.adapted, steps)
        in_force = leashes.in_force(settings, self.adapted, steps)
        update = Update(index, in_force, rate, rollout, theta, chosen=settings)
        self.optimisation.begin(update)
        return update

    def learn(self, update: Update) -> Iterator[Phase]:
        """An update phase by phase, once its rollout is there: advantages, then epochs of minibatches.

        Raises:
            NotFiniteError: before the weights would be touched by what is not finite, or at the end of epochs in which
                nothing waited for the device.
        """
        start = time.perf_counter()
        if update.judged is None:
            update.judged = judged(update.rollout, self.inference, self._spaces, self._device)
        update.rewards = scaled_rewards(update, self.reward_scale)
        update.batch, update.deltas = batch_of(update.judged, update.rollout, update.rewards, update.set_to)
        update.seconds_advantages = time.perf_counter() - start
        yield Phase(PhaseKind.ADVANTAGES, update)
        yield from self._epochs(update, update.batch)
        self.optimisation.end(update)
        self._adapt(update, update.batch, update.judged)

    def redo(
        self, last: Update, before: Position, steps: int, values: dict[str, Any], on_phase: Callable[[Phase], None]
    ) -> Outcome:
        """An update that began at `before`, after so many steps of the run, made anew: see `Trainer.redo`."""
        settings = last.set_to.changed(**values)
        with self.visit(before):
            self.adapted = self.adapted.set_by_hand(settings, set(values))
            update = self.begin(last.index, settings, steps, last.rollout, last.theta_before)
            update.judged, update.by_hand = last.judged, frozenset(values)
            for phase in self.learn(update):
                on_phase(phase)
            outcome = Outcome(update, self.position())
            on_phase(outcome.phase)
            return outcome

    def take_in(self, rollout: Rollout, settings: Settings) -> None:
        """Normalise by these observations, too. Only between updates: the policy that collects must be the one that is
        judged.
        """
        if settings.normalize_observations:
            self.observation_statistics.update(rollout.observations[:-1][rollout.trained])
            self.network.normalize_by(self.observation_statistics)

    def _epochs(self, update: Update, batch: Batch) -> Iterator[Phase]:
        """All passes over the batch; fewer where target_kl ends them."""
        minibatches = update.settings.minibatches
        for epoch in range(1, update.settings.epochs + 1):
            yield from self.optimisation.epoch(update, batch, epoch)
            yield Phase(PhaseKind.EPOCH, update, epoch, len(update.minibatches) - (epoch - 1) * minibatches)
            if update.stopped_by_kl:
                return

    def _adapt(self, update: Update, batch: Batch, judged: Judged) -> None:
        """Take over where the KL has brought α, and move β by the KL that the update has come to."""
        settings = update.settings
        if settings.desired_kl is not None:
            self.adapted = replace(self.adapted, learning_rate=update.learning_rate)
        if settings.kl_coef_target is not None and leashes.adapts_kl_coef(settings):
            outputs, _ = judge(self.inference, judged.observations, self._device, judged.action_masks)
            kl = self._spaces.distribution.kl(batch.outputs, outputs) @ losses.mean_weights(batch.trained)
            moved = leashes.next_kl_coef(settings.kl_coef, kl.item(), settings.kl_coef_target)
            self.adapted = replace(self.adapted, kl_coef=moved)
