"""A tree of plain values and arrays as bytes: what a kept state of a run looks like on disk.

The arrays are those of a safetensors file, of which nothing but numbers is ever read; the tree stands in its metadata
as JSON, in which an array is the name it has in the file. A checksum goes before it.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

Tree = Any
"""None, bool, int, float, str, an array, or a list or dict (by str) of such."""

VERSION = 1
MARK = b"PPO Scope state "
CHECKSUM = hashlib.sha256
LEVEL = 1
"""Of compression: weights are noise, and what can be made smaller is with little effort."""
ARRAY = "array\0"
"""Before the name of an array, where it stands in the tree; no other text begins like that."""


class Damaged(ValueError):
    """What should be a state is none that can be read; the message says why."""


def encode(tree: Tree) -> bytes:
    """Pack a tree.

    Raises:
        TypeError: something in it is no tree.
    """
    arrays: dict[str, NDArray[Any]] = {}
    text = json.dumps(_with_names(tree, arrays), separators=(",", ":"))
    packed = zlib.compress(save(arrays or {"": np.zeros(0)}, metadata={"version": str(VERSION), "tree": text}), LEVEL)
    return MARK + CHECKSUM(packed).digest() + packed


def decode(packed: bytes) -> Tree:
    """The tree.

    Raises:
        Damaged: these are no bytes of `encode`, or not all of them, or those of a later version.
    """
    start = len(MARK) + CHECKSUM().digest_size
    if not packed.startswith(MARK) or CHECKSUM(packed[start:]).digest() != packed[len(MARK) : start]:
        raise Damaged("its checksum does not fit: it is damaged or cut off")
    try:
        plain = zlib.decompress(packed[start:])
        length = int.from_bytes(plain[:8], "little")
        about = json.loads(plain[8 : 8 + length])["__metadata__"]
        if int(about["version"]) > VERSION:
            raise Damaged("it was kept by a later version of PPO Scope")
        return _with_arrays(json.loads(about["tree"]), load(plain))
    except (zlib.error, SafetensorError, KeyError, ValueError, RecursionError) as error:
        if isinstance(error, Damaged):
            raise
        raise Damaged(f"it cannot be read: {error}") from None


def _with_names(tree: Tree, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(tree, np.ndarray):
        name = str(len(arrays))
        arrays[name] = np.ascontiguousarray(tree).reshape(tree.shape)
        return ARRAY + name
    if isinstance(tree, dict):
        return {name: _with_names(part, arrays) for name, part in tree.items()}
    if isinstance(tree, list | tuple):
        return [_with_names(part, arrays) for part in tree]
    return tree


def _with_arrays(tree: Any, arrays: dict[str, NDArray[Any]]) -> Tree:
    if isinstance(tree, str) and tree.startswith(ARRAY):
        return arrays[tree.removeprefix(ARRAY)]
    if isinstance(tree, dict):
        return {name: _with_arrays(part, arrays) for name, part in tree.items()}
    if isinstance(tree, list):
        return [_with_arrays(part, arrays) for part in tree]
    return tree
