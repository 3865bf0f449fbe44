"""Files of the user's own beside the one that calls `backward`: modules whose functions it calls, as `losses.py` has a
loss. They are read as if they stood at its end, since it is by names that both are read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any, NamedTuple

INSTALLED = {"site-packages", "dist-packages"}


def is_own(path: Path) -> bool:
    """Whether it is a file that its user may write into: none of a library that is installed."""
    return path.is_file() and not INSTALLED & {*path.parts}


class File(NamedTuple):
    """Of those that are read together."""

    path: str
    module: str
    """As it is imported."""
    first: int
    """Its first line among those of all."""

    @property
    def name(self) -> str:
        """Without its folders."""
        return Path(self.path).name


class Together(NamedTuple):
    """A file, and the module whose function it calls."""

    text: str
    own: File
    other: File | None = None
    called_by: frozenset[str] = frozenset()
    """Names of the file's that are that module."""

    def place(self, line: int) -> tuple[File, int]:
        """Which file's line it is, and which."""
        file = self.other if self.other is not None and line >= self.other.first else self.own
        return file, line - file.first + 1


def alone(path: str) -> Together:
    """The file by itself."""
    return Together(Path(path).read_text(encoding="utf-8"), File(path, "__main__", 1))


def with_others(file: Together, frames: Sequence[FrameType]) -> Iterator[Together]:
    """It with each module of the user's own of which it calls a function.

    Args:
        file: by itself.
        frames: its functions that are at work: what their names are is looked up there, and nothing is called.
    """
    names = frames[0].f_globals if frames else {}
    seen = set()
    for node in ast.walk(ast.parse(file.text)):
        function = _called(node, names) if isinstance(node, ast.Call) else None
        path = function.__code__.co_filename if function is not None else file.own.path
        if function is None or path == file.own.path or path in seen or not is_own(Path(path)):
            continue
        seen.add(path)
        modules = frozenset(name for name, one in names.items() if _is_file(one, path))
        first = file.text.count("\n") + 2
        text = "\n".join([file.text, Path(path).read_text(encoding="utf-8")])
        yield Together(text, file.own, File(path, function.__module__, first), modules)


def _called(call: ast.Call, names: dict[str, Any]) -> FunctionType | None:
    """The function that it calls, by its name or as a module's."""
    found: Any = None
    if isinstance(call.func, ast.Name):
        found = names.get(call.func.id)
    elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        module = names.get(call.func.value.id)
        found = vars(module).get(call.func.attr) if isinstance(module, ModuleType) else None
    return found if isinstance(found, FunctionType) else None


def _is_file(one: Any, path: str) -> bool:
    return isinstance(one, ModuleType) and vars(one).get("__file__") == path
