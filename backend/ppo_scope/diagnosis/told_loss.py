"""What a loss comes to where it is put together wrongly: each mistake gives a number of its own.

A loss that is off ours is held against `MISTAKES`, so that what was done wrong is told where one of them is what it
comes to.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppo_scope.diagnosis.judging import Row
from ppo_scope.diagnosis.mistakes import MISTAKES
from ppo_scope.ppo.engine import clip_edges
from ppo_scope.probes.facts import Facts
from ppo_scope.probes.minibatches import Minibatches
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.record import Batch

EXACT = 3e-6
"""Of its terms together, by which a loss may be off what it is taken for: single precision makes a tenth of it."""
DISTINCT = 10.0
"""Times that, by which it has to be off ours, or nothing can be told."""
BY_CHANCE = 2.0
"""Standard errors, up to which a correlation is none."""
LARGEST_TABLE = 512
"""Samples of which every one is held against every other."""


class Parts(NamedTuple):
    """What a minibatch's loss is made of."""

    ratio: NDArray[np.float64]
    advantages: NDArray[np.float64]
    """As used."""
    values: NDArray[np.float64]
    old_values: NDArray[np.float64]
    targets: NDArray[np.float64]
    policy_loss: float
    value_term: float
    """c₁·L_VF"""
    entropy_term: float
    """c₂·S"""
    penalty: float = 0.0
    """β·KL, where it is a term of its own"""

    @property
    def whole(self) -> float:
        """L"""
        return self.policy_loss + self.value_term - self.entropy_term + self.penalty


def mistake_in(told: float, parts: Parts, settings: Facts) -> str | None:
    """Which of `MISTAKES` makes this loss of these parts; None: none, or it cannot be told apart from ours."""
    if settings.objective != "clip":
        return None
    near, ours = EXACT * size_of(parts), parts.whole
    if not abs(told - ours) > DISTINCT * near:
        return None
    made = _made_wrongly(parts, ours, settings)
    found = [name for name in MISTAKES if name in made and abs(made[name] - told) <= near]
    # Where nothing is clipped both are the mean of Â; a policy that such a table trains learns nothing of Â.
    if {"ratio_of_itself", "table_of_policy"} <= set(found) and not _learned(parts):
        return None
    return found[0] if found else None


def size_of(parts: Parts) -> float:
    """Of its terms together, and of Â: how far single precision lets a loss be off goes by it."""
    terms = parts.policy_loss, parts.value_term, parts.entropy_term, parts.penalty
    return sum(map(abs, terms)) + float(np.abs(parts.advantages).mean())


def _learned(parts: Parts) -> bool:
    """Whether r has gone the way of Â, by more than chance."""
    if not parts.advantages.std() > 0 or not parts.ratio.std() > 0:
        return False
    return bool(np.corrcoef(parts.advantages, parts.ratio)[0, 1] > BY_CHANCE / math.sqrt(len(parts.ratio)))


def _made_wrongly(parts: Parts, ours: float, settings: Facts) -> dict[str, float]:
    policy, value, entropy = parts.policy_loss, parts.value_term, parts.entropy_term
    used, ratio = parts.advantages, parts.ratio
    clipped = np.clip(ratio, *clip_edges(settings)[:2])
    rest = value - entropy + parts.penalty
    policy_and_price = policy + parts.penalty
    made = {
        "entropy_sign": policy_and_price + value + entropy,
        "policy_sign": float(np.maximum(used * ratio, used * clipped).mean()) + rest,
        "policy_turned": rest - policy,
        "least_for_most": float(np.minimum(-used * ratio, -used * clipped).mean()) + rest,
        "ratio_of_itself": -float(used.mean()) + rest,
        "no_clip": -float((used * ratio).mean()) + rest,
        "value_sign": policy_and_price - value - entropy,
        "whole_turned": -ours,
        "sum_of_policy": policy * len(used) + rest,
        "no_entropy": policy_and_price + value,
        "no_values": policy_and_price - entropy,
    }
    if len(used) <= LARGEST_TABLE:
        made["table_of_values"] = policy_and_price + settings.value_coef * table_of_values(parts, settings) - entropy
        made["table_of_policy"] = table_of_policy(parts, settings) + rest
    return made


def table_of_policy(parts: Parts, settings: Facts) -> float:
    """L_PG over all pairs of samples, into which a column of Â and rows of r are stretched."""
    used, clipped = parts.advantages[:, None], np.clip(parts.ratio, *clip_edges(settings)[:2])
    return float(np.maximum(-used * parts.ratio, -used * clipped).mean())


def table_of_values(parts: Parts, settings: Facts) -> float:
    """L_VF over all pairs of samples, into which a column of V and rows of V_old and V_targ are stretched."""
    values, targets, limit = parts.values[:, None], parts.targets[None], settings.value_clip_range
    off = np.square(values - targets)
    if limit is not None:
        near = parts.old_values[None] + np.clip(values - parts.old_values[None], -limit, limit)
        off = np.maximum(off, np.square(near - targets))
    return float(off.mean())


def parts_of(one: Any, old_values: Any, targets: Any, settings: Facts) -> Parts:
    """Of a minibatch as it is recorded, with V_old and V_targ [B] of its samples."""
    kept = one.trained.cpu().numpy()
    ratio = np.exp(np.minimum(one.logratio.cpu().numpy()[kept].astype(np.float64), 80.0))
    used, values = (found.detach().cpu().numpy()[kept].astype(np.float64) for found in (one.advantages, one.values))
    old, aims = (np.asarray(found, np.float64)[kept] for found in (old_values, targets))
    value = settings.value_coef * float(one.value_loss) if settings.value_coef else 0.0
    entropy = settings.entropy_coef * float(one.entropy) if settings.entropy_coef else 0.0
    penalty = 0.0 if one.penalty is None else float(one.penalty)
    return Parts(ratio, used, values, old, aims, float(one.policy_loss), value, entropy, penalty)


def of_the_losses(moment: Moment, batch: Batch, seen: Minibatches, told_loss: float) -> Row:
    """What the loop's own loss came to at the last minibatch, beside what it is by our definitions, and which of
    `MISTAKES` makes it that. At the first r is 1, and much that is wrong does not show.
    """
    told = moment.subject.abilities.losses_told
    given = told() if told is not None else []
    mine = given[-1] if given and len(given) == len(moment.update.minibatches) else {"loss": told_loss}
    one, kept = moment.update.minibatches[-1], seen.trained[-1]
    found: Row = {}
    for name, ours in (("value_loss", one.value_loss), ("policy_loss", one.policy_loss), ("loss", one.loss)):
        if math.isfinite(mine.get(name, math.nan)) and math.isfinite(float(ours)):
            found |= {f"told_{name}": mine[name], f"our_{name}": float(ours), "losses_told": float(len(mine))}
    if not found:
        return {}
    samples, settings = seen.samples[-1], moment.update.settings
    parts = parts_of(one, batch.values.cpu().numpy()[samples], batch.targets.cpu().numpy()[samples], settings)
    if "told_loss" in found and (mistake := mistake_in(mine["loss"], parts, settings)) is not None:
        found["loss_mistake"] = float(list(MISTAKES).index(mistake))
    if given and np.count_nonzero(kept) <= LARGEST_TABLE:
        found["value_loss_of_table"] = table_of_values(parts, settings)
        found["policy_loss_of_table"] = table_of_policy(parts, settings)
    return found
