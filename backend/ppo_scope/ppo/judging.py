"""What the networks say of observations and of a whole rollout, and its rewards as they are trained on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ppo_scope.ppo.inference import Inference
from ppo_scope.ppo.masks import forbid
from ppo_scope.ppo.normalization import RewardScale
from ppo_scope.ppo.phases import Judged, Update
from ppo_scope.ppo.rollout import Floats, Rollout
from ppo_scope.ppo.spaces import Observations, Spaces


def judge(
    inference: Inference, observations: Observations, device: torch.device, action_masks: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(policy outputs [S, O], V [S]) of normalised observations [S, …] under the weights as they are now; no gradient.

    With `action_masks` [S, O] bool, the outputs of a policy that keeps to them.
    """
    inference.refresh()
    outputs, values = (torch.from_numpy(one).to(device) for one in inference.judge(observations))
    return forbid(outputs, action_masks), values


@torch.no_grad()
def judged(rollout: Rollout, inference: Inference, spaces: Spaces, device: torch.device) -> Judged:
    """All of it under the present weights: policy, V, and log-probabilities of what was done."""
    steps, num_envs = rollout.rewards.shape
    count = steps * num_envs
    seen = inference.normalized(rollout.observations.reshape(count + num_envs, *spaces.observation_shape))
    actions = torch.from_numpy(rollout.actions.reshape(count, *rollout.actions.shape[2:])).to(device)
    inference.refresh()
    outputs, values = (torch.from_numpy(one).to(device) for one in inference.judge(seen))
    masks = None if rollout.action_masks is None else rollout.action_masks.reshape(count, -1)
    action_masks = None if masks is None else torch.from_numpy(masks).to(device)
    policy = forbid(outputs[:count], action_masks)
    log_probs, _ = spaces.distribution.evaluate(policy, actions)
    all_values = values.cpu().numpy().reshape(steps + 1, num_envs)
    next_values = _next_values(all_values, rollout, inference)
    return Judged(seen[:count], actions, policy, log_probs, all_values, next_values, action_masks)


def _next_values(values: Floats, rollout: Rollout, inference: Inference) -> Floats:
    """[M, N] V of the state that each step led to, from V [M + 1, N] of the states in the rows."""
    if not rollout.final_observations:
        return values[1:]
    finals = np.concatenate(list(rollout.final_observations.values()))
    _, final_values = inference.judge(inference.normalized(finals))
    next_values = values[1:].copy()
    next_values[tuple(np.transpose(list(rollout.final_observations)))] = final_values
    return next_values


def scaled_rewards(update: Update, scale: RewardScale | None) -> Floats:
    """[M, N], by the running scale, which moves with them; as they are, where there is none."""
    rollout = update.rollout
    if scale is None:
        return rollout.rewards
    return scale(rollout.rewards, rollout.terminated | rollout.truncated, rollout.trained, update.settings.discount)
