"""A process that had better be ended than any other where memory runs out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

SCORE = Path("/proc/self/oom_score_adj")
FIRST_TO_GO = "1000"


def be_expendable() -> None:
    """From now on, Linux ends this process before any other one if it runs out of memory."""
    with contextlib.suppress(OSError):
        SCORE.write_text(FIRST_TO_GO)


@contextlib.contextmanager
def expendable() -> Iterator[None]:
    """Inside, Linux ends this process before any other one if it runs out of memory. Elsewhere nothing happens."""
    before = None
    with contextlib.suppress(OSError):
        before = SCORE.read_text()
        be_expendable()
    try:
        yield
    finally:
        if before is not None:
            with contextlib.suppress(OSError):
                SCORE.write_text(before)
