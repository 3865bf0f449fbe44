"""Whether what is told of a minibatch is of the samples that it names: the rollout's numbers prove where it is not.

Before the first step of an update the weights are those that collected. So log π of a sample is its log π_old, and Â is
its Â but for scale and shift: where both are, to rounding, those of other samples, `samples` counts in another order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppo_scope.attach.arrays import Misshapen, samples_of
from ppo_scope.attach.own_loop.handed import places_of
from ppo_scope.attach.record import Update
from ppo_scope.probes.record import Floats

Places = NDArray[np.int64]

SWAPPED = (
    "samples counts environment by environment, n·{steps} + t, and t·{envs} + n is wanted, environment n at step t: "
    "log_prob and advantages are, to rounding, those of the samples in that other order, and not of those that samples "
    "names. Pass samples=(samples % {steps}) * {envs} + samples // {steps}. {mixed}"
)
OTHERS = (
    "samples names the samples {named}, and log_prob and advantages are, to rounding, those of {held}. "
    "samples says where each of them stands in the rollout, t·N + n, and not within the minibatch or in arrays that "
    "were shuffled: pass the indices that the minibatch, or the shuffled arrays, were taken by. {mixed}"
)
MIXED = (
    "Where your loss itself takes log π_old in another order than the rest, its ratio is wrong: tell old_log_prob too, "
    "as the loss takes it, and Health says so."
)

FEWEST = 8
"""Samples by which an order can be known."""
LOOKED_AT = 10
"""Updates at whose first minibatch it is looked, until it is known."""
NEAR = 1e-4
"""Of log π: what rounding allows; see `first_ratio`."""
VERY_NEAR = 1e-5
"""The same, where a sample is to be known among all by its log π."""
TELLING = 0.01
"""By how much log π has to vary, for an order that fits to be the right one."""
THE_SAME = 0.99999
"""Correlation of two columns that differ by scale and shift, and by nothing else, but for rounding."""
LARGEST = 1 << 16
"""Samples of a rollout among which others are looked for."""


class Of(NamedTuple):
    """What is known of each sample."""

    log_probs: Floats
    advantages: Floats


def looked_at(update: Update, samples: Any, log_prob: Any, advantages: Any, old_log_prob: Any) -> bool:
    """Whether the first minibatch of an update, as it is told, is known to be of its samples. See `Scope.minibatch`.

    Raises:
        Misshapen: it is of others, or a shape does not fit.
    """
    batch = update.batch
    assert batch is not None
    which = places_of(samples, len(batch.values))
    if not len(which):
        return False

    def told(found: Any, name: str) -> Any:
        return samples_of(found, name, "one for each sample", len(which))

    now = Of(told(log_prob, "log_prob"), told(advantages, "advantages"))
    old = None if old_log_prob is None else told(old_log_prob, "old_log_prob")
    held = Of(batch.log_probs.numpy(), batch.advantages.numpy())
    return in_order(which, now, old, held, update.rollout.trained)


def in_order(which: Places, told: Of, old: Floats | None, held: Of, trained: NDArray[np.bool_]) -> bool:
    """Whether a first minibatch is known to be of the samples `which` [B]; False: that cannot be told.

    `told` [B], with `old` log π_old where the loss takes it from elsewhere; `held` [S]: by the rollout; `trained`
    [M, N].

    Raises:
        Misshapen: it is of others.
    """
    steps, envs = trained.shape
    counted = trained.reshape(-1)

    def fits(places: Places, *columns: Floats | None) -> bool:
        kept = counted[places]
        own = held.log_probs[places[kept]]
        return len(own) >= FEWEST and all(_near(one[kept], own) for one in columns if one is not None)

    if np.count_nonzero(counted[which]) < FEWEST:
        return False
    if fits(which, told.log_probs):
        return _varies(told.log_probs)
    if _alike(told, held, which, counted[which]):  # log π alone is that of others: a fault of the loop
        return False
    swapped = which % steps * envs + which // steps
    if min(steps, envs) > 1 and fits(swapped, told.log_probs, old) and _alike(told, held, swapped, counted[swapped]):
        raise Misshapen(SWAPPED.format(steps=steps, envs=envs, mixed=MIXED if old is None else "").rstrip())
    others, known = _known_by(told.log_probs, held.log_probs)
    if fits(others, told.log_probs, old) and _alike(told, held, others, known):
        some = np.flatnonzero(known)[:3]
        named, those = (", ".join(map(str, places[some])) + ", …" for places in (which, others))
        raise Misshapen(OTHERS.format(named=named, held=those, mixed=MIXED if old is None else "").rstrip())
    return False


def _near(one: Floats, other: Floats) -> bool:
    """Also where both are −∞."""
    return bool(np.isclose(one, other, rtol=NEAR, atol=NEAR).all())


def _varies(log_prob: Floats) -> bool:
    finite = log_prob[np.isfinite(log_prob)]
    return len(finite) > 0 and bool(np.ptp(finite) > TELLING)


def _alike(told: Of, held: Of, places: Places, kept: NDArray[np.bool_]) -> bool:
    """Whether Â is that of these places, but for scale and shift."""
    used, own = (found[kept].astype(np.float64) for found in (told.advantages, held.advantages[places]))
    if len(used) < FEWEST or not used.std() > 0 or not own.std() > 0:
        return False
    return bool(np.corrcoef(used, own)[0, 1] > THE_SAME)


def _known_by(log_prob: Floats, held: Floats) -> tuple[Places, NDArray[np.bool_]]:
    """([B] places of the rollout with the nearest log π, [B] whether there is one such and no other)"""
    if len(held) > LARGEST or len(held) < 2:
        return np.zeros(len(log_prob), np.int64), np.zeros(len(log_prob), np.bool_)
    order = np.argsort(held, kind="stable")
    sorted_ = held[order].astype(np.float64)
    log_prob = np.nan_to_num(log_prob.astype(np.float64))
    near = VERY_NEAR * np.maximum(1, np.abs(log_prob))
    first = np.searchsorted(sorted_, log_prob - near, "left")
    beyond = np.searchsorted(sorted_, log_prob + near, "right")
    return order[np.minimum(first, len(held) - 1)], beyond - first == 1
