"""ε and ε⁺ of a loop that reads each from a place of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class ClipRanges:
    """How far r may fall below 1 and rise above it, by the names of our settings.

    Where a loop begins with the same on both sides ε⁺ is off, and ε moves both.
    """

    def __init__(self, low: float, high: float, give: Callable[[float, float], Any]) -> None:
        """`give` puts both where the loop reads them."""
        self._low, self._high, self._give = low, _apart(low, high), give

    @property
    def told(self) -> dict[str, Any]:
        """What the loop begins with."""
        return {"clip_range": self._low, "clip_range_high": self._high}

    @property
    def change(self) -> dict[str, Callable[[Any], None]]:
        """How each of them is moved."""
        return {"clip_range": self._fall_by, "clip_range_high": self._rise_by}

    def _fall_by(self, low: float) -> None:
        self._low = low
        self._give(low, low if self._high is None else self._high)

    def _rise_by(self, high: float | None) -> None:
        self._high = high
        self._give(self._low, self._low if high is None else high)


def _apart(low: float, high: float) -> float | None:
    return None if high == low else high
