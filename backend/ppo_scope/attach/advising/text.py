"""The text of source files as trees: where something stands in them, and how it is written there."""

from __future__ import annotations

import ast
import bisect
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ppo_scope.attach.advising.tree import Function, Loop, Scope

MAIN = "__main__"
"""The module that no other one can import."""


class File(NamedTuple):
    """A source file, and what it is to others."""

    path: str
    text: str
    module: str = MAIN
    """By which they import it."""
    names: Mapping[str, Any] = {}
    """What its names are, while it runs."""

    @property
    def name(self) -> str:
        """Without its folders."""
        return Path(self.path).name


class Text:
    """Of files that are read together, one after the other: their lines are counted on."""

    def __init__(self, *files: File) -> None:
        """Read them.

        Raises:
            SyntaxError: one of them cannot be read.
        """
        self.files = files
        self.lines: list[str] = []
        self.trees: list[ast.Module] = []
        """Of each, with the places of its nodes among all lines."""
        self._firsts: list[int] = []
        for file in files:
            tree = ast.parse(file.text)
            ast.increment_lineno(tree, len(self.lines))
            self._firsts.append(len(self.lines) + 1)
            self.trees.append(tree)
            self.lines += file.text.split("\n")  # as Python counts them: not at a form feed
        quotes = [sum(file.text.count(one) for file in files) for one in "\"'"]
        self._doubly_quoted = quotes[0] > quotes[1]
        self.nodes = [node for tree in self.trees for node in ast.walk(tree)]
        self.parents = {child: parent for parent in self.nodes for child in ast.iter_child_nodes(parent)}
        self._used = {one.id for one in self.nodes if isinstance(one, ast.Name)}
        self._used |= {one.arg for one in self.nodes if isinstance(one, ast.arg)}

    def free(self, name: str, but: Collection[str] = ()) -> str:
        """A name that the files have for nothing else; none of those either."""
        while name in self._used or name in but:
            name += "_"
        return name

    # Several files

    def place(self, line: int) -> tuple[int, int]:
        """(which file's a line is, and which of its lines)"""
        number = max(0, bisect.bisect(self._firsts, line) - 1)
        return number, line - self._firsts[number] + 1

    def first_of(self, number: int) -> int:
        """The first line of a file."""
        return self._firsts[number]

    def said(self, line: int) -> str:
        """Which line, in words."""
        number, own = self.place(line)
        return f"{own} of {self.files[number].name}" if len(self.files) > 1 else str(own)

    def module_of(self, node: ast.AST) -> ast.Module:
        """The whole of the file that it stands in."""
        return next(one for one in (node, *self.above(node)) if isinstance(one, ast.Module))

    def stands_in(self, node: ast.expr, place: ast.AST) -> None:
        """Of one that is made anew."""
        self.parents |= {inner: outer for outer in ast.walk(node) for inner in ast.iter_child_nodes(outer)}
        self.parents[node] = place

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """What it stands in, the innermost first."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def scope_of(self, node: ast.AST) -> Scope:
        """Where its names mean something."""
        return next(one for one in self.above(node) if isinstance(one, Scope))

    def statement_of(self, node: ast.AST) -> ast.stmt:
        """The innermost around it."""
        return next(one for one in (node, *self.above(node)) if isinstance(one, ast.stmt))

    def class_of(self, scope: Scope) -> ast.ClassDef | None:
        """Whose method a function is."""
        parent = self.parents.get(scope)
        return parent if isinstance(scope, Function) and isinstance(parent, ast.ClassDef) else None

    def within(self, scope: Scope) -> Iterator[Scope]:
        """It, and the scopes in which its names are looked up, the innermost first."""
        yield scope
        yield from (one for one in self.above(scope) if isinstance(one, ast.Module | Function))

    def loops_around(self, node: ast.AST) -> list[Loop]:
        """In its function, the outermost first."""
        found: list[Loop] = []
        for one in self.above(node):
            if isinstance(one, Scope):
                break
            if isinstance(one, Loop):
                found.insert(0, one)
        return found

    def words(self, node: ast.expr) -> str:
        """As it stands in the file, or would stand there; in a line."""
        if hasattr(node, "lineno") and node.lineno == node.end_lineno:
            return self.lines[node.lineno - 1].encode()[node.col_offset : node.end_col_offset].decode()
        text = ast.unparse(node)
        return text.replace("'", '"') if self._doubly_quoted and '"' not in text and "\\" not in text else text
