"""The training loop, as a generator of phases.

Whoever drives it decides when the next phase happens: pausing is not asking for it. Running at full speed and
stepping by hand execute the same code and produce the same bits.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ppo_scope.ppo import finite, losses
from ppo_scope.ppo.advantages import gae
from ppo_scope.ppo.environments import Environments
from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.networks import ActorCritic, NumpyNetworks
from ppo_scope.ppo.normalization import RewardScale, RunningStatistics
from ppo_scope.ppo.phases import Batch, Change, Minibatch, Phase, PhaseKind, Update
from ppo_scope.ppo.rollout import Collector, Episode, Floats, Rollout
from ppo_scope.ppo.settings import Settings

ADAM_EPS = 1e-5
EPISODES_AVERAGED = 100


class Trainer:
    """PPO on one environment.

    `between_steps` is called after every step of a rollout, the one phase whose length the environment decides: for
    signs of life, not for anything that takes time.

    Raises:
        UnusableEnvironment: the environment cannot be trained on.
    """

    def __init__(self, settings: Settings, between_steps: Callable[[], None] = lambda: None) -> None:
        self.settings = settings
        self.device = _device(settings.device)
        streams = np.random.SeedSequence(settings.seed).spawn(3)
        self._acting, self._shuffling = (np.random.default_rng(stream) for stream in streams[:2])
        self.environments = Environments(settings.env, settings.num_envs, settings.seed)
        spaces = self.environments.spaces
        seed = int(streams[2].generate_state(1)[0])
        self.distribution = spaces.distribution
        self.network = ActorCritic(spaces, settings, seed)
        self.network.to_device(self.device)
        self._theta = torch.nn.Parameter(self.network.theta)
        self._optimizer = torch.optim.Adam([self._theta], lr=settings.learning_rate, eps=ADAM_EPS, fused=True)
        self._fast = NumpyNetworks(self.network)
        self._collector = Collector(self.environments, between_steps)
        # Two, in turn: what is shown of an update stays whole while the next rollout is collected, even where it fails.
        self._rollouts = [Rollout.empty(settings.rollout_steps, settings.num_envs, spaces) for _ in range(2)]
        self._observation_statistics = RunningStatistics(spaces.observation_shape)
        self._reward_scale = RewardScale(settings.num_envs) if settings.normalize_rewards else None
        self._pending: dict[str, Any] = {}
        self.changes: list[Change] = []
        self.episodes: deque[Episode] = deque(maxlen=EPISODES_AVERAGED)
        self.updates = 0
        self.steps = 0
        self._under_way = False

    @property
    def pending(self) -> dict[str, Any]:
        """Changes that wait for the next update."""
        return dict(self._pending)

    @property
    def finished(self) -> bool:
        """Whether total_steps is reached, and the update that reached it is done."""
        total = self.settings.total_steps
        return total is not None and self.steps >= total and not self._under_way

    def change(self, name: str, value: Any) -> None:
        """Change a live setting from the next update on.

        Raises:
            ValueError: there is no such setting, it is not live, or the value does not fit the others.
        """
        if name not in self.settings.live():
            known = name in type(self.settings).model_fields
            raise ValueError(f"{name}: {'changes only with a new run' if known else 'there is no such setting'}")
        wanted = self.settings.changed(**{**self._pending, name: value})
        if getattr(wanted, name) == getattr(self.settings, name):
            self._pending.pop(name, None)
        else:
            self._pending[name] = getattr(wanted, name)

    def weights_sha256(self) -> str:
        """A fingerprint of θ: equal if and only if all weights are equal bit for bit."""
        return hashlib.sha256(self.network.theta.cpu().numpy().tobytes()).hexdigest()

    def judge(self, observations: Floats) -> tuple[Tensor, Tensor]:
        """(policy outputs [S, O], V [S]) of normalised observations [S, D] under the present weights; no gradient."""
        self._fast.refresh()
        outputs, values = self._fast.outputs(observations), self._fast.values(observations)
        return torch.from_numpy(outputs).to(self.device), torch.from_numpy(values).to(self.device)

    def close(self) -> None:
        """Release the environments."""
        self.environments.close()

    def phases(self) -> Iterator[Phase]:
        """The run, phase by phase, until total_steps is reached.

        Raises:
            NotFiniteError: before the weights would be touched. The update is abandoned and leaves no trace but in the
                environments; asking for phases anew goes on with the next rollout.
        """
        while not self.finished:
            steps, episodes = self.steps, self.episodes.copy()
            self._under_way = True
            try:
                yield from self._update()
            except NotFiniteError:
                self.steps, self.episodes = steps, episodes
                raise
            finally:
                self._under_way = False

    def _update(self) -> Iterator[Phase]:
        settings = self._apply_changes()
        rollout = self._rollouts[self.updates % 2]
        update = Update(self.updates + 1, settings, self._learning_rate(), rollout, self.network.theta.clone())
        self._optimizer.param_groups[0]["lr"] = update.learning_rate
        self._fast.refresh()
        self._collector.collect(self._fast, update.rollout, self._acting, self.steps)
        finite.check_rollout(update.rollout)
        self.steps += update.rollout.transitions
        self.episodes.extend(update.rollout.episodes)
        yield Phase(PhaseKind.ROLLOUT, update)

        start = time.perf_counter()
        update.batch = self._batch(update.rollout, settings)
        update.seconds_advantages = time.perf_counter() - start
        yield Phase(PhaseKind.ADVANTAGES, update)

        epoch, done = 0, 0
        for epoch in range(1, settings.epochs + 1):
            yield from self._epoch(update, update.batch, epoch)
            done = len(update.minibatches) - (epoch - 1) * settings.minibatches
            yield Phase(PhaseKind.EPOCH, update, epoch, done)
            if update.stopped_by_kl:
                break
        self.updates += 1
        self._take_in_observations(update.rollout, settings)
        # Not under way any more before it is yielded: whoever looks now finds the run finished if it is.
        self._under_way = False
        yield Phase(PhaseKind.UPDATE, update, epoch, done)

    def _apply_changes(self) -> Settings:
        for name, new in self._pending.items():
            self.changes.append(Change(self.updates + 1, name, getattr(self.settings, name), new))
        self.settings = self.settings.changed(**self._pending)
        self._pending = {}
        return self.settings

    def _learning_rate(self) -> float:
        if not self.settings.anneal_learning_rate or self.settings.total_steps is None:
            return self.settings.learning_rate
        return self.settings.learning_rate * max(0.0, 1.0 - self.steps / self.settings.total_steps)

    @torch.no_grad()
    def _batch(self, rollout: Rollout, settings: Settings) -> Batch:
        """Judge a rollout with the networks that collected it, and estimate its advantages."""
        steps, num_envs = rollout.rewards.shape
        seen = self._fast.normalized(rollout.observations.reshape((steps + 1) * num_envs, -1))
        actions = torch.from_numpy(rollout.actions.reshape(steps * num_envs, *rollout.actions.shape[2:])).to(
            self.device
        )
        outputs, values = self.judge(seen)
        log_probs, _ = self.distribution.evaluate(outputs[: len(actions)], actions)
        all_values = values.cpu().numpy().reshape(steps + 1, num_envs)
        estimated = gae(
            self._scaled_rewards(rollout, settings),
            all_values,
            rollout.terminated,
            rollout.truncated,
            settings.discount,
            settings.gae_lambda,
        )
        finite.check_estimates(values=all_values, advantages=estimated)
        advantages = torch.from_numpy(estimated.reshape(-1)).to(self.device)
        values = values[: len(actions)]
        return Batch(
            observations=torch.from_numpy(seen[: len(actions)]).to(self.device),
            actions=actions,
            trained=torch.from_numpy(rollout.trained.reshape(-1)).to(self.device),
            outputs=outputs[: len(actions)],
            log_probs=log_probs,
            values=values,
            advantages=advantages,
            targets=advantages + values,
        )

    def _scaled_rewards(self, rollout: Rollout, settings: Settings) -> Floats:
        if self._reward_scale is None:
            return rollout.rewards
        ends = rollout.terminated | rollout.truncated
        return self._reward_scale(rollout.rewards, ends, rollout.trained, settings.discount)

    def _take_in_observations(self, rollout: Rollout, settings: Settings) -> None:
        """Only between updates: the policy that collects must be the one that is judged."""
        if settings.normalize_observations:
            self._observation_statistics.update(rollout.observations[:-1][rollout.trained])
            self.network.normalize_by(self._observation_statistics)

    def _epoch(self, update: Update, batch: Batch, epoch: int) -> Iterator[Phase]:
        """Pass once over the batch, in a new order."""
        start = time.perf_counter()
        settings = update.settings
        permutation = self._shuffling.permutation(settings.batch_size)
        trained_rows = update.rollout.trained.reshape(-1)[permutation].reshape(settings.minibatches, -1)
        populated = [bool(row.any()) for row in trained_rows]
        order = torch.from_numpy(permutation).to(self.device)
        shuffled = Batch(*(getattr(batch, name)[order] for name in Batch.__dataclass_fields__))
        samples = order.view(settings.minibatches, -1)
        trained = shuffled.trained.view_as(samples)
        advantages = _advantages_used(batch, shuffled, settings).view_as(samples)
        weights = losses.mean_weights(trained)
        update.seconds_optimise += time.perf_counter() - start

        for index in range(settings.minibatches):
            start = time.perf_counter()
            part = slice(index * settings.minibatch_size, (index + 1) * settings.minibatch_size)
            used = samples[index], trained[index], advantages[index]
            minibatch = self._loss(update, shuffled, part, used, weights[index], epoch, index + 1)
            update.minibatches.append(minibatch)
            update.seconds_optimise += time.perf_counter() - start
            yield Phase(PhaseKind.LOSS, update, epoch, index + 1)
            if not populated[index]:
                continue  # nothing but autoreset rows: nothing to learn, and Adam must not coast on its moments
            if self._exceeds_target_kl(minibatch, weights[index], settings):
                update.stopped_by_kl = True
                return

            start = time.perf_counter()
            gradient = self.network.gradient(minibatch.loss)
            minibatch.loss = minibatch.loss.detach()
            minibatch.gradient_norm = torch.linalg.vector_norm(gradient)
            finite.check_gradient(minibatch, gradient, self.network)
            update.seconds_optimise += time.perf_counter() - start
            yield Phase(PhaseKind.GRADIENT, update, epoch, index + 1)

            start = time.perf_counter()
            self._step(gradient, minibatch.gradient_norm, settings.max_grad_norm)
            update.seconds_optimise += time.perf_counter() - start
            yield Phase(PhaseKind.STEP, update, epoch, index + 1)

    def _loss(
        self,
        update: Update,
        batch: Batch,
        part: slice,
        used: tuple[Tensor, Tensor, Tensor],
        weights: Tensor,
        epoch: int,
        index: int,
    ) -> Minibatch:
        """L = L_PG + c₁·L_VF − c₂·S on one minibatch; the result's `loss` still carries its graph."""
        settings = update.settings
        samples, trained, mb_advantages = used
        outputs, values = self.network(batch.observations[part])
        log_probs, entropies = self.distribution.evaluate(outputs, batch.actions[part])
        logratio = log_probs - batch.log_probs[part]
        policy_loss = losses.clipped_policy_loss(losses.ratio_of(logratio), mb_advantages, settings.clip_range).dot(
            weights
        )
        value_loss = losses.value_loss(values, batch.targets[part], batch.values[part], settings.value_clip_range).dot(
            weights
        )
        entropy = entropies.dot(weights)
        loss = policy_loss + settings.value_coef * value_loss - settings.entropy_coef * entropy
        return Minibatch(
            epoch=epoch,
            index=index,
            samples=samples,
            trained=trained,
            advantages=mb_advantages,
            logratio=logratio.detach(),
            outputs=outputs.detach(),
            policy_loss=policy_loss.detach(),
            value_loss=value_loss.detach(),
            entropy=entropy.detach(),
            loss=loss,
        )

    def _exceeds_target_kl(self, minibatch: Minibatch, weights: Tensor, settings: Settings) -> bool:
        if settings.target_kl is None:
            return False
        logratio = minibatch.logratio
        k3 = (logratio.expm1() - logratio).dot(weights)
        return bool(k3 > 1.5 * settings.target_kl)

    def _step(self, gradient: Tensor, norm: Tensor, limit: float | None) -> None:
        if limit is not None:
            gradient.mul_((limit / (norm + 1e-6)).clamp(max=1.0))
        self._theta.grad = gradient
        self._optimizer.step()
        self._theta.grad = None


def _advantages_used(batch: Batch, shuffled: Batch, settings: Settings) -> Tensor:
    """Advantages as the loss takes them, in shuffled order [S]."""
    advantages, trained = shuffled.advantages, shuffled.trained
    if settings.normalize_advantages == "minibatch":
        rows = (settings.minibatches, -1)
        return losses.normalize(advantages.view(rows), trained.view(rows)).view(-1)
    if settings.normalize_advantages == "batch":
        return losses.normalize(advantages, trained)
    return advantages


def _device(name: str) -> torch.device:
    """Raises:
    ValueError: this machine or this build of torch has no such device.
    """
    if name == "auto":
        return torch.device("cpu")
    if (name == "cuda" and not torch.cuda.is_available()) or (name == "mps" and not torch.backends.mps.is_available()):
        raise ValueError(f"device: {name} is not available to torch here; use cpu, or auto")
    return torch.device(name)
