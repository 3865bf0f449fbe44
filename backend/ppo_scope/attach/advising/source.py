"""Source files, read to see where what an expression holds comes from: over assignments, into functions and out to who
calls them. Nothing of it is run.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from ppo_scope.attach.advising.classes import Classes
from ppo_scope.attach.advising.definitions import Definition, Imported, definitions_in, imported_by, place_of
from ppo_scope.attach.advising.put import value_at
from ppo_scope.attach.advising.text import MAIN, File, Text
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
    """Of files that are read together."""

    def __init__(self, *files: File) -> None:
        """Read them.

        Raises:
            SyntaxError: one of them cannot be read.
        """
        super().__init__(*files)
        self.aliases: dict[str, int] = {}
        """Names for files, by which others of them are to import them."""
        self._calls: dict[str | None, list[ast.Call]] = defaultdict(list)
        self.functions: dict[str, list[Function]] = defaultdict(list)
        self._bound: dict[Scope, dict[str, list[Definition]]] = defaultdict(lambda: defaultdict(list))
        self._classes = Classes(self.nodes)
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
        """The scope whose name it is; None: none of its file's."""
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
        """The function that is called, where it can only be one."""
        found = [one for one in self._may_be_called(call, scope) if takes(one, call, self.class_of(one) is not None)]
        return found[0] if len(found) == 1 else None

    def _may_be_called(self, call: ast.Call, scope: Scope) -> list[Function]:
        function = call.func
        if isinstance(function, ast.Name):
            own = self._plain(function.id, self.module_of(scope))
            return own or self._from_elsewhere(function.id, scope)
        if not isinstance(function, ast.Attribute):
            return []
        module = self._file_called(function.value, scope)
        if module is not None:
            return self._plain(function.attr, module)
        found = [one for one in self.functions.get(function.attr, []) if self.class_of(one) is not None]
        if is_name(function.value, "self"):
            of_class = next((one for one in map(self.class_of, self._outwards(scope)) if one is not None), None)
            return [one for one in found if self.class_of(one) is of_class] or found
        kinds = self._classes.of(function.value) if len(found) > 1 else set()
        return [one for one in found if getattr(self.class_of(one), "name", None) in kinds] or found

    def _plain(self, name: str, module: ast.Module) -> list[Function]:
        """Functions of a file that are no methods."""
        found = (one for one in self.functions.get(name, []) if self.class_of(one) is None)
        return [one for one in found if self.module_of(one) is module]

    def _from_elsewhere(self, name: str, scope: Scope) -> list[Function]:
        """The same of another file, from which it is imported."""
        imported, here = self.imported(name, scope), self.module_of(scope)
        if imported is None:  # by a star, perhaps
            others = [] if self.binder(name, scope) is not None else [one for one in self.trees if one is not here]
            return [function for one in others for function in self._plain(name, one)]
        module = self._file_named(imported.module, imported.level)
        return [] if module is None or imported.name is None else self._plain(imported.name, module)

    def imported(self, name: str, scope: Scope) -> Imported | None:
        """As what a name is imported; None: it is not."""
        binder = self.binder(name, scope)
        found = [] if binder is None else self.definitions(name, binder)
        return next((one for one in (imported_by(made.statement, name) for made in found) if one is not None), None)

    def _file_called(self, node: ast.expr, scope: Scope) -> ast.Module | None:
        """The file that is meant by `losses` or `package.losses`."""
        if isinstance(node, ast.Attribute):
            return self._file_named(ast.unparse(node), 0)
        imported = self.imported(node.id, scope) if isinstance(node, ast.Name) else None
        if imported is None:
            return None
        names = filter(None, (imported.module, imported.name))
        return self._file_named(".".join(names), imported.level)

    def file_of(self, imported: Imported) -> ast.Module | None:
        """The file that something is imported from, or that is imported; None: none of these."""
        names = (".".join(filter(None, (imported.module, imported.name))), imported.module)
        return next((one for name in names if (one := self._file_named(name, imported.level)) is not None), None)

    def _file_named(self, module: str, level: int) -> ast.Module | None:
        """By the name that it is imported by; with dots before it, by the end of that."""
        for file, tree in zip(self.files, self.trees, strict=True):
            if module and (file.module == module or (level and file.module.endswith(f".{module}"))):
                return tree
        return None

    def known_as(self, name: str, module: ast.Module) -> ast.expr | None:
        """What another file can say for a name of a file's own; None: nothing."""
        number = self.trees.index(module)
        if self.files[number].module == MAIN:
            return None
        return ast.Attribute(ast.Name(self.alias(number), ast.Load()), name, ast.Load())

    def alias(self, number: int) -> str:
        """By what name others are to import a file."""
        known = next((alias for alias, one in self.aliases.items() if one == number), None)
        alias = known or self.free(self.files[number].module.rpartition(".")[2] + "_", but=self.aliases)
        self.aliases[alias] = number
        return alias

    def calls_of(self, function: Scope) -> list[ast.Call]:
        """Where it is called in these files."""
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
