"""Packages that only some need, imported when they are asked for."""

from __future__ import annotations

import importlib
from typing import Any

INSTALLED_BY = {
    "pandas": "pandas",
    "pyarrow": "parquet",
    "tensorboard": "tensorboard",
    "stable_baselines3": "sb3",
    "sb3_contrib": "sb3",
    "jupyter_server": "jupyter",
    "imageio_ffmpeg": "mp4",
    "scipy": "compare",
    "ray": "ray",
}
"""Package → the extra of ours that installs it."""


class Missing(ImportError):
    """A package that is needed is not installed; one readable line that says how to get it."""


def needed(name: str) -> Any:
    """The module of that name.

    Raises:
        Missing: its package is not installed.
    """
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:
            raise
        extra = INSTALLED_BY[package]
        raise Missing(f"{package} is needed for this and not installed: pip install 'ppo-scope[{extra}]'") from None
