"""Which environment an id names: `ID`, or `MODULE:ID` where a module registers it."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from ppo_scope.ppo import extras
from ppo_scope.ppo.failures import PASSED_ON, EnvironmentRaised, UnusableEnvironment, first_sentence

ATARI = (
    "Assault Asteroids Atlantis BeamRider Bowling Boxing Breakout Centipede DemonAttack Enduro Freeway Frostbite "
    "MontezumaRevenge MsPacman Pitfall Pong Qbert Riverraid Seaquest SpaceInvaders"
)
"""The games that people name without `ALE/`, as they once were called."""


def find(env: str) -> EnvSpec:
    """The registered environment of that id.

    Raises:
        UnusableEnvironment: there is none; the nearest names are given, or the command that installs it.
        EnvironmentRaised: the module that registers it fails while it is imported.
    """
    module, name = _parts(env)
    if module:
        _import(env, module)
    try:
        return gym.spec(name)
    except gym.error.Error as error:
        raise UnusableEnvironment(f"env {env!r}: {_unknown(error, module, name)}") from None


def time_limit(spec: EnvSpec, env_kwargs: Mapping[str, Any] = MappingProxyType({})) -> int | None:
    """Steps after which Gymnasium cuts an episode of it, made with these arguments; None: it cuts none."""
    limit = env_kwargs.get("max_episode_steps", spec.max_episode_steps)
    return limit if type(limit) is int and limit > 0 else None


def time_limit_of(name: str) -> int | None:
    """The same, of what is registered by that name; None where nothing is."""
    spec = gym.registry.get(name)
    return None if spec is None else time_limit(spec)


def install(module: str) -> str | None:
    """The command that brings a module which an extra of ours brings."""
    extra = extras.of_module(module)
    return extra.command if extra else None


def table() -> list[dict[str, Any]]:
    """The ids that can be offered as plain rows, each with the extra that it still needs in words (`missing`)."""
    atari = [f"ale_py:{name}" for name in _games()]
    return [{"id": name, "missing": _missing_words(name)} for name in [*offered(), *atari]]


def offered() -> list[str]:
    """The registered ids but for those of packages that are gone: they are named to be refused."""
    return [name for name, spec in gym.registry.items() if _is_offered(spec)]


def _is_offered(spec: EnvSpec) -> bool:
    entry = spec.entry_point or spec.vector_entry_point
    if callable(entry):
        return getattr(entry, "__module__", "") != gym.envs.__name__  # there it does nothing but raise
    module = str(entry).partition(":")[0]
    if module.startswith(("gymnasium.envs.phys2d", "gymnasium.envs.tabular")):
        return importlib.util.find_spec("jax") is not None
    return not str(spec.id).startswith("GymV2")


def _missing_words(name: str) -> str | None:
    extra = extras.missing({"env": name})
    return str(extra) if extra else None


def _games() -> list[str]:
    return [f"ALE/{game}-v5" for game in ATARI.split()]


def _parts(env: str) -> tuple[str, str]:
    """(the module to import, "" for none; the id).

    Raises:
        UnusableEnvironment: it cannot be read so.
    """
    module, colon, name = env.rpartition(":")
    wanted = "an id is wanted, like CartPole-v1, or MODULE:ID, like my_env:Mine-v0"
    if not name.strip():
        raise UnusableEnvironment(f"env {env!r}: the id is missing; {wanted}")
    if colon and not module.strip():
        raise UnusableEnvironment(f"env {env!r}: the module before the colon is missing; {wanted}")
    if module.endswith(".py") or "/" in module or "\\" in module:
        file = Path(module)
        place = f"from the folder {file.resolve().parent}" if file.exists() else "from the folder that holds the file"
        raise UnusableEnvironment(
            f"env {env!r}: name the module, not its file: --env {file.stem}:{name} {place}, or with it in PYTHONPATH"
        )
    if colon and not all(part.isidentifier() for part in module.split(".")):
        raise UnusableEnvironment(f"env {env!r}: {module!r} is no name of a module; {wanted}")
    return module, name


def _import(env: str, module: str) -> None:
    try:
        importlib.import_module(module)
    except PASSED_ON:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module}.".startswith(f"{error.name}."):
            raise UnusableEnvironment(f"env {env!r}: {_missing(module, error)}") from None
        hint = "; gym is the old name of gymnasium: import gymnasium as gym" if error.name == "gym" else ""
        raise EnvironmentRaised(env, "import", error, hint) from error
    except BaseException as error:
        raise EnvironmentRaised(env, "import", error) from error


def _missing(module: str, error: ImportError) -> str:
    text = f"the module {module!r} cannot be imported: {error}"
    command = install(module)
    if command is not None:
        return f"{text}; {command} brings it"
    return f"{text}; it was looked for among what is installed and in {Path.cwd()}"


def _unknown(error: gym.error.Error, module: str, name: str) -> str:
    """Why there is no such id, and what may have been meant."""
    if name in getattr(sys.modules.get("gym.envs.registration"), "registry", ()):
        return (
            f"{module or 'it'} registers it with the old package gym; import gymnasium as gym instead, and let reset "
            "return (observation, info) and step (observation, reward, terminated, truncated, info)"
        )
    if not module and _is_atari(name):
        meant = f"ale_py:{name if name.startswith('ALE/') else f'ALE/{_game(name)}-v5'}"
        if importlib.util.find_spec("ale_py") is None:
            return f"Atari's games come with ale_py: {install('ale_py')}, then --env {meant}"
        return f"Atari's games are registered by ale_py: --env {meant}"
    if module and _is_hidden(module):
        return f"{first_sentence(error)}; {module!r} is another module, {_file(module)}: give {module}.py another name"
    near = [_with_module(one, module) for one in difflib.get_close_matches(name, offered(), n=3, cutoff=0.5)]
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"{first_sentence(error)}{hint}"


def _with_module(name: str, module: str) -> str:
    """As it has to be asked for: what Gymnasium does not bring itself is registered by some module."""
    theirs = str(gym.registry[name].entry_point).startswith("gymnasium.")
    return name if theirs or not module else f"{module}:{name}"


def _is_atari(name: str) -> bool:
    return name.startswith("ALE/") or "NoFrameskip" in name or _game(name) in ATARI.split()


def _game(name: str) -> str:
    return name.split("-")[0].removesuffix("NoFrameskip").removesuffix("Deterministic")


def _is_hidden(module: str) -> bool:
    """Whether a file in this folder was meant, and an installed module of the same name came first."""
    mine = Path.cwd() / f"{module}.py"
    return mine.exists() and _file(module) not in (None, str(mine))


def _file(module: str) -> str | None:
    return getattr(sys.modules.get(module), "__file__", None)
