"""What can be wrong with who makes the steps: an α that has come to its end, an optimizer that forgets."""

from __future__ import annotations

import math

from ppo_scope.diagnosis.judging import (
    Check,
    Found,
    Row,
    Unknown,
    Verdict,
    after,
    at_most,
    last,
    latest,
    percent,
)

LITTLE = 0.01
"""Of the α that a run began with: a hundred such steps go as far as one went then."""
EARLY = 0.05
"""Of where α would be that falls by the square of what is left: no usual schedule comes so low before the end."""


def _spent(rows: list[Row]) -> Verdict:
    rates = latest(rows, "learning_rate", 3)
    if rates and max(rates) < 0:
        return Found(
            f"For 3 updates α has been below 0: {rates[-1]:.2g}.".replace("-", "−"),
            "Each step goes uphill: it makes the loss larger, and what paid less likely. A schedule that goes on after "
            "its end does that, 1 − t/T beyond T.",
            "Hold the schedule at 0 or above, and count T in what t counts, updates or steps.",
            severity="error",
        )
    done, first = last(rows, "share_done"), last(rows, "first_learning_rate")
    left = f", and {percent(1 - done)} of the training is still to come" if done < 1 else ", and the run goes on"
    if rates and max(rates) == 0:
        return Found(f"For 3 updates α has been 0{left}: no step moves anything.")
    was_left = [max(0.0, 1 - then) for then in latest(rows, "share_done", 3)]
    if rates and was_left and first > 0 and max(rates) < first * min(LITTLE, EARLY * was_left[0] ** 2):
        return Found(
            f"For 3 updates α has been {at_most(max(rates) / first)} of the {first:.2g} that it began with or "
            f"less{left}: it will hardly move anything.",
            "The schedule of α falls faster than the run goes: T is counted in something else than t, or it is one "
            "for a shorter run.",
        )
    return None if rates else after(3)


def _forgets(rows: list[Row]) -> Verdict:
    if not any(math.isfinite(row.get("memory_before", math.nan)) for row in rows):
        return Unknown("only where the optimizer of somebody's loop is seen", applies=not rows)
    empty = [row["update"] > 1 and row.get("memory_before") == 0 and row.get("memory_after", 0.0) > 0 for row in rows]
    if len(empty) < 3 or not all(empty[-3:]):
        return None
    since = next((place for place in range(len(empty), 0, -1) if not empty[place - 1]), 0)
    return Found(
        f"Each of the latest {len(empty) - since} updates began with an optimizer that remembers nothing, and made "
        f"{last(rows, 'steps_made'):.0f} steps.",
        since=int(rows[since]["update"]),
    )


SPENT = Check(
    "spent_learning_rate",
    "α has come to its end",
    "warning",
    f"α 0 for 3 updates, or below {LITTLE:.0%} of what it began with, and {EARLY:.0%} of that times the square of the "
    "share of the training that is left, where that is told; an error where it is below 0; a return at its best is no "
    "excuse",
    "The schedule of α has come to its end before the run has.",
    "Let it end where the run ends, or hold it at a tenth of what it began with.",
    "learning_rate",
    ("learning_rate",),
    _spent,
    "α is above 0",
    ("still_policy", "uniform_policy", "useless_critic", "return_fell"),
    excused=False,
    needs="its α: to a Scope, by learning_rate=",
)
FORGETS = Check(
    "forgetful_optimizer",
    "The optimizer is made anew",
    "note",
    "3 updates in a row, and not the first of the run, begin with an optimizer that has no memory, and end with one "
    "that has",
    "Adam divides each weight's step by the size that its gradient usually has. One that knows nothing yet takes the "
    "first gradient for the usual one, so that its first step moves every weight by α, and those that hardly matter as "
    "far as the others.",
    "Make the optimizer once, before the loop, and change α in its param_groups. Where it is begun anew on purpose "
    "nothing is wrong.",
    None,
    ("memory_before",),
    _forgets,
    "The optimizer keeps its memory",
)
