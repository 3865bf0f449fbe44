"""Along the straight line from the old weights to the new ones: figure 2 of Schulman et al. 2017."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ppo_scope.ppo import losses
from ppo_scope.ppo.engine import clip_edges
from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.record import PhaseKind
from ppo_scope.probes.subject import needed

FACTORS = np.linspace(-0.5, 2.0, 21, dtype=np.float32)
"""0 is θ_old, 1 is θ."""
MOST = 1024
"""Samples that are judged at every point, spread evenly over those whose Â has been used."""
MOST_IMAGES = 128
"""The same where every sample goes through convolutions."""
AFTER_A_STEP = frozenset({PhaseKind.STEP, PhaseKind.EPOCH, PhaseKind.UPDATE})


@torch.no_grad()
def direction(moment: Moment) -> Measurement:
    """L_PG on a leash and not, and the exact KL(π_old‖π), each a mean over the samples.

    The leash is the clip; under kl_penalty it is the price of the KL.
    """
    batch, update = moment.batch, moment.update
    if moment.phase.kind not in AFTER_A_STEP or batch is None:
        return Measurement()
    chosen = _chosen(moment)
    if not len(chosen):
        return Measurement()
    needed(update.theta_before, "theta")
    judge_between = needed(moment.subject.abilities.judge_between, "judge_between")
    before, distribution = needed(batch.outputs, "outputs"), moment.distribution
    device, count = batch.log_probs.device, len(FACTORS)
    samples = torch.from_numpy(chosen).to(device)
    outputs = judge_between(update, samples, FACTORS.tolist())
    # All points at once: the operations on the outputs are small, and it is their number that costs time.
    actions, old_outputs, old_log_probs, used = (
        part.repeat(count, *[1] * (part.dim() - 1))
        for part in (
            batch.actions[samples],
            before[samples],
            batch.log_probs[samples],
            torch.from_numpy(moment.advantages_used[chosen]).to(device),
        )
    )
    log_probs, _ = distribution.evaluate(outputs, actions)
    ratio = losses.ratio_of(log_probs - old_log_probs)
    settings = update.settings
    kl = distribution.kl(old_outputs, outputs)
    edges = clip_edges(settings)
    unclipped = losses.policy_loss("unclipped", log_probs, ratio, used, edges)
    if settings.objective == "kl_penalty":
        leashed = unclipped + settings.kl_coef * kl
    else:
        leashed = losses.policy_loss("clip", log_probs, ratio, used, edges)
    curves = (leashed, unclipped, kl)
    means = torch.stack([curve.view(count, -1).mean(1, dtype=torch.float64).float() for curve in curves])
    return Measurement(
        scalars={"direction_samples": float(len(chosen))},
        arrays={"direction_at": FACTORS, "direction_losses": means.cpu().numpy()},
    )


def _chosen(moment: Moment) -> NDArray[np.int64]:
    known = np.flatnonzero(moment.trained & ~np.isnan(moment.advantages_used))
    most = MOST_IMAGES if moment.subject.is_image else MOST
    chosen: NDArray[np.int64] = known[np.linspace(0, len(known) - 1, min(most, len(known))).astype(np.int64)]
    return chosen
