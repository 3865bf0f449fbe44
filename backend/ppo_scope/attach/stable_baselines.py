"""Way 2, `ppo_scope.watch(model)`: a PPO of Stable-Baselines3, as its authors wrote it.

    model = PPO("MlpPolicy", "CartPole-v1")
    ppo_scope.watch(model)
    model.learn(100_000)

What `PPO.train` calls is wrapped on this model alone: its buffer's `get`, its policy's `evaluate_actions`, the limit of
the gradient's norm, and its optimizer's step. Each does exactly what it did. Which samples a minibatch holds is known
from the order that the buffer draws of NumPy.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ppo_scope.attach.desk import Model
from ppo_scope.attach.episodes import LATEST
from ppo_scope.attach.foreign_policy import HABITS, ForeignPolicy
from ppo_scope.attach.record import Batch, Episode, Facts, Phase, Rollout, Told, Update
from ppo_scope.attach.report import Beside
from ppo_scope.attach.scope import facts_of
from ppo_scope.attach.server import server_of
from ppo_scope.attach.watcher import Watcher, guarded, say
from ppo_scope.probes.record import Floats, PhaseKind

REFUSED = (
    "ppo_scope.watch takes a PPO of Stable-Baselines3 or a MaskablePPO of sb3-contrib, and this is {what}. {why}A loop "
    "of one's own is shown by ppo_scope.Scope: see docs/attach.md."
)
NO_RATIO = "A2C makes one step with each rollout and has no ratio of policies to look at. "
SEVERAL = "They are a Dict, which is not known here yet. "
UNSUPPORTED = "It has a loss of its own, which is not known here yet. "
OTHER_ORDER = "the minibatches are not drawn as they were in the version of Stable-Baselines3 that this is written for"

KNOWN = {"stable_baselines3.PPO", "sb3_contrib.MaskablePPO"}
CHANGEABLE = ("clip_range", "value_coef", "entropy_coef", "epochs", "target_kl", "max_grad_norm")


def watch(model: Any, *, url: str | None = None, paused: bool = False) -> Any:
    """Show what this model's `learn` does from now on; the model.

    Args:
        model: a `stable_baselines3.PPO`, or a `sb3_contrib.MaskablePPO`, whose masks are honoured.
        url: the server's link; else that of `PPO_SCOPE_URL`; else a server is started that ends with this process.
        paused: wait for Play on the page before the first update.

    Raises:
        TypeError: it is something else.
        ValueError: the link is none.
    """
    why = why_not(model)
    if why is not None:
        raise TypeError(why)
    Watched(model, url, paused)
    return model


def why_not(model: Any) -> str | None:
    """Why this cannot be watched; None: it can."""
    names = [f"{one.__module__.partition('.')[0]}.{one.__name__}" for one in type(model).__mro__]
    what = names[0].replace("stable_baselines3.", "its ") if names else ""
    known = bool(KNOWN & set(names))
    if known and isinstance(model.observation_space, gym.spaces.Dict):
        return REFUSED.format(what="one of several observations at once", why=SEVERAL)
    if known:
        return None
    if "stable_baselines3.A2C" in names:
        return REFUSED.format(what="A2C", why=NO_RATIO)
    if "stable_baselines3.BaseAlgorithm" in names:
        return REFUSED.format(what=type(model).__name__, why=UNSUPPORTED)
    return REFUSED.format(what=f"a {type(model).__name__}" if what else "none", why="")


class Watched:
    """A model, its record, and its hooks."""

    def __init__(self, model: Any, url: str | None, paused: bool) -> None:
        self._model = model
        self._update: Update | None = None
        self._index = 0
        self._total: int | None = None  # steps that `learn` was asked for
        self._ends: list[tuple[int, Floats, NDArray[np.bool_]]] = []  # steps with an end in them: R, truncated
        self._ended: list[Episode] = []
        self._latest: list[Episode] = []
        self._within = (0, 0)
        self._order: NDArray[np.int64] | None = None
        self.policy = ForeignPolicy(model.policy, model.action_space)
        self.env = env_of(model)
        self.observation_space: gym.Space[Any] | None = model.observation_space
        self.observation = str(model.observation_space)
        self.is_image = bool(len(model.observation_space.shape or ()) == 3)
        self.distribution = self.policy.distribution
        self.reward_threshold = None
        self.abilities = replace(self.policy.abilities(), observations_counted=self.counted)
        self._facts = self._facts_now()
        self.watcher = Watcher(
            self,
            self._facts,
            address=server_of(url, say),
            library=f"Stable-Baselines3 {type(model).__name__}",
            change={name: lambda _: None for name in CHANGEABLE},
            paused=paused,
            seed=model.seed if isinstance(model.seed, int) else None,
            beside=Beside(self._as_it_is, type(model.policy).__module__) if model.device.type == "cpu" else None,
        )
        self._hook()

    @property
    def steps(self) -> int:
        """Transitions trained on so far."""
        return int(self._model.num_timesteps)

    @property
    def episodes(self) -> Sequence[Episode]:
        """The latest, of which means are taken."""
        return self._latest

    @property
    def model(self) -> Any:
        """The one that is watched."""
        return self._model

    def counted(self) -> tuple[float, float] | None:
        """(observations that VecNormalize knows, those that the model has learned from, in earlier runs too)."""
        normalizer = self._model.get_vec_normalize_env()
        if normalizer is None or not (normalizer.training and normalizer.norm_obs):
            return None
        statistics = normalizer.obs_rms
        if isinstance(statistics, dict):
            return None
        model = self._model
        # `learn` counts its steps anew; the epochs that were made are saved with the model.
        learned = model._n_updates // max(1, model.n_epochs) * model.n_steps * model.n_envs
        return float(statistics.count), float(max(model.num_timesteps, learned))

    def _as_it_is(self) -> Model:
        found = Model(self.env, self._model.observation_space, self.policy)
        found.latest.extend(self._latest)
        return found

    # The hooks: each does what it did, and says so

    def _hook(self) -> None:
        """The model becomes one of a class of its own: what is set on the model itself would be saved with it."""
        kind: Any = type(self._model)
        watched = self

        def collect_rollouts(me: Any, env: Any, callback: Any, *arguments: Any, **named: Any) -> bool:
            if me is not watched._model or watched.watcher.off:
                return bool(kind.collect_rollouts(me, env, callback, *arguments, **named))
            if watched.watcher.stopping:
                return False
            watched._ends, watched._ended = [], []
            watched._total = callback.locals.get("total_timesteps")
            return bool(kind.collect_rollouts(me, env, Listening(callback, watched._stepped), *arguments, **named))

        def train(me: Any) -> None:
            if me is watched._model and not watched.watcher.off:
                watched._collected()
            if me is not watched._model or watched.watcher.off:
                kind.train(me)
                return
            with watched._listening():
                kind.train(me)
            watched._updated()

        names = {"collect_rollouts": collect_rollouts, "train": train, "__module__": kind.__module__}
        self._model.__class__ = type(kind.__name__, (kind,), names)

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """What `train` calls tells what it does."""
        policy, buffer = self._model.policy, self._model.rollout_buffer
        get, evaluate, clip = buffer.get, policy.evaluate_actions, nn.utils.clip_grad_norm_

        def evaluated(*arguments: Any, **named: Any) -> Any:
            found = evaluate(*arguments, **named)
            self._judged(found)
            return found

        def clipped(parameters: Any, *arguments: Any, **named: Any) -> Tensor:
            norm = clip(parameters, *arguments, **named)
            self._differentiated(norm)
            return norm

        self.policy.evaluate = evaluate
        buffer.get, policy.evaluate_actions = lambda size=None: self._getting(get, size), evaluated
        nn.utils.clip_grad_norm_ = clipped  # where `train` finds it
        step = policy.optimizer.register_step_post_hook(lambda *_: self._step_made())
        try:
            yield
        finally:
            step.remove()
            nn.utils.clip_grad_norm_ = clip
            del policy.evaluate_actions, buffer.get

    @guarded
    def _stepped(self, found: dict[str, Any]) -> None:
        """A step of the environments has ended an episode. Where one was cut, V of its last state is about to be added
        to the reward; everything else can be read from the buffer later.
        """
        dones, infos = found["dones"], found["infos"]
        cut = np.zeros(len(dones), np.bool_)
        self._ends.append((found["n_steps"], np.array(found["rewards"], np.float32), cut))
        for row in np.flatnonzero(dones):
            cut[row] = infos[row].get("TimeLimit.truncated", False)
            if (episode := infos[row].get("episode")) is not None:
                self._ended.append(Episode(self.steps, float(episode["r"]), int(episode["l"])))

    @guarded
    def _collected(self) -> None:
        """A rollout is whole: the record of an update begins."""
        model, buffer = self._model, self._model.rollout_buffer
        self._index += 1
        self._take_changes()
        layout = buffer.buffer_size, buffer.n_envs
        rewards, cut = buffer.rewards.copy(), np.zeros(layout, np.bool_)
        for step, rewards[step], cut[step] in self._ends:  # noqa: B007  # as the environment gave them
            pass
        starts = [buffer.episode_starts[1:], model._last_episode_starts[None]]
        dones = np.concatenate(starts).astype(np.bool_)
        self._latest = (self._latest + self._ended)[-LATEST:]
        advantages, values = buffer.advantages.copy(), buffer.values.copy()
        following = np.concatenate([advantages[1:], np.zeros((1, layout[1]), np.float32)])
        deltas = advantages - model.gamma * model.gae_lambda * following * ~dones
        shape = model.action_space.shape if isinstance(model.action_space, gym.spaces.Box) else ()
        actions = buffer.actions.copy().reshape(
            *layout, *((int(np.prod(shape)),) if shape else buffer.actions.shape[2:])
        )
        if isinstance(model.action_space, gym.spaces.Discrete):
            actions = actions.reshape(layout).astype(np.int64)
        observations = buffer.observations.copy()

        def flat(found: NDArray[Any]) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(found.reshape(-1, *found.shape[2:])))

        batch = Batch(
            observations=flat(observations),
            actions=flat(actions),
            log_probs=flat(buffer.log_probs.copy()),
            values=flat(values),
            advantages=flat(advantages),
            targets=flat(buffer.returns.copy()),
            action_masks=flat(buffer.action_masks > 0) if hasattr(buffer, "action_masks") else None,
        )
        theta = self.policy.theta()
        if self.distribution is not None:
            batch.judged = lambda batch: self.policy.outputs_at(batch, theta)
        yes = np.ones(layout, np.bool_)
        rollout = Rollout(observations, actions, rewards, dones & ~cut, cut, yes, tuple(self._ended))
        self._update = Update(
            self._index, self._facts, self._alpha(), rollout, batch, theta, buffer.rewards.copy(), deltas
        )
        self._update.counted = self.counted()
        self._within, self._began = (0, 0), time.perf_counter()
        self._size = self._update.size = min(model.batch_size, len(batch.values))
        self._update.habits = replace(HABITS, normalizes=model.normalize_advantage)
        self.watcher.reached(Phase(PhaseKind.ADVANTAGES, self._update))

    def _getting(self, get: Callable[[Any], Iterator[Any]], size: int | None) -> Iterator[Any]:
        """An epoch: the same minibatches, and which samples each holds."""
        drawn: list[NDArray[np.int64]] = []
        minibatches, permutation = get(size), np.random.permutation

        def noted(*arguments: Any, **named: Any) -> Any:
            drawn.append(permutation(*arguments, **named))
            return drawn[-1]

        np.random.permutation = noted  # where the buffer finds it, as its first minibatch is asked for
        try:
            data = next(minibatches, None)
        finally:
            np.random.permutation = permutation
        self._begin_epoch(drawn)
        number = 1
        while data is not None:
            self._begin_minibatch(number, data)
            yield data
            data, number = next(minibatches, None), number + 1
        self._end_epoch()

    @guarded
    def _begin_epoch(self, drawn: list[NDArray[np.int64]]) -> None:
        buffer = self._model.rollout_buffer
        if len(drawn) != 1 or drawn[0].shape != (buffer.buffer_size * buffer.n_envs,):
            raise RuntimeError(OTHER_ORDER)
        # Its samples are environment by environment, ours step by step.
        environment, step = np.divmod(drawn[0], buffer.buffer_size)
        self._order = step * buffer.n_envs + environment
        self._within = self._within[0] + 1, 0

    @guarded
    def _begin_minibatch(self, number: int, data: Any) -> None:
        self._within, self._data = (self._within[0], number), data

    @guarded
    def _judged(self, found: tuple[Tensor, Tensor, Tensor | None]) -> None:
        """The loss of a minibatch is about to be made of these values, log-probabilities and entropies."""
        update, data = self._update, self._data
        assert update is not None and update.batch is not None and self._order is not None
        size = data.old_log_prob.shape[0]
        start = (self._within[1] - 1) * self._size
        samples = self._order[start : start + size]
        if not update.told and not torch.equal(
            update.batch.log_probs[torch.from_numpy(samples)], data.old_log_prob.cpu()
        ):
            raise RuntimeError(OTHER_ORDER)
        update.told.append(Told(self._within[0], samples, data, found))
        self._at(PhaseKind.LOSS)

    def _at(self, kind: PhaseKind) -> None:
        """The loop has come to a phase within an update."""
        if self._update is not None and not self.watcher.passes():
            self._update.seconds_optimise = time.perf_counter() - self._began
            self.watcher.reached(Phase(kind, self._update, *self._within))

    @guarded
    def _differentiated(self, norm: Tensor) -> None:
        """The gradient is there, and its norm before it is cut off."""
        update = self._update
        assert update is not None
        last = len(update.told) - 1
        if last not in update.gradient_norms:
            update.gradient_norms[last] = norm
            self._at(PhaseKind.GRADIENT)

    @guarded
    def _step_made(self) -> None:
        self._at(PhaseKind.STEP)

    @guarded
    def _end_epoch(self) -> None:
        self._at(PhaseKind.EPOCH)

    @guarded
    def _updated(self) -> None:
        update = self._update
        assert update is not None
        update.stopped_by_kl = len(update.gradient_norms) < len(update.told)
        update.seconds_optimise = time.perf_counter() - self._began
        self.watcher.reached(Phase(PhaseKind.UPDATE, update, *self._within))

    # Settings

    def _facts_now(self) -> Facts:
        model = self._model
        progress = self._left()
        size = min(model.batch_size, model.n_steps * model.n_envs)
        told = {
            "clip_range": float(model.clip_range(progress)),
            "value_coef": float(model.vf_coef),
            "entropy_coef": float(model.ent_coef),
            "learning_rate": self._alpha(),
            "max_grad_norm": float(model.max_grad_norm),
            "target_kl": model.target_kl,
            "value_clip_range": None if model.clip_range_vf is None else float(model.clip_range_vf(progress)),
            "normalize_advantages": "minibatch" if model.normalize_advantage else "off",
            "discount": float(model.gamma),
            "gae_lambda": float(model.gae_lambda),
            "epochs": int(model.n_epochs),
            "minibatches": -(-model.n_steps * model.n_envs // size),
        }
        shared = self.policy.shared
        facts = facts_of({**told, "shared_network": shared, "activation": self.policy.activation})
        return replace(facts, num_envs=model.n_envs, rollout_steps=model.n_steps, seed=model.seed or 0)

    def _alpha(self) -> float:
        return float(self._model.lr_schedule(self._left()))

    def _left(self) -> float:
        """Of the training that `learn` was asked for, which schedules go by: 1 at its start, 0 at its end."""
        return 1.0 - float(self._model.num_timesteps) / float(self._total) if self._total else 1.0

    def _take_changes(self) -> None:
        """What was set on the page takes effect, from this update on."""
        wanted, before, model = self.watcher.begins(), self._facts, self._model
        if "clip_range" in wanted:
            model.clip_range = Constant(wanted["clip_range"])
        names = {"value_coef": "vf_coef", "entropy_coef": "ent_coef", "epochs": "n_epochs"}
        for name, value in wanted.items():
            if name != "clip_range":
                setattr(model, names.get(name, name), value)
        self._facts = self._facts_now()
        for name in wanted:
            self.watcher.changed(name, getattr(before, name), getattr(self._facts, name), self._index)


class Constant:
    """A schedule that does not move; it can be pickled with the model."""

    def __init__(self, value: float) -> None:
        self._value = value

    def __call__(self, _: float) -> float:
        """Whatever is left of the training."""
        return self._value


class Listening:
    """The user's callback, and an ear beside it."""

    def __init__(self, callback: Any, hear: Callable[[dict[str, Any]], None]) -> None:
        self._callback, self._hear = callback, hear

    def update_locals(self, found: dict[str, Any]) -> None:
        """Called after each step of the environments, and once at the end."""
        if found["dones"].any() and found["n_steps"] < found["n_rollout_steps"]:
            self._hear(found)
        self._callback.update_locals(found)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._callback, name)


def env_of(model: Any) -> str:
    """The environment's id, where it has one."""
    try:
        spec = model.get_env().get_attr("spec")[0]
        return str(spec.id)
    except Exception:
        return "an environment"
