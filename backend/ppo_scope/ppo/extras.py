"""What some environments need that is not always installed, told from their ids alone: nothing is imported for it."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BOX2D = "BipedalWalker BipedalWalkerHardcore CarRacing LunarLander LunarLanderContinuous"
MUJOCO = (
    "Ant HalfCheetah Hopper Humanoid HumanoidStandup InvertedDoublePendulum InvertedPendulum Pusher Reacher Swimmer "
    "Walker2d"
)
OLD = ("v2", "v3")
"""Versions of theirs that want a package which is gone."""
FOR_IMAGES = ("frame_size", "grayscale")
"""Settings that OpenCV carries out."""


@dataclass(frozen=True)
class Extra:
    """A group of packages that `pip install "ppo-scope[name]"` brings, told by the module that it is there for."""

    name: str
    module: str
    what: str
    """The package's name, as people know it."""

    @property
    def command(self) -> str:
        """What installs it."""
        return f'pip install "ppo-scope[{self.name}]"'

    @property
    def is_missing(self) -> bool:
        """Whether its module cannot be found."""
        return importlib.util.find_spec(self.module) is None

    def __str__(self) -> str:
        return f"needs {self.what}, which is not installed; {self.command} brings it"

    def refused(self, error: BaseException) -> str:
        """The same where its import has failed: it may be there, in parts or without a library of the system's."""
        if self.is_missing:
            return str(self)
        return f"needs {self.what}, which is installed and cannot be imported: {error.__cause__ or error}"


ATARI = Extra("atari", "ale_py", "ale_py")
IMAGES = Extra("images", "cv2", "OpenCV")
EXTRAS = (ATARI, Extra("mujoco", "mujoco", "MuJoCo"), Extra("box2d", "Box2D", "Box2D"), IMAGES)


def of_module(module: str) -> Extra | None:
    """The extra that brings a module."""
    return next((extra for extra in EXTRAS if extra.module == module), None)


def needed(settings: Mapping[str, Any]) -> tuple[Extra, ...]:
    """The extras that a run with these settings needs, installed or not; what is not among them has its default."""
    module, _, name = str(settings.get("env", "")).rpartition(":")
    atari, mujoco, box2d, images = EXTRAS
    kind, _, version = name.rpartition("-")
    wanted = {
        atari: module == atari.module,
        mujoco: not module and kind in MUJOCO.split() and version not in OLD,
        box2d: not module and kind in BOX2D.split(),
        images: any(settings.get(one) for one in FOR_IMAGES),
    }
    return tuple(extra for extra, is_needed in wanted.items() if is_needed)


def missing(settings: Mapping[str, Any]) -> Extra | None:
    """The first that has to be installed before a run with these settings can begin; `atari` brings OpenCV as well."""
    return next((extra for extra in needed(settings) if extra.is_missing), None)
