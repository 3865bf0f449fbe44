"""What users hand over: arrays of torch, NumPy or JAX, taken over as NumPy's, and refused where they do not fit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Misshapen(ValueError):
    """What the user handed over does not fit together; one sentence that names the mistake."""


@contextlib.contextmanager
def handing_over() -> Iterator[None]:
    """What an adapter hands over no user has written: a shape that does not fit is a mistake of ours."""
    try:
        yield
    except Misshapen as error:
        raise RuntimeError(str(error)) from error


NONE = "{name} is missing: {meaning}."
COLUMN = (
    "{name} has the shape {got}, and {want} is wanted: the last axis is one too many. Between ({b}, 1) and ({b},) "
    "arithmetic makes a table of {b} × {b} of them, without an error. Hand over {name}.squeeze(-1), and look whether "
    "your loss does the same."
)
SHAPE = "{name} has the shape {got}, and {want} is wanted: {meaning}."
NO_NUMBERS = "{name} cannot be taken as an array of numbers: {why}."
SEVERAL = "{name} has the shape {got}, and one number is wanted: take its mean, as your loss does."
FLAT = "{name} has the shape {got}, and the rollout {want}: steps come first, then environments. Reshape it."


OF_NUMPY = {torch.float16, torch.float32, torch.float64}
"""What NumPy has of torch's numbers with a fraction; a coarser one's are all among those of single precision."""
OF_JAX = {"bfloat16", "float8_e4m3fn", "float8_e5m2"}
"""What NumPy has only beside JAX, and torch cannot take over."""


def taken(found: Any, dtype: Any = None) -> NDArray[Any]:
    """An array of whatever framework as NumPy's own copy, which no later step of the loop writes over."""
    if isinstance(found, torch.Tensor):
        found = found.detach().cpu()
        found = (found.float() if found.is_floating_point() and found.dtype not in OF_NUMPY else found).numpy()
    array = np.array(found, dtype=dtype)
    return array.astype(np.float32) if array.dtype.name in OF_JAX else array


def taken_of(found: Any, name: str, dtype: Any = None) -> NDArray[Any]:
    """The same of what a user has handed over by this name.

    Raises:
        Misshapen: it is no array of numbers.
    """
    try:
        array = taken(found)
        if array.dtype.kind not in "biuf" and (dtype is None or array.dtype.kind != "O"):  # complex, or text
            raise TypeError(f"it holds {array.dtype.name}")
        return array if dtype is None else array.astype(dtype, copy=False)
    except (TypeError, ValueError, RuntimeError) as error:  # the last is torch's, of what has a gradient or no numbers
        why = str(error).partition("\n")[0].rstrip(".")
        raise Misshapen(NO_NUMBERS.format(name=name, why=why)) from None


def number_of(found: Any, name: str) -> float:
    """One number.

    Raises:
        Misshapen: it is none, or there are several.
    """
    array = taken_of(found, name)
    if array.size != 1:
        raise Misshapen(SEVERAL.format(name=name, got=array.shape))
    return float(array.item())


def samples_of(found: Any, name: str, meaning: str, size: int, dtype: Any = np.float32) -> NDArray[Any]:
    """An array [B] of B = `size`.

    Raises:
        Misshapen: it is of another shape, or missing.
    """
    if found is None:
        raise Misshapen(NONE.format(name=name, meaning=meaning))
    array = taken_of(found, name, dtype)
    if array.shape == (size, 1):
        raise Misshapen(COLUMN.format(name=name, got=array.shape, want=(size,), b=size))
    if array.shape != (size,):
        raise Misshapen(SHAPE.format(name=name, got=array.shape, want=(size,), meaning=meaning))
    return array


def rows_of(found: Any, name: str, meaning: str, layout: tuple[int, int], dtype: Any = np.float32) -> NDArray[Any]:
    """An array [M, N, …] of that layout.

    Raises:
        Misshapen: as in `samples_of`.
    """
    if found is None:
        raise Misshapen(NONE.format(name=name, meaning=meaning))
    array = taken_of(found, name, dtype)
    if array.shape == (*layout, 1):
        raise Misshapen(COLUMN.format(name=name, got=array.shape, want=layout, b=layout[0] * layout[1]))
    if array.shape != layout:
        raise Misshapen(FLAT.format(name=name, got=array.shape, want=layout))
    return array


def flat(found: NDArray[Any]) -> Tensor:
    """[M, N, …] as samples [M·N, …], time first."""
    return torch.from_numpy(np.ascontiguousarray(found.reshape(found.shape[0] * found.shape[1], *found.shape[2:])))


def deltas_of(advantages: NDArray[Any], ends: NDArray[np.bool_], decay: float) -> NDArray[Any]:
    """δ [M, N] that advantages were added up of; `decay`: γ·λ."""
    following = np.concatenate([advantages[1:], np.zeros((1, advantages.shape[1]), np.float32)])
    found: NDArray[Any] = advantages - np.float32(decay) * following * ~ends
    return found
