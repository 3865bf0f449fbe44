"""Expressions that are made anew of what a source file has."""

from __future__ import annotations

import ast
import copy
from typing import Any

from ppo_scope.attach.advising.tree import called, is_name

PLACES = ("lineno", "col_offset", "end_lineno", "end_col_offset")
"""What a node says of where it stands."""


def value_at(made: ast.DictComp, key: str) -> ast.expr | None:
    """Of `{name: f(one) for name, one in X.items()}` f(X[key])."""
    through = made.generators[0]
    target, items = through.target, called(through.iter, "items")
    if not items or not isinstance(target, ast.Tuple) or not all(isinstance(one, ast.Name) for one in target.elts):
        return None
    name, one = (part.id for part in target.elts if isinstance(part, ast.Name))
    if not is_name(made.key, name):
        return None
    part = ast.Subscript(items[0], ast.Constant(key), ast.Load())
    found: ast.expr = _Put(one, part).visit(copy.deepcopy(made.value))
    return found


class _Put(ast.NodeTransformer):
    """An expression in the place of a name."""

    def __init__(self, name: str, node: ast.expr) -> None:
        self._name, self._node = name, node

    def visit(self, node: ast.AST) -> Any:
        """See `ast`; what is made anew has no place in the file."""
        for place in PLACES:
            node.__dict__.pop(place, None)
        return super().visit(node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return copy.deepcopy(self._node) if node.id == self._name else node
