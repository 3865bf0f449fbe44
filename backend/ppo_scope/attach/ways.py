"""`ppo_scope.watch`: whose training it is, and which file here knows it."""

from __future__ import annotations

import importlib
from typing import Any

OTHERS = {
    "trl.GRPOTrainer": "ppo_scope.attach.grpo",
    "torchrl.ClipPPOLoss": "ppo_scope.attach.clip_loss",
}
"""By package and class; everything else is asked of the file for Stable-Baselines3."""


def watch(model: Any, **options: Any) -> Any:
    """Show what this model, trainer or loss does from now on; returned as it was given.

    Args:
        model: a `PPO` of Stable-Baselines3, a `MaskablePPO` of sb3-contrib, a `GRPOTrainer` of TRL, a `ClipPPOLoss` of
            TorchRL.
        options: `url`, `paused`; for TorchRL also `advantage`, `optimizer` and `env`.

    Raises:
        TypeError: it is something else, or cannot be shown; the sentence says why.
        ValueError: the link is none.
    """
    names = [f"{one.__module__.partition('.')[0]}.{one.__name__}" for one in type(model).__mro__]
    module = next((OTHERS[name] for name in names if name in OTHERS), "ppo_scope.attach.sb3.stable_baselines")
    return importlib.import_module(module).watch(model, **options)
