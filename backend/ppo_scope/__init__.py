"""PPO Scope: train with PPO for real and see every number of it in a browser."""

__version__ = "0.1.0"

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ppo_scope.notebook import show as show
    from ppo_scope.records.loading import load as load

_FROM = {"load": "ppo_scope.records.loading", "show": "ppo_scope.notebook"}
"""What is offered to scripts, and where it comes from: imported when it is asked for, so that a command begins soon."""


def __getattr__(name: str) -> Any:
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_FROM[name]), name)
