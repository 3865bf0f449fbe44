"""What the outputs of a policy of choices may be instead of logits, as numbers."""

from __future__ import annotations

import numpy as np

from ppo_scope.diagnosis.judging import Row
from ppo_scope.ppo.distributions import Categorical
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.record import Batch

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
    some = np.flatnonzero(moment.trained)[:LOOKED_AT]
    logits = outputs[some].detach().cpu().double()
    told = batch.log_probs[some].cpu().double()
    found = distribution.evaluate(logits, batch.actions[some].cpu())[0]
    if not bool(((found - told).abs() <= SAME * (1 + told.abs())).all()):
        return {}
    choices = logits.shape[1]
    least = (logits - logits.mean(1, keepdim=True)).amin(1) + 1 / choices
    return {
        "choices": float(choices),
        "outputs_are_probabilities": float(bool((logits >= 0).all() and ((logits.sum(1) - 1).abs() < SUM).all())),
        "least_probability": float(least.min()),
        "of_no_probability": float((least <= NONE / choices).double().mean()),
    }
