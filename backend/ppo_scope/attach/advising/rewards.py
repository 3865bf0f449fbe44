"""Rewards that a script changes: how they are gathered as the environment gives them."""

from __future__ import annotations

import ast

from ppo_scope.attach.advising.draft import Draft, Piece
from ppo_scope.attach.advising.reward_flow import given_by
from ppo_scope.attach.advising.tree import Loop, called

SEVERAL = ("make_vec", "SyncVectorEnv", "AsyncVectorEnv", "DummyVecEnv", "SubprocVecEnv", "make_vec_env")
"""What makes several environments that are stepped at once."""


def gathered(draft: Draft, *, alone: bool = False) -> str | None:
    """[M, N] of rewards, put into a list where the environment gives them; None: it is not seen that they come in this
    order, or there are several such places. `alone`: there is one environment, as far as is known.
    """
    places = given_by(draft.source)
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
