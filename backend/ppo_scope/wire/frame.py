"""Frames: a JSON header and raw arrays in one binary message (docs/protocol.md).

Encoded once in the training process; the server passes the bytes on and every page reads the arrays in place.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROTOCOL = 3
ALIGNMENT = 8
DTYPES = frozenset({"uint8", "uint32", "int32", "float32", "float64"})
"""What a browser can read in place as a typed array."""
NAMES = {np.dtype(name): name for name in DTYPES}
"""Quicker than `dtype.name`, which puts the name together anew."""

Array = NDArray[Any]


def encode(header: dict[str, Any], arrays: dict[str, Array] | None = None) -> bytes:
    """Pack a header and named arrays into one message.

    Numbers in `header["scalars"]` that are not finite become null: JSON has no NaN, and a quantity that is not
    defined is not zero.

    Raises:
        ValueError: an array has a dtype that is not in `DTYPES`, or the header holds a number that is not finite
            outside of its scalars.
    """
    described: dict[str, Any] = {}
    chunks: list[bytes] = []
    offset = 0
    for name, array in (arrays or {}).items():
        if array.dtype not in NAMES:
            raise ValueError(f"array {name!r} has dtype {array.dtype}; a frame holds {sorted(DTYPES)}")
        described[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "offset": offset}
        chunks.append(array.tobytes())
        padding = -array.nbytes % ALIGNMENT
        chunks.append(bytes(padding))
        offset += array.nbytes + padding
    scalars = {name: _finite(value) for name, value in header.get("scalars", {}).items()}
    whole = {"protocol": PROTOCOL, **header, "scalars": scalars, "arrays": described}
    text = json.dumps(whole, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-(4 + len(text)) % ALIGNMENT)
    return b"".join([len(text).to_bytes(4, "little"), text, *chunks])


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def header(message: bytes) -> dict[str, Any]:
    """The header alone.

    Raises:
        ValueError: the message is not a frame.
    """
    return _header(message)[0]


def _header(message: bytes) -> tuple[dict[str, Any], int]:
    end = 4 + int.from_bytes(message[:4], "little")
    if len(message) < 4 or end > len(message):
        raise ValueError("not a frame: it is shorter than its header claims")
    parsed = json.loads(message[4:end])
    if not isinstance(parsed, dict):
        raise ValueError("not a frame: its header is no object")
    return parsed, end


def decode(message: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """(header, arrays); the arrays are read-only views of the message.

    Raises:
        ValueError: the message is not a frame, or an array reaches beyond its end.
    """
    parsed, start = _header(message)
    arrays = {}
    for name, described in parsed["arrays"].items():
        shape = described["shape"]
        count = math.prod(shape)
        array = np.frombuffer(message, described["dtype"], count, start + described["offset"])
        arrays[name] = array.reshape(shape)
    return parsed, arrays
