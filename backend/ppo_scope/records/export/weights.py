"""The weights of a state as a safetensors file, which holds numbers and nothing that is run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from ppo_scope.records.export.policy import policy_of
from ppo_scope.records.loading import LoadedRun


def write_safetensors(run: LoadedRun, path: Path, at: int | None = None) -> tuple[list[Path], int]:
    """Every parameter by its name; `observation_mean` and `observation_deviation` where observations are normalised.

    Returns:
        the files, and the update before which the weights are.

    Raises:
        CannotRead: no such state is kept, or it is damaged.
        UnusableEnvironment, EnvironmentFault: the environment, which says how wide the layers are, cannot be made.
        OSError: it cannot be written.
    """
    update, state = run.state_before(at)
    with policy_of(state) as policy:
        weights = {name: np.ascontiguousarray(array) for name, array in policy.network.weights().items()}
    about = {"run": run.id, "before_update": str(update), "settings": json.dumps(state["settings"])}
    path.write_bytes(save(weights, metadata=about))
    return [path], update
