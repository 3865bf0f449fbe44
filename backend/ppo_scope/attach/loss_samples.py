"""Which samples of a rollout a minibatch holds, known by what a loss reads of them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNKNOWN_SAMPLE = (
    "a minibatch holds a sample that the rollout has not: its action, log-probability or value target was changed "
    "after the advantages were estimated"
)


def places_by(*rows: NDArray[Any]) -> dict[bytes, int] | dict[bytes, deque[int]]:
    """Which samples have which action, log-probability and target; one for each where no two are alike."""
    size = rows[0].shape[0] * rows[0].shape[1]
    each = bytes_of(size, rows)
    single = dict(zip(each, range(size), strict=True))
    if len(single) == size:
        return single
    found: dict[bytes, deque[int]] = defaultdict(deque)
    for place, sample in enumerate(each):
        found[sample].append(place)
    return dict(found)


def samples_in(places: Mapping[bytes, int | deque[int]], each: Sequence[bytes]) -> NDArray[np.int64]:
    """[B] places in the rollout. Of samples that are alike in all that the loss reads, one after the other.

    Raises:
        RuntimeError: one of them is none of the rollout's.
    """
    found = []
    for sample in each:
        place = places.get(sample)
        if place is None:
            raise RuntimeError(UNKNOWN_SAMPLE)
        if isinstance(place, deque):
            place.rotate(-1)
            place = place[-1]
        found.append(place)
    return np.array(found, np.int64)


def bytes_of(size: int, rows: Sequence[NDArray[Any]]) -> list[bytes]:
    """What each sample says in all of these arrays."""
    parts = [np.ascontiguousarray(one.reshape(size, -1)).view(np.uint8) for one in rows]
    joined = np.concatenate(parts, axis=1)
    found: list[bytes] = joined.view(f"V{joined.shape[1]}").reshape(-1).tolist()
    return found
