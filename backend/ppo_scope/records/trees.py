"""A tree of plain values and arrays as bytes, and those bytes as they lie on a disk.

The arrays are those of a safetensors file, of which nothing but numbers is ever read; the tree stands in its metadata
as JSON, in which an array is the name that it has in the file. On a disk that is compressed where it pays, behind a
checksum.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import zlib
from collections.abc import Iterator
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
"""Of compression: what can be made smaller is with little effort."""
BLOCK, SAMPLE = 64 * 1024, 4096
"""Bytes that are compressed or not, and of their middle, which tells: weights are noise, on which half a second went
for a twentieth of their size; pictures and what is zero shrink to nothing.
"""
PAYS = 0.8
"""Of its size, that the sample has to shrink to."""
LARGEST = 4 * 1024**3
"""Bytes of a state: what becomes larger is none of ours."""
ARRAY = "array\0"
"""Before the name of an array, where it stands in the tree."""
TEXT = "text\0"
"""Before a text that would begin like one of these two."""
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
    packed = b"".join(_streams(plain))
    return MARK + CHECKSUM(packed).digest() + packed


def opened(kept: bytes) -> bytes:
    """What was sealed.

    Raises:
        Damaged: it is not what was written.
    """
    start = len(MARK) + CHECKSUM().digest_size
    if not kept.startswith(MARK) or CHECKSUM(kept[start:]).digest() != kept[len(MARK) : start]:
        raise Damaged("its checksum does not fit: it is damaged or cut off")
    parts, size, rest = [], 0, kept[start:]
    try:
        while rest:
            stream = zlib.decompressobj()
            parts.append(stream.decompress(rest, LARGEST - size))
            size, rest = size + len(parts[-1]), stream.unused_data
            if not stream.eof:
                raise Damaged("it is larger than any state, or ends too early")
    except zlib.error as error:
        raise Damaged(f"it is no state of a run ({error})") from None
    return b"".join(parts)


def _streams(plain: bytes) -> Iterator[bytes]:
    """One for each stretch of blocks that are worth the effort, or are not."""
    view = memoryview(plain)
    starts = range(0, len(plain), BLOCK)
    for level, blocks in itertools.groupby(starts, lambda start: LEVEL if _pays(view[start : start + BLOCK]) else 0):
        stretch = list(blocks)
        yield zlib.compress(view[stretch[0] : stretch[-1] + BLOCK], level)


def _pays(block: memoryview) -> bool:
    middle = max(0, (len(block) - SAMPLE) // 2)
    sample = block[middle : middle + SAMPLE]
    return len(zlib.compress(sample, LEVEL)) < PAYS * len(sample)


def _with_names(tree: Tree, arrays: dict[str, NDArray[Any]]) -> Any:
    if isinstance(tree, np.ndarray):
        name = str(len(arrays))
        arrays[name] = np.ascontiguousarray(tree).reshape(tree.shape)
        return ARRAY + name
    if isinstance(tree, str) and tree.startswith((ARRAY, TEXT)):
        return TEXT + tree
    if isinstance(tree, dict):
        return {name: _with_names(part, arrays) for name, part in tree.items()}
    if isinstance(tree, list | tuple):
        return [_with_names(part, arrays) for part in tree]
    return tree


def _with_arrays(tree: Any, arrays: dict[str, NDArray[Any]]) -> Tree:
    if isinstance(tree, str) and tree.startswith(ARRAY):
        return arrays[tree.removeprefix(ARRAY)]
    if isinstance(tree, str):
        return tree.removeprefix(TEXT)
    if isinstance(tree, dict):
        return {name: _with_arrays(part, arrays) for name, part in tree.items()}
    if isinstance(tree, list):
        return [_with_arrays(part, arrays) for part in tree]
    return tree
