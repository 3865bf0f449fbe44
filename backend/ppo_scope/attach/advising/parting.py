"""Lines that go into several files: what they have in common lives in one of them, and others know it by that one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ppo_scope.attach.advising.definitions import imported_by
from ppo_scope.attach.advising.draft import Draft, Piece
from ppo_scope.attach.advising.source import Source
from ppo_scope.attach.advising.text import MAIN

EMPTY = {"scope": "None", "told": "{}", "given": "[]"}
"""What is shared, and how it begins."""


class Put(NamedTuple):
    """What goes into a file."""

    path: str
    text: str
    """That the file had when it was read."""
    pieces: Sequence[Piece]
    """By its own lines; the first follows the imports that it begins with."""
    scope: str
    """What the Scope is called there."""


@dataclass(frozen=True)
class Shared:
    """A name, and the file whose it is."""

    name: str
    empty: str
    home: int


def parted(draft: Draft, pieces: Iterable[Piece]) -> list[Put]:
    """By the files that they go into, that with the update first."""
    source = draft.source
    by_file: dict[int, list[Piece]] = {}
    for piece in pieces:
        by_file.setdefault(source.place(piece.line)[0], []).append(piece)
    first = source.place(draft.place.first.lineno)[0]
    names = {"scope": draft.scope, "told": draft.told, "given": draft.given or ""}
    found = (_shared(source, by_file, name, EMPTY[kind], first) for kind, name in names.items() if name)
    shared = [one for one in found if one is not None]
    homes = {one.home for one in shared}
    order = sorted(by_file.keys() | homes, key=lambda number: (number != first, number))
    return [_put(source, number, by_file.get(number, []), shared) for number in order]


def _shared(source: Source, by_file: Mapping[int, Sequence[Piece]], name: str, empty: str, first: int) -> Shared | None:
    """Where it lives: in a file that those who know it can import, and do already where there is one; None: nobody
    uses it.
    """
    users = [number for number, pieces in by_file.items() if any(_has(name, piece) for piece in pieces)]
    if not users:
        return None
    users.sort(key=lambda number: number != first)
    importable = [one for one in users if source.files[one].module != MAIN]
    if len(users) == 1 or not importable:
        return Shared(name, empty, users[0])
    known = (one for one in importable if all(_imports(source, other, one) for other in users if other != one))
    return Shared(name, empty, next(known, importable[0]))


def _imports(source: Source, number: int, other: int) -> bool:
    """Whether a file imports another one, or something of it."""
    statements = (one for one in source.trees[number].body if isinstance(one, ast.Import | ast.ImportFrom))
    for statement in statements:
        for alias in statement.names:
            found = imported_by(statement, alias.asname or alias.name.partition(".")[0])
            if found is not None and source.file_of(found) is source.trees[other]:
                return True
    return False


def _has(name: str, piece: Piece) -> bool:
    return any(_word(name).search(line) for line in piece.code)


def _word(name: str) -> re.Pattern[str]:
    """The name by itself: no attribute, and no part of a text."""
    return re.compile(rf"(?<![\w.\"'`]){re.escape(name)}\b")


def _put(source: Source, number: int, pieces: Sequence[Piece], shared: Sequence[Shared]) -> Put:
    file, less = source.files[number], source.first_of(number) - 1
    code = [line for piece in pieces for line in piece.code]
    for one in shared:
        if one.home != number and any(_word(one.name).search(line) for line in code):
            alias = source.alias(one.home)
            pieces = [_qualified(piece, one.name, f"{alias}.{one.name}") for piece in pieces]
    code = [line for piece in pieces for line in piece.code]
    used = [alias for alias in source.aliases if any(_word(alias).search(line) for line in code)]
    imports = [f"import {source.files[source.aliases[alias]].module} as {alias}" for alias in used]
    own = [f"{one.name} = {one.empty}" for one in shared if one.home == number]
    imports += ["import ppo_scope"] if any("ppo_scope.Scope" in line for line in code) else []
    beginning = [*imports, *([""] if imports and own else []), *own]
    moved = [piece._replace(line=piece.line - less, beside=piece.beside - less) for piece in pieces]
    moved.sort(key=lambda one: (one.line, one.after))
    scope = next(one for one in shared if one.empty == EMPTY["scope"])
    first = Piece(_after_imports(ast.parse(file.text)), True, beginning, 0)
    own_name = scope.name if scope.home == number else f"{source.alias(scope.home)}.{scope.name}"
    return Put(file.path, file.text, [first, *moved], own_name)


def _qualified(piece: Piece, name: str, words: str) -> Piece:
    lines = (line for line in piece.code if line != f"global {name}")
    return piece._replace(code=[_word(name).sub(words, line) for line in lines])


def _after_imports(tree: ast.Module) -> int:
    """The last line of those that a file begins with; 0: there are none."""
    line = 0
    for place, one in enumerate(tree.body):
        words = isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and not place
        if not words and not isinstance(one, ast.Import | ast.ImportFrom):
            break
        line = one.end_lineno or one.lineno
    return line
