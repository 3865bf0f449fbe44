"""What is said of a run once its environments are there."""

from __future__ import annotations

from typing import Any

from ppo_scope.ppo.trainer import Trainer


def facts_of(trainer: Trainer) -> dict[str, Any]:
    """The fields of the event `started`."""
    environments = trainer.environments
    return {
        "device": str(trainer.device),
        "observation": environments.spaces.observation,
        "action": environments.spaces.action,
        "reward_threshold": environments.reward_threshold,
        "max_entropy": trainer.distribution.max_entropy,
        "wrappers": list(environments.wrappers),
    }
