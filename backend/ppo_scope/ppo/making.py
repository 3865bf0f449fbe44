"""One environment: made from its spec, looked at by `Promises`, and wrapped as the settings say."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import re
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import (
    FilterObservation,
    FrameStackObservation,
    GrayscaleObservation,
    MaxAndSkipObservation,
    OrderEnforcing,
    PassiveEnvChecker,
    ResizeObservation,
    TimeLimit,
)

from ppo_scope.ppo.extras import EXTRAS, IMAGES
from ppo_scope.ppo.failures import PASSED_ON, EnvironmentRaised, UnusableEnvironment, first_sentence, origin
from ppo_scope.ppo.masks import OnlyTheMask
from ppo_scope.ppo.promises import Promises
from ppo_scope.ppo.registry import find
from ppo_scope.ppo.settings import Settings

Environment = gym.Env[Any, Any]
Wrap = Callable[[Environment], Environment]

WITHOUT_EFFECT = (Promises, OnlyTheMask, OrderEnforcing, PassiveEnvChecker)
"""Wrappers that only object: what is trained on passes through them as it was, so nobody needs to know of them."""


def make_one(settings: Settings, render_mode: str | None) -> Environment:
    """One copy to look at, made and wrapped as those that are trained on are.

    Raises:
        UnusableEnvironment: it cannot be made so.
        EnvironmentRaised: its own code failed.
    """
    return make(settings, find(settings.env), "the environment on show", render_mode)


def make(settings: Settings, spec: EnvSpec, who: str, render_mode: str | None = None) -> Environment:
    """The environment with Gymnasium's wrappers, its own, and those of the settings around it.

    `who` is what it is called where it fails.

    Raises:
        UnusableEnvironment: there is no such environment, something is missing, or a wrapper does not suit.
        EnvironmentRaised: its own code failed.
    """
    kwargs: dict[str, Any] = dict(settings.env_kwargs)
    if render_mode is not None:
        kwargs["render_mode"] = render_mode
    given = f"; it was given --env-kwargs '{json.dumps(settings.env_kwargs)}'" if settings.env_kwargs else ""
    entry = partial(_enter, settings.env, who, _constructor(settings.env, spec), given)
    try:
        environment = gym.make(dataclasses.replace(spec, entry_point=entry), disable_env_checker=True, **kwargs)
    except PASSED_ON:
        raise
    except BaseException as error:
        raise EnvironmentRaised(settings.env, "__init__", error, given) from error
    for _, wrap in preprocessing(settings):
        environment = wrap(environment)
    return OnlyTheMask(environment, settings.env, who, used=settings.use_action_mask)


def wrappers_of(environment: Environment, settings: Settings) -> tuple[str, ...]:
    """The names of all wrappers that have an effect, from the inside out."""
    ours = [name for name, _ in preprocessing(settings)]
    wrapper, names = environment, []
    while isinstance(wrapper, gym.Wrapper):
        if not isinstance(wrapper, WITHOUT_EFFECT):
            names.append(_name(wrapper))
        wrapper = wrapper.env
    theirs = names[len(ours) :]  # ours are the outermost
    return (*reversed(theirs), *ours)


def _name(wrapper: gym.Wrapper[Any, Any, Any, Any]) -> str:
    limit = wrapper.spec.max_episode_steps if isinstance(wrapper, TimeLimit) and wrapper.spec is not None else None
    return f"TimeLimit ({limit:,} steps)" if limit is not None else type(wrapper).__name__


def _constructor(env: str, spec: EnvSpec) -> Callable[..., Any]:
    """What is called to make one.

    Raises:
        UnusableEnvironment, EnvironmentRaised: see `make`.
    """
    if spec.entry_point is None:
        raise UnusableEnvironment(
            f"env {env!r}: it is registered as a vector environment alone, so there is no single one"
        )
    if callable(spec.entry_point):
        return spec.entry_point
    module, _, name = spec.entry_point.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return found
    except gym.error.Error as error:
        raise UnusableEnvironment(_lacking(env, error, module)) from None
    except BaseException as error:
        if isinstance(error, PASSED_ON):
            raise
        raise EnvironmentRaised(env, "import", error) from error


def _enter(env: str, who: str, constructor: Callable[..., Any], given: str, /, **kwargs: Any) -> Environment:
    """Call the constructor. `given` says which arguments were asked for.

    Raises:
        UnusableEnvironment, EnvironmentRaised: see `make`.
    """
    try:
        made = constructor(**kwargs)
    except PASSED_ON:
        raise
    except gym.error.Error as error:
        raise UnusableEnvironment(_lacking(env, error, getattr(constructor, "__module__", ""))) from None
    except BaseException as error:
        if isinstance(error, TypeError) and _never_entered(error):
            raise UnusableEnvironment(_arguments(env, constructor, error)) from None
        if isinstance(error, ImportError) and _innermost(error) == gym.envs.__file__:  # Gymnasium's own refusal
            raise UnusableEnvironment(f"env {env!r}: cannot be made: {first_sentence(error)}") from None
        raise EnvironmentRaised(env, "__init__", error, given) from error
    _check_api(env, made)
    return Promises(made, env, who)


def _check_api(env: str, made: Any) -> None:
    """Raises: UnusableEnvironment where it is not what Gymnasium calls an environment."""
    old = any(base.__module__.split(".")[0] == "gym" for base in type(made).__mro__)
    if not isinstance(made, gym.Env):
        what = "is an environment of the old package gym" if old else f"gives a {type(made).__name__}"
        advice = "import gymnasium as gym, and derive it from gym.Env" if old else "it must give a gymnasium.Env"
        raise UnusableEnvironment(f"env {env!r}: it {what}; {advice}")
    for name in ("observation_space", "action_space"):
        space = getattr(made, name, None)
        if not isinstance(space, gym.Space):
            old = type(space).__module__.split(".")[0] == "gym"
            what = "a space of the old package gym" if old else ("missing" if space is None else type(space).__name__)
            raise UnusableEnvironment(f"env {env!r}: its {name} is {what}, and must be one of gymnasium.spaces")


def _lacking(env: str, error: gym.error.Error, module: str) -> str:
    """What to do where Gymnasium says what is missing: its own words name extras of its own."""
    if not isinstance(error, gym.error.DependencyNotInstalled):
        return f"env {env!r}: cannot be made: {first_sentence(error)}"
    extra = next((one for one in EXTRAS if f".{one.what.lower()}" in module), None)
    return f"env {env!r}: {error}" if extra is None else f"env {env!r}: it {extra.refused(error)}"


def _never_entered(error: TypeError) -> bool:
    """Whether a constructor's signature refused its arguments: then no line of its own was executed.

    A factory may have called `gymnasium.make`, which tells it in words of its own.
    """
    cause = origin(error)
    return _innermost(cause) in (__file__, inspect.getfile(gym.make))


def _innermost(error: BaseException) -> str:
    """The file in which it was raised."""
    return traceback.extract_tb(error.__traceback__)[-1].filename


def _arguments(env: str, constructor: Callable[..., Any], error: TypeError) -> str:
    """What is wrong with the arguments, and which there are."""
    cause = origin(error)
    said, names = first_sentence(cause), re.findall("'([^']*)'", str(cause))
    if "missing" in said and names == ["render_mode"]:
        return (
            f"env {env!r}: its constructor demands a render_mode, and training draws nothing: give it the default None"
        )
    if "missing" in said:
        example = json.dumps(dict.fromkeys(names, "…"), ensure_ascii=False)
        return f"env {env!r}: its constructor needs {' and '.join(names)}: give them with --env-kwargs '{example}'"
    if names == ["render_mode"]:
        return f"env {env!r}: its constructor takes no render_mode, so there are no pictures of it"
    taken = _parameters(constructor)
    return f"env_kwargs: {env} does not take {' and '.join(names) or said}; --env-kwargs can give it {taken}"


def _parameters(constructor: Callable[..., Any]) -> str:
    try:
        names = [name for name in inspect.signature(constructor).parameters if name != "render_mode"]
    except (TypeError, ValueError):
        names = []
    return ", ".join([*names, "max_episode_steps"])


def preprocessing(settings: Settings) -> list[tuple[str, Wrap]]:
    """(name, wrapper) of what the settings ask for, in the usual order; all of them are Gymnasium's own."""
    wrappers: list[tuple[str, Wrap]] = []
    if settings.leave_out:
        wrappers.append(
            (f"FilterObservation (without {', '.join(settings.parts_left_out)})", partial(_leave_out, settings))
        )
    if settings.frame_skip > 1:
        skip = partial(MaxAndSkipObservation, skip=settings.frame_skip)
        wrappers.append((f"MaxAndSkipObservation ({settings.frame_skip})", _for_images("frame_skip", skip)))
    if settings.grayscale:
        wrappers.append(("GrayscaleObservation", _for_images("grayscale", GrayscaleObservation)))
    if settings.frame_size is not None:
        side = settings.frame_size
        resize = partial(ResizeObservation, shape=(side, side))
        wrappers.append((f"ResizeObservation ({side} × {side})", _for_images("frame_size", resize)))
    if settings.frame_stack > 1:
        stack = partial(FrameStackObservation, stack_size=settings.frame_stack)
        wrappers.append((f"FrameStackObservation ({settings.frame_stack})", stack))
    return wrappers


def _leave_out(settings: Settings, environment: Environment) -> Environment:
    """Raises: UnusableEnvironment where there are no such parts, or nothing would be left."""
    space, unwanted = environment.observation_space, settings.parts_left_out
    if not isinstance(space, gym.spaces.Dict):
        raise UnusableEnvironment(
            f"leave_out: only for observations that are a Dict, and the observation space is {space}"
        )
    for part in unwanted:
        if part not in space.spaces:
            raise UnusableEnvironment(f"leave_out: there is no part {part!r}, only {', '.join(space.spaces)}")
    kept = [key for key in space.spaces if key not in unwanted]
    if not kept:
        raise UnusableEnvironment(
            f"leave_out: nothing would be left to look at; the parts are {', '.join(space.spaces)}"
        )
    wrapped: Environment = FilterObservation(environment, kept)
    return wrapped


def _for_images(name: str, wrapper: Callable[..., Environment]) -> Wrap:
    """Raises, when applied: UnusableEnvironment where observations are no pictures, or OpenCV is missing."""

    def wrapped(environment: Environment) -> Environment:
        space = environment.observation_space
        if not isinstance(space, gym.spaces.Box) or space.dtype != np.uint8 or len(space.shape) < 2:
            raise UnusableEnvironment(f"{name}: only for images, and the observation space is {space}")
        try:
            return wrapper(environment)
        except gym.error.DependencyNotInstalled as error:  # its message names an extra of Gymnasium's
            raise UnusableEnvironment(f"{name}: {IMAGES.refused(error)}") from None

    return wrapped
