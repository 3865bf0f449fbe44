"""Of which class something is, by where it is made: for methods by a name that several classes have."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from ppo_scope.attach.advising.tree import name_called


class Classes:
    """Of source files."""

    def __init__(self, nodes: Iterable[ast.AST]) -> None:
        nodes = list(nodes)
        names = {one.name for one in nodes if isinstance(one, ast.ClassDef)}
        self._made: dict[str, set[str]] = defaultdict(set)  # by the last part of what they are put into
        for target, value in (pair for node in nodes for pair in _pairs_in(node)):
            kind = name_called(value) if isinstance(value, ast.Call) else None
            if kind in names and isinstance(target, ast.Name | ast.Attribute):
                self._made[_last(target)].add(kind)

    def of(self, node: ast.expr) -> set[str]:
        """Those that whatever is called so is made of; none: it is not seen."""
        return self._made.get(_last(node), set()) if isinstance(node, ast.Name | ast.Attribute) else set()


def _pairs_in(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What is put into what."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield from zip(target.elts, node.value.elts, strict=False)
        else:
            yield target, node.value


def _last(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr
