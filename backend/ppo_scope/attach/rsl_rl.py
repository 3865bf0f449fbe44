"""rsl_rl, which Isaac Lab trains with: a class path in its config.

    algorithm = {"class_name": "ppo_scope.attach.rsl_rl:PPO", …}

The class is rsl_rl's own PPO, whose `update` tells what it does: its storage which samples a minibatch holds, its actor
and critic what they make of them. Recurrent models, symmetry and random network distillation are not known here: such a
run trains and is not watched, which is said.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from rsl_rl.algorithms import PPO as Theirs  # noqa: N811  # ours is called as theirs
from tensordict import TensorDict
from torch import Tensor, nn

from ppo_scope.attach.buffered import LateUpdate
from ppo_scope.attach.episodes import Episodes
from ppo_scope.attach.loop import Loop, clipping, drawing
from ppo_scope.attach.policy import AT_ONCE, Policy
from ppo_scope.attach.record import Facts, Told, as_read
from ppo_scope.attach.report import Beside
from ppo_scope.attach.scope import facts_of
from ppo_scope.attach.server import server_of
from ppo_scope.attach.stored import StorageForm, Stored
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
            self._loop.stepped(rewards, extras)
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


def _copied(found: Tensor) -> NDArray[Any]:
    """What is written over in the next rollout."""
    copied: NDArray[Any] = found.detach().to("cpu", copy=True).numpy()
    return copied


def _by_step(each: Sequence[Tensor], dtype: Any) -> NDArray[Any]:
    """[M, N] of [N] or [N, 1], taken from where they are all at once."""
    stacked: NDArray[Any] = torch.stack(list(each)).detach().flatten(1).cpu().numpy()
    return stacked.astype(dtype, copy=False)


class Watched(Loop):
    """The loop of one algorithm."""

    policy: ActorCritic

    def __init__(self, algorithm: Any) -> None:
        super().__init__()
        self._algorithm, storage = algorithm, algorithm.storage
        self._episodes = Episodes()
        self._given: list[Tensor] = []  # R of each step
        self._late: list[Tensor | None] = []  # and which episodes it cut, where the environments tell it
        self._order: NDArray[np.int64] | None = None
        self._norms: list[Tensor] = []  # of actor and critic, minibatch by minibatch
        self._stepping: Any = None  # the hook of the optimizer, which only a loop that is looked at closely needs
        self._says_entropy = False  # `update` has it under this name
        self.env, self.steps = algorithm.world, 0
        self.policy = ActorCritic(algorithm)
        width = sum(storage.observations[name].shape[-1] for name in algorithm.actor.obs_groups)
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
    def stepped(self, rewards: Tensor, extras: dict[str, Any]) -> None:
        """A step of the environments, as they gave it: what its storage does not keep."""
        late = extras.get("time_outs")
        self._given.append(rewards.clone())
        self._late.append(None if late is None else late.clone())

    @guarded
    def collected(self) -> None:
        """A rollout is whole."""
        algorithm, storage = self._algorithm, self._algorithm.storage
        self._index += 1
        self._take_changes()
        rewards, nowhere = _by_step(self._given, np.float32), torch.zeros_like(self._given[0], dtype=torch.bool)
        cut = _by_step([nowhere if one is None else one for one in self._late], np.bool_)
        self._given, self._late, self._norms = [], [], []
        form = StorageForm(
            tuple(storage.observations.keys()),
            tuple(algorithm.actor.obs_groups),
            self.distribution is not None,
            algorithm.gamma * algorithm.lam,
        )
        stored = Stored(
            actions=_copied(storage.actions),
            stored=_copied(storage.rewards),
            given=rewards,
            cut=cut,
            dones=_copied(storage.dones),
            values=_copied(storage.values),
            log_probs=_copied(storage.actions_log_prob),
            returns=_copied(storage.returns),
            means=_copied(storage.distribution_params[0]),
            spreads=_copied(storage.distribution_params[1]),
            seen=tuple(_copied(storage.observations[name]) for name in form.groups),
        )
        ended = self._episodes.take(rewards, stored.ends, self.steps, np.ones(rewards.shape, np.bool_))
        self.steps += rewards.size
        alpha, theta = float(algorithm.learning_rate), self.policy.theta()
        update = LateUpdate(self._index, self._facts, alpha, theta, (form, stored), ended)
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
            self._log_prob = found.detach()
            return found

        def differentiated(loss: Tensor, *arguments: Any, **named: Any) -> None:
            self._minibatch(sys._getframe(1).f_locals.get("entropy"))
            backward(loss, *arguments, **named)  # type: ignore[no-untyped-call]

        storage.mini_batch_generator = lambda *arguments: self._getting(generate(*arguments))
        actor.get_output_log_prob = asked
        valued = critic.register_forward_hook(lambda _, __, found: self._valued(found))
        torch.Tensor.backward = differentiated  # type: ignore[assignment,method-assign]
        try:
            with clipping(self._clipped):
                yield
        finally:
            torch.Tensor.backward = backward  # type: ignore[method-assign]
            valued.remove()
            if self._stepping is not None:
                self._stepping.remove()
                self._stepping = None
            del actor.get_output_log_prob, storage.mini_batch_generator

    def ended(self) -> None:
        """The update is over."""
        self._settle()
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
            self._value = found.detach()

    @guarded
    def _minibatch(self, entropy: Any) -> None:
        """The loss of a minibatch is there; `entropy`: what `update` calls so."""
        update, data, log_prob = self._update, self._data, self._log_prob
        assert isinstance(update, LateUpdate) and self._order is not None
        first = (self._within[1] - 1) * update.size
        samples = self._order[first : first + update.size]
        if not update.told:
            self._expect_of_the_rollout(update.source[1], data, samples)
            self._says_entropy = isinstance(entropy, Tensor) and torch.equal(entropy, self._entropy())
            self._about_to_step()
        found = self._value, log_prob, entropy.detach() if self._says_entropy else self._entropy()
        alpha = self._algorithm.learning_rate
        update.learning_rate_raised += alpha > update.learning_rate
        update.learning_rate_lowered += alpha < update.learning_rate
        update.learning_rate = alpha
        update.told.append(Told(self._within[0], samples, Brought(None, None, data.advantages, None), found))
        if perf_counter() >= self.watcher.next_look:
            self._at(PhaseKind.LOSS)

    @torch.no_grad()
    def _entropy(self) -> Tensor:
        found: Tensor = self._algorithm.actor.output_entropy
        return found

    @staticmethod
    def _expect_of_the_rollout(stored: Stored, data: Any, samples: NDArray[np.int64]) -> None:
        """An update's first minibatch holds these samples of the rollout; so do the others."""
        columns = (
            (stored.log_probs, data.old_actions_log_prob),
            (stored.values, data.values),
            (stored.returns, data.returns),
        )
        if not all(np.array_equal(held.reshape(-1)[samples], one.cpu().numpy().reshape(-1)) for held, one in columns):
            raise RuntimeError(OTHER)

    def _clipped(self, norm: Tensor) -> None:
        """Actor and critic are cut off each by itself; their gradient as a whole is what is shown."""
        self._norms.append(norm)
        if perf_counter() >= self.watcher.next_look and len(self._norms) % 2 == 0:
            self._gradient_there()

    @guarded
    def _gradient_there(self) -> None:
        self._at(PhaseKind.GRADIENT)

    @guarded
    def _settle(self) -> None:
        """Take over the norms that have come since somebody asked."""
        update, pairs = self._update, len(self._norms) // 2
        if update is not None and pairs:
            both = torch.stack(self._norms[: 2 * pairs]).detach().view(pairs, 2)
            norms = both.square().sum(1).sqrt().unbind()
            update.gradient_norms.update(enumerate(norms, len(update.gradient_norms)))
            del self._norms[: 2 * pairs]

    def _at(self, kind: PhaseKind) -> None:
        if perf_counter() >= self.watcher.next_look:
            self._settle()
            super()._at(kind)

    def _closely(self) -> None:
        if self._stepping is None:
            self._stepping = self.optimizer.register_step_post_hook(lambda *_: self._step_made())

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
