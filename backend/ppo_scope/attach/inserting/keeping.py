"""What a script has computed is not computed once more to be told: it is kept where the script does so. What it
computes later, or in the statement itself, is asked so that nothing comes of it (`Guard.asked`).
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping

from ppo_scope.attach.advising.tree import HARMLESS, Function, Loop, name_called

GUARD = "__ppo_scope__"
"""What it is called in the script that an error in our lines is told."""
KEPT = "__ppo_scope_{number}__"
OF_ARRAYS = {*HARMLESS, "sum", "mean", "swapaxes"}
OF_LISTS = {"len", "range", "float", "globals"}
ASKED = ("entropy", "log_prob")
"""Of a distribution."""
APART = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.IfExp, ast.BoolOp)
"""In these an expression is computed by itself, several times or perhaps not at all."""
SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr)
WITH = (ast.With, ast.AsyncWith)
Parents = dict[ast.AST, ast.AST]


def keep(tree: ast.Module, ours: Collection[ast.AST], own: Collection[str]) -> ast.Call | None:
    """Put names in the place of calls in our statements that would run the script's own code once more; the first that
    can neither be kept nor asked.

    Args:
        tree: the file with our statements.
        ours: those, and those in them.
        own: names whose methods are ours.
    """
    functions = {one.name for one in ast.walk(tree) if isinstance(one, Function)}
    parents: Parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    kept: dict[ast.expr, str] = {}
    for statement in ours:
        if parents[statement] in ours:
            continue
        for call in list(_calls_in(statement, own)):
            found = _computed_before(call, statement, parents)
            if found is None:
                if name_called(call) in functions or (held := _asked(call)) is None:
                    return call
                _put(_checked(held), held, parents)
                continue
            if found not in kept:
                kept[found] = KEPT.format(number=len(kept) + 1)
                name = ast.copy_location(ast.Name(kept[found], ast.Store()), found)
                _put(ast.copy_location(ast.NamedExpr(name, found), found), found, parents)
            _put(ast.copy_location(ast.Name(kept[found], ast.Load()), call), call, parents)
    return None


def _calls_in(node: ast.AST, own: Collection[str]) -> Iterator[ast.Call]:
    """That are the script's own, the outermost."""
    if isinstance(node, ast.Call) and not _tells_only(node, own):
        yield node
        return
    for inner in ast.iter_child_nodes(node):
        yield from _calls_in(inner, own)


def _asked(call: ast.Call) -> ast.expr | None:
    """What has to be one that can be asked without anything coming of it, a module or a distribution; None: another
    call is in it.
    """
    inside = (one for one in ast.walk(call) if one is not call)
    if any(isinstance(one, ast.Call) and not _is_of_arrays(one) for one in inside):
        return None
    of = call.func
    return of.value if isinstance(of, ast.Attribute) and of.attr in ASKED else of


def _checked(held: ast.expr) -> ast.Call:
    """It, where it is one; else that is an error."""
    guard = ast.Name(GUARD, ast.Load())
    asked = ast.Attribute(guard, "asked", ast.Load())
    found = ast.Call(asked, [held], [])
    for one in (guard, asked, found):
        ast.copy_location(one, held)
    return found


def _tells_only(call: ast.Call, own: Collection[str]) -> bool:
    """Whether it is ours, or changes nothing."""
    name, of = name_called(call), call.func
    if isinstance(of, ast.Name):
        return name in OF_LISTS
    if not isinstance(of, ast.Attribute):
        return False
    held = of.value
    ours = getattr(held, "attr", None) if isinstance(held, ast.Attribute) and isinstance(held.value, ast.Name) else None
    return _is_of_arrays(call) or ours in own or (isinstance(held, ast.Name) and held.id in own)


def _is_of_arrays(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in OF_ARRAYS


def _computed_before(call: ast.Call, statement: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> ast.expr | None:
    """The same expression where the script has computed it last, in each case, with the same variables."""
    wanted = ast.dump(call)
    names = {one.id for one in ast.walk(call) if isinstance(one, ast.Name)}
    for before in _before(statement, parents):
        if names & {one.id for one in ast.walk(before) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}:
            return None
        if isinstance(before, SIMPLE):
            for one in ast.walk(before):
                if isinstance(one, ast.Call) and ast.dump(one) == wanted and not _is_apart(one, before, parents):
                    return one
    return None


def _before(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> Iterator[ast.stmt]:
    """Statements that have been run where this one is, the latest first; in the same function."""
    while not isinstance(node, ast.Module | Function | ast.ClassDef):
        parent = parents[node]
        for block in (value for _, value in ast.iter_fields(parent) if isinstance(value, list) and node in value):
            for one in reversed(block[: block.index(node)]):
                yield from _in_turn(one)
        if isinstance(parent, Loop):  # what is before it may have been of other variables
            yield parent
        node = parent


def _in_turn(statement: ast.stmt) -> Iterator[ast.stmt]:
    """What is always run of it, the latest first."""
    if isinstance(statement, WITH):
        for one in reversed(statement.body):
            yield from _in_turn(one)
    yield statement


def _is_apart(node: ast.AST, statement: ast.stmt, parents: Mapping[ast.AST, ast.AST]) -> bool:
    while node is not statement:
        node = parents[node]
        if isinstance(node, APART):
            return True
    return False


def _put(node: ast.expr, place: ast.expr, parents: Parents) -> None:
    """In the place of another one."""
    parent = parents[place]
    for field, value in ast.iter_fields(parent):
        if value is place:
            setattr(parent, field, node)
        elif isinstance(value, list) and place in value:
            value[value.index(place)] = node
    parents[node] = parent
    if isinstance(node, ast.NamedExpr):
        parents[place] = node
