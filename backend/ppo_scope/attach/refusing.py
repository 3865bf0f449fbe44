"""Distributions of torch refuse parameters that are not finite: a policy of such weights raises where it is asked."""

from __future__ import annotations

REFUSED = "but found invalid values"
"""In what they say then."""


def is_of_nan(error: ValueError) -> bool:
    """Whether that is why."""
    return REFUSED in str(error)
