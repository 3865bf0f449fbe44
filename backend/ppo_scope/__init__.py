"""PPO Scope: train with PPO for real and see every number of it in a browser."""

__version__ = "0.1.0"

LATER = {"Scope": "ppo_scope.attach.scope", "watch": "ppo_scope.attach.stable_baselines"}
"""What is imported once it is asked for: the server starts without torch."""


def __getattr__(name: str) -> object:
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(LATER[name]), name)
