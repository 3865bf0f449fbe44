"""Along the straight line from the old weights to the new ones: figure 2 of Schulman et al. 2017."""

from __future__ import annotations

import numpy as np
import torch

from ppo_scope.ppo import losses
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.moment import Moment

FACTORS = np.linspace(-0.5, 2.0, 21, dtype=np.float32)
"""0 is θ_old, 1 is θ."""
MOST = 1024
"""Samples that are judged at every point, spread evenly over those whose Â has been used."""
AFTER_A_STEP = frozenset({PhaseKind.STEP, PhaseKind.EPOCH, PhaseKind.UPDATE})


@torch.no_grad()
def direction(moment: Moment) -> Measurement:
    """L_PG clipped and not, and the exact KL(π_old‖π), each a mean over the samples."""
    batch, update = moment.batch, moment.update
    known = np.flatnonzero(moment.trained & ~np.isnan(moment.advantages_used)) if batch is not None else np.empty(0)
    if moment.phase.kind not in AFTER_A_STEP or batch is None or not len(known):
        return Measurement()
    network, distribution = moment.trainer.network, moment.trainer.distribution
    chosen = known[np.linspace(0, len(known) - 1, min(MOST, len(known))).astype(np.int64)]
    samples = torch.from_numpy(chosen).to(network.device)
    advantages = torch.from_numpy(moment.advantages_used[chosen]).to(network.device)
    observations, actions = batch.observations[samples], batch.actions[samples]
    old_outputs, old_log_probs = batch.outputs[samples], batch.log_probs[samples]
    step = network.theta.detach() - update.theta_before
    found = []
    for factor in FACTORS.tolist():
        outputs, _ = network.at(update.theta_before + factor * step, observations)
        log_probs, _ = distribution.evaluate(outputs, actions)
        ratio = losses.ratio_of(log_probs - old_log_probs)
        clip_range = update.settings.clip_range
        clipped = losses.policy_loss("clip", log_probs, ratio, advantages, clip_range).mean()
        unclipped = losses.policy_loss("unclipped", log_probs, ratio, advantages, clip_range).mean()
        found.append(torch.stack([clipped, unclipped, distribution.kl(old_outputs, outputs).mean()]))
    curves = torch.stack(found, dim=1).cpu().numpy().astype(np.float32)
    return Measurement(
        scalars={"direction_samples": float(len(chosen))},
        arrays={"direction_at": FACTORS, "direction_losses": curves},
    )
