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
