"""What can be wrong with what follows the KL: an α that stands at its bound, a β that runs away."""

from __future__ import annotations

import math
from itertools import pairwise

from ppo_scope.diagnosis.judging import Check, Found, Row, Unknown, Verdict, after, last, latest
from ppo_scope.ppo.settings import KL_COEF_BOUNDS

LOOKED_AT = 10
"""Updates."""


def _pinned(rows: list[Row]) -> Verdict:
    desired = last(rows, "desired_kl")
    if math.isnan(desired):
        return Unknown("α does not follow the KL: desired_kl is off", applies=False)
    rates, pinned = latest(rows, "learning_rate", LOOKED_AT), latest(rows, "learning_rate_pinned", LOOKED_AT)
    if not rates or not pinned:
        return after(LOOKED_AT)
    low, high = last(rows, "learning_rate_min"), last(rows, "learning_rate_max")
    if max(pinned) < 1:
        return None
    if max(rates) <= low:
        return Found(f"For {LOOKED_AT} updates α has stood at its lower bound of {low:g}, and the KL asks for less.")
    if min(rates) < high:
        return None
    return Found(
        f"For {LOOKED_AT} updates α has stood at its upper bound of {high:g}, and the KL asks for more.",
        f"However long the steps, the KL stays below half of the desired {desired:g}: mostly a policy that has "
        "decided, or whose gradient is next to nothing.",
        "If the return is high, leave it. Else raise the bound, or lower desired_kl to what the run has.",
        "learning_rate_max",
        severity="note",
    )


def _runs_away(rows: list[Row]) -> Verdict:
    target = last(rows, "kl_coef_target")
    if math.isnan(target):
        return Unknown("β does not follow the KL: another objective, or kl_coef_target is off", applies=False)
    coefs = latest(rows, "kl_coef", LOOKED_AT)
    low, high = KL_COEF_BOUNDS
    newest = last(rows, "kl_coef")
    if not coefs and low < newest < high:
        return after(LOOKED_AT)
    if (rises := bool(coefs) and all(b > a for a, b in pairwise(coefs))) or newest >= high:
        stands = f"β stands at {newest:g}, the largest that it may be"
        return Found(f"β has been doubled after every update, to {newest:g}." if rises else f"{stands}.")
    if (falls := bool(coefs) and all(b < a for a, b in pairwise(coefs))) or newest <= low:
        stands = f"β stands at {newest:g}, the smallest that it may be"
        how = f"β has been halved after every update, to {newest:g}" if falls else stands
        return Found(
            f"{how}: the leash is as good as off.",
            f"The KL stays below its target of {target:g} without any price: the steps are shorter than the leash.",
            "If the return is high, leave it. Else raise α, or lower kl_coef_target to what you want to hold.",
            "learning_rate",
            severity="note",
        )
    return None


LEASHES: tuple[Check, ...] = (
    Check(
        "pinned_learning_rate",
        "α at its bound",
        "warning",
        f"with desired_kl, α at its bound at the end of each of {LOOKED_AT} updates, and asked to go beyond it in "
        "one of them; a note at the upper bound",
        "However short the steps, the KL stays above twice what was desired: there are too many of them in an update.",
        "Fewer epochs, or a larger desired_kl; or lower the bound.",
        "epochs",
        (),
        _pinned,
        "α moves within its bounds",
        ("still_policy",),
    ),
    Check(
        "runaway_kl_coef",
        "β runs away",
        "warning",
        f"under kl_penalty with a target, β moved the same way by each of the last {LOOKED_AT - 1} updates, or at one "
        f"of its bounds, {KL_COEF_BOUNDS[0]:g} and {KL_COEF_BOUNDS[1]:g}; a note where it falls",
        "The KL stays above 1.5 times its target at any price. Adam makes steps of a length that does not depend "
        "on that of the gradient, so a higher price alone does not shorten them.",
        "Lower the learning rate or the number of epochs.",
        "learning_rate",
        (),
        _runs_away,
        "β is held by its target",
    ),
)
