"""PPO Scope: train with PPO for real and see every number of it in a browser."""

__version__ = "0.1.0"

TYPE_CHECKING = False  # nothing is imported here: a folder of the user's may hold a module of any name (search_path.py)
if TYPE_CHECKING:
    from ppo_scope.notebook import show as show
    from ppo_scope.records.loading import load as load

_FROM = {
    "Scope": "ppo_scope.attach.own_loop.scope",
    "load": "ppo_scope.records.loading",
    "show": "ppo_scope.notebook",
    "watch": "ppo_scope.attach.ways",
}
"""What is offered to scripts, and where it comes from: imported when it is asked for, for it takes torch along."""


def __getattr__(name: str) -> object:
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_FROM[name]), name)
