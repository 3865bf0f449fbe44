"""What the loss takes for Â, beside what the rollout has, and which networks an update has moved, as numbers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ppo_scope.diagnosis.judging import Row
from ppo_scope.probes.measurement import spread, variance_of
from ppo_scope.probes.minibatches import Minibatches
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.record import Batch

FEWEST = 16
"""Samples of which a correlation says something."""
ALIKE = 0.99999
"""A correlation of what was moved and stretched, and no more."""
LARGEST_THETA = 200_000
"""Weights up to which it is looked at which of them have moved."""


def of_the_used(moment: Moment, batch: Batch, seen: Minibatches) -> Row:
    """How Â of the first minibatch's loss goes with Â of its samples, and with what may stand there by mistake; and
    what normalised ones come to over the first epoch.
    """
    kept = seen.trained[0] & (seen.advantages[0] != 0)  # what a loss leaves out has an Â of 0 in it
    samples, used = seen.samples[0][kept], seen.advantages[0][kept]
    advantages = batch.advantages.cpu().numpy()[samples]
    own = _correlation(used, advantages)
    if math.isnan(own):
        return {}
    found = {"used_like_own": own}
    if own > ALIKE:
        found |= _moved(used, advantages)
    else:
        found["used_like_targets"] = _correlation(used, batch.targets.cpu().numpy()[samples])
        found["used_like_rewards"] = _correlation(used, moment.update.rollout.rewards.reshape(-1)[samples])
    if moment.update.settings.normalize_advantages != "off":
        epochs = np.array([minibatch.epoch for minibatch in moment.update.minibatches])
        several = seen.trained & (np.count_nonzero(seen.trained, axis=1) > 1)[:, None]  # one alone is left as it is
        first = epochs == epochs[0]
        all_used = seen.advantages[first][several[first]]
        if len(all_used) >= FEWEST:
            found |= {"used_mean": float(all_used.mean()), "used_deviation": math.sqrt(variance_of(all_used))}
    return found


def _moved(used: NDArray[np.generic], own: NDArray[np.generic]) -> Row:
    """What was subtracted from Â, and what it was divided by then."""
    (mean, deviation), (used_mean, used_deviation) = _moments(own), _moments(used)
    scale = deviation / used_deviation
    return {"used_scale": scale, "used_shift": mean - scale * used_mean, "own_mean": mean}


def _moments(found: NDArray[np.generic]) -> tuple[float, float]:
    """(mean, deviation)"""
    mean = np.add.reduce(found, dtype=np.float64) / len(found)
    return float(mean), math.sqrt(spread(found, mean) / len(found))


def _correlation(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    """NaN where one of them hardly differs."""
    if len(one) < FEWEST:
        return math.nan
    a, b = (found - np.add.reduce(found, dtype=np.float64) / len(found) for found in (one, other))
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size > 0 else math.nan


def of_the_weights(moment: Moment) -> Row:
    """Whether not one weight of a network has moved in the update."""
    abilities, before = moment.subject.abilities, moment.update.theta_before
    if abilities.theta is None or abilities.parts is None or before is None or before.numel() > LARGEST_THETA:
        return {}
    moved, parts = (abilities.theta().cpu() != before.cpu()).numpy(), abilities.parts()
    found = {}
    for name, whose in (("policy", "policy"), ("critic", "value")):
        own = [part for part_name, part in parts.items() if part_name.startswith(whose)]
        if own:
            found[f"{name}_stands"] = float(not any(moved[part].any() for part in own))
    return found
