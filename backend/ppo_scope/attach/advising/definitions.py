"""Statements that bind names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from ppo_scope.attach.advising.tree import Function


class Definition(NamedTuple):
    """A statement that binds a name."""

    statement: ast.stmt
    value: ast.expr | None
    """None: it cannot be said, as where something is added to it."""
    item: int | None = None
    """Which part of the value it is."""
    drawn: bool = False
    """The value is what a `for` goes through."""

    @property
    def whole(self) -> ast.expr | None:
        """What the name is bound to, where that is written there."""
        if self.item is None or self.value is None:
            return self.value
        return self.value.elts[self.item] if isinstance(self.value, ast.Tuple | ast.List) else None


def definitions_in(node: ast.AST) -> Iterator[tuple[str, Definition]]:
    """The names that a node binds."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _bound_by(target, Definition(node, node.value))
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield from _bound_by(node.target, Definition(node, node.value))
    elif isinstance(node, ast.For | ast.AsyncFor):
        yield from _bound_by(node.target, Definition(node, node.iter, drawn=True))
    elif isinstance(node, ast.With | ast.AsyncWith):
        for one in node.items:
            if one.optional_vars is not None:
                yield from _bound_by(one.optional_vars, Definition(node, None))
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield (alias.asname or alias.name.partition(".")[0]), Definition(node, None)
    elif isinstance(node, Function | ast.ClassDef):
        yield node.name, Definition(node, None)


class Imported(NamedTuple):
    """What a name is imported as."""

    module: str
    level: int
    """Dots before it."""
    name: str | None
    """In that module; None: it is the module."""


def imported_by(statement: ast.stmt, name: str) -> Imported | None:
    """What a statement imports by that name; None: nothing."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            if (alias.asname or alias.name.partition(".")[0]) == name:
                return Imported(alias.name if alias.asname else name, 0, None)
    if isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            if (alias.asname or alias.name) == name:
                return Imported(statement.module or "", statement.level, alias.name)
    return None


def _bound_by(target: ast.expr, definition: Definition) -> Iterator[tuple[str, Definition]]:
    statement, value, _, drawn = definition
    if isinstance(target, ast.Name):
        yield target.id, definition
    elif isinstance(target, ast.Tuple | ast.List):
        for place, one in enumerate(target.elts):
            if isinstance(one, ast.Name):
                yield one.id, Definition(statement, value, place, drawn)
            else:
                yield from _bound_by(one, Definition(statement, None))
    elif isinstance(target, ast.Starred):
        yield from _bound_by(target.value, Definition(statement, None))


def place_of(statement: ast.stmt) -> tuple[int, int]:
    """Where it begins."""
    return statement.lineno, statement.col_offset
