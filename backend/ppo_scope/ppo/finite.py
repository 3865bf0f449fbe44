"""Noticing what is not finite before it reaches the weights, and naming the first tensor at fault."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.ppo.phases import Minibatch
from ppo_scope.ppo.rollout import Rollout


class NotFiniteError(ArithmeticError):
    """A quantity became NaN or infinite. Raised before the weights are touched; names the first such tensor."""


class NotFiniteGivenError(NotFiniteError):
    """It was the environment that gave it."""


def check_rollout(rollout: Rollout) -> None:
    """What the environment gave.

    Raises:
        NotFiniteGivenError: an observation or a reward is no finite number.
    """
    for name, array in (("observation", rollout.observations), ("reward", rollout.rewards)):
        if not np.issubdtype(array.dtype, np.floating):
            continue
        finite = np.isfinite(array)
        if not finite.all():
            t, n = np.argwhere(~finite)[0][:2]
            raise NotFiniteGivenError(
                f"the environment's {name} is not finite: environment {n}, step {t} of the rollout"
            )


def check_estimates(**arrays: NDArray[np.float32]) -> None:
    """What was estimated from it.

    Raises:
        NotFiniteError: names the first array that holds a number that is not finite.
    """
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise NotFiniteError(f"the estimates of the {name} are not finite")


def check_gradient(minibatch: Minibatch, gradient: Tensor, parts: Mapping[str, slice]) -> None:
    """What the weights would be moved by; one number tells whether anything is wrong.

    Raises:
        NotFiniteError: the gradient has no finite norm; names the first tensor at fault.
    """
    if minibatch.gradient_norm is None or math.isfinite(minibatch.gradient_norm.item()):
        return
    _check_loss(minibatch)
    for name, part in parts.items():
        if not torch.isfinite(gradient[part]).all():
            raise NotFiniteError(f"the gradient of {name} is not finite at {_where(minibatch)}")
    raise NotFiniteError(f"the norm of the gradient is not finite at {_where(minibatch)}")


def first_at_fault(minibatches: Sequence[Minibatch]) -> Minibatch | None:
    """The first minibatch whose gradient has no finite norm, if there is one; the device is asked once."""
    norms = [minibatch.gradient_norm for minibatch in minibatches if minibatch.gradient_norm is not None]
    if not norms or bool(torch.isfinite(torch.stack(norms)).all()):
        return None
    return next(m for m in minibatches if m.gradient_norm is not None and not torch.isfinite(m.gradient_norm))


def explain(minibatch: Minibatch) -> NotFiniteError:
    """What was wrong with it; names the first tensor at fault that is still known."""
    try:
        _check_loss(minibatch)
    except NotFiniteError as error:
        return error
    return NotFiniteError(f"the gradient is not finite at {_where(minibatch)}")


def _check_loss(minibatch: Minibatch) -> None:
    for name in ("logratio", "policy_loss", "value_loss", "entropy", "loss"):
        if not torch.isfinite(getattr(minibatch, name)).all():
            raise NotFiniteError(f"{name} is not finite at {_where(minibatch)}")


def _where(minibatch: Minibatch) -> str:
    return f"epoch {minibatch.epoch}, minibatch {minibatch.index}"
