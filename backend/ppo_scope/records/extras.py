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
    """A package that is needed is not installed, or cannot be imported; one readable line that says how to get it."""


def needed(name: str) -> Any:
    """The module of that name.

    Raises:
        Missing: its package is not installed, or cannot be imported.
    """
    package = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        command = f"pip install 'ppo-scope[{INSTALLED_BY[package]}]'"
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] == package:
            raise Missing(f"{package} is needed for this and not installed: {command}") from None
        raise Missing(f"{package} is needed for this, and cannot be imported ({error}): {command}") from error
