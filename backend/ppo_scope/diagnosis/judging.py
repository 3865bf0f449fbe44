"""How a check is held against the latest updates of a run, and what can come of it.

The server hands the checks out too, so nothing here needs more than numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context

SEVERITIES = ("error", "warning", "note")
FAR_OUT = 3.0
"""The bound of dual-clip PPO on r where Â < 0 (Ye et al. 2020, "Mastering Complex Control in MOBA Games")."""

LARGE_OBSERVATIONS, SMALL_OBSERVATIONS = 100.0, 0.003
"""What networks see is of a wild scale above this size, or where it varies by less than that."""
LARGE_BONUS = 0.03
"""A c₂ from which on it is looked at how the bonus pulls, which costs a pass back."""
UNEVEN = 1000.0
"""Between how much parts of it vary."""

WEIGHTS = "θ"
NUMBERS = ("R", "log π_old", "Â", "V_old", "V_targ", "log r", "V", WEIGHTS)
OF_CRITIC = ("V_old", "V_targ", "V")
"""What samples have, in the order in which it comes to be, and weights; the latter only where there is a critic."""

Row = dict[str, float]


@dataclass(frozen=True)
class Found:
    """What a check has seen, in a sentence with its numbers.

    Cause, remedy and severity are the check's own unless they are given: one symptom may have several causes.
    """

    summary: str
    cause: str | None = None
    remedy: str | None = None
    setting: str | None = None
    """The setting that `remedy` speaks of."""
    severity: str | None = None
    latest: int | None = None
    """The update that it was seen in, where that is an earlier one."""
    since: int | None = None
    """The update that it began in, where it takes more of them to see it."""


@dataclass(frozen=True)
class Unknown:
    """A check that can say nothing: why."""

    why: str
    applies: bool = True
    """Whether it may come to say something in this run."""


Verdict = Found | Unknown | None
"""None: it has looked, and nothing is wrong."""

OF_RATIO = ("kl_spike", "unbounded_loss", "kl_without_clip", "pinned_learning_rate", "runaway_kl_coef", "still_policy")
"""Checks of what is made of r: where r is wrong, they look at nothing."""
NOT_YET = Unknown("not measured yet")
ENDS_UNTOLD = Unknown(
    "this training loop does not tell where episodes end: to a Scope, by dones= with truncated=", applies=False
)
FEWEST = 64
"""Samples of an update: of smaller ones, ten or twenty are no time in which a policy or a critic gets anywhere."""
FEW_STEPS, MANY_STEPS = 100, 320
"""Of the optimizer, in which nothing comes far from where it began, and in which a network has had its time."""
LONG_ENOUGH = 20
"""Updates without any of the numbers that a check takes, after which it waits for them no more."""


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong.

    `found` takes the rows of the latest updates, the oldest first; a plain sentence is a `Found` of it.
    """

    name: str
    title: str
    severity: str
    """error: do not trust the run. warning: it will hardly learn like this. note: worth knowing."""
    threshold: str
    cause: str
    remedy: str
    setting: str | None
    """The setting that the remedy speaks of, if it is one."""
    metrics: tuple[str, ...]
    found: Callable[[list[Row]], str | Verdict]
    otherwise: str = ""
    """What is true where nothing is found."""
    explains: tuple[str, ...] = ()
    """Checks whose findings follow from this one; their names come later in the table."""
    voids: tuple[str, ...] = ()
    """Checks that look at numbers which mean nothing while this one's finding stands."""
    before: bool = False
    """Whether what explains it has to have begun before it did."""
    excused: bool = True
    """Whether a warning is a note while the return is at its best."""
    lasts: bool = False
    """Whether it is an event, which stays the cause of what it has left behind when it is over itself."""
    needs: str = "what it takes"
    """What a training loop has to tell for it, in words: said where one never does."""
    of_episodes: bool = False
    """Whether it says nothing where a loop does not tell where episodes end."""

    def look(self, rows: list[Row]) -> Verdict:
        """What it has to say after these updates."""
        if self.of_episodes and ends_untold(rows):
            return ENDS_UNTOLD
        verdict = self.found(rows)
        if isinstance(verdict, str):
            return Found(verdict)
        if verdict is None and self.metrics and not any(math.isfinite(last(rows, name)) for name in self.metrics):
            verdict = NOT_YET
        if len(rows) >= LONG_ENOUGH and isinstance(verdict, Unknown) and verdict.applies and self._never_told(rows):
            return Unknown(f"this training loop does not tell {self.needs}", applies=False)
        return verdict

    def _never_told(self, rows: list[Row]) -> bool:
        values = [row.get(name, math.nan) for row in rows for name in self.metrics]
        return bool(values) and not any(map(math.isfinite, values))


def last(rows: Sequence[Row], name: str) -> float:
    """The value of the latest update; NaN where there is none."""
    return rows[-1].get(name, math.nan) if rows else math.nan


def ends_untold(rows: Sequence[Row]) -> bool:
    """Whether the loop has never told where episodes end: that none is seen to means nothing then."""
    return last(rows, "ends_untold") == 1


def latest(rows: list[Row], name: str, count: int) -> list[float]:
    """The values of the latest `count` updates; empty where there are not so many, or one is not defined."""
    if len(rows) < count or math.isnan(last(rows, name)):  # as a rule of most of them
        return []
    values = [row.get(name, math.nan) for row in rows[-count:]]
    return [] if any(map(math.isnan, values)) else values


def after(count: int) -> Unknown:
    """It takes so many updates to tell."""
    return Unknown(f"takes {count} updates to tell")


def too_early(rows: list[Row], steps: int = MANY_STEPS, fewest: int = FEWEST) -> Unknown | None:
    """Why updates say nothing that are far smaller than those of other runs, or so few that they made few steps."""
    samples, taken = last(rows, "samples"), last(rows, "update") * last(rows, "steps_taken")
    if samples < fewest:
        return Unknown(f"updates of {samples:.0f} samples are too small to tell", applies=False)
    return Unknown(f"the optimizer has taken {taken:.0f} steps, too few to tell") if taken < steps else None


def percent(share: float) -> str:
    """A share in words: two digits, never −0."""
    if abs(share) >= 0.995:
        return f"{100 * share:.0f} %".replace("-", "−")
    return f"{100 * share:.2g} %".replace("-", "−") if abs(share) >= 5e-5 else "next to 0 %"


def rounded_down(value: float, digits: int = 2) -> float:
    """To so many digits, and no higher: of what was so much or more, that is true of what is written, too."""
    return float(Context(prec=digits, rounding=ROUND_FLOOR).create_decimal(repr(float(value))))


def rounded_up(value: float, digits: int = 2) -> float:
    """The same of what was so much or less."""
    return -rounded_down(-value, digits)


def at_least(share: float) -> str:
    """`percent` of what was so much or more."""
    return percent(rounded_down(share, _digits(share)))


def at_most(share: float) -> str:
    """`percent` of what was so much or less."""
    return percent(rounded_up(share, _digits(share)))


def _digits(share: float) -> int:
    """How many of it `percent` writes."""
    return 2 + (len(str(int(share))) if share >= 1 else 0)


def times(factor: float) -> str:
    """A factor with thousands, or with one digit where it is small."""
    return f"{factor:,.0f}" if factor >= 10 else f"{factor:.2g}"


SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def with_powers(text: str) -> str:
    """A sentence whose numbers are written as everywhere on the page: 4.4×10⁻⁹ for 4.4e-09."""
    return re.sub(r"(?<=\d)e([+−-]?\d+)\b", lambda found: f"×10{_superscript(found[1])}", text)


def _superscript(exponent: str) -> str:
    return str(int(exponent.replace("−", "-"))).translate(SUPERSCRIPT)
