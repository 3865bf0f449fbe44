"""The same expression in another function: names are put as they are called there, or what they are in their place."""

from __future__ import annotations

import ast
import builtins
import copy

from ppo_scope.attach.advising.put import PLACES
from ppo_scope.attach.advising.source import DEEP, Bit, Source
from ppo_scope.attach.advising.tree import Scope, is_harmless, is_name, is_pure, parameters


def carried(source: Source, bit: Bit, scope: Scope, before: int) -> ast.expr | None:
    """An expression that is the same in another scope, before a line of it; None: there is none."""
    try:
        found: ast.expr = _Carrier(source, bit, scope, before).visit(copy.deepcopy(bit.node))
    except _NotThere:
        return None
    if not is_harmless(found):
        return None
    return bit.node if ast.dump(found) == ast.dump(bit.node) else _bare(found)


class _NotThere(Exception):
    """A name has no equal there."""


class _Carrier(ast.NodeTransformer):
    """Puts in the place of names what they are, until all are known elsewhere."""

    def __init__(self, source: Source, bit: Bit, to: Scope, before: int, depth: int = 0) -> None:
        self._source, self._to, self._before, self._depth = source, to, before, depth
        _, self._scope, self._calls = bit
        self._own: set[str] = set()

    def visit_ListComp(self, node: ast.ListComp) -> ast.expr:
        around = self._own
        own = {one.id for part in node.generators for one in ast.walk(part.target) if isinstance(one, ast.Name)}
        self._own = around | own  # within it alone
        self.generic_visit(node)
        self._own = around
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        source, to = self._source, self._to
        if node.id in self._own:
            return node
        binder, here = source.binder(node.id, self._scope), source.module_of(self._scope)
        if source.module_of(to) is not here and (binder is None or binder is here):
            found_there = self._of_another_file(node.id, binder, here)
            if found_there is not None:
                return found_there
        elif binder is None or binder in source.within(to):
            there = source.binder(node.id, to) is binder
            if there and (binder is not to or source.is_there(node.id, to, self._before)):
                return node
        if binder is None:
            raise _NotThere
        if self._depth >= DEEP:
            raise _NotThere
        own_class = source.class_of(binder)
        if node.id == "self" and own_class is not None and own_class is _class_around(source, to):
            return node
        if (own := self._given(node.id, binder)) is not None:
            return ast.Name(own, ast.Load())
        definitions = source.definitions(node.id, binder)
        if node.id in parameters(binder) and not definitions:
            found = source.argument(node.id, binder, self._calls if binder is self._scope else ())
        elif len(definitions) == 1 and definitions[0].value is not None and not definitions[0].drawn:
            value = definitions[0].whole
            found = Bit(value, binder) if value is not None and is_pure(value) else None
        else:
            found = None
        if found is None:
            raise _NotThere
        inner = _Carrier(source, found, to, self._before, self._depth + 1)
        return inner.visit(copy.deepcopy(found.node))  # type: ignore[no-any-return]

    def _of_another_file(self, name: str, binder: Scope | None, file: ast.Module) -> ast.expr | None:
        """What a name is that all of that file knows, as it is written in this one; None: it is not known there."""
        source, to = self._source, self._to
        here, there = (source.imported(name, scope) for scope in (to, file))
        if (binder is None and name in vars(builtins)) or (here is not None and here == there):
            return ast.Name(name, ast.Load())
        given = None if binder is None else self._given(name, binder)
        return source.known_as(name, file) if given is None else ast.Name(given, ast.Load())

    def _given(self, name: str, binder: Scope) -> str | None:
        """The parameter by which a function knows the variable of who calls it."""
        source, to = self._source, self._to
        for own in parameters(to):
            given = source.argument(own, to) if not source.definitions(own, to) else None
            if given is not None and is_name(given.node, name) and source.binder(name, given.scope) is binder:
                return own
        return None


def _class_around(source: Source, scope: Scope) -> ast.ClassDef | None:
    return next((one for one in map(source.class_of, source.within(scope)) if one is not None), None)


def _bare(node: ast.expr) -> ast.expr:
    """Without the place of what it was made of."""
    for one in ast.walk(node):
        for place in PLACES:
            one.__dict__.pop(place, None)
    return node
