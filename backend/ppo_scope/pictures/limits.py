"""What drawing may take: time to come back, and a share of the machine."""

from __future__ import annotations

from dataclasses import dataclass

PICTURES_PER_SECOND = 12
"""Each takes a page some five milliseconds, and it is the eye of who looks at a paused run that it has to please."""
SHARE = 0.1
"""Of a core, while training runs; a run that rests leaves it to the pictures."""
NICE = 10
"""How far drawing steps back where cores are short."""


@dataclass(frozen=True)
class Patience:
    """Seconds after which drawing that has not come back is ended."""

    first: float = 60.0
    """To import what it needs, to make the environment and to draw it for the first time."""
    later: float = 10.0
