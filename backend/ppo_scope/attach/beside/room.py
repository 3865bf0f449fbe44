"""Memory that two processes see, for the arrays of one update: how they lie is told once, for those that lie alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 64
"""Bytes: each array begins where arithmetic likes it to."""

Array = NDArray[Any]
Layout = tuple[tuple[int, str, tuple[int, ...]] | None, ...]
"""Of each array: where it begins, its type and its shape; None: there is none, or no room for it."""


class Room:
    """Seen from either side. It holds one list of arrays at a time."""

    def __init__(self, memory: memoryview) -> None:
        self.memory = memory
        self._held: list[Array | None] = []
        self._kinds: list[tuple[np.dtype[Any], tuple[int, ...]] | None] = []

    def put(self, arrays: Sequence[Array | None]) -> tuple[Layout | None, dict[int, Array]]:
        """Copy these in; how they lie, None: as those before. And those that there was no room for, by place."""
        kinds = [None if array is None else (array.dtype, array.shape) for array in arrays]
        layout = None
        if kinds != self._kinds:
            layout, self._kinds = _layout(kinds, len(self.memory)), kinds
            self._held = self._views(layout)
        rest = {}
        for place, (array, held) in enumerate(zip(arrays, self._held, strict=True)):
            if held is not None:
                np.copyto(held, array)  # type: ignore[arg-type]  # there is one where there is room for it
            elif array is not None:
                rest[place] = array
        return layout, rest

    def take(self, layout: Layout | None, rest: dict[int, Array]) -> list[Array | None]:
        """What `put` was given; it lies here until the next."""
        if layout is not None:
            self._held = self._views(layout)
        return [rest.get(place, held) for place, held in enumerate(self._held)] if rest else self._held

    def _views(self, layout: Layout) -> list[Array | None]:
        return [
            None if one is None else np.frombuffer(self.memory, one[1], math.prod(one[2]), one[0]).reshape(one[2])
            for one in layout
        ]


def _layout(kinds: Sequence[tuple[np.dtype[Any], tuple[int, ...]] | None], size: int) -> Layout:
    """One after the other, as far as they fit."""
    found: list[tuple[int, str, tuple[int, ...]] | None] = []
    at = 0
    for kind in kinds:
        end = size + 1 if kind is None else at + math.prod(kind[1]) * kind[0].itemsize
        if kind is None or end > size:
            found.append(None)
        else:
            found.append((at, kind[0].str, kind[1]))
            at = end + -end % ALIGNMENT
    return tuple(found)
