"""Runs a script as Python would, with lines put into some of its files: itself, and those that it imports."""

from __future__ import annotations

import ast
import runpy
import sys
import traceback
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

MAIN = "__main__"
UNSAID = {"__cached__": None, "__loader__": None, "__package__": "", "__spec__": None}
"""Of the main program, as `runpy` has it."""


class File:
    """One with lines in it; it is not written."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self.path, self._tree = path, tree

    def is_at(self, path: str | None) -> bool:
        """Whether that is its path, in whichever words."""
        return path is not None and Path(path).exists() and Path(path).samefile(self.path)

    def code(self, path: str) -> CodeType:
        """As Python compiles it at this path."""
        return compile(self._tree, path, "exec", dont_inherit=True)


def run(script: str, files: Sequence[File], *, as_module: bool) -> None:
    """As the main program; a path, or the name of a module."""
    if files:
        sys.meta_path.insert(0, _Finder(files))
    file = next((one for one in files if not as_module and one.is_at(script)), None)
    if as_module:
        runpy.run_module(script, run_name=MAIN, alter_sys=True)
    elif file is not None:
        module = sys.modules[MAIN] = ModuleType(MAIN)
        vars(module).update(UNSAID, __file__=script)
        exec(file.code(script), vars(module))
    else:
        runpy.run_path(script, run_name=MAIN)


def could_not_begin(error: Exception) -> bool:
    """Whether Python has found nothing to run."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return isinstance(error, ImportError) and frame.f_code.co_filename == runpy.run_module.__code__.co_filename


class _Finder:
    """Finds modules as they are found without it; those of the files are then loaded with the lines."""

    def __init__(self, files: Sequence[File]) -> None:
        self._files = files

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None: it is no module of these files."""
        spec = PathFinder.find_spec(name, path, target)
        file = None if spec is None else next((one for one in self._files if one.is_at(spec.origin)), None)
        if spec is None or spec.origin is None or file is None:
            return None
        spec.loader = _Loader(name, spec.origin, file)
        return spec


class _Loader(SourceFileLoader):
    """Of that file. Nothing of it is kept as bytecode."""

    def __init__(self, name: str, path: str, file: File) -> None:
        super().__init__(name, path)
        self._file = file

    def get_code(self, fullname: str) -> CodeType:
        """With the lines."""
        return self._file.code(self.path)
