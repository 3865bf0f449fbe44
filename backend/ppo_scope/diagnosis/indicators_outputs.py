"""What the outputs of a policy of choices may be instead of logits, as numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ppo_scope.diagnosis.judging import Row
from ppo_scope.ppo.distributions import Categorical
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.record import Batch, Floats

LOOKED_AT = 4096
"""Samples."""
NONE = 0.02
"""Of the probability of a uniform choice: an action with less has next to none."""
SUM = 1e-5
"""By which a sum of probabilities may be off 1."""
SAME = 1e-3
"""Of log π and what it is by these outputs."""


def of_the_outputs(moment: Moment, batch: Batch) -> Row:
    """How near to 0 the smallest logit comes, where they are moved so that they sum up to 1, which changes no policy.

    Of logits that are probabilities none is below 0 then, and where such a policy decides they come to lie at 0.
    """
    distribution, outputs = moment.subject.distribution, batch.outputs
    if not isinstance(distribution, Categorical) or outputs is None or moment.action_masks is not None:
        return {}
    logits, told, actions = (
        moment.transitions(tensor.detach().cpu().numpy())[:LOOKED_AT]
        for tensor in (outputs, batch.log_probs, batch.actions)
    )
    by_choice = np.ascontiguousarray(logits.T, np.float64)  # [O, S]: a few numbers each, which is slow along rows
    if not _tells(by_choice, actions, told):
        return {}
    choices, sums = len(by_choice), np.add.reduce(by_choice)
    least = np.minimum.reduce(by_choice) - sums / choices + 1 / choices
    probabilities = bool((by_choice >= 0).all()) and bool((np.abs(sums - 1) < SUM).all())
    return {
        "choices": float(choices),
        "outputs_are_probabilities": float(probabilities),
        "least_probability": float(least.min()),
        "of_no_probability": np.count_nonzero(least <= NONE / choices) / len(least),
    }


def _tells(logits: NDArray[np.float64], actions: NDArray[np.int64], told: Floats) -> bool:
    """Whether log π [S] of these actions [S] is by logits [O, S] what the loop tells."""
    shifted = logits - np.maximum.reduce(logits)
    found = shifted[actions, np.arange(len(actions))] - np.log(np.add.reduce(np.exp(shifted)))
    return bool((np.abs(found - told) <= SAME * (1 + np.abs(told))).all())
