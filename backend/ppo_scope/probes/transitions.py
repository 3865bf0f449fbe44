"""Transitions in full, for whoever picks one out: what was seen, done and thought of it, and how hard it pulls."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.ppo import by_hand, losses
from ppo_scope.ppo.phases import Batch
from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.names import observation_names
from ppo_scope.probes.places import by_environment, chosen_environments
from ppo_scope.probes.policy import description, parameters

MOST_NUMBERS = 64
"""Of an observation; the rest is not sent."""

GRADIENTS = ("gradient_policy", "gradient_value", "gradient_entropy", "gradient_total")
"""Of L_PG, c₁·L_VF, −c₂·S and L, for a single sample."""

Floats = NDArray[np.float32]


def transitions(moment: Moment) -> Measurement:
    """States, actions, both policies, where the sample stands, and the norms of its own gradients, term by term.

    All of it under the weights as they are, so that it fits together: at the phase step these have moved since the
    ratios of the probe `samples` were computed.
    """
    batch, trainer = moment.batch, moment.trainer
    if batch is None:
        return Measurement()
    count = len(moment.trained)
    chosen = chosen_environments(moment)
    outputs, _ = moment.judged(batch)
    log_probs, _ = trainer.distribution.evaluate(outputs, batch.actions)
    ratio = losses.ratio_of(log_probs - batch.log_probs).cpu().numpy()
    used = np.where(moment.trained, moment.advantages_used, np.float32(np.nan))
    arrays = {
        "action": batch.actions.cpu().numpy().astype(np.float32).reshape(count, -1)[:, :MOST_NUMBERS],
        "log_prob_old": batch.log_probs.cpu().numpy(),
        "log_prob_new": log_probs.cpu().numpy(),
        "ratio_new": np.where(moment.trained, ratio, np.float32(np.nan)),
        "region_new": moment.regions_of(ratio, used),
    }
    policies = parameters(trainer.distribution, batch.outputs), parameters(trainer.distribution, outputs)
    if policies[0].shape[1] <= MOST_NUMBERS:
        arrays["policy_old"], arrays["policy_new"] = policies
    if not trainer.spaces.is_image:
        seen = moment.update.rollout.observations[:-1].reshape(count, -1)
        arrays["observation"] = seen[:, :MOST_NUMBERS].astype(np.float32)
    norms = _gradient_norms(moment, batch)
    if norms is not None:
        arrays.update(zip(GRADIENTS, norms, strict=True))
    return Measurement(
        arrays={name: by_environment(array, moment, chosen) for name, array in arrays.items()},
        notes={"transitions": _words(moment)},
    )


def _words(moment: Moment) -> dict[str, Any]:
    trainer = moment.trainer
    env, space = trainer.settings.env, trainer.environments.vector.single_observation_space
    is_image = trainer.spaces.is_image
    return {
        "policy": description(trainer.distribution, env),
        "observation": [] if is_image else observation_names(space, env, MOST_NUMBERS),
        "observation_size": math.prod(trainer.spaces.observation_shape),
        "space": trainer.spaces.observation,
    }


def _gradient_norms(moment: Moment, batch: Batch) -> tuple[Floats, ...] | None:
    """[S] each, in the order of `GRADIENTS`, under the weights as they are.

    NaN where Â as used is not known yet, or the row is no transition; None for networks on images.
    """
    dense, settings, used = moment.trainer.network.dense(), moment.update.settings, moment.advantages_used
    if dense is None:
        return None
    samples = by_hand.Samples(
        observations=batch.observations.cpu().numpy(),
        actions=batch.actions.cpu().numpy(),
        log_probs=batch.log_probs.cpu().numpy(),
        values=batch.values.cpu().numpy(),
        advantages=np.nan_to_num(used),
        targets=batch.targets.cpu().numpy(),
        weights=np.ones(len(used), np.float32),
    )
    rule = by_hand.Rule(
        objective=settings.objective,
        clip_range=settings.clip_range,
        value_coef=settings.value_coef,
        entropy_coef=settings.entropy_coef,
        value_clip_range=settings.value_clip_range,
    )
    terms = by_hand.forward(dense, moment.trainer.distribution, samples, rule)
    none = np.zeros_like(terms.d_values)
    hidden = terms.policy_hidden, terms.value_hidden
    policy = dense.norms(*hidden, terms.pullback(terms.d_log_probs, none), none)
    value = dense.norms(*hidden, terms.pullback(none, none), terms.d_values)
    entropy = dense.norms(*hidden, terms.pullback(none, terms.d_entropies), none)
    total = dense.norms(*hidden, terms.pullback(terms.d_log_probs, terms.d_entropies), terms.d_values)
    unknown = np.isnan(used) | ~moment.trained
    norms = policy, value, entropy, total
    for each in norms:
        each[unknown] = np.nan
    return norms
