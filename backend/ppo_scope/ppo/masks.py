"""Action masks: which actions a state allows, as its environment says, and what that makes of a policy.

What is forbidden gets a logit so low that its probability is 0 exactly. Everything that is computed from the outputs
(log π, the ratio, the entropy, KL) follows from that, and no gradient flows there.

Source: Huang and Ontañón 2022, "A closer look at invalid action masking in policy gradient algorithms".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.ppo.failures import PASSED_ON, EnvironmentFault, EnvironmentRaised
from ppo_scope.ppo.promises import kind

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Either = TypeVar("Either", Tensor, NDArray[Any])

FORBIDDEN = -1e30
"""The logit of what is forbidden. Its exponential is 0 in single precision, whatever the others are; and it is finite,
so that 0 times it is 0 and not NaN."""
KEY, METHOD = "action_mask", "action_masks"
"""Of `info`, and the method of an environment or of a wrapper around it. Where both are there the method is asked: it
speaks of the state as it is, whatever has passed through wrappers."""
WITHOUT = "; --no-use-action-mask trains without it"
NOT_HERE = f"masks are for Discrete and MultiDiscrete actions{WITHOUT}"


def forbid(outputs: Either, masks: Either | None) -> Either:
    """Logits [..., O] with those gone that `masks` [..., O] does not allow; the very same where there is no mask."""
    if masks is None:
        return outputs
    if isinstance(outputs, Tensor):
        return outputs.masked_fill(~masks, FORBIDDEN)
    allowed: Either = np.where(masks, outputs, np.float32(FORBIDDEN))
    return allowed


def choices_of(space: gym.Space[Any]) -> list[int] | None:
    """How many actions each choice of this action space has; None where it is not made of choices."""
    if isinstance(space, gym.spaces.Discrete):
        return [int(space.n)]
    if isinstance(space, gym.spaces.MultiDiscrete):
        return [int(n) for n in space.nvec.reshape(-1)]
    return None


def largest_entropies(masks: Bools, choices: Sequence[int]) -> Floats:
    """[S], the entropy of whoever is wholly undecided between what masks [S, O] allow."""
    allowed = np.add.reduceat(masks, _starts(choices), axis=1, dtype=np.int64)
    largest: Floats = np.log(np.maximum(allowed, 1)).sum(1).astype(np.float32)
    return largest


def forbidden_taken(masks: Bools, actions: NDArray[np.integer[Any]], choices: Sequence[int]) -> Bools:
    """[S] whether some choice of actions [S] or [S, K], counted from 0, is none that masks [S, O] allow."""
    taken = actions.reshape(len(masks), -1) + _starts(choices)
    return np.logical_not(np.take_along_axis(masks, taken, axis=1).all(1))


def without_any(masks: Bools, choices: Sequence[int]) -> Bools:
    """[S] whether some choice of masks [S, O] has nothing that is allowed."""
    return np.logical_not(np.logical_or.reduceat(masks, _starts(choices), axis=1).all(1))


def _starts(choices: Sequence[int]) -> NDArray[np.int64]:
    """Where each choice begins among the outputs."""
    return np.cumsum([0, *choices[:-1]])


class Unreadable(ValueError):
    """No mask for these actions; the message is the end of a sentence."""


def read(given: Any, choices: Sequence[int]) -> Bools:
    """A mask as environments give it → bool [O], a copy.

    One array of all choices one after the other, or for MultiDiscrete a sequence of one for each, as Gymnasium's
    `sample` takes it.

    Raises:
        Unreadable: it is of another shape, or holds something else than truth values, 0 and 1.
    """
    flat = given if isinstance(given, np.ndarray) and given.ndim == 1 else _flat(given)
    if flat is None or flat.shape != (sum(choices),) or flat.dtype.kind not in "biuf":
        parts = "" if len(choices) == 1 else f", of choices of {', '.join(map(str, choices[:8]))}"
        raise Unreadable(f"expected {sum(choices)} truth values{parts}, got {kind(given)}")
    mask: Bools = flat == 1
    if flat.dtype != np.bool_ and not (mask | (flat == 0)).all():
        raise Unreadable(f"expected truth values, got {flat[~(mask | (flat == 0))][0]}")
    return mask


def _flat(given: Any) -> NDArray[Any] | None:
    """What is inside of it, one after the other, whatever the nesting."""
    try:
        if isinstance(given, tuple | list) and any(isinstance(part, tuple | list | np.ndarray) for part in given):
            parts = [_flat(part) for part in given]
            return None if any(part is None for part in parts) else np.concatenate(parts)  # type: ignore[arg-type]
        return np.asarray(given).reshape(-1)
    except Exception:  # an object that says it is an array and is none
        return None


def asked(env: str, method: Callable[[], Any]) -> Any:
    """What an environment's own `action_masks()` says.

    Raises:
        EnvironmentRaised: it failed.
    """
    try:
        return method()
    except PASSED_ON:
        raise
    except BaseException as error:
        raise EnvironmentRaised(env, METHOD, error) from error


class OnlyTheMask(gym.Wrapper[Any, Any, Any, Any]):
    """Goes around all else; of what an environment says beside its observations, leaves the action mask alone.

    Where there is one, info is {"action_mask": bool [O]}, and else {}. Gathering all of info over environments side by
    side fails where an entry is a number in one of them and a text in another.

    `who` is what it is called where it fails. The last state of an episode allows everything: nobody acts in it.

    Raises, when reset or stepped:
        EnvironmentFault: a mask is of the wrong shape, forbids everything, is missing where there was one before, or
            belongs to actions that are no choices; the environment and the step of its episode are named.
        EnvironmentRaised: its own `action_masks()` failed.
    """

    def __init__(self, environment: gym.Env[Any, Any], env: str, who: str, *, used: bool) -> None:
        super().__init__(environment)
        self._env, self._who, self._used = env, who, used
        self._choices = choices_of(environment.action_space)
        method = environment.get_wrapper_attr(METHOD) if used and environment.has_wrapper_attr(METHOD) else None
        self._method: Callable[[], Any] | None = method if callable(method) else None
        self._masked: bool | None = None
        """Whether there are masks; None before the first reset."""
        self._step = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As the environment's, with the mask of the state that it begins with."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._step = 0
        if not self._used:
            return observation, {}
        masked = self._method is not None or KEY in info
        if self._masked is not None and masked != self._masked:
            words = ("it is missing from info", "had one") if self._masked else ("there is one", "had none")
            raise self._broken(f"{words[0]}, and earlier episodes {words[1]}{WITHOUT}")
        self._masked = masked
        return observation, self._only(info, ended=False) if masked else {}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """As the environment's, with the mask of the state that it leads to."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if not self._masked:
            if KEY in info and self._used:
                raise EnvironmentFault(f"action mask of {self._who}: a step gives one, and reset gave none{WITHOUT}")
            return observation, reward, terminated, truncated, {}
        self._step += 1
        return observation, reward, terminated, truncated, self._only(info, ended=terminated or truncated)

    def _only(self, info: dict[str, Any], *, ended: bool) -> dict[str, Any]:
        if self._choices is None:
            words = " ".join(str(self.action_space).split())[:100]
            raise self._broken(f"there is one, and the actions are {words}: {NOT_HERE}")
        if ended:
            return {KEY: np.ones(sum(self._choices), np.bool_)}
        if self._method is None and KEY not in info:
            raise self._broken(f"it is missing from info, where earlier states had one{WITHOUT}")
        try:
            mask = read(info[KEY] if self._method is None else asked(self._env, self._method), self._choices)
        except Unreadable as error:
            raise self._broken(f"{error}{WITHOUT}") from None
        if without_any(mask[None], self._choices)[0]:
            raise self._broken("it forbids everything, and the episode has not ended: nothing can be done there")
        return {KEY: mask}

    def _broken(self, words: str) -> EnvironmentFault:
        where = "at the start of its episode" if self._step == 0 else f"after step {self._step} of its episode"
        return EnvironmentFault(f"action mask of {self._who}, {where}: {words}")


class Gathered:
    """The masks of N environments from the info of a vector environment.

    Copies that are stepped one by one have been looked at by `OnlyTheMask`; a vector environment of somebody's own
    (`whole`) gives what it likes, as `info["action_mask"]` [N, O] or by an `action_masks()` of its own.

    Raises, when asked:
        EnvironmentFault: see `OnlyTheMask`.
    """

    def __init__(self, vector: gym.vector.VectorEnv[Any, Any, Any], env: str, *, used: bool, whole: bool) -> None:
        self._vector, self._env, self._used, self._whole = vector, env, used, whole
        self._choices = choices_of(vector.single_action_space)
        method = getattr(vector.unwrapped, METHOD, None) if used and whole else None
        self._method: Callable[[], Any] | None = method if callable(method) else None
        self.there = False
        """Whether there are masks, once the environments have been reset."""
        self._steps = 0

    def at_reset(self, info: dict[str, Any]) -> Bools | None:
        """[N, O] after the reset, or None: there are none."""
        self.there = self._used and (self._method is not None or KEY in info)
        return self._all(info, None) if self.there else None

    def at_step(self, info: dict[str, Any], ended: Bools | None) -> Bools | None:
        """[N, O] after a step; `ended` [N]: nobody acts there any more. None: in no environment."""
        if self.there:
            self._steps += 1
            return self._all(info, ended)
        if self._used and KEY in info:
            raise EnvironmentFault(f"action mask: a step gives one, and reset gave none{WITHOUT}")
        return None

    def _all(self, info: dict[str, Any], ended: Bools | None) -> Bools:
        count = self._vector.num_envs
        given = info.get(KEY) if self._method is None else asked(self._env, self._method)
        told = info.get(f"_{KEY}", np.ones(count, np.bool_)) if self._method is None else np.ones(count, np.bool_)
        if not self._whole:
            if given is None or not told.all():
                raise EnvironmentFault(
                    f"action mask of environment {told.argmin()}: it has none, and others have one{WITHOUT}"
                )
            masks: Bools = given
            return masks
        if self._choices is None:
            words = " ".join(str(self._vector.single_action_space).split())[:100]
            raise EnvironmentFault(f"action mask: there is one, and the actions are {words}: {NOT_HERE}")
        free = np.zeros(count, np.bool_) if ended is None else ended
        masks = np.ones((count, sum(self._choices)), np.bool_)
        for n in np.flatnonzero(~free).tolist():
            where = f"action mask of environment {n} at step {self._steps}"
            if given is None or not told[n] or len(given) != count:
                raise EnvironmentFault(f"{where}: it is missing, where earlier states had one{WITHOUT}")
            try:
                masks[n] = read(given[n], self._choices)
            except Unreadable as error:
                raise EnvironmentFault(f"{where}: {error}{WITHOUT}") from None
            if without_any(masks[n][None], self._choices)[0]:
                raise EnvironmentFault(f"{where}: it forbids everything: nothing can be done there")
        return masks
