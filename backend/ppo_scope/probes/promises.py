"""What each probe promises: its arrays, their dtypes and shapes. The table of docs/protocol.md says the same.

What a probe gives is held against it before it is sent: a page that reads an array of another shape draws nonsense.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.places import SAMPLE_CAP, chosen_environments
from ppo_scope.wire.frame import NAMES

Promise = tuple[str, tuple[int | str, ...]]
"""dtype, and a number or a letter for each dimension: E environments × T steps on show; what other letters stand for
is the probe's own, but within one look a letter is one number."""

E_T: tuple[int | str, ...] = ("E", "T")
E_T_W: tuple[int | str, ...] = ("E", "T", "W")

PROMISED: Mapping[str, Mapping[str, Promise]] = {
    "ratio": {"ratio_counts": ("uint32", (5, 64)), "ratio_outside": ("uint32", (5, 2))},
    "samples": {
        "environments": ("int32", ("E",)),
        "ratio": ("float32", E_T),
        "region": ("uint8", E_T),
        "in_minibatch": ("uint8", E_T),
        "episode_end": ("uint8", E_T),
        "advantage_used": ("float32", E_T),
        "exact_kl": ("float32", E_T),
    },
    "advantages": {
        "advantage_counts": ("uint32", (64,)),
        "advantage_used_counts": ("uint32", (64,)),
        "advantage": ("float32", E_T),
    },
    "values": {
        "reward": ("float32", E_T),
        "value": ("float32", E_T),
        "value_target": ("float32", E_T),
        "reward_used": ("float32", E_T),
        "value_now": ("float32", E_T),
        "delta": ("float32", E_T),
    },
    "minibatches": {"minibatches": ("float32", ("J", "C"))},
    "post_step": {"ratio_post_counts": ("uint32", (64,)), "ratio_post_outside": ("uint32", (2,))},
    "gradients": {
        "gradient_norms": ("float32", (4, "G")),
        "gradient_cosines": ("float32", (3, "G")),
        "gradient_shared": ("uint8", ("G",)),
    },
    "direction": {"direction_at": ("float32", (21,)), "direction_losses": ("float32", (3, 21))},
    "policy": {
        "policy_places": ("int32", ("K", 2)),
        "policy_before": ("float32", ("K", "W")),
        "policy_now": ("float32", ("K", "W")),
        "policy_shift": ("float32", ("W",)),
        "entropy_counts": ("uint32", (2, 64)),
        "policy_allowed": ("uint8", ("K", "W")),
    },
    "transitions": {
        "observation": ("float32", ("E", "T", "D")),
        "action": ("float32", ("E", "T", "A")),
        "policy_old": ("float32", E_T_W),
        "policy_new": ("float32", E_T_W),
        "allowed": ("uint8", E_T_W),
        "log_prob_old": ("float32", E_T),
        "log_prob_new": ("float32", E_T),
        "ratio_new": ("float32", E_T),
        "region_new": ("uint8", E_T),
        "exact_kl_new": ("float32", E_T),
        "gradient_policy": ("float32", E_T),
        "gradient_value": ("float32", E_T),
        "gradient_entropy": ("float32", E_T),
        "gradient_total": ("float32", E_T),
    },
}


class Broken(Exception):
    """A probe gave something else than it promises."""


def check(name: str, found: object, moment: Moment) -> None:
    """Hold what a probe gave against its promise. A probe that is not in the table promises a frame's dtypes alone.

    Raises:
        Broken: says which part, what was expected and what came.
    """
    if not isinstance(found, Measurement):
        raise Broken(f"it gave {type(found).__name__} in place of a Measurement")
    for scalar, value in found.scalars.items():
        if not isinstance(value, int | float):
            raise Broken(f"the scalar {scalar!r} is {type(value).__name__}, no number")
    if found.notes:
        try:
            json.dumps(found.notes, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise Broken(f"its notes cannot be sent: {error}") from None
    promised = PROMISED.get(name)
    settings = moment.update.settings
    letters = {"E": len(chosen_environments(moment)), "T": min(settings.rollout_steps, SAMPLE_CAP)}
    arrays: Mapping[str, object] = found.arrays
    for key, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype not in NAMES:
            raise Broken(f"{key!r} is {getattr(array, 'dtype', type(array).__name__)}, which no frame holds")
        if promised is not None:
            _check_array(key, array, promised, letters)


def _check_array(key: str, array: NDArray[Any], promised: Mapping[str, Promise], letters: dict[str, int]) -> None:
    if key not in promised:
        raise Broken(f"the array {key!r} is not one of its own")
    dtype, dimensions = promised[key]
    fits = NAMES[array.dtype] == dtype and len(array.shape) == len(dimensions)
    if fits:
        for size, dimension in zip(array.shape, dimensions, strict=True):
            expected = dimension if isinstance(dimension, int) else letters.setdefault(dimension, size)
            fits = fits and size == expected
    if not fits:
        wanted = [letters.get(d, d) if isinstance(d, str) else d for d in dimensions]
        raise Broken(f"{key!r}: expected {dtype} {wanted}, got {array.dtype.name} {list(array.shape)}")


def described(promise: Promise) -> str:
    """As in docs/protocol.md: `uint32 [5, 64]`."""
    dtype, dimensions = promise
    return f"{dtype} [{', '.join(map(str, dimensions))}]"
