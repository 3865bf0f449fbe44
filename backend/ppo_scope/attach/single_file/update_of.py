"""Where in a script an update is: from where to where its epochs go, what they take their minibatches from, and what of
the rollout is the same array, [M, N, …], before it was flattened.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ppo_scope.attach.single_file.living import Living
from ppo_scope.attach.single_file.reading import Reading
from ppo_scope.attach.single_file.source import (
    Bit,
    Loop,
    Scope,
    Source,
    called,
    is_module,
    is_pure,
    normalised,
)

OUTCOME = 4
"""What `step` of an environment returns, at least."""


class Taken(NamedTuple):
    """A minibatch's part of an array."""

    whole: Bit
    by: ast.expr
    """The index."""
    scope: Scope
    """Of the index."""


@dataclass
class Place:
    """Where the update is."""

    scope: Scope
    first: ast.stmt
    """Before it the rollout is there."""
    last: ast.stmt
    """After it the update is done."""


def taken_in(source: Source, bit: Bit | None) -> Taken | None:
    """Where it was taken out of what has all samples."""
    for one in source.chain(bit):
        node = one.node
        if isinstance(node, ast.Subscript) and _varies(node.slice):
            return Taken(one.of(node.value), node.slice, one.scope)
        if isinstance(node, ast.Call) and (given := called(node, "sum", "exp")):
            inner = taken_in(source, one.of(given[0]))
            if inner is not None:
                return inner
    return None


def _varies(index: ast.expr) -> bool:
    """Whether it is of several samples, and others each time."""
    if isinstance(index, ast.Slice):
        return index.lower is not None and index.step is None and is_pure(index)
    return is_pure(index) and any(isinstance(one, ast.Name) for one in ast.walk(index)) and _is_bare(index)


def _is_bare(index: ast.expr) -> bool:
    return isinstance(index, ast.Name | ast.Attribute | ast.Subscript)


def place_of(source: Source, reading: Reading) -> Place:
    """The outermost loop around the loss in which no environment is stepped and nothing of the rollout made anew."""
    call = reading.backward
    inner = source.statement_of(call) if call is not None else reading.policy
    taken = taken_in(source, reading.old_log_prob)
    whole = taken.whole if taken is not None else reading.old_log_prob
    found = None
    for scope, loops in _outwards(source, inner):
        fits = (loop for loop in loops if not _plays(source, loop))
        loop = next((one for one in fits if _is_there(source, whole, scope, one, indexed=taken is not None)), None)
        if loop is not None:
            found = Place(scope, loop, loop)
        elif loops:
            break
    return found or Place(source.scope_of(inner), inner, _last_beside(source, inner))


def _outwards(source: Source, inner: ast.stmt) -> Iterator[tuple[Scope, list[Loop]]]:
    """Functions from the one of the loss on to who calls them, with the loops around it there, the outermost first."""
    statement = inner
    for _ in range(3):
        scope = source.scope_of(statement)
        yield scope, source.loops_around(statement)
        calls = source.calls_of(scope)
        if not calls:
            return
        statement = source.statement_of(calls[0])


def _is_there(source: Source, whole: Bit, scope: Scope, loop: ast.stmt, *, indexed: bool) -> bool:
    """Whether all samples are known before a loop."""
    bits = [whole] if indexed else list(source.chain(whole))
    for bit in bits:
        node = source.carried(bit, scope, loop.lineno)
        if node is not None and not _made_in(source, node, scope, loop):
            return True
    return False


def _made_in(source: Source, node: ast.expr, scope: Scope, loop: ast.stmt) -> bool:
    """Whether one of its names is bound in the loop."""
    names = [one.id for one in ast.walk(node) if isinstance(one, ast.Name)]
    end = loop.end_lineno or loop.lineno
    bound = (one for name in names if source.binder(name, scope) is scope for one in source.definitions(name, scope))
    return any(loop.lineno <= one.statement.lineno <= end for one in bound)


def _plays(source: Source, node: ast.AST, depth: int = 0) -> bool:
    """Whether an environment is stepped in it."""
    for one in ast.walk(node):
        if isinstance(one, ast.Assign) and called(one.value, "step") is not None and _unpacks(one):
            return True
        if isinstance(one, ast.Call) and depth < 3:
            function = source.callee(one, source.scope_of(one))
            if function is not None and function is not node and _plays(source, function, depth + 1):
                return True
    return False


def _unpacks(statement: ast.Assign) -> bool:
    return any(isinstance(target, ast.Tuple) and len(target.elts) >= OUTCOME for target in statement.targets)


def _last_beside(source: Source, statement: ast.stmt) -> ast.stmt:
    """The last of a block that does not leave it."""
    parent = source.parents[statement]
    blocks = (getattr(parent, name, []) for name in ("body", "orelse", "finalbody"))
    block = next(one for one in blocks if statement in one)
    found: ast.stmt = next((one for one in reversed(block) if not isinstance(one, ast.Return)), statement)
    return found if found.lineno >= statement.lineno else statement


# What log π is asked of


def asked_with(source: Source, reading: Reading) -> tuple[list[Bit], Bit | None]:
    """(what the policy is given, the actions where they are given to `log_prob`)"""
    seen: list[Bit] = []
    acted = None
    for bit in _makers(source, reading.log_prob):
        given = called(bit.node, "log_prob")
        if given is not None and len(given) == 2:
            acted = bit.of(given[1])
            seen = [one for maker in _makers(source, bit.of(given[0])) for one in _arguments(source, maker)]
            break
    if acted is None:
        seen = [one for maker in _makers(source, reading.log_prob) for one in _arguments(source, maker)]
    return seen, acted


def _makers(source: Source, bit: Bit) -> Iterator[Bit]:
    """The calls that have made it."""
    for _ in range(8):
        node = bit.node
        if isinstance(node, ast.Call):
            yield bit
            given = called(node, "sum", "squeeze", "flatten", "mean")
            if given and isinstance(node.func, ast.Attribute):
                bit = bit.of(given[0])
                continue
        elif isinstance(node, ast.Name) and (scope := source.binder(node.id, bit.scope)) is not None:
            where = source.statement_of(node)
            found = source.definition(node.id, scope, where)
            if found is not None and isinstance(found.value, ast.Call) and source.origin(bit) is None:
                yield Bit(found.value, scope, bit.calls if scope is bit.scope else ())
                return
        before = source.back(bit)
        if before is None:
            return
        bit = before


def _arguments(source: Source, bit: Bit, depth: int = 0) -> Iterator[Bit]:
    """Of a call, and of the calls that these are made by."""
    node = bit.node
    if not isinstance(node, ast.Call) or depth > 6:
        return
    for one in (*node.args, *(by_name.value for by_name in node.keywords)):
        given = bit.of(one)
        made = given if isinstance(one, ast.Call) else source.origin(given)
        if not isinstance(one, ast.Call):
            yield given
        if made is not None:
            yield from _arguments(source, made, depth + 1)


# Before it was flattened


class Rows(NamedTuple):
    """An array [M, N, …] in the script."""

    node: ast.expr
    layout: tuple[int, int]
    by_environment: bool
    """Its flat samples go through it environment by environment."""


def rows_in(
    source: Source, living: Living, whole: Bit, place: Place, layout: tuple[int, int] | None = None
) -> Rows | None:
    """What was flattened to make an array of all samples; None: that is not known."""
    flat, found = living.array(whole), []
    if flat is None:
        return None
    for node in (*_steps_back(source, whole, place), *_lying_there(source, living, place)):
        array = living.array(Bit(node, place.scope), flat.size)
        if array is None or array.ndim < 2:
            continue
        shape = (array.shape[0], array.shape[1])
        if shape != layout if layout is not None else flat.ndim < 2 < array.ndim:
            continue
        for one, turned in ((array, False), (array.swapaxes(0, 1), True)):
            if np.array_equal(one.reshape(-1), flat.reshape(-1), equal_nan=flat.dtype.kind == "f"):
                found.append(Rows(node, shape, turned))
                break
        if found and found[-1].layout[1] > 1:
            break
    return next((one for one in found if one.layout[1] > 1), found[0] if found else None)


def _steps_back(source: Source, whole: Bit, place: Place) -> Iterator[ast.expr]:
    """What it may have been made of, as it stands before the update."""
    for bit in source.chain(whole):
        for one in (*_apart(bit.node), *_inside(bit.node)):
            node = source.carried(bit.of(one), place.scope, place.first.lineno)
            if node is not None:
                yield node


def _inside(node: ast.expr) -> list[ast.expr]:
    """What a call is made of, as far as it may be the same samples."""
    if not isinstance(node, ast.Call):
        return []
    of = node.func.value if isinstance(node.func, ast.Attribute) and not is_module(node.func.value) else None
    found = [one for one in (of, *node.args[:1]) if one is not None]
    return [deeper for one in found for deeper in ([one] if is_pure(one) else [*_apart(one), *_inside(one)])]


def _lying_there(source: Source, living: Living, place: Place) -> Iterator[ast.expr]:
    """All arrays by a name, or in what has one: which they are is seen by their numbers."""
    for node in living.arrays(place.scope):
        root = node
        while isinstance(root, ast.Attribute | ast.Subscript):
            root = root.value
        assert isinstance(root, ast.Name)
        own = source.binder(root.id, place.scope) is place.scope
        if own and not source.is_there(root.id, place.scope, place.first.lineno):
            continue
        if not _made_in(source, root, place.scope, place.first):
            yield node


def _apart(node: ast.expr) -> list[ast.expr]:
    """It; of arrays that are joined, also with an axis for them."""
    given = called(node, "cat", "concatenate")
    if given and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        stack = ast.Call(ast.Attribute(node.func.value, "stack", ast.Load()), [given[0]], [])
        return [stack]
    return [node]


def before_it_is_normalised(source: Source, whole: Bit, place: Place) -> tuple[ast.expr, ast.stmt] | None:
    """What is normalised to Â before the update, and in which statement; None: it is not."""
    for bit in source.chain(whole):
        inner = normalised(bit.node)
        if inner is not None and bit.scope is place.scope:
            statement = source.statement_of(bit.node)
            if statement.lineno < place.first.lineno:
                return inner, statement
    return None
