"""The way of a reward from where the environment gives it into the array that advantages are added up of, and whether
it is changed on the way.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ppo_scope.attach.advising.place import OUTCOME
from ppo_scope.attach.advising.source import Bit, Source
from ppo_scope.attach.advising.terms import defined
from ppo_scope.attach.advising.tree import (
    LAID,
    SAME,
    SAME_OF,
    Function,
    Scope,
    called,
    is_module,
    is_name,
    last_name,
    name_called,
)

KEPT = SAME | SAME_OF | LAID | {"item", "tolist", "float", "int", "float32", "float64"}
"""Calls whose result holds the same numbers."""
OTHERWISE = ("clip", "clamp", "sign", "tanh")
INTO = ("append", "extend")
PASSED_ON = (ast.keyword, ast.Starred, ast.NamedExpr, ast.Attribute, ast.Subscript)


class Arrived(NamedTuple):
    """What is known of the way."""

    seen: bool
    """There is one."""
    changed_at: int | None
    """A line in which the reward becomes another number, or is written over in the array."""


class Variable(NamedTuple):
    """That holds it."""

    name: str
    scope: Scope
    changed_at: int | None


REWARD, TERMINATED, CUT = 1, 2, 3
"""Which part of what `step` gives back."""


def given_by(source: Source, part: int = REWARD) -> list[tuple[str, ast.Assign]]:
    """That part of what an environment's `step` gives back, and where; each such place."""
    least = OUTCOME if part == REWARD else OUTCOME + 1  # earlier ones did not tell terminated and truncated apart
    found = []
    for node in source.nodes:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if not isinstance(node, ast.Assign) or called(node.value, "step") is None:
            continue
        one = target.elts[part] if isinstance(target, ast.Tuple) and len(target.elts) >= least else None
        if isinstance(one, ast.Name):
            found.append((one.id, node))
    return found


def arrived(source: Source, array: Bit, part: int = REWARD) -> Arrived:
    """How the environment's rewards, or another part, have come into this array, or into this list."""
    return _Flow(source, array).result(given_by(source, part))


class _Flow:
    """From variable to variable."""

    def __init__(self, source: Source, array: Bit) -> None:
        self._source = source
        self._array = {name for bit in source.chain(array) for name in _names_of(bit.node)}
        self._seen, self._changed = False, self._made_of_others(array) or self._written_over()
        self._waiting: deque[Variable] = deque()
        self._known: set[Variable] = set()

    def result(self, given: Iterable[tuple[str, ast.Assign]]) -> Arrived:
        for name, statement in given:
            scope = self._source.scope_of(statement)
            self._goes_to(Variable(name, scope, None))
            line = self._bound_anew(name, scope, statement)
            if line is not None:
                self._goes_to(Variable(name, scope, line))
        while self._waiting:
            self._follow(self._waiting.popleft())
        return Arrived(self._seen, self._changed)

    def _goes_to(self, variable: Variable) -> None:
        if variable not in self._known:
            self._known.add(variable)
            self._waiting.append(variable)

    def _comes_in(self, changed_at: int | None) -> None:
        self._seen = True
        if self._changed is None:
            self._changed = changed_at

    def _made_of_others(self, array: Bit) -> int | None:
        """Where the array is what is computed of another one."""
        for bit in defined(self._source, array):
            computed = isinstance(bit.node, ast.BinOp | ast.UnaryOp) or called(bit.node, *OTHERWISE) is not None
            if computed and hasattr(bit.node, "lineno"):
                return bit.node.lineno
        return None

    def _written_over(self) -> int | None:
        """Where something is added to, or taken from, what is in the array."""
        for node in self._source.nodes:
            if isinstance(node, ast.AugAssign) and not isinstance(node.value, ast.List | ast.Tuple):
                own = not isinstance(node.target, ast.Name) or not isinstance(node.op, ast.Add)
                if own and last_name(node.target) in self._array:
                    return node.lineno
        return None

    def _bound_anew(self, name: str, scope: Scope, statement: ast.Assign) -> int | None:
        """Where the name is given another number than the environment has given, before the next step."""
        source, inside = self._source, set(self._source.loops_around(statement)[-1:])
        for one in source.definitions(name, scope):
            if one.statement.lineno <= statement.lineno or not inside <= {*source.loops_around(one.statement)}:
                continue
            again = isinstance(one.statement, ast.Assign) and called(one.statement.value, "step") is not None
            parts = () if one.value is None else ast.walk(one.value)
            derived = any(isinstance(part, ast.Name) and part.id == name for part in parts)
            if not again and not one.drawn and (not derived or isinstance(one.statement, ast.AugAssign)):
                return one.statement.lineno
        return None

    def _follow(self, variable: Variable) -> None:
        source = self._source
        for node in ast.walk(variable.scope):
            if not isinstance(node, ast.Name) or node.id != variable.name or not isinstance(node.ctx, ast.Load):
                continue
            if source.scope_of(node) is variable.scope:
                self._climb(node, variable)

    def _climb(self, node: ast.expr, variable: Variable) -> None:
        """From a use of it outwards, to what it is put into."""
        child: ast.AST = node
        changed, place = variable.changed_at, 0
        for parent in self._source.above(node):
            line = getattr(parent, "lineno", 0)
            if isinstance(parent, ast.stmt):
                self._put_by(parent, child, place, changed, variable.scope)
                return
            if isinstance(parent, ast.Call) and name_called(parent) == "zip":
                self._laid_beside(parent, child, place, changed, variable.scope)
                return
            if isinstance(parent, ast.Call) and child is not parent.func:
                if self._taken_by(parent, child, changed, variable.scope):
                    return
                changed = changed if name_called(parent) in KEPT else changed or line
            elif isinstance(parent, ast.Call):
                assert isinstance(parent.func, ast.Attribute)
                changed = changed if parent.func.attr in KEPT else changed or line
            elif isinstance(parent, ast.BinOp | ast.UnaryOp | ast.BoolOp | ast.IfExp):
                changed = changed or line
            elif isinstance(parent, ast.Tuple | ast.List):
                place = parent.elts.index(child) if child in parent.elts else 0
            elif not isinstance(parent, PASSED_ON) or child is getattr(parent, "slice", None):
                return
            child = parent

    def _taken_by(self, call: ast.Call, argument: ast.AST, changed: int | None, scope: Scope) -> bool:
        """Whether a call puts it somewhere: into the array, or into the parameter of a function that is known."""
        of = call.func.value if isinstance(call.func, ast.Attribute) else None
        if of is not None and name_called(call) in INTO:
            if last_name(of) in self._array:
                self._comes_in(changed)
            return True
        function = self._source.callee(call, scope) or self._made_by(call)
        if function is not None:
            for name in _parameters_given(function, call, argument, self._source):
                self._goes_to(Variable(name, function, changed))
            return True
        fields = _fields_of(call, self._source)
        named = argument.arg if isinstance(argument, ast.keyword) else None
        if fields and argument in call.args:
            at = call.args.index(argument)
            named = fields[at] if at < len(fields) else None
        if named in self._array and (fields or isinstance(argument, ast.keyword)):
            self._comes_in(changed)
            return True
        return False

    def _laid_beside(self, call: ast.Call, several: ast.AST, place: int, changed: int | None, scope: Scope) -> None:
        """Of `for kept, one in zip((states, rewards), (state, reward)): kept.append(one)`, or a dict's keys instead."""
        for other in call.args:
            names = [] if other is several else list(_parts_of(self._source, Bit(other, scope)))
            if place < len(names) and names[place] in self._array:
                self._comes_in(changed)

    def _made_by(self, call: ast.Call) -> Function | None:
        """How an object of a class is made."""
        name = name_called(call)
        found = [one for one in self._source.functions.get("__init__", []) if _class_name(self._source, one) == name]
        return found[0] if len(found) == 1 else None

    def _put_by(self, statement: ast.stmt, child: ast.AST, place: int, changed: int | None, scope: Scope) -> None:
        if isinstance(statement, ast.AugAssign) and child is statement.value:
            if isinstance(child, ast.List | ast.Tuple) and last_name(statement.target) in self._array:
                self._comes_in(changed)
            return
        if isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets: list[ast.expr] = [statement.target]
        elif isinstance(statement, ast.Assign):
            targets = statement.targets
        else:
            return
        for target in targets:
            several = isinstance(target, ast.Tuple) and isinstance(child, ast.Tuple) and place < len(target.elts)
            one = target.elts[place] if several and isinstance(target, ast.Tuple) else target
            if isinstance(one, ast.Name):
                self._goes_to(Variable(one.id, scope, changed))
            elif last_name(one) in self._array:
                self._comes_in(changed)


def _names_of(node: ast.expr) -> Iterator[str]:
    """The last parts of what an array is called."""
    functions = {one.func for one in ast.walk(node) if isinstance(one, ast.Call)}
    keyed = [one for one in ast.walk(node) if isinstance(one, ast.Subscript) and isinstance(one.slice, ast.Constant)]
    holders = {one.value for one in ast.walk(node) if isinstance(one, ast.Attribute)} | {one.value for one in keyed}
    for one in ast.walk(node):
        plain = isinstance(one, ast.Name | ast.Attribute) and one not in functions | holders and not is_module(one)
        if (plain or one in keyed) and (name := last_name(one)) is not None:  # type: ignore[arg-type]
            yield name


def _parameters_given(function: Function, call: ast.Call, argument: ast.AST, source: Source) -> Iterator[str]:
    """Those by which a function knows an argument."""
    if isinstance(argument, ast.keyword):
        if argument.arg is not None:
            yield argument.arg
        return
    names = [one.arg for one in function.args.posonlyargs + function.args.args]
    own = names[1:] if source.class_of(function) is not None else names
    if argument in call.args and (at := call.args.index(argument)) < len(own):
        yield own[at]


def _fields_of(call: ast.Call, source: Source) -> list[str]:
    """The fields of a named tuple or a data class that a call makes, in their order."""
    name = name_called(call) or ""
    for node in source.nodes:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return [
                one.target.id
                for one in node.body
                if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
            ]
        made = node.value if isinstance(node, ast.Assign) and any(is_name(one, name) for one in node.targets) else None
        if isinstance(made, ast.Call) and name_called(made) == "namedtuple":
            return [field for given in made.args[1:] for field in _strings_in(given)]
    return []


def _parts_of(source: Source, bit: Bit) -> Iterator[str | None]:
    """What the parts of a tuple are called, or the keys of a dict."""
    for one in defined(source, bit):
        node = one.node
        if isinstance(node, ast.DictComp) and not node.generators[0].ifs:
            node = node.generators[0].iter
        if isinstance(node, ast.Call) and is_name(node.func, "dict"):
            yield from (keyword.arg for keyword in node.keywords)
            return
        parts = node.keys if isinstance(node, ast.Dict) else node.elts if isinstance(node, ast.Tuple | ast.List) else []
        for part in parts:
            text = part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else None
            yield text or (None if part is None else last_name(part))
        if parts:
            return


def _strings_in(node: ast.expr) -> Iterable[str]:
    texts = (one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str))
    return (name for text in texts for name in text.replace(",", " ").split())


def _class_name(source: Source, function: Function) -> str | None:
    of = source.class_of(function)
    return None if of is None else of.name
