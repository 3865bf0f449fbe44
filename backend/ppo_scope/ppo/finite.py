"""Noticing what is not finite before it reaches the weights, and naming the first tensor at fault."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.ppo.phases import Minibatch
from ppo_scope.ppo.rollout import Rollout


class NotFiniteError(ArithmeticError):
    """A quantity became NaN or infinite. Raised before the weights are touched; names the first such tensor."""


class NotFiniteGivenError(NotFiniteError):
    """It was the environment that gave it.

    `field` is "observation", "final observation" or "reward"; `environment` and `step` (of the rollout) count from 0.
    """

    def __init__(self, field: str, environment: int, step: int, value: float) -> None:
        what = "NaN" if math.isnan(value) else "infinity" if value > 0 else "−infinity"
        super().__init__(
            f"the environment's {field} is not finite: environment {environment}, step {step} of the rollout; "
            f"it is {what}"
        )
        self.field, self.environment, self.step, self.value = field, environment, step, value


def check_rollout(rollout: Rollout) -> None:
    """What the environment gave.

    Raises:
        NotFiniteGivenError: an observation or a reward is no finite number; the first in time.
    """
    faults = [
        (*np.argwhere(bad)[0][:2].tolist(), name, array)
        for name, array in (("observation", rollout.observations), ("reward", rollout.rewards))
        if (bad := _bad(array)) is not None
    ]
    faults += [
        (t, n, "final observation", final)
        for (t, n), final in rollout.final_observations.items()
        if _bad(final) is not None
    ]
    if faults:
        t, n, name, array = min(faults, key=lambda fault: fault[:2])
        found = (array if name == "final observation" else array[t, n]).reshape(-1)
        raise NotFiniteGivenError(name, n, t, float(found[~np.isfinite(found)][0]))


def _bad(array: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where an array holds what is no finite number, if anywhere."""
    if not np.issubdtype(array.dtype, np.floating):
        return None
    bad: NDArray[np.bool_] = ~np.isfinite(array)
    return bad if bad.any() else None


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
