"""Which samples are sent one by one, and in which order."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.probes.moment import Moment

SAMPLE_CAP = 4096
BY_SAMPLE = frozenset({"samples", "advantages", "values", "policy", "transitions"})
"""The probes that depend on which environments are shown sample by sample."""

Array = NDArray[Any]


def chosen_environments(moment: Moment) -> NDArray[np.int32]:
    """Which environments are shown sample by sample: whole ones, at most `SAMPLE_CAP` samples.

    They are those from `moment.environment` on, the last ones where there are no more; fixed by the seed if it is None.
    """
    settings = moment.update.settings
    room = max(1, SAMPLE_CAP // settings.rollout_steps)
    if settings.num_envs <= room:
        return np.arange(settings.num_envs, dtype=np.int32)
    if moment.environment is not None:
        first = min(moment.environment, settings.num_envs - room)
        return np.arange(first, first + room, dtype=np.int32)
    return _drawn(settings.num_envs, room, settings.seed)


@lru_cache(maxsize=1)
def _drawn(num_envs: int, room: int, seed: int) -> NDArray[np.int32]:
    """Asked for by every probe of every snapshot, and always the same; nobody may write into it."""
    drawn = np.sort(np.random.default_rng(seed).choice(num_envs, room, replace=False)).astype(np.int32)
    drawn.flags.writeable = False
    return drawn


def by_environment(flat: Array, moment: Moment, chosen: NDArray[np.int32]) -> Array:
    """[S, …] time first → [E, T, …] of the chosen environments."""
    settings = moment.update.settings
    shaped = flat.reshape(settings.rollout_steps, settings.num_envs, *flat.shape[1:])
    return shaped[:SAMPLE_CAP, chosen].swapaxes(0, 1)
