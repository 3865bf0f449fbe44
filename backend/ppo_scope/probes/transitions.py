"""Transitions in full, for whoever picks one out: what was seen, done and thought of it, and how hard it pulls."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np

from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.names import observation_names
from ppo_scope.probes.places import by_environment, chosen_environments
from ppo_scope.probes.policy import description, parameters
from ppo_scope.probes.record import Floats
from ppo_scope.probes.subject import needed

MOST_NUMBERS = 64
"""Of an observation; the rest is not sent."""

GRADIENTS = ("gradient_policy", "gradient_value", "gradient_entropy", "gradient_total")
"""Of L_PG, c₁·L_VF, −c₂·S and L, for a single sample."""


def transitions(moment: Moment) -> Measurement:
    """States, actions, both policies, where the sample stands, and the norms of its own gradients, term by term.

    All of it under the weights as they are, so that it fits together: at the phase step these have moved since the
    ratios of the probe `samples` were computed.
    """
    batch, subject = moment.batch, moment.subject
    if batch is None:
        return Measurement()
    count = len(moment.trained)
    chosen = chosen_environments(moment)
    outputs, _ = moment.judged(batch)
    distribution, before = moment.distribution, needed(batch.outputs, "outputs")
    (log_probs, _), ratio = moment.now, moment.ratio_now
    used = np.where(moment.trained, moment.advantages_used, np.float32(np.nan))
    arrays = {
        "action": batch.actions.cpu().numpy().astype(np.float32).reshape(count, -1)[:, :MOST_NUMBERS],
        "log_prob_old": batch.log_probs.cpu().numpy(),
        "log_prob_new": log_probs.cpu().numpy(),
        "ratio_new": np.where(moment.trained, ratio, np.float32(np.nan)),
        "region_new": moment.regions_of(ratio, used),
        "exact_kl_new": distribution.kl(before, outputs).cpu().numpy(),
    }
    policies = parameters(distribution, before), parameters(distribution, outputs)
    if policies[0].shape[1] <= MOST_NUMBERS:
        arrays["policy_old"], arrays["policy_new"] = policies
        if moment.action_masks is not None:
            arrays["allowed"] = moment.action_masks.astype(np.uint8)
    if not subject.is_image:
        seen = moment.update.rollout.observations[: moment.update.settings.rollout_steps].reshape(count, -1)
        if (one := _choice(subject.observation_space)) is not None:
            seen = seen.argmax(1)[:, None] + one.start
        arrays["observation"] = seen[:, :MOST_NUMBERS].astype(np.float32)
    norms = _gradient_norms(moment)
    if norms is not None:
        arrays.update(zip(GRADIENTS, norms, strict=True))
    return Measurement(
        arrays={name: by_environment(array, moment, chosen) for name, array in arrays.items()},
        notes={"transitions": _words(moment)},
    )


def _choice(space: gym.Space[Any] | None) -> gym.spaces.Discrete[Any] | None:
    """A space of numbered states: what is said of one is its number, not the hundreds of zeros that networks see."""
    return space if isinstance(space, gym.spaces.Discrete) else None


def _words(moment: Moment) -> dict[str, Any]:
    subject = moment.subject
    space = None if subject.is_image else subject.observation_space
    numbered = _choice(space) is not None
    names = ["s"] if numbered else [] if space is None else observation_names(space, subject.env, MOST_NUMBERS)
    return {
        "policy": description(moment.distribution, subject.env),
        "observation": names,
        "observation_size": 1 if numbered else math.prod(moment.update.rollout.observations.shape[2:]),
        "space": subject.observation,
    }


def _gradient_norms(moment: Moment) -> tuple[Floats, ...] | None:
    """[S] each, in the order of `GRADIENTS`, under the weights as they are.

    NaN where Â as used is not known yet, or the row is no transition; None where the subject cannot, as on images.
    """
    differentiate_each, used = moment.subject.abilities.differentiate_each, moment.advantages_used
    if differentiate_each is None:
        return None
    norms = tuple(differentiate_each(moment.update, used))
    for each in norms:
        each[np.isnan(used) | ~moment.trained] = np.nan
    return norms
