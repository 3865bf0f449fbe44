"""What schedules and the KL make of α, ε, c₂ and β: the coefficients in force, beside those that were set.

Sources: β is adapted as in Schulman et al. 2017, section 4. α is adapted by the rule of rsl_rl (Schwarke et al. 2025),
which differs from it in three things that are named at `next_learning_rate`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ppo_scope.ppo.settings import KL_COEF_BOUNDS, Settings

KL_COEF_FACTOR = 2.0
"""What β is multiplied or divided by."""
KL_COEF_MARGIN = 1.5
"""How many times its target the KL may be, or may be short of it, before β is moved."""
RATE_FACTOR = 1.5
"""What α is multiplied or divided by."""
RATE_MARGIN = 2.0
"""How many times `desired_kl` the KL may be, or may be short of it, before α is moved."""


@dataclass(frozen=True)
class Adapted:
    """Where the KL has brought β and α, from where they were set."""

    kl_coef: float
    """β"""
    learning_rate: float
    """α"""

    @classmethod
    def of(cls, settings: Settings) -> Adapted:
        """Not moved yet."""
        return cls(settings.kl_coef, settings.learning_rate)

    def set_by_hand(self, settings: Settings, names: set[str]) -> Adapted:
        """Begun anew from the settings: what somebody has just set (`names`), and what the KL does not move."""
        stays = adapts_kl_coef(settings) and "kl_coef" not in names
        kept = settings.desired_kl is not None and "learning_rate" not in names
        return Adapted(
            self.kl_coef if stays else settings.kl_coef, self.learning_rate if kept else settings.learning_rate
        )


def adapts_kl_coef(settings: Settings) -> bool:
    """Whether β follows the KL."""
    return settings.objective == "kl_penalty" and settings.kl_coef_target is not None


def moved(settings: Settings, adapted: Adapted) -> dict[str, float]:
    """Name → value of those that follow the KL."""
    kl_coef = {"kl_coef": adapted.kl_coef} if adapts_kl_coef(settings) else {}
    return kl_coef | ({} if settings.desired_kl is None else {"learning_rate": adapted.learning_rate})


def in_force(settings: Settings, adapted: Adapted, steps: int) -> Settings:
    """The settings with ε, c₂ and β as they are after so many steps of the run; the very same where nothing differs."""
    left = _left(settings, steps)
    of_the_clip = left if settings.anneal_clip_range else 1.0
    found = {
        "clip_range": settings.clip_range * of_the_clip,
        "clip_range_high": None if settings.clip_range_high is None else settings.clip_range_high * of_the_clip,
        "entropy_coef": settings.entropy_coef * (left if settings.anneal_entropy_coef else 1.0),
        "kl_coef": adapted.kl_coef if adapts_kl_coef(settings) else settings.kl_coef,
    }
    moved = {name: value for name, value in found.items() if value != getattr(settings, name)}
    return settings.model_copy(update=moved) if moved else settings


def learning_rate(settings: Settings, adapted: Adapted, steps: int) -> float:
    """What α is after so many steps of the run."""
    if settings.desired_kl is not None:
        return adapted.learning_rate
    return settings.learning_rate * (_left(settings, steps) if settings.anneal_learning_rate else 1.0)


def _left(settings: Settings, steps: int) -> float:
    """The share of the run that is still to come: 1 … 0."""
    return 1.0 if settings.total_steps is None else max(0.0, 1.0 - steps / settings.total_steps)


def next_kl_coef(kl_coef: float, kl: float, target: float) -> float:
    """β for the next update, from the mean KL(π_old‖π) over the batch after the last step of this one."""
    low, high = KL_COEF_BOUNDS
    if kl > KL_COEF_MARGIN * target:
        return min(max(kl_coef, low / KL_COEF_FACTOR) * KL_COEF_FACTOR, max(high, kl_coef))
    if kl < target / KL_COEF_MARGIN:
        return max(kl_coef / KL_COEF_FACTOR, min(low, kl_coef))
    return kl_coef


def next_learning_rate(rate: float, kl: float, settings: Settings) -> tuple[float, int]:
    """(α for a step, where the KL asked for it to go: −1 down, 1 up, 0 nowhere), from the mean KL over its minibatch.

    As rsl_rl does it: a factor of 1.5 outside of half to twice `desired_kl`, not the 2 of β's rule outside of a 1.5th
    to 1.5 times; before each step, not after each update; and between bounds. An α that was set beyond a bound is held
    there, where rsl_rl would bring it to the bound, against what the KL asked for.
    """
    desired = settings.desired_kl
    if desired is None or math.isnan(kl):
        return rate, 0
    if kl > RATE_MARGIN * desired:
        return max(min(settings.learning_rate_min, rate), rate / RATE_FACTOR), -1
    if 0.0 < kl < desired / RATE_MARGIN:
        return min(max(settings.learning_rate_max, rate), rate * RATE_FACTOR), 1
    return rate, 0
