"""The table of what can be wrong with a run: what is looked at, what it comes from, and what to do about it.

Causes come before what follows from them. The server hands the table out too, so nothing here needs more than numbers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ppo_scope.diagnosis.checks_clip import PARTED, UNBOUNDED
from ppo_scope.diagnosis.checks_critic import CRITIC, SATURATION, VALUE_CLIP
from ppo_scope.diagnosis.checks_cut import AS_ENDS, BOOTSTRAP, RESETS
from ppo_scope.diagnosis.checks_environment import CAUSES, FORBIDDEN
from ppo_scope.diagnosis.checks_estimate import ADVANTAGES, LEAKS
from ppo_scope.diagnosis.checks_goal import ENDLESS, NO_END, OTHER_REWARDS, SHORT_EPISODES
from ppo_scope.diagnosis.checks_leash import LEASHES
from ppo_scope.diagnosis.checks_loop import NO_ADVANTAGE, NOT_FINITE_SAMPLES, ORDER
from ppo_scope.diagnosis.checks_loss import LOSS, SIGNS
from ppo_scope.diagnosis.checks_optimizer import FORGETS, SPENT
from ppo_scope.diagnosis.checks_outputs import DOUBLE_SOFTMAX
from ppo_scope.diagnosis.checks_ratio import RATIO, STATISTICS
from ppo_scope.diagnosis.checks_return import FELL
from ppo_scope.diagnosis.checks_steps import SPIKE, STEPS
from ppo_scope.diagnosis.checks_together import RANKS_APART
from ppo_scope.diagnosis.checks_used import ANEW, KEPT_GRADIENTS, OTHER_ADVANTAGES, UNTRAINED
from ppo_scope.diagnosis.judging import Check

CHECKS: tuple[Check, ...] = (
    NOT_FINITE_SAMPLES,
    FORBIDDEN,
    RANKS_APART,
    STATISTICS,
    RATIO,
    LEAKS,
    ADVANTAGES,
    BOOTSTRAP,
    AS_ENDS,
    RESETS,
    SIGNS,
    LOSS,
    ANEW,
    OTHER_ADVANTAGES,
    UNTRAINED,
    KEPT_GRADIENTS,
    DOUBLE_SOFTMAX,
    ORDER,
    SPENT,
    FORGETS,
    SHORT_EPISODES,
    OTHER_REWARDS,
    NO_END,
    ENDLESS,
    *CAUSES,
    NO_ADVANTAGE,
    SPIKE,
    UNBOUNDED,
    PARTED,
    SATURATION,
    *LEASHES,
    *STEPS,
    VALUE_CLIP,
    CRITIC,
    FELL,
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
        "voids",
    ]
    return [{field: getattr(check, field) for field in fields} for check in (NOT_FINITE, *CHECKS)]
