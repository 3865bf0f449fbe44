"""What a probe finds."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 64
"""Of every histogram."""

Array = NDArray[Any]


def bin_of(values: Array, low: float, high: float) -> NDArray[np.int64]:
    """Which of `BINS` equal bins over [low, high] each value is in; one beyond is in the first or last; NaN in none."""
    within = np.minimum(np.maximum(values, low), high)
    bins: NDArray[np.int64] = ((within - low) * (BINS / (high - low))).astype(np.int64)
    return np.minimum(bins, BINS - 1, out=bins)


def counted(bins: NDArray[np.int64]) -> NDArray[np.uint32]:
    """[BINS]: how many are in each."""
    return np.bincount(bins, minlength=BINS).astype(np.uint32)


def counted_by(
    codes: NDArray[np.uint8], shown: Sequence[int], values: Array, low: float, high: float
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """([K, BINS] counts over [low, high], [K, 2] how many are below and above), of the values with each of K codes.

    Other codes are not counted, nor is NaN. All in one pass: a sample's place is its code's row, and in it 1 + its bin.
    """
    if (unknown := np.isnan(values)).any():
        codes, values = codes[~unknown], values[~unknown]
    row = np.full(256, len(shown), np.int64)
    row[list(shown)] = np.arange(len(shown))
    place = bin_of(values, low, high)
    place += 1
    place[values < low] = 0
    place[values > high] = BINS + 1
    place += row[codes] * (BINS + 2)
    counts = np.bincount(place, minlength=(len(shown) + 1) * (BINS + 2)).astype(np.uint32)
    counts = counts.reshape(-1, BINS + 2)[: len(shown)]
    return counts[:, 1:-1].copy(), counts[:, [0, -1]]


def spread(values: Array, mean: float) -> float:
    """Σ(x − mean)² in double precision, in NumPy's own order."""
    away = np.subtract(values, mean, dtype=np.float64)
    return float(np.add.reduce(np.multiply(away, away, out=away)))


@functools.lru_cache(16)
def evenly(count: int, most: int) -> NDArray[np.int64]:
    """So many of `count` places, as far apart as may be; all of them where they are no more. Not to be written to."""
    places = np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(np.int64)
    places.flags.writeable = False
    return places


def median(values: NDArray[np.float64]) -> float:
    """As `np.median` of numbers in a row, but for the sign of 0, in a third of the time; NaN where one of them is."""
    ordered, middle = np.sort(values), len(values) // 2
    if math.isnan(ordered[-1]):
        return math.nan
    return float(ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)


def variance_of(values: NDArray[np.float64]) -> float:
    """As `np.var`, to the bit: of a few hundred numbers, most of its time is not arithmetic."""
    return spread(values, np.add.reduce(values) / len(values)) / len(values)


def rms(values: NDArray[np.float64]) -> float:
    """√(mean of squares), of any shape."""
    flat = values.reshape(-1)
    return math.sqrt(float(flat @ flat) / len(flat))


@dataclass
class Measurement:
    """Numbers and arrays by name, and what there is to say about them in words."""

    scalars: dict[str, float] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    measured: list[str] = field(default_factory=list)
    """The probes that found something, or had nothing to find."""

    lacks: dict[str, str] = field(default_factory=dict)
    """Probe → a sentence, of those that need what the subject cannot do or does not tell."""

    def take(self, other: Measurement) -> None:
        """Add what another one has found at the same moment."""
        self.scalars |= other.scalars
        self.arrays |= other.arrays
        self.notes |= other.notes
        self.lacks |= other.lacks
        self.measured += [name for name in other.measured if name not in self.measured]
