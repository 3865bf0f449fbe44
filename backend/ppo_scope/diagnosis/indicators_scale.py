"""The scale of what networks see, as numbers."""

from __future__ import annotations

import math

import numpy as np

from ppo_scope.diagnosis.judging import LARGE_OBSERVATIONS, SMALL_OBSERVATIONS, UNEVEN, Row
from ppo_scope.probes.record import Floats

MOST = 0.5
"""Of samples, in which a part is as large as any comes."""
ROUNDING = 1e-5
"""Of the size of a part of an observation: what varies by less is a constant, but for rounding."""


def scales(seen: Floats) -> Row:
    """Of observations [B, D]: the largest part's size, and how much the parts vary that vary most and least."""
    squares = np.add.reduce(np.square(seen, dtype=np.float64)) / len(seen)
    away = np.subtract(seen, np.add.reduce(seen, dtype=np.float64) / len(seen), dtype=np.float64)
    variances = np.add.reduce(np.square(away, out=away)) / len(seen)
    found = {"observation_size": math.sqrt(squares.max()), "observation_spread": math.sqrt(variances.max())}
    sizes = np.abs(seen)
    largest = sizes.max()
    there = np.count_nonzero(sizes >= largest, axis=0) > MOST * len(seen)
    found |= {"observation_largest": float(largest), "observation_parts": float(len(there))}
    found["observation_parts_at_largest"] = float(np.count_nonzero(there))
    varying = np.flatnonzero(variances > ROUNDING**2 * squares)
    if len(varying):
        least = varying[variances[varying].argmin()]
        found["observation_least_spread"] = math.sqrt(variances[least])
        found |= {"observation_least_part": float(least), "observation_most_part": float(variances.argmax())}
    return found


def wild(found: Row) -> bool:
    """Whether they are so far from 1, or from each other, that a check may speak of it."""
    least = found.get("observation_least_spread", 0.0)
    far = found["observation_size"] > LARGE_OBSERVATIONS or found["observation_spread"] < SMALL_OBSERVATIONS
    return far or found["observation_spread"] > UNEVEN * least > 0
