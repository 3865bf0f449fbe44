"""A source file, read to see where what an expression holds comes from: over assignments, into functions of the same
file and out to who calls them. Nothing of it is run.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from ppo_scope.attach.advising.definitions import Definition, definitions_in, place_of
from ppo_scope.attach.advising.put import value_at
from ppo_scope.attach.advising.text import Text
from ppo_scope.attach.advising.tree import Function, Scope, is_name, name_called, parameters, peeled, takes

DEEP = 16
"""Steps that are gone back."""
Leaving = type[ast.Return] | type[ast.Yield]


class Bit(NamedTuple):
    """An expression, and where its names mean something."""

    node: ast.expr
    scope: Scope
    calls: tuple[ast.Call, ...] = ()
    """By which one has come there."""

    def of(self, node: ast.expr) -> Bit:
        """Another one in the same place."""
        return Bit(node, self.scope, self.calls)


class Source(Text):
    """Of one file."""

    def __init__(self, text: str, modules: frozenset[str] = frozenset()) -> None:
        """`modules`: names of those whose functions stand in the text as well.

        Raises:
            SyntaxError: it cannot be read.
        """
        super().__init__(text)
        self._modules = modules
        self._calls: dict[str | None, list[ast.Call]] = defaultdict(list)
        self.functions: dict[str, list[Function]] = defaultdict(list)
        self._bound: dict[Scope, dict[str, list[Definition]]] = defaultdict(lambda: defaultdict(list))
        for node in self.nodes:
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
                self._bound[self.scope_of(node)][node.target.id].append(Definition(node, self._sum_in(node)))
            if isinstance(node, ast.Call):
                self._calls[name_called(node)].append(node)
            if isinstance(node, Function):
                self.functions[node.name].append(node)
            for name, definition in definitions_in(node):
                self._bound[self.scope_of(definition.statement)][name].append(definition)
        for names in self._bound.values():
            for found in names.values():
                found.sort(key=lambda one: place_of(one.statement))

    def _sum_in(self, statement: ast.AugAssign) -> ast.expr:
        """x + y of x += y."""
        assert isinstance(statement.target, ast.Name)
        before = ast.Name(statement.target.id, ast.Load())
        found = ast.BinOp(before, statement.op, statement.value)
        self.parents |= {found: statement, before: found}
        return found

    # What a name is

    def binder(self, name: str, scope: Scope) -> Scope | None:
        """The scope whose name it is; None: none of this file's."""
        return next((one for one in self.within(scope) if name in self._bound[one] or name in parameters(one)), None)

    def definitions(self, name: str, scope: Scope) -> list[Definition]:
        """Of a name of this scope, line by line."""
        return self._bound[scope][name]

    def definition(self, name: str, scope: Scope, statement: ast.stmt) -> Definition | None:
        """The last before a statement; in a loop perhaps one after it."""
        found = self.definitions(name, scope)
        before = [one for one in found if place_of(one.statement) < place_of(statement)]
        if before or name in parameters(scope):
            return before[-1] if before else None
        return next((one for one in reversed(found) if one.statement is not statement), None)

    def origin(self, bit: Bit) -> Bit | None:
        """What it was, one step before; None: nothing that is written here."""
        node = bit.node
        if isinstance(node, ast.Call):
            return self._given_back(bit, None)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and type(node.slice.value) is int:
            return self._given_back(bit.of(node.value), node.slice.value)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and type(node.slice.value) is str:
            return self._by_key(bit.of(node.value), node.slice.value)
        if not isinstance(node, ast.Name) or (scope := self.binder(node.id, bit.scope)) is None:
            return None
        inside = node in self.parents and self.scope_of(node) is scope
        where = self.statement_of(node) if inside else _last_of(scope)
        found = self.definition(node.id, scope, where)
        if found is None:
            return self.argument(node.id, scope, bit.calls if scope is bit.scope else ())
        if found.value is None:
            return None
        value = Bit(found.value, scope, bit.calls if scope is bit.scope else ())
        if found.item is not None:
            value = self._from_the_first(value)
        if found.drawn:
            return self._given_back(value, found.item, ast.Yield)
        if found.item is None:
            return value
        if isinstance(value.node, ast.Tuple | ast.List):
            return value.of(value.node.elts[found.item])
        return self._given_back(value, found.item)

    def made(self, bit: Bit) -> Bit | None:
        """The call that a variable was made by, or a part of what it gave back."""
        if not isinstance(bit.node, ast.Name) or bit.node not in self.parents:
            return None
        scope = self.binder(bit.node.id, bit.scope)
        if scope is None:
            return None
        found = self.definition(bit.node.id, scope, self.statement_of(bit.node))
        if found is None or found.value is None or found.drawn:
            return None
        value = Bit(found.value, scope, bit.calls if scope is bit.scope else ())
        if found.item is not None:
            value = self._from_the_first(value)
        return value if isinstance(value.node, ast.Call) else None

    def _from_the_first(self, bit: Bit) -> Bit:
        """Of `made[:4]`, the call that made it: its parts have the same places."""
        node = bit.node
        part = node.slice if isinstance(node, ast.Subscript) else None
        if not isinstance(part, ast.Slice) or part.lower is not None or part.step is not None:
            return bit
        whole = bit.of(node.value)  # type: ignore[attr-defined]
        return self.made(whole) or self.origin(whole) or bit

    def back(self, bit: Bit) -> Bit | None:
        """One step before, as far as it held the same samples there."""
        inner = peeled(bit.node)
        return bit.of(inner) if inner is not None else self.origin(bit)

    def chain(self, bit: Bit | None) -> Iterator[Bit]:
        """It, and what it was before, step by step."""
        for _ in range(DEEP):
            if bit is None:
                return
            yield bit
            bit = self.back(bit)

    # Over calls

    def callee(self, call: ast.Call, scope: Scope) -> Function | None:
        """The function of this file that is called, where it can only be one."""
        if isinstance(call.func, ast.Name):
            found = [one for one in self.functions.get(call.func.id, []) if self.class_of(one) is None]
        elif isinstance(call.func, ast.Attribute) and any(is_name(call.func.value, one) for one in self._modules):
            found = [one for one in self.functions.get(call.func.attr, []) if self.class_of(one) is None]
        elif isinstance(call.func, ast.Attribute):
            found = [one for one in self.functions.get(call.func.attr, []) if self.class_of(one) is not None]
            if is_name(call.func.value, "self"):
                of_class = next((one for one in map(self.class_of, self._outwards(scope)) if one is not None), None)
                found = [one for one in found if self.class_of(one) is of_class] or found
        else:
            found = []
        found = [one for one in found if takes(one, call, self.class_of(one) is not None)]
        return found[0] if len(found) == 1 else None

    def calls_of(self, function: Scope) -> list[ast.Call]:
        """Where it is called in this file."""
        if not isinstance(function, Function):
            return []
        return [one for one in self._calls[function.name] if self.callee(one, self.scope_of(one)) is function]

    def argument(self, name: str, function: Scope, by: tuple[ast.Call, ...] = ()) -> Bit | None:
        """What a function is given by this name where it is called: `by` the last of these, where it is known."""
        calls = by[-1:] or self.calls_of(function)
        for call in calls:
            assert isinstance(function, Function)
            names = [one.arg for one in function.args.posonlyargs + function.args.args]
            if self.class_of(function) is not None and isinstance(call.func, ast.Attribute):
                if names[:1] == [name]:
                    return Bit(call.func.value, self.scope_of(call), by[:-1])
                names = names[1:]
            by_name = {one.arg: one.value for one in call.keywords}
            by_place = dict(zip(names, call.args, strict=False))
            given = by_name.get(name, by_place.get(name))
            if given is not None and not isinstance(given, ast.Starred):
                return Bit(given, self.scope_of(call), by[:-1])
        return self._default(name, function) if calls else None

    def _default(self, name: str, function: Scope) -> Bit | None:
        """Of a parameter that is left out."""
        if not isinstance(function, Function):
            return None
        of = function.args
        places = [*of.posonlyargs, *of.args]
        by_place = zip(places[len(places) - len(of.defaults) :], of.defaults, strict=True)
        pairs = [*by_place, *zip(of.kwonlyargs, of.kw_defaults, strict=True)]
        found = next((one for own, one in pairs if own.arg == name), None)
        return None if found is None else Bit(found, self.scope_of(function))

    def _outwards(self, scope: Scope) -> Iterator[Scope]:
        yield scope
        yield from (one for one in self.above(scope) if isinstance(one, Function))

    def _by_key(self, bit: Bit, key: str) -> Bit | None:
        """A value of a dict, or what it is where all are made in one way of those of another dict."""
        made: Bit | None = bit
        for _ in range(DEEP):
            if made is None:
                return None
            node = made.node
            if isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                return next((made.of(one) for name, one in pairs if getattr(name, "value", None) == key), None)
            if isinstance(node, ast.Call) and is_name(node.func, "dict"):
                return next((made.of(one.value) for one in node.keywords if one.arg == key), None)
            if isinstance(node, ast.DictComp):
                value = value_at(node, key)
                if value is None:
                    return None
                self.stands_in(value, node)
                return made.of(value)
            made = self.origin(made)
        return None

    def _given_back(self, bit: Bit, item: int | None, how: Leaving = ast.Return) -> Bit | None:
        """What a call gives back last, or a part of it; `how`: or hands out, where it is a generator's."""
        function = self.callee(bit.node, bit.scope) if isinstance(bit.node, ast.Call) else None
        if function is None:
            return None
        own = [one for one in ast.walk(function) if isinstance(one, how) and self.scope_of(one) is function]
        return _part(own[-1].value, item, function, (*bit.calls, bit.node)) if own else None  # type: ignore[arg-type]

    def is_there(self, name: str, scope: Scope, before: int) -> bool:
        """Whether a name of the scope has its value before this line of it."""
        found = self.definitions(name, scope)
        return name in parameters(scope) or any(one.statement.lineno < before for one in found)


def _last_of(scope: Scope) -> ast.stmt:
    return ast.Pass(lineno=1 << 30, col_offset=0)


def _part(value: ast.expr | None, item: int | None, function: Function, calls: tuple[ast.Call, ...]) -> Bit | None:
    if value is None:
        return None
    if item is None:
        return Bit(value, function, calls)
    if isinstance(value, ast.Tuple | ast.List) and item < len(value.elts):
        return Bit(value.elts[item], function, calls)
    return None
