"""What a flat array of all samples was before it was flattened, [M, N, …], as its numbers show."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ppo_scope.attach.advising.carrying import carried
from ppo_scope.attach.advising.living import Living
from ppo_scope.attach.advising.place import Place, made_in
from ppo_scope.attach.advising.source import Bit, Source
from ppo_scope.attach.advising.tree import called, is_module, is_pure, last_name, normalised

AXES = (ast.Constant(0), ast.Constant(1))


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
    for one in (*_steps_back(source, whole, place), *_lying_there(source, living, place)):
        node, array = one, living.array(Bit(one, place.scope), flat.size)
        if array is None or array.ndim < 2:
            continue
        if _has_steps_second(source, node):
            node, array = ast.Call(ast.Attribute(node, "swapaxes", ast.Load()), [*AXES], []), array.swapaxes(0, 1)
        shape = (array.shape[0], array.shape[1])
        if shape != layout if layout is not None else flat.ndim < 2 < array.ndim:
            continue
        for laid, turned in ((array, False), (array.swapaxes(0, 1), True)):
            if np.array_equal(laid.reshape(-1), flat.reshape(-1), equal_nan=flat.dtype.kind == "f"):
                found.append(Rows(node, shape, turned))
                break
        if found and found[-1].layout[1] > 1:
            break
    return next((one for one in found if one.layout[1] > 1), found[0] if found else None)


def _has_steps_second(source: Source, node: ast.expr) -> bool:
    """Whether a step of it is taken, or put into it, as `x[:, t]`."""
    name = last_name(node)
    for one in source.nodes:
        if isinstance(one, ast.Subscript) and isinstance(one.slice, ast.Tuple) and last_name(one.value) == name:
            first, *others = one.slice.elts
            if isinstance(first, ast.Slice) and first.lower is first.upper is None and isinstance(others[0], ast.Name):
                return name is not None
    return False


def _steps_back(source: Source, whole: Bit, place: Place) -> Iterator[ast.expr]:
    """What it may have been made of, as it stands before the update."""
    for bit in source.chain(whole):
        for one in (*_apart(bit.node), *_inside(bit.node)):
            node = carried(source, bit.of(one), place.scope, place.first.lineno)
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
        if not made_in(source, root, place):
            yield node


def _apart(node: ast.expr) -> list[ast.expr]:
    """It; of arrays that are joined, also with an axis for them."""
    given = called(node, "cat", "concatenate")
    if given and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        stack = ast.Call(ast.Attribute(node.func.value, "stack", ast.Load()), [given[0]], [])
        return [stack]
    return [node]


def before_it_is_normalised(source: Source, whole: Bit, place: Place) -> tuple[ast.expr, ast.stmt] | None:
    """What is normalised to Â before the update, and in which statement, the first where there are two; None: it is
    not.
    """
    found = None
    for bit in source.chain(whole):
        inner = normalised(bit.node)
        if inner is not None and bit.scope is place.scope:
            statement = source.statement_of(bit.node)
            if statement.lineno < place.first.lineno:
                found = inner, statement
    return found
