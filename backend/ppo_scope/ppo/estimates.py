"""From a rollout to samples: what the networks that collected it think of it, and its advantages."""

from __future__ import annotations

import torch

from ppo_scope.ppo import finite
from ppo_scope.ppo.advantages import accumulated, residuals, returns_to_go
from ppo_scope.ppo.phases import Batch, Judged
from ppo_scope.ppo.rollout import Floats, Rollout
from ppo_scope.ppo.settings import Settings


def batch_of(judged: Judged, rollout: Rollout, rewards: Floats, settings: Settings) -> tuple[Batch, Floats]:
    """The samples with their advantages and targets, and the residuals δ [M, N] that both were made of.

    Args:
        judged: what the networks think of the rollout.
        rollout: what happened.
        rewards: [M, N], as the advantages take them: scaled, where rewards are normalised.
        settings: γ, λ and the objective.

    Raises:
        NotFiniteError: a value, advantage or target is not finite.
    """
    ends = (rollout.terminated, rollout.truncated)
    values, device = judged.values[:-1], judged.log_probs.device
    deltas = residuals(rewards, values, judged.next_values, rollout.terminated, settings.discount)
    estimated = accumulated(deltas, *ends, settings.discount, settings.gae_lambda)
    targets = estimated + values
    if settings.objective == "reinforce":
        estimated = returns_to_go(rewards, *ends, settings.discount)
    finite.check_estimates(values=judged.values, advantages=estimated, targets=targets)
    batch = Batch(
        observations=torch.from_numpy(judged.observations).to(device),
        actions=judged.actions,
        trained=torch.from_numpy(rollout.trained.reshape(-1)).to(device),
        outputs=judged.outputs,
        log_probs=judged.log_probs,
        values=torch.from_numpy(values.reshape(-1)).to(device),
        advantages=torch.from_numpy(estimated.reshape(-1)).to(device),
        targets=torch.from_numpy(targets.reshape(-1)).to(device),
        action_masks=judged.action_masks,
    )
    return batch, deltas
