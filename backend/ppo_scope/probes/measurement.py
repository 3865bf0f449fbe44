"""What a probe finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

BINS = 64
"""Of every histogram."""

Array = NDArray[Any]


@dataclass
class Measurement:
    """Numbers and arrays by name, and what there is to say about them in words."""

    scalars: dict[str, float] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
