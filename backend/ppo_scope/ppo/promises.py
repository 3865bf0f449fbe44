"""What an environment promises: what its `reset` and `step` give must be what Gymnasium and its own spaces say.

What breaks a promise is named by its field, with what was expected and what came; otherwise it would surface as an
error deep inside of NumPy, or be taken for another value in silence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ppo_scope.ppo.failures import PASSED_ON, EnvironmentFault, EnvironmentRaised

LARGEST = float(np.finfo(np.float32).max)
"""Networks calculate in single precision, in which a larger number is infinite."""
OLD_RESET = "; it must be reset(self, *, seed=None, options=None), which the old gym's was not"
Complaint = tuple[str, str] | None
"""(which part of the observation, what is wrong with it), or nothing to complain about."""


class Promises(gym.Wrapper[Any, Any, Any, Any]):
    """Goes around the bare environment, inside of Gymnasium's own wrappers, which would trip over what it names.

    It takes the place of Gymnasium's PassiveEnvChecker, which looks at the first step only. Where nothing is wrong,
    everything passes as it is.

    Raises, when reset or stepped:
        EnvironmentFault: a promise is broken.
        EnvironmentRaised: the environment raised something.
    """

    def __init__(self, environment: gym.Env[Any, Any], env: str, who: str) -> None:
        super().__init__(environment)
        self._env, self._who = env, who
        self._complaint = complaints_about(environment.observation_space)

    @property
    def spec(self) -> gym.envs.registration.EnvSpec | None:  # type: ignore[override]
        """Of the environment itself: this is no wrapper that a spec would have to mention."""
        return self.env.spec

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """As the environment's, looked at."""
        try:
            given: Any = self.env.reset(seed=seed, options=options)
        except PASSED_ON:
            raise
        except BaseException as error:
            hint = OLD_RESET if isinstance(error, TypeError) and "argument 'seed'" in str(error) else ""
            raise EnvironmentRaised(self._env, "reset", error, hint) from error
        if not isinstance(given, tuple | list) or len(given) != 2:
            words = f"expected (observation, info), got {kind(given)}; the old gym gave the observation alone"
            raise EnvironmentFault(f"what reset of {self._who} returned: {words}")
        self._look_at(*given)
        return given[0], given[1]

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """As the environment's, looked at."""
        try:
            given: Any = self.env.step(action)
        except PASSED_ON:
            raise
        except BaseException as error:
            raise EnvironmentRaised(self._env, "step", error) from error
        if not isinstance(given, tuple | list) or len(given) != 5:
            words = f"expected (observation, reward, terminated, truncated, info), got {kind(given)}"
            words += "; the old gym gave four" if isinstance(given, tuple) and len(given) == 4 else ""
            raise EnvironmentFault(f"what step of {self._who} returned: {words}")
        observation, reward, terminated, truncated, info = given
        self._look_at(observation, info)
        if (wrong := complaint_about_reward(reward)) is not None:
            raise self._broken("reward", wrong)
        for name, flag in (("terminated", terminated), ("truncated", truncated)):
            if type(flag) is not bool and not _is_flag(flag):
                raise self._broken(name, f"expected True or False, got {kind(flag)}")
        return observation, float(reward), bool(terminated), bool(truncated), info

    def _look_at(self, observation: Any, info: Any) -> None:
        wrong = self._complaint(observation)
        if wrong is not None:
            part, words = wrong
            raise self._broken("observation", words, part)
        if not isinstance(info, dict):
            raise self._broken("info", f"expected a dictionary, got {kind(info)}")

    def _broken(self, field: str, words: str, part: str = "") -> EnvironmentFault:
        return EnvironmentFault(f"{field} of {self._who}{part}: {words}")


def kind(of: Any) -> str:
    """In a few words what something is: shape and type where there are any."""
    shape, dtype = getattr(of, "shape", None), getattr(of, "dtype", None)
    if shape is not None and dtype is not None and (len(shape) or isinstance(of, gym.Space)):
        return f"shape {tuple(shape)} of {dtype}"
    if isinstance(of, tuple | list | dict):
        return f"a {type(of).__name__} of {len(of)}"
    if of is None or isinstance(of, bool | int | float | complex | np.generic):
        return str(of)
    words = " ".join(str(of).split())[:80]
    return f"{words!r}" if isinstance(of, str) else words


def too_large(number: Any) -> str:
    """The complaint about a finite number that single precision does not hold."""
    return f"{float(number):g} is too large for single precision, which ends at {LARGEST:.2g}"


def complaint_about_reward(reward: Any) -> str | None:
    """What is wrong with it, where it is no real number that networks could calculate with.

    One that is not finite is none of this: it is looked for in the rollout, like what is calculated from it.
    """
    if not isinstance(reward, float) and (isinstance(reward, str | bytes) or np.ndim(reward) != 0):
        return f"expected a number, got {kind(reward)}"
    try:
        number = float(reward)
    except OverflowError:
        return "a whole number is too large for single precision"
    except (TypeError, ValueError):
        return f"expected a number, got {kind(reward)}"
    return too_large(number) if LARGEST < abs(number) < math.inf else None


def _is_flag(flag: Any) -> bool:
    return isinstance(flag, np.bool_) or (np.ndim(flag) == 0 and not isinstance(flag, str) and flag in (0, 1))


def complaints_about(space: gym.Space[Any]) -> Callable[[Any], Complaint]:
    """A function from an observation to what keeps it from being one of this space, as far as that matters.

    The bounds of a Box do not matter: many environments leave them, and nothing is computed from them. Spaces that
    cannot be trained on have no promises here: they are refused, or left out.
    """
    if isinstance(space, gym.spaces.Box):
        return _box(space)
    if isinstance(space, gym.spaces.Discrete):
        return _choices((), np.asarray(space.start), np.asarray(space.n))
    if isinstance(space, gym.spaces.MultiDiscrete):
        return _choices(space.nvec.shape, space.start, space.nvec)
    if isinstance(space, gym.spaces.MultiBinary):
        return _choices(space.shape, np.asarray(0), np.asarray(2))
    if isinstance(space, gym.spaces.Dict):
        return _parts({key: complaints_about(part) for key, part in space.spaces.items()})
    if isinstance(space, gym.spaces.Tuple):
        return _places([complaints_about(part) for part in space.spaces])
    return lambda _: None


def _box(space: gym.spaces.Box) -> Callable[[Any], Complaint]:
    shape, dtype = space.shape, space.dtype
    narrow = not (np.issubdtype(dtype, np.floating) and dtype.itemsize > 4)

    def complaint(given: Any) -> Complaint:
        if narrow and type(given) is np.ndarray and given.dtype == dtype and given.shape == shape:
            return None
        array = _as_array(given)
        if array is None or array.shape != shape or not np.can_cast(array.dtype, dtype, "same_kind"):
            return "", f"expected {kind(space)}, got {kind(given)}"
        if np.issubdtype(array.dtype, np.floating):
            largest = np.abs(array).max(initial=0.0)
            return ("", too_large(largest)) if LARGEST < largest < np.inf else None
        lost = array.astype(dtype) != array  # a whole number that this type does not hold
        return ("", f"expected {kind(space)}, got {array[lost].flat[0]}") if lost.any() else None

    return complaint


def _choices(shape: tuple[int, ...], start: NDArray[Any], count: NDArray[Any]) -> Callable[[Any], Complaint]:
    """Whole numbers from `start` on, of which there are `count`."""
    low, high = np.broadcast_to(start, shape), np.broadcast_to(start + count - 1, shape)

    def complaint(given: Any) -> Complaint:
        array = _as_array(given)
        if array is None or array.shape != shape or array.dtype.kind not in "iub":
            number = "a whole number" if shape == () else f"whole numbers in shape {shape}"
            return "", f"expected {number}, got {kind(given)}"
        outside = (array < low) | (array > high)
        if not outside.any():
            return None
        where = tuple(np.argwhere(outside)[0].tolist())
        place = "" if shape == () else f" in place {where[0] if len(where) == 1 else where}"
        return "", f"expected a whole number from {low[where]} to {high[where]}{place}, got {array[where]}"

    return complaint


def _parts(complaints: Mapping[str, Callable[[Any], Complaint]]) -> Callable[[Any], Complaint]:
    def complaint(given: Any) -> Complaint:
        if not isinstance(given, Mapping):
            return "", f"expected a dictionary of {', '.join(map(str, complaints))}, got {kind(given)}"
        for key, about in complaints.items():
            if key not in given:
                return "", f"expected a part {key!r}, got only {', '.join(map(str, given)) or 'an empty dictionary'}"
            if (wrong := about(given[key])) is not None:
                return _within(key, wrong)
        return None

    return complaint


def _places(complaints: list[Callable[[Any], Complaint]]) -> Callable[[Any], Complaint]:
    def complaint(given: Any) -> Complaint:
        if not isinstance(given, tuple | list) or len(given) != len(complaints):
            return "", f"expected a tuple of {len(complaints)}, got {kind(given)}"
        for number, (about, one) in enumerate(zip(complaints, given, strict=True)):
            if (wrong := about(one)) is not None:
                return _within(number, wrong)
        return None

    return complaint


def _within(part: Any, wrong: tuple[str, str]) -> tuple[str, str]:
    return f", part {part!r}{wrong[0]}", wrong[1]


def _as_array(given: Any) -> NDArray[Any] | None:
    try:
        return np.asarray(given)
    except Exception:  # lists of different lengths, or an object that says it is an array and is none
        return None
