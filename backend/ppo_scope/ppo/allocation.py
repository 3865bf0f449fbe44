"""How a training process holds its memory: what it has freed it keeps, for the next minibatch."""

from __future__ import annotations

import contextlib
import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of glibc's `malloc.h`."""
KEPT = 2**30
"""Bytes that may lie free at the heap's end before they go back to the system."""
LARGEST_ON_HEAP = 32 * 2**20
"""Larger arrays are mapped each by itself; glibc takes no larger number."""


def keep_memory() -> None:
    """Have the allocator keep what is freed in this process, for good. Elsewhere than on glibc nothing happens.

    By itself glibc gives arrays of some hundred kilobytes back to the system as soon as they are freed. Every layer of
    every minibatch then gets pages that the system has to clear first, which takes longer than the arithmetic does.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # no such function, or no library to look in
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(MMAP_THRESHOLD, LARGEST_ON_HEAP)
        mallopt(TRIM_THRESHOLD, KEPT)
