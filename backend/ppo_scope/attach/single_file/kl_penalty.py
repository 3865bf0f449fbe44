"""A term for the KL to π_old in the loss of a script: which estimate of it, and β. Such a loss is not shown, and why is
said.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ppo_scope.probes.record import Floats

SLOPES: dict[str, Callable[[Floats], Floats]] = {
    "−log r (k1)": lambda logratio: -np.ones_like(logratio),
    "(log r)² ⁄ 2 (k2)": lambda logratio: logratio,
    "r − 1 − log r (k3)": np.expm1,
}
"""By d log π, of the estimates of KL(π_old‖π_θ) that are in use, by a sample's own term."""
SURE = 0.01
"""Of β, by which it may be unsure, or it is not told."""


def penalty_in(rest: Floats, logratio: Floats, near: float) -> str | None:
    """What explains what is left of a loss's gradient at every sample, in words; None: nothing, or more than one does.

    Args:
        rest: [B] B·dL/d log π, without that of L_PG.
        logratio: [B], of the same samples.
        near: by which each may be off.
    """
    fitting = []
    for name, slope_of in SLOPES.items():
        slopes = slope_of(logratio)
        size = float(slopes @ slopes)
        beta = float(rest @ slopes) / size if size else 0.0
        unsure = near / float(np.sqrt(size)) if size else np.inf
        if beta > 0 and unsure <= SURE * beta and (np.abs(rest - beta * slopes) <= near).all():
            fitting.append(f"{beta:.3g} times the mean of {name}")
    return fitting[0] if len(fitting) == 1 else None
