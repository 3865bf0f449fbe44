"""The text of a source file as a tree: where something stands in it, and how it is written there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ppo_scope.attach.advising.tree import Function, Loop, Scope


class Text:
    """Of one file."""

    def __init__(self, text: str) -> None:
        """Read it.

        Raises:
            SyntaxError: it cannot be read.
        """
        self.text = text
        self.lines = text.split("\n")  # as Python counts them: not at a form feed
        self._doubly_quoted = text.count('"') > text.count("'")
        self.tree = ast.parse(text)
        self.nodes = list(ast.walk(self.tree))
        self.parents = {child: parent for parent in self.nodes for child in ast.iter_child_nodes(parent)}

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
