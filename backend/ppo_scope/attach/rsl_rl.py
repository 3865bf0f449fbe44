"""rsl_rl, which Isaac Lab trains with: a class path in its config.

    algorithm = {"class_name": "ppo_scope.attach.rsl_rl:PPO", …}

The class is rsl_rl's own PPO, whose `update` tells what it does: its storage which samples a minibatch holds, its actor
and critic what they make of them. Recurrent models, symmetry and random network distillation are not known here: such a
run trains and is not watched, which is said.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from rsl_rl.algorithms import PPO as Theirs  # noqa: N811  # ours is called as theirs
from tensordict import TensorDict
from torch import Tensor, nn

from ppo_scope.attach.arrays import deltas_of
from ppo_scope.attach.buffered import without_graph
from ppo_scope.attach.episodes import Episodes
from ppo_scope.attach.facts import Facts, as_read, facts_of
from ppo_scope.attach.loop import Loop, clipping, drawing
from ppo_scope.attach.policy import AT_ONCE, Policy
from ppo_scope.attach.record import Batch, Rollout, Told, Update
from ppo_scope.attach.report import Beside
from ppo_scope.attach.server import server_of
from ppo_scope.attach.watcher import Watcher, guarded, say
from ppo_scope.ppo.distributions import DiagonalGaussian
from ppo_scope.probes.record import Minibatch, PhaseKind
from ppo_scope.probes.record import Update as AnyUpdate

UNSEEN = "This run of rsl_rl is not watched: {what} is not known here. The training goes on."
OTHER = "the storage does not draw its minibatches as in the version of rsl_rl that this is written for"
BOUNDS = 1e-5, 1e-2
"""Of α, where it is adapted to the KL; they stand in rsl_rl's `update`."""
GAUSSIAN = ("GaussianDistribution", "HeteroscedasticGaussianDistribution")
ATTRIBUTES = {
    "clip_range": "clip_param",
    "value_coef": "value_loss_coef",
    "entropy_coef": "entropy_coef",
    "epochs": "num_learning_epochs",
    "max_grad_norm": "max_grad_norm",
    "desired_kl": "desired_kl",
}


class PPO(Theirs):  # type: ignore[misc]  # rsl_rl has no types
    """Theirs, watched."""

    world = "an environment"

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._loop: Watched | None = None
        try:
            what = _unknown(self)
            self._loop = Watched(self) if what is None else None
        except Exception as error:  # ours, or that of a version that is made otherwise
            what = f"something of it ({error})"
        if what is not None:
            say(UNSEEN.format(what=what))

    @staticmethod
    def construct_algorithm(obs: Any, env: Any, cfg: dict[str, Any], device: str) -> Any:
        """As theirs; what is trained on has a name."""
        PPO.world = type(getattr(env, "unwrapped", env)).__name__
        return Theirs.construct_algorithm(obs, env, cfg, device)

    def process_env_step(self, obs: Any, rewards: Tensor, dones: Tensor, extras: dict[str, Any]) -> None:
        """As theirs; what the environments gave is noted."""
        if self._loop is not None:
            self._loop.stepped(rewards, dones, extras)
        super().process_env_step(obs, rewards, dones, extras)

    def update(self) -> dict[str, float]:
        """As theirs, phase by phase."""
        loop = self._loop
        if loop is None or loop.watcher.off:
            return dict(super().update())
        loop.collected()
        with loop.listening():
            found = dict(super().update())
        loop.ended()
        if loop.watcher.stopping:
            loop.watcher.close()
            raise SystemExit(0)
        return found


class Brought(NamedTuple):
    """A minibatch [B], by the names that records take it by; None: what the rollout has of its samples."""

    old_values: None
    old_log_prob: None
    advantages: Tensor
    returns: None


class ActorCritic(Policy):
    """Their actor and critic."""

    names = {"actor": "policy_trunk", "critic": "value_trunk"}  # noqa: RUF012  # nobody writes to it
    _module: Any

    def __init__(self, algorithm: Any) -> None:
        gaussian = type(algorithm.actor.distribution).__name__ in GAUSSIAN
        width = algorithm.storage.actions.shape[-1]
        known = DiagonalGaussian(np.full(width, -np.inf), np.full(width, np.inf)) if gaussian else None
        super().__init__(nn.ModuleDict({"actor": algorithm.actor, "critic": algorithm.critic}), known)

    def _without_graph(self) -> dict[int, Any]:
        """The distribution that the actor has in hand."""
        held = vars(self._module["actor"].distribution).values()
        return {id(one): None for one in held if isinstance(one, torch.distributions.Distribution)}

    def _put_out(self, module: Any, batch: Any, which: Tensor | None = None) -> Tensor:
        seen = _seen(batch, slice(None) if which is None else which)
        actor, made = module["actor"], []
        with _kept(actor):
            for part in seen.split(AT_ONCE):
                actor(part, stochastic_output=True)
                mean, spread = actor.output_mean, actor.output_std
                made.append(torch.cat([mean, spread.log().expand_as(mean)], -1).cpu())
        return torch.cat(made)

    def _values(self, module: Any, batch: Any) -> Tensor:
        return torch.cat([module["critic"](part).flatten().cpu() for part in _seen(batch, slice(None)).split(AT_ONCE)])

    def _evaluated(self, update: AnyUpdate, minibatch: Minibatch) -> tuple[Tensor, Tensor, Tensor | None]:
        batch: Any = update.batch
        which = minibatch.samples[minibatch.trained]
        actor, seen = self._module["actor"], _seen(batch, which)
        with _kept(actor):
            actor(seen, stochastic_output=True)
            log_prob = actor.distribution.log_prob(batch.actions[which].to(self.device))
            entropy = actor.output_entropy
            return self._module["critic"](seen).flatten(), log_prob, entropy


@contextlib.contextmanager
def _kept(actor: Any) -> Iterator[None]:
    """The distribution that the actor has in hand stays in its hand: the loss may not have been made of it yet."""
    before = dict(vars(actor.distribution))
    try:
        yield
    finally:
        vars(actor.distribution).update(before)


def _seen(batch: Any, which: Tensor | slice) -> TensorDict:
    """What the networks see, which may be several groups of numbers, of these samples."""
    return TensorDict({name: one[which] for name, one in batch.groups.items()}, len(batch.values[which]))


def _copied(found: Tensor | None) -> Tensor | None:
    return None if found is None else found.clone()


def _by_step(each: Sequence[Tensor], dtype: Any) -> NDArray[Any]:
    """[M, N] of [N] or [N, 1], taken from where they are all at once."""
    stacked: NDArray[Any] = torch.stack(list(each)).flatten(1).cpu().numpy()
    return stacked.astype(dtype)


class Watched(Loop):
    """The loop of one algorithm."""

    policy: ActorCritic

    def __init__(self, algorithm: Any) -> None:
        super().__init__()
        self._algorithm, storage = algorithm, algorithm.storage
        self._episodes = Episodes()
        self._steps: list[tuple[Tensor, Tensor, Tensor | None]] = []  # R, ends, cut
        self._order: NDArray[np.int64] | None = None
        self.env, self.steps = algorithm.world, 0
        self.policy = ActorCritic(algorithm)
        width = self._seen(storage.observations[:1]).shape[-1]
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (width,), np.float32)
        self.observation = f"{width} numbers: {', '.join(algorithm.actor.obs_groups)}"
        self._facts = self._facts_now()
        adapted = algorithm.schedule == "adaptive"
        names = [name for name in ATTRIBUTES if name != "desired_kl" or adapted]
        self.watcher = Watcher(
            self,
            self._facts,
            address=server_of(None, say),
            library="rsl_rl PPO",
            change={name: lambda _: None for name in (*names, *([] if adapted else ["learning_rate"]))},
            beside=Beside(self.as_it_is, "rsl_rl.modules") if self.policy.device.type == "cpu" else None,
        )

    @property
    def optimizer(self) -> Any:
        """The one that makes its steps."""
        return self._algorithm.optimizer

    # What the algorithm tells

    @guarded
    def stepped(self, rewards: Tensor, dones: Tensor, extras: dict[str, Any]) -> None:
        """A step of the environments, as they gave it."""
        self._steps.append((rewards.detach().clone(), dones.clone(), _copied(extras.get("time_outs"))))

    @guarded
    def collected(self) -> None:
        """A rollout is whole."""
        algorithm, storage = self._algorithm, self._algorithm.storage
        self._index += 1
        self._take_changes()
        given, dones, late = zip(*self._steps, strict=True)
        rewards, ends = _by_step(given, np.float32), _by_step(dones, np.bool_)
        nowhere = torch.zeros_like(dones[0])
        cut = _by_step([nowhere if one is None else one for one in late], np.bool_)
        self._steps = []
        ended = self._episodes.take(rewards, ends, self.steps, np.ones_like(ends))
        self.steps += rewards.size

        def by_step(found: Tensor) -> NDArray[Any]:
            copied: NDArray[Any] = found.detach().cpu().numpy().copy()
            return copied.reshape(*rewards.shape, *copied.shape[2:]) if copied.shape[-1] != 1 else copied[..., 0]

        values, targets = by_step(storage.values), by_step(storage.returns)
        observations, actions = self._seen(storage.observations), storage.actions.detach().cpu().clone()
        theta = self.policy.theta()
        batch = Batch(
            observations=observations.flatten(0, 1),
            actions=actions.flatten(0, 1),
            log_probs=torch.from_numpy(by_step(storage.actions_log_prob)).flatten(),
            values=torch.from_numpy(values).flatten(),
            advantages=torch.from_numpy(targets - values).flatten(),
            targets=torch.from_numpy(targets).flatten(),
            groups={name: one.flatten(0, 1).clone() for name, one in storage.observations.items()},
        )
        mean, spread = (one.flatten(0, 1).cpu() for one in storage.distribution_params)
        batch.told_outputs = torch.cat([mean, spread.log().expand_as(mean)], -1) if self.distribution else None
        deltas = deltas_of(targets - values, ends, algorithm.gamma * algorithm.lam)
        yes = np.ones(rewards.shape, np.bool_)
        rollout = Rollout(observations.numpy(), actions.numpy(), rewards, ends & ~cut, ends & cut, yes, tuple(ended))
        alpha = float(algorithm.learning_rate)
        used = by_step(storage.rewards)
        update = Update(self._index, self._facts, alpha, rollout, batch, theta, used, deltas)
        update.size = rewards.size // algorithm.num_mini_batches
        self._begin(update, ended)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """What `update` calls tells what it does."""
        algorithm = self._algorithm
        actor, storage, critic = algorithm.actor, algorithm.storage, algorithm.critic
        ask, generate, backward = actor.get_output_log_prob, storage.mini_batch_generator, torch.Tensor.backward

        def asked(actions: Tensor) -> Tensor:
            found: Tensor = ask(actions)
            with torch.no_grad():
                self._log_prob, self._entropy = found.detach(), actor.output_entropy
            return found

        def differentiated(loss: Tensor, *arguments: Any, **named: Any) -> None:
            self._minibatch()
            backward(loss, *arguments, **named)  # type: ignore[no-untyped-call]

        storage.mini_batch_generator = lambda *arguments: self._getting(generate(*arguments))
        actor.get_output_log_prob = asked
        valued = critic.register_forward_hook(lambda _, __, found: self._valued(found))
        step = algorithm.optimizer.register_step_post_hook(lambda *_: self._step_made())
        torch.Tensor.backward = differentiated  # type: ignore[assignment,method-assign]
        try:
            with clipping(self._clipped):
                yield
        finally:
            torch.Tensor.backward = backward  # type: ignore[method-assign]
            step.remove()
            valued.remove()
            del actor.get_output_log_prob, storage.mini_batch_generator

    def ended(self) -> None:
        """The update is over."""
        self._updated(stopped_by_kl=False)

    # Inside

    def _getting(self, minibatches: Iterator[Any]) -> Iterator[Any]:
        """The same minibatches, and which samples each holds."""
        with drawing(torch, "randperm") as drawn:
            batch = next(minibatches, None)
        self._ordered(drawn)
        per_epoch, number = self._algorithm.num_mini_batches, 0
        while batch is not None:
            self._within, self._data = (number // per_epoch + 1, number % per_epoch + 1), batch
            yield batch
            number += 1
            if number % per_epoch == 0:
                self._end_epoch()
            batch = next(minibatches, None)

    @guarded
    def _ordered(self, drawn: list[Any]) -> None:
        if len(drawn) != 1:
            raise RuntimeError(OTHER)
        self._order = drawn[0].cpu().numpy()

    def _valued(self, found: Tensor) -> None:
        if found.requires_grad:  # not one of ours, which only look
            self._value = found

    @guarded
    def _minibatch(self) -> None:
        """The loss of a minibatch is there."""
        update, data = self._update, self._data
        assert update is not None and update.batch is not None and self._order is not None
        first = (self._within[1] - 1) * update.size
        samples = self._order[first : first + update.size]
        if not update.told:
            self._expect_of_the_rollout(update.batch, data, torch.from_numpy(samples))
            self._about_to_step()
        brought = Brought(None, None, data.advantages.flatten(), None)
        update.learning_rate, before = float(self._algorithm.learning_rate), update.learning_rate
        update.learning_rate_raised += update.learning_rate > before
        update.learning_rate_lowered += update.learning_rate < before
        found = self._value.flatten(), self._log_prob.flatten(), self._entropy.flatten()
        update.told.append(Told(self._within[0], samples, brought, without_graph(found)))
        self._norms: list[Tensor] = []
        self._at(PhaseKind.LOSS)

    @staticmethod
    def _expect_of_the_rollout(batch: Batch, data: Any, samples: Tensor) -> None:
        """An update's first minibatch holds these samples of the rollout; so do the others."""
        columns = (
            (batch.log_probs, data.old_actions_log_prob),
            (batch.values, data.values),
            (batch.targets, data.returns),
        )
        if not all(torch.equal(held[samples], one.flatten().cpu()) for held, one in columns):
            raise RuntimeError(OTHER)

    def _clipped(self, norm: Tensor) -> None:
        """Actor and critic are cut off each by itself; their gradient as a whole is what is shown."""
        self._norms.append(norm.detach())
        if len(self._norms) == 2:
            self._differentiated(torch.stack(self._norms).square().sum().sqrt())

    def _seen(self, observations: Any) -> Tensor:
        """[M, N, D] that the actor sees."""
        groups = [observations[name] for name in self._algorithm.actor.obs_groups]
        return torch.cat(groups, dim=-1).detach().cpu().clone()

    def _take_changes(self) -> None:
        wanted, before = self.watcher.begins(), self._facts
        for name, value in wanted.items():
            if name == "learning_rate":
                self._algorithm.learning_rate = value
                for group in self._algorithm.optimizer.param_groups:
                    group["lr"] = value
            else:
                setattr(self._algorithm, ATTRIBUTES[name], as_read(name, value))
        self._facts = self._facts_now()
        for name in wanted:
            self.watcher.changed(name, getattr(before, name), getattr(self._facts, name), self._index)

    def _facts_now(self) -> Facts:
        algorithm, storage = self._algorithm, self._algorithm.storage
        told = {name: getattr(algorithm, attribute) for name, attribute in ATTRIBUTES.items()}
        told["desired_kl"] = told["desired_kl"] if algorithm.schedule == "adaptive" else None
        told |= {
            "learning_rate": float(algorithm.learning_rate),
            "minibatches": algorithm.num_mini_batches,
            "discount": algorithm.gamma,
            "gae_lambda": algorithm.lam,
            "value_clip_range": algorithm.clip_param if algorithm.use_clipped_value_loss else None,
            "normalize_advantages": "minibatch" if algorithm.normalize_advantage_per_mini_batch else "batch",
            "learning_rate_min": BOUNDS[0],
            "learning_rate_max": BOUNDS[1],
        }
        return facts_of({**told, "num_envs": storage.num_envs, "rollout_steps": storage.num_transitions_per_env})


def _unknown(algorithm: Any) -> str | None:
    """What of it is not known here."""
    parts = {
        "a recurrent model": algorithm.actor.is_recurrent or algorithm.critic.is_recurrent,
        "a symmetry loss or augmentation": algorithm.symmetry,
        "random network distillation": algorithm.rnd,
        "training on several devices": algorithm.is_multi_gpu,
    }
    return next((what for what, there in parts.items() if there), None)
