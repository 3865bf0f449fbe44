"""The table of what can be wrong with a run: what is looked at, what it comes from, and what to do about it.

Causes come before what follows from them. The server hands the table out too, so nothing here needs more than numbers.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from ppo_scope.diagnosis.checks_critic import CRITIC, SATURATION
from ppo_scope.diagnosis.checks_environment import CAUSES, FORBIDDEN
from ppo_scope.diagnosis.checks_leash import LEASHES
from ppo_scope.diagnosis.checks_steps import SPIKE, STEPS
from ppo_scope.diagnosis.checks_together import EVEN_GROUPS, RANKS_APART
from ppo_scope.diagnosis.judging import Check, Row, last
from ppo_scope.wire.metrics import FIRST_RATIO_LIMIT


def _ratio_not_one(rows: list[Row]) -> str | None:
    error, limit = last(rows, "first_ratio_error"), last(rows, "first_ratio_limit")
    if math.isnan(limit):  # of a recording that does not know it
        limit = FIRST_RATIO_LIMIT
    if error <= limit or math.isnan(error):
        return None
    return f"At the first minibatch r was off 1 by up to {error:.2g}, where rounding allows {limit:.2g}."


RATIO = Check(
    "ratio_not_one",
    "Ratio ≠ 1",
    "error",
    "|r − 1| at the first minibatch above 10⁻⁴, or above what rounding makes of a large |log π|: 32 times the "
    "relative spacing of single precision, of |log π| or of the number of an action's components",
    "Before the first step π_θ is π_old, so r must be 1. That it is not means that the policy that collected is "
    "not the one that is judged: a fault of the implementation.",
    "Do not trust this run. Please report it with its settings and seed.",
    None,
    ("first_ratio_error",),
    _ratio_not_one,
    "r is 1 at the first minibatch",
)
CHECKS: tuple[Check, ...] = (
    FORBIDDEN,
    RANKS_APART,
    RATIO,
    EVEN_GROUPS,
    *CAUSES,
    SPIKE,
    SATURATION,
    *LEASHES,
    *STEPS,
    CRITIC,
)
NOT_FINITE = Check(
    "not_finite",
    "Not finite",
    "error",
    "a reward, observation, value, loss or gradient is not finite",
    "Somewhere a number became infinite or is none: mostly a learning rate that is far too large, or an environment "
    "that gives such numbers.",
    "The weights are those at the start of this update. Lower the learning rate and press Play to go on with a new "
    "rollout, or restart.",
    "learning_rate",
    (),
    lambda _: None,
)
"""Found by the training process itself, which halts before the weights are touched."""
NOT_FINITE_GIVEN = replace(
    NOT_FINITE,
    cause="The environment gave a number that is infinite or none. Nothing that PPO does could mend it, so no weight "
    "was touched.",
    remedy="Look in the environment at the field and the step that are named: a division by zero, a root of something "
    "negative, a simulation that blew up. Correct it and restart; Play goes on with a new rollout.",
    setting=None,
)
"""The same, where it is known to be the environment's doing."""


def table() -> list[dict[str, Any]]:
    """The checks as plain rows."""
    fields = [
        "name",
        "title",
        "severity",
        "threshold",
        "cause",
        "remedy",
        "setting",
        "metrics",
        "otherwise",
        "explains",
    ]
    return [{field: getattr(check, field) for field in fields} for check in (NOT_FINITE, *CHECKS)]
