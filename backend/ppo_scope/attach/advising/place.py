"""Where in a script an update is: from where to where its epochs go, and what they take their minibatches from."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ppo_scope.attach.advising.carrying import carried
from ppo_scope.attach.advising.reading import Reading
from ppo_scope.attach.advising.source import Bit, Source
from ppo_scope.attach.advising.tree import Function, Loop, Scope, called, is_pure

OUTCOME = 4
"""What `step` of an environment returns, at least."""
CALLERS = 3
"""That are looked at, one calling the other."""


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
    sure: bool = True
    """It is seen that there are no epochs around it."""


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


def shuffled(source: Source, whole: Bit | None) -> bool:
    """Whether all samples stand in another order than they were collected in."""
    bits = (one.node for one in source.chain(whole))
    return any(
        isinstance(one, ast.Subscript) and not isinstance(one.slice, ast.Slice) and _varies(one.slice) for one in bits
    )


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
    return found or _place_within(source, inner)


def _place_within(source: Source, inner: ast.stmt) -> Place:
    """Where it is not known what the minibatches are taken from: two loops, epochs and minibatches, or one."""
    found: list[Place] = []
    sure = True
    for scope, loops in _outwards(source, inner):
        fits = [Place(scope, loop, loop) for loop in loops if not _plays(source, loop)]
        found = [*fits, *found]
        sure = len(fits) < len(loops) or not isinstance(scope, Function) or bool(source.calls_of(scope))
    if not found:
        return Place(source.scope_of(inner), inner, _last_beside(source, inner), sure)
    found[-2:][0].sure = sure or len(found) > 1
    return found[-2:][0]


def _outwards(source: Source, inner: ast.stmt) -> Iterator[tuple[Scope, list[Loop]]]:
    """Functions from the one of the loss on to who calls them, with the loops around it there, the outermost first."""
    statement = inner
    for _ in range(CALLERS):
        scope = source.scope_of(statement)
        yield scope, source.loops_around(statement)
        calls = source.calls_of(scope)
        if not calls or any(_plays(source, loop) for loop in source.loops_around(statement)):
            return
        statement = source.statement_of(calls[0])


def _is_there(source: Source, whole: Bit, scope: Scope, loop: ast.stmt, *, indexed: bool) -> bool:
    """Whether all samples are known before a loop."""
    bits = [whole] if indexed else list(source.chain(whole))
    for bit in bits:
        node = carried(source, bit, scope, loop.lineno)
        if node is not None and not made_in(source, node, Place(scope, loop, loop)):
            return True
    return False


def made_in(source: Source, node: ast.expr, place: Place) -> bool:
    """Whether one of the names of an expression is bound in the update itself."""
    first, last = place.first.lineno, place.last.end_lineno or place.last.lineno
    names = [one.id for one in ast.walk(node) if isinstance(one, ast.Name)]
    own = [name for name in names if source.binder(name, place.scope) is place.scope]
    bound = (one for name in own for one in source.definitions(name, place.scope))
    return any(first <= one.statement.lineno <= last for one in bound)


def _plays(source: Source, node: ast.AST, depth: int = 0) -> bool:
    """Whether an environment is stepped in it."""
    for one in ast.walk(node):
        if isinstance(one, ast.Assign) and called(one.value, "step") is not None and _unpacks(one):
            return True
        if isinstance(one, ast.Call) and depth < CALLERS:
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
