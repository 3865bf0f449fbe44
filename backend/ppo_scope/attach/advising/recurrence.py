"""Where a script adds up its advantages or returns, step by step from the end, and what it adds up there: rewards, V
and the ends of episodes.

    δ = r + γ·V′·(1 − terminated) − V            by its signs and products, whatever the variables are called
    Â = δ + γ·λ·(1 − ended)·Â                    by Â, which is on both sides
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from ppo_scope.attach.advising.source import Bit, Source
from ppo_scope.attach.advising.terms import defined
from ppo_scope.attach.advising.tree import Scope, called, is_name, is_pure


class Collected(NamedTuple):
    """Whole arrays or lists, each where its names mean something; what is None was not found."""

    rewards: Bit | None = None
    values: Bit | None = None
    ends: Bit | None = None
    terminated: Bit | None = None
    """Where it is another one than `ends`."""
    discount: Bit | None = None
    """γ, where the sum is."""
    gae_lambda: Bit | None = None


def collected_in(source: Source) -> Collected:
    """The one of which the most is found."""
    found = [_read(source, statement) for statement in source.nodes if isinstance(statement, ast.Assign)]
    return max(found, key=lambda one: sum(part is not None for part in one), default=Collected())


def _read(source: Source, statement: ast.Assign) -> Collected:
    """What is added up in a statement x = … + … · x."""
    scope = source.scope_of(statement)
    names = [one.id for one in statement.targets if isinstance(one, ast.Name)]
    if not names or not any(is_name(one, names[0]) for one in ast.walk(statement.value)):
        return Collected()
    terms = list(_terms(source, Bit(statement.value, scope), names[0]))
    summed = [bit for bit, negative in terms if not negative and not _is_product(bit.node)]
    taken = [bit for bit, negative in terms if negative and not _is_product(bit.node)]
    carried = [bit for bit, negative in terms if not negative and _is_product(bit.node) and _mentions(bit, names[0])]
    following = [bit for bit, _ in terms if _is_product(bit.node) and not _mentions(bit, names[0])]
    if len(summed) != 1 or len(carried) != 1 or len(taken) > 1:
        return Collected()
    ends = _masked(source, carried[0]) or _branched(source, statement, names[0])
    over = _masked(source, following[0]) if len(following) == 1 else None
    if over is not None and ends is not None and ast.dump(over.node) == ast.dump(ends.node):
        over = None
    step = _step_of(source, summed[0])
    others = (taken[0] if taken else None, ends, over)
    parts = (summed[0], *(None if one is None or _step_of(source, one) != step else one for one in others))
    rewards, values, ended, terminated = (None if one is None else _whole(source, one, statement) for one in parts)
    return Collected(rewards, values, ended, terminated, *_decays(source, names[0], carried[0], following))


def _step_of(source: Source, bit: Bit) -> str | None:
    """The index by which a step is taken out of all: of d[t + 1], which begins with the step after, another one than of
    r[t]. None: there is none.
    """
    for one in defined(source, bit):
        if isinstance(one.node, ast.Subscript):
            return ast.dump(one.node.slice)
    return None


def _decays(source: Source, name: str, carried: Bit, following: list[Bit]) -> tuple[Bit | None, Bit | None]:
    """(γ, λ): by what V′ is multiplied, and by what else the sum is. Of returns without V it is γ alone."""
    factors = [bit for bit in map(carried.of, _factors(carried.node)) if not _mentions(bit, name)]
    own = [bit for bit in factors if is_pure(bit.node) and _masked(source, bit) is None]
    of_values = {ast.dump(one) for bit in following for one in _factors(bit.node)}
    shared = [bit for bit in own if ast.dump(bit.node) in of_values] if following else own
    rest = [bit for bit in own if bit not in shared]
    if len(shared) != 1 or len(rest) > 1:
        return None, None
    return shared[0], rest[0] if rest else None


def _terms(source: Source, bit: Bit, name: str, negative: bool = False, depth: int = 0) -> Iterator[tuple[Bit, bool]]:
    """Of a sum, with their signs, over the variables that it is made of."""
    node = bit.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield from _terms(source, bit.of(node.left), name, negative, depth)
        yield from _terms(source, bit.of(node.right), name, negative ^ isinstance(node.op, ast.Sub), depth)
        return
    inner = source.origin(bit) if isinstance(node, ast.Name) and node.id != name and depth < 2 else None
    if inner is not None and isinstance(inner.node, ast.BinOp) and isinstance(inner.node.op, ast.Add | ast.Sub):
        yield from _terms(source, inner, name, negative, depth + 1)
        return
    yield bit, negative


def _is_product(node: ast.expr) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)


def _mentions(bit: Bit, name: str) -> bool:
    return any(is_name(one, name) for one in ast.walk(bit.node))


def _factors(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        yield from _factors(node.left)
        yield from _factors(node.right)
    else:
        yield node


def _masked(source: Source, bit: Bit) -> Bit | None:
    """What is 1 where a product is 0: d of its factor 1 − d."""
    for factor in _factors(bit.node):
        for one in (bit.of(factor), source.origin(bit.of(factor))):
            if one is not None and isinstance(one.node, ast.BinOp) and _is_from_one(one.node):
                return _number_of(one.of(one.node.right))
    return None


def _is_from_one(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.Sub) and isinstance(node.left, ast.Constant) and node.left.value == 1


def _number_of(bit: Bit) -> Bit:
    """Less `int(…)` and `float(…)` around it."""
    given = called(bit.node, "int", "float")
    return bit.of(given[0]) if given else bit


def _branched(source: Source, statement: ast.Assign, name: str) -> Bit | None:
    """What it is asked whether before the sum is set to 0."""
    scope = source.scope_of(statement)
    for one in ast.walk(scope):
        if isinstance(one, ast.If) and source.scope_of(one) is scope:
            for inner in one.body:
                if isinstance(inner, ast.Assign) and _sets_zero(inner, name):
                    return Bit(one.test, scope)
    return None


def _sets_zero(statement: ast.Assign, name: str) -> bool:
    target, value = statement.targets[0], statement.value
    pairs = [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        pairs = list(zip(target.elts, value.elts, strict=False))
    return any(is_name(one, name) and isinstance(of, ast.Constant) and of.value == 0 for one, of in pairs)


def _whole(source: Source, bit: Bit, statement: ast.stmt) -> Bit | None:
    """All steps of what is one step's there."""
    node, scope = bit.node, bit.scope
    if isinstance(node, ast.Name):
        found = source.definition(node.id, source.binder(node.id, scope) or scope, statement)
        if found is None or found.value is None:
            return None
        if found.drawn:
            return _through(source, found.value, found.item, scope)
        value = found.value
        if found.item is not None:
            return None
        return _whole(source, Bit(value, scope), found.statement)
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice | ast.Tuple):
        return Bit(node.value, scope) if not isinstance(node.slice, ast.Constant) else None
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        path = _whole(source, Bit(node.value, scope), statement)
        if path is None:
            return None
        name = node.value.id
        made = ast.ListComp(
            ast.Attribute(ast.Name(name, ast.Load()), node.attr, ast.Load()),
            [ast.comprehension(ast.Name(name, ast.Store()), path.node, [], 0)],
        )
        return Bit(made, path.scope)
    if isinstance(node, ast.BoolOp):
        parts = [_whole(source, Bit(one, scope), statement) for one in node.values]
        if all(part is not None for part in parts) and len(parts) == 2:
            either = ast.parse("np.logical_or(a, b)", mode="eval").body
            assert isinstance(either, ast.Call)
            either.args = [part.node for part in parts if part is not None]
            return Bit(either, scope)
    return None


def _through(source: Source, iterable: ast.expr, item: int | None, scope: Scope) -> Bit | None:
    """What a loop goes through, by itself or side by side with others."""
    node = iterable
    while (given := called(node, "reversed", "list", "tqdm")) and len(given) == 1:
        node = given[0]
    if isinstance(node, ast.Call) and (given := called(node, "zip")):
        return _through(source, given[item], None, scope) if item is not None and item < len(given) else None
    if item is not None or isinstance(node, ast.Call):
        return None
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):  # as X[::-1]
        return Bit(node.value, scope)
    return Bit(node, scope)
