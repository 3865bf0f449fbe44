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
from collections.abc import Callable, Iterator
from dataclasses import replace
from time import perf_counter
from typing import Any

import gymnasium as gym
import numpy as np

from ppo_scope.attach import once
from ppo_scope.attach.connecting.server import server_of
from ppo_scope.attach.course import course
from ppo_scope.attach.facts import Facts
from ppo_scope.attach.late import LateUpdate
from ppo_scope.attach.loop import clipping, drawing
from ppo_scope.attach.record import Episode, Update
from ppo_scope.attach.report import Beside
from ppo_scope.attach.sb3.again import Outcome, Position
from ppo_scope.attach.sb3.buffered import LIBRARIES, Buffered
from ppo_scope.attach.sb3.foreign_policy import ForeignPolicy
from ppo_scope.attach.sb3.model_parts import Trained, as_of, env_of, listening
from ppo_scope.attach.sb3.model_settings import CHANGEABLE, ModelSettings
from ppo_scope.attach.sb3.noting import NotingLoop
from ppo_scope.attach.sb3.parts import parts_of, space_of
from ppo_scope.attach.sb3.recurrent import RecurrentPolicy
from ppo_scope.attach.watcher import Watcher, guarded, say
from ppo_scope.probes.record import Floats
from ppo_scope.probes.subject import Abilities
from ppo_scope.wire.codes import ErrorCode, Refused

REFUSED = (
    "ppo_scope.watch takes a PPO of Stable-Baselines3, a MaskablePPO or RecurrentPPO of sb3-contrib, a GRPOTrainer of "
    "TRL, or a ClipPPOLoss of TorchRL, and this is {what}. {why}A loop of one's own is shown by ppo_scope.Scope: see "
    "docs/attach.md."
)
NO_RATIO = "A2C makes one step with each rollout and has no ratio of policies to look at. "
UNSUPPORTED = "It has a loss of its own, which is not known here yet. "
NOT_KEPT = "Nobody looked when this update began, so where that was has not been kept. Step to the next one first."
ITS_OWN = "a `train` of its own; L and its terms are by our definition, of what it asks its policy"
ENDED = "This model's run was ended on the page, so `learn` returns at once. ppo_scope.watch(model) begins another run."
KNOWN = {"stable_baselines3.PPO", "sb3_contrib.MaskablePPO", "sb3_contrib.RecurrentPPO"}


def watch(model: Any, *, url: str | None = None, paused: bool = False) -> Any:
    """Show what this model's `learn` does from now on; the model.

    Args:
        model: a `stable_baselines3.PPO`, a `sb3_contrib.MaskablePPO`, whose masks are honoured, or a `RecurrentPPO`,
            whose padding is.
        url: the server's link; else that of `PPO_SCOPE_URL`; else a server is started that ends with this process.
        paused: wait for Play on the page before the first update.

    Raises:
        TypeError: it is something else.
        ValueError: the link is none.
    """
    why = why_not(model)
    if why is not None:
        raise TypeError(why)
    if not once.goes_on(model, "model"):
        Watched(model, url, paused)
    return model


def why_not(model: Any) -> str | None:
    """Why this cannot be watched; None: it can."""
    names = [f"{one.__module__.partition('.')[0]}.{one.__name__}" for one in type(model).__mro__]
    known = bool(KNOWN & set(names))
    if known:
        return None
    if "stable_baselines3.A2C" in names:
        return REFUSED.format(what="A2C", why=NO_RATIO)
    if "stable_baselines3.BaseAlgorithm" in names:
        return REFUSED.format(what=type(model).__name__, why=UNSUPPORTED)
    package, _, name = names[0].partition(".")
    of = "" if package in {"builtins", "__main__"} else f" of {package}"  # else another library's `PPO` is just "a PPO"
    return REFUSED.format(what=f"a {name}{of}", why="")


class Watched(NotingLoop):
    """A model, its record, and its hooks."""

    def __init__(self, model: Any, url: str | None, paused: bool) -> None:
        super().__init__(model)
        self._ends: list[tuple[int, Floats, list[int]]] = []  # steps with an end in them: R, which rows were truncated
        self._ended: list[Episode] = []
        self._steps: Any = None  # the hook of its optimizer, which only a loop that is looked at closely needs
        self._train: Callable[[], None] = lambda: None  # what has made the latest update
        self._standing: Callable[[], None] | None = None  # before a `train` that was set on the model
        self._before: Position | None = None  # where the update at hand began, if somebody may ask for it
        # Steps before the latest `learn`, which may count from 0 again, and those that it has made.
        self._learned = (0, 0)
        parts = parts_of(model.observation_space)
        self.policy: ForeignPolicy = self._policy_of_it()
        self._trained = Trained(model)
        self.env = env_of(model)
        self.observation_space: gym.Space[Any] = model.observation_space if parts is None else space_of(parts)
        self.observation = str(model.observation_space)
        self.is_image = bool(len(model.observation_space.shape or ()) == 3)
        self.settings = ModelSettings(model, self.policy)
        self.watcher = Watcher(
            self,
            self.settings.facts,
            address=server_of(url, say),
            library=f"Stable-Baselines3 {type(model).__name__}",
            loss=ITS_OWN if _trains_by_itself(model) else "",
            changeable=CHANGEABLE,
            paused=paused,
            seed=model.seed if isinstance(model.seed, int) else None,
            repeats=self,
            beside=Beside(self.as_it_is, type(model.policy).__module__) if model.device.type == "cpu" else None,
        )
        self._hook()
        self._refused = 0  # times that its end let `learn` return
        once.note(model, self)

    @property
    def tells(self) -> bool:
        """Whether its run goes on, and is told of what the model does."""
        return self.watcher.tells

    @property
    def steps(self) -> int:  # type: ignore[override]  # the model counts them
        """Transitions trained on so far."""
        return self._learned[0] + int(self._model.num_timesteps)

    @property
    def model(self) -> Any:
        """The one that is watched."""
        return self._model

    @property
    def optimizer(self) -> Any:
        """The one that makes its steps."""
        return self._model.policy.optimizer

    # Once more

    def again(self, values: dict[str, Any]) -> Outcome:
        """See `Repeats`."""
        model, old, within = self._model, self._update, self._within
        assert isinstance(old, LateUpdate)
        if self._before is None:
            raise Refused(ErrorCode.CONFLICT, NOT_KEPT)
        after = Position(model, self.policy)
        self._before.take(model, self.policy)
        try:
            new = old.anew(*self.settings.tried(values))
            self._update, self._within, self._quiet = new, (0, 0), True
            self._as_collected, self._count = False, 0
            with self._listening():
                self._train()
            new.stopped_by_kl = self._is_stopped(new)
            return Outcome(new, Position(model, self.policy), values, self._within)
        finally:
            self._update, self._within, self._quiet = old, within, False
            after.take(model, self.policy)

    @contextlib.contextmanager
    def visit(self, outcome: Outcome) -> Iterator[None]:
        """See `Repeats`."""
        here = Position(self._model, self.policy)
        outcome.position.take(self._model, self.policy)
        try:
            yield
        finally:
            here.take(self._model, self.policy)

    def adopt(self, outcome: Outcome) -> Facts:
        """See `Repeats`."""
        before = self.settings.facts
        outcome.position.take(self._model, self.policy)
        self._update, self._within = outcome.update, outcome.within
        self.settings.facts = outcome.update.settings
        return before

    @property
    def abilities(self) -> Abilities:
        """Those of its policy, and what is known of the normaliser before it."""
        return replace(super().abilities, observations_counted=self.counted)

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

    # The hooks: each does what it did, and says so

    def _hook(self) -> None:
        """The model becomes one of a class of its own: what is set on the model itself would be saved with it."""
        kind: Any = type(self._model)
        watched = self

        def collect_rollouts(me: Any, env: Any, callback: Any, *arguments: Any, **named: Any) -> bool:
            if me is not watched._model or watched.watcher.off:
                watched._passed_by(me)
                return bool(kind.collect_rollouts(me, env, callback, *arguments, **named))
            if watched.watcher.stopping:
                watched._refuses()
                return False
            watched._collecting()
            watched.settings.total = callback.locals.get("total_timesteps")
            with listening(callback, watched._stepped):
                whole = bool(kind.collect_rollouts(me, env, callback, *arguments, **named))
            watched._stand_before_its_own()
            return whole

        def train(me: Any) -> None:
            if me is watched._model:
                watched._learns(kind.train.__get__(me))
            else:
                kind.train(me)

        def __reduce_ex__(me: Any, protocol: Any) -> Any:  # noqa: N807  # as what it is without us
            return as_of(kind, type(me), kind.__reduce_ex__(me, protocol))

        names = {"collect_rollouts": collect_rollouts, "train": train, "__reduce_ex__": __reduce_ex__}
        self._model.__class__ = type(kind.__name__, (kind,), {**names, "__module__": kind.__module__})

    def _stand_before_its_own(self) -> None:
        """A `train` that was set on the model stands before that of its class: until it is called, we do before it."""
        attributes = vars(self._model)
        own = attributes.get("train", self._standing)
        if own is self._standing:
            return

        def train() -> None:
            attributes["train"] = own
            self._learns(own)

        attributes["train"] = self._standing = train

    def _learns(self, train: Callable[[], None]) -> None:
        """An update, by what makes it."""
        self._train = train
        if not self.watcher.off:
            self._collected()
        if self.watcher.off:
            train()
            return
        with self.leaving(), self._listening():
            train()
        self._ended_by_train()

    def _passed_by(self, model: Any) -> None:
        """A model learns, and is not watched by this."""
        if once.watched_as(model) is self:
            self.watcher.explain()

    def _refuses(self) -> None:
        """The run was ended on the page, and `learn` is about to return: that of then, or another one."""
        self._refused += 1
        if self._refused == 2:
            say(ENDED)

    @contextlib.contextmanager
    def _listening(self) -> Iterator[None]:
        """What `train` calls tells what it does."""
        policy, buffer = self._model.policy, self._model.rollout_buffer
        get, evaluate = buffer.get, policy.evaluate_actions

        def evaluated(*arguments: Any, **named: Any) -> Any:
            self._found = found = evaluate(*arguments, **named)
            if not self._as_collected or perf_counter() >= self.watcher.next_look:
                self._judged()
            return found

        self.policy.evaluate = evaluate
        name = "randint" if self._recurrent else "permutation"
        with drawing(np.random, name) as drawn, clipping(self._differentiated):
            vars(buffer)["get"] = lambda size=None: self._getting(get, size, drawn)
            vars(policy)["evaluate_actions"] = evaluated  # by the way of a module it takes ten times as long
            try:
                yield
            finally:
                self._note()  # one that target_kl has ended the update at
                self._found = None
                if self._steps is not None:
                    self._steps.remove()
                    self._steps = None
                del vars(policy)["evaluate_actions"], vars(buffer)["get"]

    def _closely(self) -> None:
        if self._steps is None:
            self._steps = self._model.policy.optimizer.register_step_post_hook(lambda *_: self._step_made())

    @guarded
    def _collecting(self) -> None:
        """The environments are about to be stepped."""
        before, made = self._learned
        if self._model.num_timesteps < made:
            self._learned = before + made, 0
        self.left()
        self._ends, self._ended = [], []

    @guarded
    def _stepped(self, found: dict[str, Any]) -> None:
        """A step of the environments has ended an episode. Where one was cut, V of its last state is about to be added
        to the reward; everything else can be read from the buffer later.
        """
        infos = found["infos"]
        cut: list[int] = []
        self._ends.append((found["n_steps"], np.array(found["rewards"], np.float32), cut))
        for row, done in enumerate(found["dones"].tolist()):
            if not done:
                continue
            if infos[row].get("TimeLimit.truncated", False):
                cut.append(row)
            if (episode := infos[row].get("episode")) is not None:
                self._ended.append(Episode(self.steps, float(episode["r"]), int(episode["l"])))

    @guarded
    def _collected(self) -> None:
        """A rollout is whole: the record of an update begins."""
        model = self._model
        self._index += 1
        self._learned = self._learned[0], int(model.num_timesteps)
        self._take_policy()
        self._take_changes()
        theta, settings = self.policy.theta(), self.settings
        self._before = Position(model, self.policy, theta) if self.watcher.attended else None
        source, ended = (settings.form, Buffered.of(model, self._ends)), tuple(self._ended)
        judged = self.policy.outputs_at if self.distribution is not None else None
        update = LateUpdate(self._index, settings.facts, settings.learning_rate, theta, source, ended, judged)
        self._size = update.size = min(model.batch_size, source[1].rewards.size)
        update.habits, update.counted = settings.habits, self.counted()
        update.known |= course(int(model.num_timesteps), settings.total, float(model.lr_schedule(1.0)))
        normalizer = model.get_vec_normalize_env()
        if normalizer is not None and normalizer.norm_obs and not normalizer.training:
            update.known["normaliser_bound"] = float(normalizer.clip_obs)
        self._as_collected, self._count = False, 0
        self._begin(update, ended)

    def _getting(self, get: Callable[[Any], Iterator[Any]], size: int | None, drawn: list[Any]) -> Iterator[Any]:
        """An epoch: the same minibatches, and which samples each holds."""
        minibatches = get(size)
        drawn.clear()
        data = next(minibatches, None)  # where the buffer finds its order
        self._begin_epoch(drawn)
        epoch, number = self._within[0], 1
        while data is not None:
            self._within, self._data = (epoch, number), data
            yield data
            if self._found is not None:  # nobody has limited the norm of its gradient
                self._note()
            data, number = next(minibatches, None), number + 1
        if perf_counter() >= self.watcher.next_look:
            self._end_epoch()

    def _policy_of_it(self) -> ForeignPolicy:
        model, kind = self._model, RecurrentPolicy if self._recurrent else ForeignPolicy
        return kind(model.policy, model.action_space, parts_of(model.observation_space))

    def _take_policy(self) -> None:
        """Another one may have been put in its place, or other layers of it be trained, since the update before."""
        if not self._trained.is_so(self._model):
            self._trained, self.policy = Trained(self._model), self._policy_of_it()
            self.settings.of(self.policy)
            self.watcher.has_another_policy()

    def _ended_by_train(self) -> None:
        self._updated(stopped_by_kl=self._update is not None and self._is_stopped(self._update))

    def _is_stopped(self, update: Update) -> bool:
        """Whether its last minibatch made no step, as `target_kl` has it."""
        return self._model.target_kl is not None and len(update.gradient_norms) < self._count

    def _take_changes(self) -> None:
        """What was set on the page takes effect, from this update on."""
        wanted, before = self.watcher.begins(), self.settings.facts
        if wanted:
            self.settings.set(wanted)
        self.settings.update()
        for name in wanted:
            self.watcher.changed(name, getattr(before, name), getattr(self.settings.facts, name), self._index)


def _trains_by_itself(model: Any) -> bool:
    """Whether what makes its updates is none of a library's."""
    by_class = [vars(kind)["train"].__module__ for kind in type(model).__mro__ if "train" in vars(kind)]
    theirs = next(module for module in by_class if module != __name__)  # else it was watched before
    return "train" in vars(model) or theirs.partition(".")[0] not in LIBRARIES
