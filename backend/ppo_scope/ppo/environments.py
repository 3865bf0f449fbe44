"""Environments side by side: which vector environment they are, and what they answer to their actions."""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.vector.utils import iterate
from numpy.typing import NDArray

from ppo_scope.ppo import objects
from ppo_scope.ppo.cartpole import CartPoleVectorEnv
from ppo_scope.ppo.distributions import Actions
from ppo_scope.ppo.failures import PASSED_ON, EnvironmentFault, EnvironmentRaised, UnusableEnvironment
from ppo_scope.ppo.making import preprocessing, wrappers_of
from ppo_scope.ppo.masks import Gathered
from ppo_scope.ppo.objects import NotKept, Tree
from ppo_scope.ppo.promises import LARGEST, complaints_about, kind, too_large
from ppo_scope.ppo.registry import find, time_limit
from ppo_scope.ppo.seeding import seed_everybody, seeded_copy
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.spaces import Observations, describe
from ppo_scope.ppo.tapes import Tape

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

CARTPOLE = "gymnasium.envs.classic_control.cartpole"
SAME_AS_PLAIN = {
    (f"{CARTPOLE}:CartPoleEnv", f"{CARTPOLE}:CartPoleVectorEnv"): (
        CartPoleVectorEnv,
        {"sutton_barto_reward", "max_episode_steps"},
    )
}
"""(plain entry point, vector entry point) of the vector environments that are the plain one many times: what takes
their place, equal and quicker, and the arguments under which they are. Tests compare them step by step. Others are
something else, as Atari's is, which skips frames and clips rewards."""


class OfCopies(VectorEnv[Any, Any, Any]):
    """A vector environment made of single copies."""

    envs: Sequence[gym.Env[Any, Any]]
    """Those that are at hand, environment 0 first."""


Spread = Callable[[Settings, EnvSpec], OfCopies]
"""What makes the copies in other places than one after the other in this process, with the same numbers."""


@dataclass
class Step:
    """What N environments answered to their actions."""

    observations: Observations
    """[N, …], as the networks take them."""
    rewards: Floats
    """[N]"""
    terminated: Bools
    """[N]"""
    truncated: Bools
    """[N]"""
    final_observations: dict[int, Observations] = field(default_factory=dict)
    """Environment → [1, …], the last state of an episode that ended; in SAME_STEP mode only, where `observations` holds
    the first state of the next one already."""


class Environments:
    """N copies of an environment that act side by side and reset themselves.

    In Gymnasium's NEXT_STEP mode the step after an episode's end ignores the action and returns the first observation
    of the next episode with reward 0. Such a row is no transition; whoever stores rows must mask it (`rollout.py`). In
    SAME_STEP mode, which only vector environments of somebody's own have, every row is one.

    `spread` says where copies of a single environment are stepped; left out, one after the other in this process.

    Raises:
        UnusableEnvironment: no such environment, a missing extra, or spaces that are not supported.
        EnvironmentFault: what it gives does not fit its space, or its own code fails.
    """

    def __init__(self, settings: Settings, spread: Spread | None = None) -> None:
        seed_everybody(settings.seed)
        spec = find(settings.env)
        self._env = settings.env
        self.reward_threshold = _finite(spec.reward_threshold)
        self.time_limit = time_limit(spec, settings.env_kwargs)
        self.wrappers: tuple[str, ...]
        """Names of all that is at work between the bare environment and the training, from the inside out."""
        self.vector: VectorEnv[Any, Any, Any]
        self.vector, self.wrappers = _vector(settings, spec, spread)
        mode = self.vector.metadata.get("autoreset_mode")
        if mode not in (AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP):
            raise UnusableEnvironment(
                f"env {settings.env!r}: its autoreset mode {mode} is not supported, only NEXT_STEP and SAME_STEP"
            )
        self.same_step = mode == AutoresetMode.SAME_STEP
        self.spaces = describe(
            self.vector.single_observation_space,
            self.vector.single_action_space,
            normalized=settings.normalize_observations,
        )
        self.num_envs = settings.num_envs
        # Where there are single copies, each is looked at by its own `Promises`.
        self._whole = not hasattr(self.vector, "envs")
        space = self.vector.single_observation_space
        self._complaint = complaints_about(space)
        self._expected = (self.num_envs, *space.shape) if isinstance(space, gym.spaces.Box) else None
        self.seconds = 0.0
        self.repeats = False
        """Whether, where they become others, they make again what those did in their episodes."""
        self._tape: Tape | None = None
        self._gathered = Gathered(self.vector, settings.env, used=settings.use_action_mask, whole=self._whole)
        self.masks: Bools | None
        """[N, O], which actions the present states allow; None where the environment does not say."""
        self.observations: Observations
        self._reset(settings.seed)

    def _reset(self, seed: int) -> None:
        try:
            given, info = self.vector.reset(seed=seed)
        except PASSED_ON:
            raise
        except BaseException as error:
            raise EnvironmentRaised(self._env, "reset", error) from error
        self.observations = self._prepared(given)
        self.masks = self._gathered.at_reset(info)
        single = isinstance(self.vector, SyncVectorEnv) and not self.same_step
        self._tape = Tape(cast(SyncVectorEnv, self.vector), seed) if single else None

    def step(self, actions: Actions) -> Step:
        """Act once everywhere.

        Raises:
            EnvironmentFault: what is given does not fit, or the environment's own code fails.
        """
        start = time.perf_counter()
        try:
            given, rewards, terminated, truncated, info = self.vector.step(actions)
        except PASSED_ON:
            raise
        except BaseException as error:
            raise EnvironmentRaised(self._env, "step", error) from error
        if self._tape is not None:
            self._tape.stepped(actions, terminated | truncated)
        if self._whole:
            self._check_rewards(rewards)
        self.observations = self._prepared(given)
        ended = terminated | truncated if self._gathered.there and not self.same_step else None
        self.masks = self._gathered.at_step(info, ended)
        self.seconds += time.perf_counter() - start
        finals = self._finals(terminated, truncated, info) if self.same_step else {}
        return Step(self.observations, rewards, terminated, truncated, finals)

    def state(self) -> Tree | None:
        """Where they are, as plain values: as far as it can be expressed, which `resuming.try_out` finds out.

        None where the copies are in other processes.
        """
        if isinstance(self.vector, OfCopies):
            return None
        masks = None if self.masks is None else self.masks.copy()
        tape = self._tape.state() if self._tape is not None else None
        vector, observations = objects.taken(self.vector), self.observations.copy()
        return {"vector": vector, "observations": observations, "masks": masks, "tape": tape}

    def return_to(self, state: Tree) -> None:
        """Be where those were whose state it is.

        Raises:
            NotKept: it does not fit.
            EnvironmentRaised: it does not, and their own code fails.
                These may have been changed in part, and are of no use any more.
        """
        if self.repeats:
            if self._tape is None or state.get("tape") is None:
                raise NotKept("what was done in its episodes is not kept")
            self._tape.repeat(state["tape"])
        objects.put(self.vector, state["vector"])
        if self._tape is not None:
            self._tape.go_on_from(state.get("tape"))
        self.observations = state["observations"].copy()
        self.masks = None if state["masks"] is None else state["masks"].copy()

    def begin_anew(self, seed: int) -> None:
        """Let all copies begin new episodes, drawn from that seed."""
        seed_everybody(seed)
        self._reset(seed)

    def close(self) -> None:
        """Release what the environments hold."""
        try:
            self.vector.close()
        except Exception as error:  # nothing depends on it any more, and what was trained must not be lost to it
            warnings.warn(str(EnvironmentRaised(self._env, "close", error)), stacklevel=2)

    def _finals(self, terminated: Bools, truncated: Bools, info: dict[str, Any]) -> dict[int, Observations]:
        """The last states of the episodes that ended; copied, because the environment may use their room again."""
        ended = np.flatnonzero(terminated | truncated)
        given = info.get("final_obs")
        finals = {int(n): given[n] for n in ended if given is not None and given[n] is not None}
        for n in ended:
            if n not in finals and truncated[n] and not terminated[n]:
                raise EnvironmentFault(
                    f"final_obs of environment {n}: it was truncated and has begun anew in the same step, and its info "
                    'must hold the last observation as info["final_obs"]: what it was worth is estimated from there'
                )
        return {n: self.spaces.prepare_one(one).copy() for n, one in finals.items()}

    def _prepared(self, given: Any) -> Observations:
        if self._whole:
            self._check_observations(given)
        return self.spaces.prepare(given)

    def _check_rewards(self, rewards: Any) -> None:
        """What `Promises` does for each environment that can be wrapped, for all at once."""
        if getattr(rewards, "shape", None) != (self.num_envs,) or rewards.dtype.kind not in "fiub":
            raise EnvironmentFault(f"rewards: expected shape ({self.num_envs},) of numbers, got {kind(rewards)}")
        if rewards.dtype.itemsize > 4:
            self._check_size("reward", rewards)

    def _check_observations(self, given: Any) -> None:
        if self._expected is None:
            for n, one in enumerate(iterate(self.vector.observation_space, given)):
                if (wrong := self._complaint(one)) is not None:
                    raise EnvironmentFault(f"observation of environment {n}{wrong[0]}: {wrong[1]}")
            return
        if getattr(given, "shape", None) != self._expected or given.dtype.kind not in "fiub":
            dtype = self.vector.single_observation_space.dtype
            raise EnvironmentFault(f"observations: expected shape {self._expected} of {dtype}, got {kind(given)}")
        if given.dtype.kind == "f" and given.dtype.itemsize > 4:
            self._check_size("observation", given)

    def _check_size(self, name: str, numbers: Any) -> None:
        sizes = np.abs(numbers)
        beyond = (sizes > LARGEST) & (sizes < np.inf)
        if beyond.any():
            where = tuple(np.argwhere(beyond)[0])
            raise EnvironmentFault(f"{name} of environment {where[0]}: {too_large(numbers[where])}")


def _vector(
    settings: Settings, spec: EnvSpec, spread: Spread | None
) -> tuple[VectorEnv[Any, Any, Any], tuple[str, ...]]:
    """(the vector environment, the names of what is at work in it)."""
    if (quicker := _native(settings, spec)) is not None:
        kwargs: dict[str, Any] = settings.env_kwargs
        mode = "vector_entry_point"
        spec = dataclasses.replace(spec, vector_entry_point=quicker)
        native = gym.make_vec(spec, num_envs=settings.num_envs, vectorization_mode=mode, **kwargs)
        limit = kwargs.get("max_episode_steps", spec.max_episode_steps)
        names = (f"{type(native).__name__} (Gymnasium's own vector environment)", f"TimeLimit ({limit:,} steps)")
        return native, names
    if spec.entry_point is None and spec.vector_entry_point is not None:
        return _vector_alone(settings, spec)
    if spread is not None and settings.num_envs > 1:
        several = spread(settings, spec)
        return several, wrappers_of(several.envs[0], settings)
    made = [partial(seeded_copy, settings, spec, n) for n in range(settings.num_envs)]
    try:
        vector = SyncVectorEnv(made)
    except PASSED_ON:
        raise
    except RuntimeError as error:  # Gymnasium's: they are not all alike
        raise UnusableEnvironment(f"env {settings.env!r}: its copies have different spaces: {error}") from None
    return vector, wrappers_of(vector.envs[0], settings)


def _native(settings: Settings, spec: EnvSpec) -> type[CartPoleVectorEnv] | None:
    """The vector environment that serves in place of copies of the plain one, if there is one."""
    known = SAME_AS_PLAIN.get((str(spec.entry_point), str(spec.vector_entry_point)))
    if known is None or preprocessing(settings) or spec.additional_wrappers or spec.kwargs:
        return None
    quicker, allowed = known
    limit = settings.env_kwargs.get("max_episode_steps", spec.max_episode_steps)
    return quicker if settings.env_kwargs.keys() <= allowed and type(limit) is int and limit > 0 else None


def _vector_alone(settings: Settings, spec: EnvSpec) -> tuple[VectorEnv[Any, Any, Any], tuple[str, ...]]:
    """Of an environment that exists as nothing else."""
    if unsuited := [name for name, _ in preprocessing(settings)]:
        raise UnusableEnvironment(
            f"env {settings.env!r}: it is a vector environment alone and cannot have {unsuited[0]}"
        )
    kwargs: dict[str, Any] = settings.env_kwargs
    try:
        vector = gym.make_vec(spec, num_envs=settings.num_envs, **kwargs)
    except PASSED_ON:
        raise
    except BaseException as error:
        raise EnvironmentRaised(settings.env, "__init__", error) from error
    return vector, (f"{type(vector).__name__} (the environment's own vector environment)",)


def _finite(threshold: Any) -> float | None:
    """A return that counts as solved, where one was registered that can be reached."""
    try:
        number = float(threshold)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
