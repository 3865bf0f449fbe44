"""A term for the KL to π_old in the loss of a script: β times the mean of one of the estimates of it that are in use.

Which one, and β, is told by dL/d log π of every sample. Where r is still 1, those of k2 and k3 are 0: then the second
and the third derivative tell them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ppo_scope.attach.kl_estimates import ESTIMATES, OF_WHAT, Numbers
from ppo_scope.attach.single_file.named import CLOSE, Found, places_of

SURE = 0.01
"""Of β, by which it may be unsure, or it is not told."""
EXACTLY = 1e-3
"""Of β, by which a number of the script's may be off what was found, to be taken for it."""
MOVED = 1e-3
"""Of log r: below it r is taken for 1."""
NAMES = ("kl", "beta")
"""What a script's number that is β has in its name."""


class Penalty(NamedTuple):
    """β times an estimate."""

    estimate: str
    """Of `ESTIMATES`."""
    beta: float

    @property
    def words(self) -> str:
        """For a sentence."""
        return f"{self.beta:.3g} times the mean of {OF_WHAT[self.estimate]} ({self.estimate})"


def fitting(rest: Numbers, logratio: Numbers, near: float) -> Penalty | None:
    """What explains what is left of a loss's gradient at every sample; None: nothing, or more than one does.

    Args:
        rest: [B] B·dL/d log π, without that of L_PG.
        logratio: [B], of the same samples.
        near: by which each may be off.
    """
    found = [(name, _times(rest, slope_of(logratio), near)) for name, (_, slope_of) in ESTIMATES.items()]
    made = [Penalty(name, beta) for name, beta in found if beta is not None]
    return made[0] if len(made) == 1 else None


def _times(rest: Numbers, slopes: Numbers, near: float) -> float | None:
    """How many times the slopes it is, at every sample."""
    size = float(slopes @ slopes)
    beta = float(rest @ slopes) / size if size else 0.0
    unsure = near / float(np.sqrt(size)) if size else np.inf
    fits = beta > 0 and unsure <= SURE * beta and bool((np.abs(rest - beta * slopes) <= near).all())
    return beta if fits else None


def penalty_in(found: Found, loss: Tensor, slopes: Any, sure: Any) -> Penalty | None:
    """Which one is in a loss; None: none that is known here.

    Args:
        found: the variables of its minibatch.
        loss: as L is, with its graph, which stays.
        slopes: [B] B·dL_PG/d log π.
        sure: [B], whether no rounding decides about a sample's slope.
    """
    log_prob = found["log_prob"]
    logratio = _numbers(log_prob.detach() - found["log_probs"].detach()[places_of(found)])
    derivatives = _derivatives(loss, log_prob)
    if not derivatives:
        return None
    near = CLOSE * float(max(np.abs(slopes).max(initial=0.0), np.abs(derivatives[0]).max(initial=0.0)))
    rest, *others = [(one - slopes)[sure] for one in derivatives]  # dr/d log π = r, again and again
    penalty = fitting(rest, logratio[sure], near)
    if penalty is not None or np.abs(logratio).max(initial=0.0) > MOVED or not others:
        return penalty
    beta = _times(others[0], np.ones_like(others[0]), near)
    if beta is None or (np.abs(rest) > near).any():
        return None
    third = others[1] if len(others) > 1 else -slopes[sure]
    for name, of_third in (("k2", 0.0), ("k3", beta)):
        if (np.abs(third - of_third) <= near + MOVED * beta).all():
            return Penalty(name, beta)
    return None


def _derivatives(loss: Tensor, log_prob: Tensor) -> list[Any]:
    """B times the first to the third by log π of each sample, [B] each, as far as there are any."""
    found: list[Any] = []
    now = loss
    for _ in range(3):
        if not now.requires_grad:
            break
        try:
            with torch.enable_grad():
                made: Tensor | None = torch.autograd.grad(
                    now, log_prob, create_graph=True, retain_graph=True, allow_unused=True
                )[0]
        except RuntimeError:  # something in it has no second derivative
            break
        if made is None:
            break
        found.append(_numbers(made) * made.numel())
        now = made.sum()  # a sample's gradient is by its own log π alone
    return found


def _numbers(found: Tensor) -> Any:
    return found.detach().double().flatten().cpu().numpy()


class Named(NamedTuple):
    """A number of the script's own that is β."""

    value: float
    name: str
    in_args: bool


def as_named(beta: float, found: Found) -> Named | None:
    """Which one is; None: none is."""
    own = getattr(found["args"], "__dict__", {})
    each = [Named(value, name, in_args=True) for name, value in _numbers_of(own)]
    each += [Named(value, name, in_args=False) for name, value in _numbers_of(found.variables)]
    near = [
        one
        for one in each
        if abs(one.value - beta) <= EXACTLY * beta and any(part in one.name.lower() for part in NAMES)
    ]
    return min(near, key=lambda one: abs(one.value - beta), default=None)


def _numbers_of(named: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    for name, value in named.items():
        one = isinstance(value, Tensor) and value.numel() == 1 and not value.requires_grad
        if one or (isinstance(value, float | int) and not isinstance(value, bool)):
            yield name, float(value)
