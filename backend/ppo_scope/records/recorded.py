"""A recording that is a file: what it is called, and whether a page can show it."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from ppo_scope.wire import frame

LENGTH_BYTES = 8
"""Of the length before each frame, little-endian."""
OLDEST_PROTOCOL = 2
"""Of the recordings that a page can show."""


def name_of(path: Path) -> str:
    """The recording's name in an address."""
    return re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:60] or "recording"


def check(path: Path) -> None:
    """Read it to its end.

    Raises:
        ValueError: it is no recording, or none that a page can show; in one readable line.
    """
    try:
        whole = gzip.decompress(path.read_bytes())
        headers = [frame.header(one) for one in _frames(whole)]
    except OSError as error:  # gzip's own errors are among them
        why = error.strerror or "it is no recording, which would be packed with gzip"
        raise ValueError(f"{path} cannot be opened: {why}") from None
    except (EOFError, zlib.error, ValueError):
        raise ValueError(f"{path} cannot be opened: it is damaged or cut off") from None
    if not headers or headers[0].get("kind") != "run":
        raise ValueError(f"{path} cannot be opened: it does not begin with a run")
    if not OLDEST_PROTOCOL <= headers[0].get("protocol", 0) <= frame.PROTOCOL:
        raise ValueError(f"{path} cannot be opened: it is of another version of PPO Scope. Record the run anew")
    if all(header.get("kind") != "snapshot" for header in headers):
        raise ValueError(f"{path} cannot be opened: there is no moment in it that could be shown")


def _frames(whole: bytes) -> Iterator[bytes]:
    """Raises ValueError: the last one is cut off."""
    at = 0
    while at < len(whole):
        end = at + LENGTH_BYTES + int.from_bytes(whole[at : at + LENGTH_BYTES], "little")
        if end > len(whole):
            raise ValueError("cut off")
        yield whole[at + LENGTH_BYTES : end]
        at = end
