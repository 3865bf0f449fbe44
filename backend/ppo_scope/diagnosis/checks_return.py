"""What the return tells by itself: that it was high once, and is no more."""

from __future__ import annotations

import math
from dataclasses import replace

from ppo_scope.diagnosis.fall import DEVIATIONS, EPISODES, KEPT, OFTEN, UPDATES
from ppo_scope.diagnosis.judging import LONG_ENOUGH, Check, Found, Row, Unknown, Verdict, last, percent

LONGER = 3.0
"""Times what k3 was before, from which on steps had become longer."""
LONG = 0.02
"""A k3 that is no short step."""
BEFORE = 5
"""Updates that led to a fall."""
UNDONE = "What was learned has been undone"
AGAIN = "Go on from a checkpoint of before the fall."


def _fell(rows: list[Row]) -> Verdict:
    if math.isnan(last(rows, "return_now")):
        why = f"takes two stretches of {EPISODES} episodes and {UPDATES} updates or more"
        return Unknown(why, applies=len(rows) < LONG_ENOUGH)
    since = last(rows, "fell_since")
    if math.isnan(since):
        return None
    kept = last(rows, "fall_kept")
    now = f"{last(rows, 'return_now_episodes'):.0f} episodes since update {last(rows, 'return_now_first'):.0f}"
    then = f"updates {last(rows, 'return_then_first'):.0f} to {last(rows, 'return_then_last'):.0f}"
    summary = (
        f"The latest {now} returned {_about(rows, 'return_now')} in the mean; those of {then} had returned "
        f"{_about(rows, 'return_then')}."
    )
    if not math.isnan(kept):
        summary += f" Of what the run had gained {'nothing' if kept <= 0 else percent(kept)} is left."
    found = Found(summary.replace("-", "−"), _led_to_it(rows, since), since=int(since))
    if last(rows, "steps_taken") == 1:  # no epoch to leave out, and no minibatch after it that a KL could end
        seek = f"{UNDONE}. Look at the KL at the ends of updates before it: at their only minibatch r is 1, and k3 0."
        remedy = f"A shorter step: a lower α. Or a larger rollout: the mean of more Â is less noisy. {AGAIN}"
        return replace(found, cause=found.cause or seek, remedy=remedy, setting="learning_rate")
    return found


def _about(rows: list[Row], name: str) -> str:
    """A mean, and how far single episodes are from it."""
    return f"{last(rows, name):.4g} ± {last(rows, f'{name}_scatter'):.2g}"


def _led_to_it(rows: list[Row], since: float) -> str | None:
    """What the updates before it had that others had not; None: nothing is known of them."""
    name = "final_kl_exact" if last(rows, "steps_taken") == 1 else "kl_k3"
    what = "KL(π_old‖π_θ) at their ends" if name == "final_kl_exact" else "k3"
    before = [row for row in rows if since - BEFORE <= row["update"] <= since]
    earlier = [row for row in rows if row["update"] < since - BEFORE]
    kl, usual = (
        sorted(k3 for row in part if math.isfinite(k3 := row.get(name, math.nan))) for part in (before, earlier)
    )
    if not kl or not usual:
        return None
    led = f"In the {BEFORE} updates before, {what} came to {kl[-1]:.2g}"
    if kl[-1] < LONG:
        return (
            f"{UNDONE}, and by no single long step. {led}. Short steps lead away as well where many go by Â that are "
            "mostly noise, or by a V that is wrong of states which the policy has just come to."
        )
    if kl[-1] < LONGER * usual[len(usual) // 2]:
        return None
    return (
        f"{UNDONE}. {led}, where it had been {usual[len(usual) // 2]:.2g}: steps had become longer, and the policy "
        "then collects data that say nothing of what it knew."
    )


FELL = Check(
    "return_fell",
    "The return fell",
    "warning",
    f"the latest {EPISODES} episodes or more, of {UPDATES} updates or more, have kept {KEPT:.0%} or less of the best "
    f"rise of the return, are {DEVIATIONS:g} standard deviations of single episodes or more below the best stretch as "
    f"long, in each of these updates, and in {OFTEN:.0%} of all pairs of episodes the earlier one returned more",
    f"{UNDONE}. Mostly an update went too far: look in KL and clipping at those before it. The policy then collects "
    "data that say nothing of what it knew.",
    f"Shorter steps: a lower α, fewer epochs, or a target KL. {AGAIN}",
    "learning_rate",
    ("return_now", "return_then"),
    _fell,
    "What was gained is kept",
    before=True,
    of_episodes=True,
)
