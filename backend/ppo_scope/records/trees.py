"""A tree of plain values and arrays as bytes, and those bytes as they lie on a disk.

The arrays are those of a safetensors file, of which nothing but numbers is ever read; the tree stands in its metadata
as JSON, in which an array is the name that it has in the file. On a disk that is compressed, behind a checksum.
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
MARK = b"PPO Scope state\n"
CHECKSUM = hashlib.sha256
LEVEL = 1
"""Of compression: weights are noise, and what can be made smaller is with little effort."""
ARRAY = "array\0"
"""Before the name of an array, where it stands in the tree; no other text begins like that."""
NO_ARRAYS = {"": np.zeros(0)}


class Damaged(ValueError):
    """What should be a state is none that can be read; the message says why, as the end of a sentence."""


def encode(tree: Tree) -> bytes:
    """Pack a tree.

    Raises:
        TypeError: something in it belongs into no tree.
    """
    arrays: dict[str, NDArray[Any]] = {}
    text = json.dumps(_with_names(tree, arrays), separators=(",", ":"))
    return save(arrays or NO_ARRAYS, metadata={"version": str(VERSION), "tree": text})


def decode(plain: bytes) -> Tree:
    """The tree.

    Raises:
        Damaged: these are no bytes of `encode`, or those of a later version.
    """
    try:
        about = json.loads(plain[8 : 8 + int.from_bytes(plain[:8], "little")])["__metadata__"]
        if (version := int(about["version"])) <= VERSION:
            return _with_arrays(json.loads(about["tree"]), load(plain))
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise Damaged(f"it is no state of a run ({error})") from None
    raise Damaged(f"it was kept by a later version of PPO Scope (format {version}, this one reads {VERSION})")


def sealed(plain: bytes) -> bytes:
    """As it lies on a disk."""
    packed = zlib.compress(plain, LEVEL)
    return MARK + CHECKSUM(packed).digest() + packed


def opened(kept: bytes) -> bytes:
    """What was sealed.

    Raises:
        Damaged: it is not what was written.
    """
    start = len(MARK) + CHECKSUM().digest_size
    if not kept.startswith(MARK) or CHECKSUM(kept[start:]).digest() != kept[len(MARK) : start]:
        raise Damaged("its checksum does not fit: it is damaged or cut off")
    return zlib.decompress(kept[start:])


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
