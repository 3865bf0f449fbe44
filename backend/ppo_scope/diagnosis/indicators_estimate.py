"""What a loop's advantages and targets were made of, as numbers: whether GAE, and whether it heeds ends of episodes.

GAE is one equation from each step to the next, so every step tells by itself what was taken for it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.diagnosis.judging import Row
from ppo_scope.probes.measurement import evenly, rms, variance_of
from ppo_scope.probes.minibatches import Minibatches
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.record import Batch

LOOKED_AT = 8
"""Environments."""
SAME, APART = 1e-4, 1e-3
"""Of the size of A, V and R together: so close is one and the same, and so far apart can two be told apart."""
FEW = 0.1
"""Of what V gains from step to step, that a fit of δ may leave."""
FEWEST = 8
"""Steps of an environment, by which such a fit says something."""
FITS = 0.99
"""Of the steps within an episode, that an estimate of GAE has to fit, but for rounding and chance."""


def of_the_estimate(moment: Moment, batch: Batch, seen: Minibatches) -> Row:
    """By name; nothing where advantages are of another kind, or γ and λ are not told."""
    update = moment.update
    discount, decay = update.settings.discount, update.settings.gae_lambda
    rollout = update.rollout
    if not discount or decay is None or math.isnan(decay) or len(rollout.trained) < 3:
        return {}
    layout = rollout.trained.shape
    some: Any = slice(None) if layout[1] <= LOOKED_AT else evenly(layout[1], LOOKED_AT)

    def by_step(found: NDArray[np.generic]) -> NDArray[np.float64]:
        return found.reshape(layout)[:, some].astype(np.float64)

    values, advantages = by_step(batch.values.cpu().numpy()), by_step(batch.advantages.cpu().numpy())
    rewards = by_step(rollout.rewards if update.rewards is None else update.rewards)
    trained, terminated = rollout.trained[:, some], rollout.terminated[:, some]
    ends = terminated | rollout.truncated[:, some]
    if not values.any() or not advantages.any():
        return {}
    size = rms(advantages) + rms(values) + rms(rewards)
    near, far = SAME * size, APART * size
    without, valued_next = rewards - values - advantages, discount * values[1:]
    following = discount * (values[1:] + decay * advantages[1:])
    goes_on = np.abs(without[:-1] + following) <= near
    both = trained[1:] & trained[:-1]
    begins = np.zeros_like(ends)
    begins[1:] = ends[:-1]
    within = both & ~ends[:-1] & ~begins[:-1]
    eves = within & ends[1:]  # where a sum stops that looks a step too far
    if not any(_fits(goes_on, steps) for steps in (within, within & ~eves)):
        targets = by_step(batch.targets.cpu().numpy())
        made_of_them = bool((np.abs(targets - values - advantages)[trained] <= near).all())
        steps = advantages[:-1] - discount * decay * advantages[1:]
        parts = rewards[:-1], valued_next - values[:-1]
        return _normalised(*parts, steps, within) if made_of_them else {}
    ended, by_value = np.abs(without) <= near, np.abs(without[:-1] + valued_next) <= near
    tells, terminal = np.abs(following) > far, both & terminated[:-1]
    last, first = terminal & tells, both & begins[:-1] & ~ends[:-1] & tells
    eve = eves & terminated[1:] & tells
    valued = terminal & (np.abs(valued_next) > far)  # of V near 0, to take it or not is one
    left = trained[-1] & ~ends[-1] & (np.abs(values[-1]) > far)
    return {
        "ends_told": float(np.count_nonzero(last)),
        "ends_run_over": float(np.count_nonzero(last & goes_on)),
        "values_told": float(np.count_nonzero(valued)),
        "ends_by_value": float(np.count_nonzero(valued & by_value)),
        "begins_told": float(np.count_nonzero(first)),
        "begins_alone": float(np.count_nonzero(first & ended[:-1])),
        "eves_told": float(np.count_nonzero(eve)),
        "eves_alone": float(np.count_nonzero(eve & ended[:-1])),
        "lasts_told": float(np.count_nonzero(left)),
        "lasts_alone": float(np.count_nonzero(left & ended[-1])),
        **_targets(moment, batch, seen, near),
    }


def _fits(goes_on: NDArray[np.bool_], steps: NDArray[np.bool_]) -> bool:
    """Whether GAE's equation holds at these steps, and there are some."""
    return bool(steps.any() and np.count_nonzero(goes_on & steps) >= FITS * np.count_nonzero(steps))


def _normalised(
    rewards: NDArray[np.float64], gained: NDArray[np.float64], steps: NDArray[np.float64], within: NDArray[np.bool_]
) -> Row:
    """By what Â was divided, after something had been subtracted, where that alone is in the way of GAE's equation.

    Of each environment by itself, since its mean and deviation may be its own. `gained`: γ·V(s′) − V. Where it says
    nothing, rewards that are scaled would look the same.
    """
    scales = []
    for reward, gain, step, kept in zip(rewards.T, gained.T, steps.T, within.T, strict=True):
        if np.count_nonzero(kept) < FEWEST:
            return {}
        delta, tells = (reward + gain)[kept], gain[kept].std()
        if not tells > APART * rms(delta):
            return {}
        table = np.stack([step[kept], np.ones(len(delta))], 1)
        fit = np.linalg.lstsq(table, delta, rcond=None)[0]
        if rms(delta - table @ fit) > FEW * tells:
            return {}
        scales.append(float(fit[0]))
    return {"normalised_by": float(np.median(scales))} if scales else {}


def _targets(moment: Moment, batch: Batch, seen: Minibatches, near: float) -> Row:
    """How V_targ follows from A + V, where it is that, moved and stretched, and the critic itself is neither."""
    kept = seen.trained[0]
    samples = seen.samples[0][kept]
    old, targets = batch.values.cpu().numpy()[samples], batch.targets.cpu().numpy()[samples].astype(np.float64)
    sums = old.astype(np.float64) + batch.advantages.cpu().numpy()[samples]
    if np.abs(targets - sums).max() <= near:
        return {"targets_scale": 1.0, "targets_shift": 0.0}
    if np.abs(seen.values[0][kept] - old).max() > near:  # its values are kept in other units than it puts out
        return {}
    variance = variance_of(sums)
    if not variance > 0:
        return {}
    scale = float(((sums - sums.mean()) * (targets - targets.mean())).mean()) / variance
    shift = float(targets.mean()) - scale * float(sums.mean())
    if not rms(targets - scale * sums - shift) <= SAME * rms(targets):
        return {}
    return {"targets_scale": scale, "targets_shift": shift}
