"""Files of the user's own that are read together: those whose functions are at work, and modules that they use."""

from __future__ import annotations

import ast
import contextlib
import sys
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any

from ppo_scope.attach.advising.text import MAIN, File

INSTALLED = {"site-packages", "dist-packages"}
OTHERS = tuple(Path(one).resolve() for one in (sysconfig.get_path("stdlib"), Path(__file__).parents[2]))
"""Folders of Python's, and of this package, which may stand where nothing is installed."""
MOST = 12
"""Files that are read together."""


def is_own(path: Path) -> bool:
    """Whether it is a file that its user may write into: none of a library that is installed."""
    if not path.is_file() or INSTALLED & {*path.parts}:
        return False
    return not any(path.resolve().is_relative_to(one) for one in OTHERS)


def at_work(frames: Iterable[FrameType]) -> list[File]:
    """The user's own files of functions at work, in this order."""
    names = {frame.f_code.co_filename: frame.f_globals for frame in reversed([*frames])}
    return [read(path, own) for path, own in reversed(names.items()) if is_own(Path(path))]


def read(path: str, names: Mapping[str, Any]) -> File:
    """One of them.

    Args:
        path: where it is.
        names: what its names are, while it runs.
    """
    return File(path, text_of(path), names.get("__name__", MAIN), names)


def text_of(path: str) -> str:
    """As Python reads it, in its encoding."""
    with tokenize.open(path) as file:
        return file.read()


def with_used(files: Sequence[File]) -> list[File]:
    """They, and modules of the user's own whose functions or classes they name. Nothing is called to see that."""
    found = [*files]
    seen = {Path(file.path).resolve() for file in files}
    for file in found:  # which become more meanwhile
        for module in _modules_in(file.names):
            path = Path(getattr(module, "__file__", None) or "")
            if len(found) == MOST:
                return found
            if path.suffix != ".py" or not is_own(path) or path.resolve() in seen:
                continue
            seen.add(path.resolve())
            with contextlib.suppress(OSError, ValueError, SyntaxError):
                one = read(str(path), vars(module))
                ast.parse(one.text)
                found.append(one)
    return found


def _modules_in(names: Mapping[str, Any]) -> Iterator[ModuleType]:
    """That these are, or come from."""
    for one in tuple(names.values()):
        kind = type(one)
        if kind is ModuleType:
            yield one
        elif kind is FunctionType or issubclass(kind, type):
            module = sys.modules.get(getattr(one, "__module__", None) or "")
            if type(module) is ModuleType:
                yield module
