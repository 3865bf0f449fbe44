"""Whether Python can run what is to be watched, said before a server is begun for it.

What such a program does wrong while it runs is its own affair, and its own traceback.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import traceback
import warnings
import zipfile
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from ppo_scope.cli.misuse import Misuse

SOURCES = (".py", ".pyw")
NONE = "There is no script {script}. `ppo-scope watch` alone waits for loops elsewhere."
FOLDER = "{script} is a folder: name the script in it that trains."
NOTEBOOK = (
    "{script} is a notebook: `ppo_scope.watch(model)` in one of its cells shows what it trains, and "
    "`jupyter nbconvert --to script {script}` makes a script of it."
)
UNREADABLE = "{script} cannot be read: {why}"
NO_PROGRAM = "{script} is no Python program: {why}."
MISWRITTEN = "{script} cannot be run: {why}."
NO_MODULE = "There is no module {module}: it was looked for among what is installed and in {here}."
NO_MAIN = "{module} is a package without a __main__: name the module in it that trains, as -m {module}.NAME."


def check_script(script: str) -> None:
    """Raises: Misuse, Python cannot run this file."""
    path = Path(script)
    if path.is_dir():
        raise Misuse(FOLDER.format(script=script))
    if not path.is_file():
        raise Misuse(NONE.format(script=script))
    if path.suffix == ".ipynb":
        raise Misuse(NOTEBOOK.format(script=script))
    _check_source(script)


def check_module(module: str) -> None:
    """As far as can be told without importing anything of it.

    Raises:
        Misuse: Python cannot run it.
    """
    top, _, within = module.partition(".")
    found = _found(top)
    if found is None:
        raise Misuse(NO_MODULE.format(module=module, here=Path.cwd()))
    if within:
        return  # what is in a package is known where that is imported
    if found.submodule_search_locations is not None:
        if PathFinder.find_spec(f"{module}.__main__", list(found.submodule_search_locations)) is None:
            raise Misuse(NO_MAIN.format(module=module))
    elif found.origin is not None and found.origin.endswith(SOURCES):
        _check_source(found.origin)


def _found(top: str) -> ModuleSpec | None:
    """A module that is in no package, where `python -m` looks for it."""
    with contextlib.suppress(ValueError):  # no name at all, or one that is no file's
        return PathFinder.find_spec(top, [str(Path.cwd()), *sys.path[1:]]) or importlib.util.find_spec(top)
    return None


def _check_source(script: str) -> None:
    try:
        source = Path(script).read_bytes()
    except OSError as error:
        raise Misuse(UNREADABLE.format(script=script, why=error.strerror)) from None
    if source.startswith(importlib.util.MAGIC_NUMBER) or zipfile.is_zipfile(script):
        return  # compiled, or an archive with a __main__
    try:
        with warnings.catch_warnings(action="ignore"):  # they are given once more where it runs
            compile(source, script, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        why = f"{getattr(error, 'msg', error)}{'' if line is None else f', line {line}'}"
        if not script.endswith(SOURCES):
            raise Misuse(NO_PROGRAM.format(script=script, why=why)) from None
        where = "".join(traceback.format_exception_only(error))
        raise Misuse(MISWRITTEN.format(script=script, why=why), where) from None
