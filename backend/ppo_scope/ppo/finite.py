"""Noticing what is not finite before it reaches the weights, and naming the first tensor at fault."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.ppo.networks import ActorCritic
from ppo_scope.ppo.phases import Minibatch
from ppo_scope.ppo.rollout import Rollout


class NotFiniteError(ArithmeticError):
    """A quantity became NaN or infinite. Raised before the weights are touched; names the first such tensor."""


def check_rollout(rollout: Rollout) -> None:
    """What the environment gave.

    Raises:
        NotFiniteError: an observation or a reward is no finite number.
    """
    for name, array in (("observation", rollout.observations), ("reward", rollout.rewards)):
        finite = np.isfinite(array)
        if not finite.all():
            t, n = np.argwhere(~finite)[0][:2]
            raise NotFiniteError(f"the environment's {name} is not finite: environment {n}, step {t} of the rollout")


def check_estimates(**arrays: NDArray[np.float32]) -> None:
    """What was estimated from it.

    Raises:
        NotFiniteError: names the first array that holds a number that is not finite.
    """
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise NotFiniteError(f"the estimates of the {name} are not finite")


def check_gradient(minibatch: Minibatch, gradient: Tensor, network: ActorCritic) -> None:
    """What the weights would be moved by; one number tells whether anything is wrong.

    Raises:
        NotFiniteError: the gradient has no finite norm; names the first tensor at fault.
    """
    if minibatch.gradient_norm is None or math.isfinite(minibatch.gradient_norm.item()):
        return
    where = f"epoch {minibatch.epoch}, minibatch {minibatch.index}"
    for name in ("logratio", "policy_loss", "value_loss", "entropy", "loss"):
        if not torch.isfinite(getattr(minibatch, name)).all():
            raise NotFiniteError(f"{name} is not finite at {where}")
    for name, part in network.names():
        if not torch.isfinite(gradient[part]).all():
            raise NotFiniteError(f"the gradient of {name} is not finite at {where}")
    raise NotFiniteError(f"the norm of the gradient is not finite at {where}")
