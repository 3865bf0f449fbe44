"""rsl_rl, which Isaac Lab trains with: a class path in its config.

    algorithm = {"class_name": "ppo_scope.attach.rsl_rl:PPO", …}

The class is rsl_rl's own PPO, whose `update` tells what it does: its storage which samples a minibatch holds, its actor
and critic what they make of them. Recurrent models, symmetry and random network distillation are not known here: such a
run trains and is not watched, which is said.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from rsl_rl.algorithms import PPO as Theirs  # noqa: N811  # ours is called as theirs
from torch import Tensor

from ppo_scope.attach.actor_critic import ActorCritic
from ppo_scope.attach.connecting.server import server_of
from ppo_scope.attach.episodes import Episodes
from ppo_scope.attach.facts import Facts, as_read, facts_of
from ppo_scope.attach.late import Brief, LateUpdate
from ppo_scope.attach.loop import Loop, clipping, drawing
from ppo_scope.attach.report import Beside
from ppo_scope.attach.stored import StorageForm, Stored
from ppo_scope.attach.watcher import Watcher, guarded, say
from ppo_scope.probes.record import PhaseKind

UNSEEN = "This run of rsl_rl is not watched: {what} is not known here. The training goes on."
OTHER = "the storage does not draw its minibatches as in the version of rsl_rl that this is written for"
BOUNDS = 1e-5, 1e-2
"""Of α, where it is adapted to the KL; they stand in rsl_rl's `update`."""
ATTRIBUTES = {
    "clip_range": "clip_param",
    "value_coef": "value_loss_coef",
    "entropy_coef": "entropy_coef",
    "epochs": "num_learning_epochs",
    "max_grad_norm": "max_grad_norm",
    "desired_kl": "desired_kl",
}
CHECKED = 16
"""At every so many updates it is checked again what its variables and its samples are."""


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
        with loop.leaving(), loop.listening():
            found = dict(super().update())
        loop.ended()
        if loop.watcher.stopping:
            loop.watcher.close()
            raise SystemExit(0)
        return found


class Watched(Loop):
    """The loop of one algorithm."""

    policy: ActorCritic

    def __init__(self, algorithm: Any) -> None:
        super().__init__()
        self._algorithm, storage = algorithm, algorithm.storage
        self._episodes = Episodes()
        layout = storage.num_transitions_per_env, storage.num_envs
        self._given = torch.zeros(layout, device=algorithm.device)
        self._cut = torch.zeros(layout, dtype=torch.bool, device=algorithm.device)
        self._rows = list(zip(self._given.unbind(), self._cut.unbind(), strict=True))  # both by step
        self._order: NDArray[np.int64] | None = None
        self._brief: list[Brief] = []  # the update's
        self._alphas: list[float] = []  # of minibatches, which the update has not taken over; so the norms
        self._norms: list[Tensor] = []  # of actor and critic, minibatch by minibatch
        self._first = self._checked = self._by_name = False
        self._answers = contextlib.ExitStack()  # hooks of what is not known by its name
        self._stepping: Any = None  # the hook of the optimizer, which only a loop that is looked at closely needs
        self._told: dict[str, Any] = {}
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
            changeable=(*names, *([] if adapted else ["learning_rate"])),
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
        given, cut = self._rows[self._algorithm.storage.step]
        given.copy_(rewards if rewards.ndim == 1 else rewards.flatten())
        late = extras.get("time_outs")
        if late is None:
            cut.zero_()
        else:
            cut.copy_(late if late.ndim == 1 else late.flatten())

    @guarded
    def collected(self) -> None:
        """A rollout is whole."""
        algorithm, storage = self._algorithm, self._algorithm.storage
        self.left()
        self._index += 1
        self._take_changes()
        form = StorageForm.of(algorithm, gaussian=self.distribution is not None)
        stored = Stored.of(form, storage, self._given, self._cut)
        rewards = stored.given
        ended = self._episodes.take(rewards, stored.ends, self.steps, np.ones(rewards.shape, np.bool_))
        self.steps += rewards.size
        alpha, theta = float(algorithm.learning_rate), self.policy.theta()
        update = LateUpdate(self._index, self._facts, alpha, theta, (form, stored), ended)
        update.size = rewards.size // algorithm.num_mini_batches
        self._brief, self._alphas, self._norms, self._first = update.brief, [], [], True
        self._checked = self._index % CHECKED == 1 or not self._by_name
        self._begin(update, ended)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """What `update` calls tells what it does."""
        storage = self._algorithm.storage
        generate, backward = storage.mini_batch_generator, torch.Tensor.backward

        def differentiated(loss: Tensor, *arguments: Any, **named: Any) -> None:
            self._minibatch(sys._getframe(1).f_locals)
            backward(loss, *arguments, **named)  # type: ignore[no-untyped-call]

        storage.mini_batch_generator = lambda *arguments: self._getting(generate(*arguments))
        torch.Tensor.backward = differentiated  # type: ignore[assignment,method-assign]
        try:
            with clipping(self._clipped), self._answers:
                if self._checked:
                    self._ask()
                yield
        finally:
            torch.Tensor.backward = backward  # type: ignore[method-assign]
            del storage.mini_batch_generator
            if self._stepping is not None:
                self._stepping.remove()
                self._stepping = None

    def _ask(self) -> None:
        """Actor and critic tell what they answer."""
        actor, critic = self._algorithm.actor, self._algorithm.critic
        ask = actor.get_output_log_prob

        def asked(actions: Tensor) -> Tensor:
            found: Tensor = ask(actions)
            self._log_prob = found
            return found

        def valued(_: Any, __: Any, found: Tensor) -> None:
            if found.requires_grad:  # not one of ours, which only look
                self._value = found

        actor.get_output_log_prob = asked
        self._answers.callback(vars(actor).pop, "get_output_log_prob")
        self._answers.callback(critic.register_forward_hook(valued).remove)

    def ended(self) -> None:
        """The update is over."""
        self.left()

    def left(self) -> None:
        """See `Loop`."""
        if self._open:
            self._settle()
        super().left()

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
            if number % per_epoch == 0 and perf_counter() >= self.watcher.next_look:
                self._end_epoch()
            batch = next(minibatches, None)

    @guarded
    def _ordered(self, drawn: list[Any]) -> None:
        if len(drawn) != 1:
            raise RuntimeError(OTHER)
        self._order = drawn[0].cpu().numpy()

    @guarded
    def _minibatch(self, theirs: Mapping[str, Any]) -> None:
        """The loss of a minibatch is there; `theirs`: the variables of `update`."""
        if self._first:
            self._first = False
            if self._checked:
                self._begins_with(theirs)
            self._about_to_step()
        if self._by_name:
            values, log_prob, entropy = theirs["values"], theirs["actions_log_prob"], theirs["entropy"]
        else:
            values, log_prob, entropy = self._value, self._log_prob, self._entropy()
        epoch, number = self._within
        update, order = self._update, self._order
        assert update is not None and order is not None
        samples = order[(number - 1) * update.size : number * update.size]
        answers = values.detach(), log_prob.detach(), entropy.detach()
        self._brief.append(Brief(epoch, samples, self._data.advantages, *answers))
        self._alphas.append(self._algorithm.learning_rate)
        if perf_counter() >= self.watcher.next_look:
            self._at(PhaseKind.LOSS)

    def _begins_with(self, theirs: Mapping[str, Any]) -> None:
        """An update's first minibatch: what holds for it holds for the others."""
        update, order = self._update, self._order
        assert isinstance(update, LateUpdate) and order is not None
        self._expect_of_the_rollout(update.source[1], self._data, order[: update.size])
        values, log_prob, entropy = (theirs.get(name) for name in ("values", "actions_log_prob", "entropy"))
        self._by_name = False
        if values is self._value and log_prob is self._log_prob and isinstance(entropy, Tensor):
            self._by_name = torch.equal(entropy, self._entropy())
        if self._by_name:
            self._answers.close()
            del self._value, self._log_prob  # and with them their graphs

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
        """The update takes over what has come since somebody asked."""
        update, pairs = self._update, len(self._norms) // 2
        assert isinstance(update, LateUpdate)
        alphas, self._alphas = self._alphas, []
        for alpha in alphas:
            update.learning_rate_raised += alpha > update.learning_rate
            update.learning_rate_lowered += alpha < update.learning_rate
            update.learning_rate = alpha
        if pairs:
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
        told |= {"num_envs": storage.num_envs, "rollout_steps": storage.num_transitions_per_env}
        if told != self._told:
            self._told, self._facts = told, facts_of(told)
        return self._facts


def _unknown(algorithm: Any) -> str | None:
    """What of it is not known here."""
    parts = {
        "a recurrent model": algorithm.actor.is_recurrent or algorithm.critic.is_recurrent,
        "a symmetry loss or augmentation": algorithm.symmetry,
        "random network distillation": algorithm.rnd,
        "training on several devices": algorithm.is_multi_gpu,
    }
    return next((what for what, there in parts.items() if there), None)
