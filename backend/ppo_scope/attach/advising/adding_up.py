"""Whether what is told of a rollout adds up, by its own numbers: advantages of rewards, V and the ends of episodes.

Â_t = r_t + γ·V_{t+1}·(1 − terminated_t) − V_t + γ·λ·(1 − ended_t)·Â_{t+1}
G_t = r_t + γ·(1 − ended_t)·G_{t+1}
"""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppo_scope.attach.advising.draft import Draft
from ppo_scope.attach.advising.living import Unknown
from ppo_scope.attach.advising.recurrence import Collected
from ppo_scope.attach.advising.source import Bit

Array = NDArray[Any]
CLOSE = 1e-3
"""Of what lies between the smallest and the largest."""
MOST = 0.9
"""Of the steps: scripts differ in what they add where an episode is cut."""


class Told(NamedTuple):
    """Of a rollout, [M, N] each; None: not known."""

    rewards: Array
    """That the script adds up."""
    values: Array | None
    ends: Array | None
    terminated: Array | None
    """Where it is another one than `ends`."""
    advantages: Array | None
    returns: Array | None


def adds_up(told: Told, discount: float, gae_lambda: float | None) -> bool | None:
    """Whether these are what the script has made of each other; None: that cannot be said.

    Args:
        told: the arrays.
        discount: γ.
        gae_lambda: λ; None: returns are added up without V.
    """
    if not all(np.isfinite(one).all() for one in told if one is not None):
        return None
    ends = np.zeros_like(told.rewards) if told.ends is None else told.ends
    over = ends if told.terminated is None else told.terminated
    known = ends == over  # what follows a step that is cut is V of a state that is not among these
    found = []
    if told.returns is not None and gae_lambda is None:
        returns = _before_normalising(told.returns, told.rewards, discount * (1.0 - ends))
        found.append(_follows(returns, told.rewards, discount * (1.0 - ends), known))
    if told.values is not None and gae_lambda is not None:
        deltas = told.rewards + discount * _next(told.values) * (1.0 - over) - told.values
        sums = [told.advantages, None if told.returns is None else told.returns - told.values]
        decay = discount * gae_lambda * (1.0 - ends)
        found += [_follows(one, deltas, decay, known) for one in sums if one is not None]
    if not any(found) and (told.ends is None or not found):
        return None  # with short episodes whose ends are not known, hardly any step fits
    return any(found)


def _before_normalising(returns: Array, rewards: Array, decay: Array) -> Array:
    """G = s·R + m for the s and m by which it comes nearest to r + γ·G′, since R may be (G − mean) / std."""
    parts = [(returns - decay * _next(returns))[:-1], (1.0 - decay)[:-1]]
    scale, shift = np.linalg.lstsq(np.stack([one.ravel() for one in parts], 1), rewards[:-1].ravel(), rcond=None)[0]
    found: Array = scale * returns + shift
    return found


def _follows(sums: Array, terms: Array, decay: Array, known: Array) -> bool:
    """Whether each is its term and what is left of the one that follows."""
    error = np.abs(sums - (terms + decay * _next(sums)))[:-1][known[:-1]]
    return bool((error <= CLOSE * np.ptp(sums)).mean() >= MOST) if len(error) else True


def _next(array: Array) -> Array:
    return np.concatenate([array[1:], array[-1:]])


def adds_up_in(draft: Draft, found: Collected) -> bool | None:
    """Whether advantages and returns are made of the other arrays, as far as that can be computed now."""
    layout = draft.rows.layout if draft.rows is not None else (-1, 1)
    parts = (found.rewards, found.values, found.ends, found.terminated)
    arrays = [_by_numbers(draft, None if one is None else draft.there(one), layout) for one in parts]
    sums = [_steps_of(draft, draft.whole(one)) for one in (draft.reading.used, draft.reading.target)]
    decays = [None if one is None else _number(draft, one) for one in (found.discount, found.gae_lambda)]
    rewards, discount = arrays[0], decays[0]
    known = [one.shape for one in (*arrays, *sums) if one is not None]
    if rewards is None or discount is None or len({*known}) > 1:
        return None
    return adds_up(Told(rewards, *arrays[1:], *sums), discount, decays[1])


def _by_numbers(draft: Draft, words: str | None, layout: tuple[int, int]) -> Array | None:
    if words is None:
        return None
    array = draft.living.array(Bit(ast.parse(words, mode="eval").body, draft.place.scope))
    return None if array is None else _laid_out(array, layout)


def _steps_of(draft: Draft, whole: Bit | None) -> Array | None:
    """[M, N] of an array of all samples, in the order of log π_old."""
    flat = None if whole is None else draft.living.array(whole)
    if flat is None:
        return None
    rows = draft.rows
    if rows is None:
        return _laid_out(flat, (-1, 1))
    steps, environments = rows.layout
    if not rows.by_environment:
        return _laid_out(flat, rows.layout)
    found = _laid_out(flat, (environments, steps))
    return None if found is None else found.T


def _laid_out(array: Array, layout: tuple[int, int]) -> Array | None:
    """None: it has not as many numbers, as V of a step more."""
    fits = layout[0] == -1 or array.size == layout[0] * layout[1]
    return array.reshape(layout).astype(np.float64) if fits else None


def _number(draft: Draft, bit: Bit) -> float | None:
    words = draft.there(bit)
    if words is None:
        return None
    try:
        found = draft.living.value(Bit(ast.parse(words, mode="eval").body, draft.place.scope))
    except Unknown:
        return None
    return float(found) if isinstance(found, int | float) else None
