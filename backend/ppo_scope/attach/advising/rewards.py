"""Rewards that a script changes: where it does, and how they are gathered as the environment gives them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ppo_scope.attach.advising.draft import Draft, Piece
from ppo_scope.attach.advising.place import OUTCOME
from ppo_scope.attach.advising.source import Source
from ppo_scope.attach.advising.tree import Loop, called, is_pure

SEVERAL = ("make_vec", "SyncVectorEnv", "AsyncVectorEnv", "DummyVecEnv", "SubprocVecEnv", "make_vec_env")
"""What makes several environments that are stepped at once."""


def gathered(draft: Draft, *, alone: bool = False) -> str | None:
    """[M, N] of rewards, put into a list where the environment gives them; None: it is not seen that they come in this
    order, or there are several such places. `alone`: there is one environment, as far as is known.
    """
    places = [found for node in draft.source.nodes if isinstance(node, ast.Assign) for found in _reward_in(node)]
    if len(places) != 1 or (alone and any(called(node, *SEVERAL) is not None for node in draft.source.nodes)):
        return None
    name, statement = places[0]
    loops = draft.source.loops_around(statement)
    turns = [_goes_through(loop, statement) for loop in loops]  # one environment after the other
    if any(turns) and (alone or len(loops) < 2 or turns.index(True) != len(loops) - 1):
        return None
    draft.given = draft.source.free("own_rewards")
    one = f"float({name})" if alone else f"{name} + 0"  # a copy, where it is an array
    code = [f"{draft.given}.append({one})"]
    draft.besides.append(Piece(statement.end_lineno or statement.lineno, True, code, statement.lineno))
    words = f"{'np.array' if draft.has('np') else 'torch.tensor'}({draft.given})"
    if draft.rows is None or draft.rows.layout[1] == 1:
        return f"{words}.reshape(-1, 1)"
    return f"{words}.reshape(-1, {draft.width_of(draft.rows)})" if any(turns) else words


def _goes_through(loop: Loop, statement: ast.Assign) -> bool:
    """Whether what is stepped there is what a loop goes through."""
    assert isinstance(statement.value, ast.Call)
    stepped = {one.id for one in ast.walk(statement.value.func) if isinstance(one, ast.Name)}
    drawn = ast.walk(loop.target) if isinstance(loop, ast.For | ast.AsyncFor) else ()
    return any(isinstance(one, ast.Name) and one.id in stepped for one in drawn)


def changed_at(source: Source) -> int | None:
    """The line in which a reward is scaled, or γ·V(s′) added to that of a step that is cut, after the environment has
    given it.
    """
    given = {name for node in source.nodes if isinstance(node, ast.Assign) for name in _reward_in(node)}
    for node in source.nodes:
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and isinstance(node.target, ast.Subscript):
            factors = isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.Mult)
            if factors and any(isinstance(one, ast.Call) for one in ast.walk(node.value)):
                return node.lineno
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
            sides = ((node.left, node.right), (node.right, node.left))
            if any(is_pure(other) and _is_of(source, one, given) for one, other in sides):
                return node.lineno
    return None


def _reward_in(statement: ast.Assign) -> Iterator[tuple[str, ast.Assign]]:
    """The name of the second of what an environment's step gives back."""
    target = statement.targets[0]
    if called(statement.value, "step") is None or not isinstance(target, ast.Tuple) or len(target.elts) < OUTCOME:
        return
    reward = target.elts[1]
    if isinstance(reward, ast.Name):
        yield reward.id, statement


def _is_of(source: Source, node: ast.expr, given: set[tuple[str, ast.Assign]]) -> bool:
    """Whether it is that name, there."""
    return isinstance(node, ast.Name) and any(
        node.id == name and source.scope_of(statement) is source.scope_of(node) for name, statement in given
    )
