"""From whatever `render()` gives to the bytes that a browser shows."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MIME = "image/jpeg"
LARGEST_SIDE = 800
"""Pixels; larger pictures are scaled down before they travel."""
EXPECTED = "an array of H × W × 3 bytes (RGB)"
CHANNELS = frozenset({1, 3, 4})

Pixels = NDArray[np.uint8]


class CannotRender(Exception):
    """There is no picture to show; the message says why."""


def pixels_of(rendered: Any) -> Pixels:
    """What `render()` gave, as bytes [H, W, 3].

    Shown are RGB, RGBA (over white), grey [H, W] and [H, W, 1], in bytes, in shares from 0 to 1, or in other numbers
    from 0 to 255; and the last one of several pictures.

    Raises:
        CannotRender: it is none of these; the message names what was expected and what came.
    """
    if rendered is None:
        raise CannotRender("render() gave nothing in the mode rgb_array")
    if isinstance(rendered, list | tuple) and not len(rendered):
        raise CannotRender("render() gave an empty list in the mode rgb_array")
    if isinstance(rendered, list | tuple) and hasattr(rendered[-1], "shape"):
        rendered = rendered[-1]
    if isinstance(rendered, str | bytes | dict):
        raise CannotRender(f"render() gave a {type(rendered).__name__}; expected {EXPECTED}")
    array = np.asarray(rendered)
    if array.ndim == 4 and len(array):
        array = array[-1]
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in CHANNELS or not array.size or array.dtype.kind not in "buif":
        raise CannotRender(f"render() gave shape {np.shape(rendered)} of {array.dtype}; expected {EXPECTED}")
    return _in_three_colours(_as_bytes(array))


def _as_bytes(array: NDArray[Any]) -> Pixels:
    if array.dtype == np.uint8:
        return array
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 255):  # NaN is neither
        raise CannotRender(
            f"render() gave {array.dtype} from {low:.4g} to {high:.4g}; expected bytes, or numbers to 1 or to 255"
        )
    shares = array.dtype.kind in "bf" and high <= 1
    return np.round(array * 255.0 if shares else array).astype(np.uint8)


def _in_three_colours(array: Pixels) -> Pixels:
    if array.shape[2] == 4:
        share = array[:, :, 3:] / np.float32(255)
        return np.round(array[:, :, :3] * share + 255 * (1 - share)).astype(np.uint8)
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


def encode(rendered: Any) -> bytes:
    """What `render()` gave, as JPEG: a fifth of the time of PNG.

    Raises:
        CannotRender: it is no picture.
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels_of(rendered)))
    factor = -(-max(picture.size) // LARGEST_SIDE)
    if factor > 1:
        picture = picture.reduce(factor)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90, subsampling=0)
    return buffer.getvalue()
