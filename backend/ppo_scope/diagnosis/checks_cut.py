"""What a training loop may do wrong where a time limit cuts an episode: what it takes for V of what would have come."""

from __future__ import annotations

import math
from statistics import mean

from ppo_scope.diagnosis.judging import LONG_ENOUGH, Check, Found, Row, Unknown, Verdict, last, percent

CUT = 4
"""Episodes that were cut, from which on all of them are no chance."""
REACHES = 0.6
"""Of an episode: where a cut that is taken for an end changes less, it is worth knowing, and no more."""
LITTLE = 0.25
"""Of the variance of Â, which is half its deviation: what makes less of it hides nothing."""
SOURCE = "Source: Pardo et al. 2018."
HOLDS = 0.5
"""Of γ·V(s′), above which the reward of a cut step is taken to hold it."""
PAID_AHEAD = (
    "the rewards of the steps that were cut hold γ·V(s′), as an advantage takes them, so that δ tells nothing; and "
    "what episodes returned is off by it: tell the rewards that the environment gave"
)
UNTOLD = "rewards vary too much beside γ·V to tell whether those of the steps that were cut hold it"
FROM_ITS_INFO = "(Gymnasium: info['final_obs'] where the environment resets itself in the same step)"

IT_MAY_STAY = (
    f"It makes little here, and may stay. Where an environment does tell its last observation {FROM_ITS_INFO}, add γ·V "
    f"of that one instead. {SOURCE}"
)


def _told(rows: list[Row]) -> tuple[list[Row], float, Unknown | None]:
    """(updates with cuts whose bootstraps can be told apart, how many cuts, why nothing can be said)"""
    known = [row for row in rows if row.get("cut_episodes")]
    count = sum(row["cut_episodes"] for row in known)
    why = f"takes {CUT} episodes that were cut, whose bootstraps can be told apart"
    return known, count, Unknown(why, applies=len(rows) < LONG_ENOUGH) if count < CUT else None


def _all(known: list[Row], name: str, those: str = "cut_episodes") -> bool:
    return all(row[name] == row[those] for row in known)


def _bootstrap(rows: list[Row]) -> Verdict:
    ignored = sum(row.get("cuts_ignored", 0.0) for row in rows)
    if ignored >= CUT and not any(row.get("cut_episodes") for row in rows):
        return Found(
            f"The environment has cut {ignored:.0f} of the latest episodes, and to the loop all of them went on.",
            "An episode is over where it is terminated or truncated, and the loop asks for the former alone. Its "
            "advantages run on over the reset, into an episode that what was done did not lead to.",
            "Let an episode end at either, and add γ·V of its last observation to the reward where it was truncated.",
            latest=int(next(row["update"] for row in reversed(rows) if row.get("cuts_ignored"))),
        )
    known, count, unknown = _told(rows)
    if unknown is not None:
        return unknown
    summary, latest = f"Of the latest {count:.0f} episodes that were cut, all were ", int(known[-1].get("update", 0))
    if _all(known, "cut_by_own"):
        off, severity = _by_how_much(known, "cut_own_off")
        return Found(
            f"{summary}bootstrapped by V(s_t), the value of the state that the last step was made in. Just before, V "
            f"changes by {off} a step, and about so far off is δ of a cut step{_of_advantages(known, 'cut_own_off')}",
            "The reward of the last step has to be added to γ·V of the state that it led to. With V of the state "
            "before, that reward counts twice, and what the step led to does not count. rsl_rl does so knowingly: its "
            "environments begin the next episode in the same step, and do not tell how the last one ended.",
            IT_MAY_STAY if severity else None,
            severity=severity,
            latest=latest,
        )
    if _all(known, "cut_by_next", "cut_before_another") and sum(row["cut_by_next"] for row in known) >= CUT:
        off, severity = _by_how_much(known, "cut_next_off")
        return Found(
            f"{summary}bootstrapped by V of the row after, which is the first state of the next episode: {off} off V "
            f"of the step before{_of_advantages(known, 'cut_next_off')}",
            "The environment resets itself in the same step, and what it returns is the new episode's first "
            "observation. The last one of the old episode is in its info.",
            severity=severity,
            latest=latest,
        )
    return None


def _share(known: list[Row], off: str) -> float:
    """Of the variance of Â, what a δ of a cut step that is so far off makes in the mean."""
    return mean(row.get("cut_reach", math.nan) * row.get(off, math.nan) ** 2 for row in known)


def _by_how_much(known: list[Row], off: str) -> tuple[str, str | None]:
    """(in words, a severity of its own where it makes little)"""
    size = math.sqrt(mean(row.get(off, math.nan) ** 2 for row in known))
    return f"{size:.2g}", "note" if _share(known, off) < LITTLE else None


def _of_advantages(known: list[Row], off: str) -> str:
    share = _share(known, off)
    return f", which makes {percent(share)} of the variance of Â." if math.isfinite(share) else "."


def _as_ends(rows: list[Row]) -> Verdict:
    known, count, unknown = _told(rows)
    if unknown is not None:
        return unknown
    if not _all(known, "cut_by_zero"):
        return None
    holds, error = _paid_ahead(known)
    if not holds + 2 * error < HOLDS:
        return Unknown(PAID_AHEAD, applies=False) if holds > HOLDS else Unknown(UNTOLD, len(rows) < LONG_ENOUGH)
    discount, length = last(rows, "discount"), last(rows, "episodic_length_mean")
    ahead = 1 / (1 - discount) if discount < 1 else math.inf
    reaches = f"about the last {ahead:,.0f} steps" if ahead < length else "all steps"
    of = f" of episodes of {length:,.0f}" if math.isfinite(length) else ""
    return Found(
        f"In all of the latest {count:.0f} episodes that were cut, the cut was taken for an end: what would have come "
        f"counts as 0, where V is about {known[-1]['cut_value']:.3g} in size.",
        f"Termination and truncation are one thing to this loop, as they are in many scripts: CleanRL's single files "
        f"do so, and learn well. With γ = {discount:g}, {reaches}{of} look worse than they are, because V cannot see "
        "how much time is left.",
        severity="note" if ahead < REACHES * length else None,
        latest=int(known[-1].get("update", 0)),
    )


def _paid_ahead(known: list[Row]) -> tuple[float, float]:
    """(how much of γ·V the rewards of cut steps hold, its standard error); NaN where no step before tells."""
    sums = ("cut_pairs", "cut_more_by_ahead", "cut_more_squares", "cut_ahead_squares")
    pairs, both, more, ahead = (sum(row.get(name, 0.0) for row in known) for name in sums)
    if pairs < 2 or not ahead > 0:
        return math.nan, math.nan
    slope = both / ahead
    return slope, math.sqrt(max(more - slope * both, 0.0) / (pairs - 1) / ahead)


def _resets(rows: list[Row]) -> Verdict:
    counts = [count for row in rows if (count := row.get("reset_steps")) is not None]
    if not counts:
        return Unknown("only where somebody's vector environment says how it resets", applies=not rows)
    if sum(counts) < CUT:
        return None
    return Found(
        f"In the latest {len(counts)} updates {sum(counts):,.0f} of the samples that are trained on are no steps of an "
        "episode: each is the one after an end, in which the environment began the next."
    )


RESETS = Check(
    "reset_steps",
    "Steps of a reset are trained on",
    "note",
    f"{CUT} or more within {LONG_ENOUGH} updates, of a vector environment of Gymnasium that says it resets in the step "
    "after (AutoresetMode.NEXT_STEP) and of a loss without a mask",
    "Since Gymnasium 1.0 a vector environment takes a step of its own to begin an episode: the action counts for "
    "nothing, the reward is 0, and the state that comes next has nothing to do with the one before. Scripts written "
    "for what was before, CleanRL's among them, train on it as on any other.",
    "Make it with autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP (Gymnasium 1.1), which is what such scripts "
    "are written for; or leave these samples out of the loss. Of long episodes it is next to nothing.",
    None,
    ("reset_steps",),
    _resets,
    "All samples are steps of an episode",
)
BOOTSTRAP = Check(
    "wrong_bootstrap",
    "Wrong value where an episode is cut",
    "warning",
    f"in all of the latest {CUT} cut episodes or more, the value that δ holds is V(s_t), or V of the next episode's "
    "first state, to 10⁻⁴ of the size of V; where V tells them apart; or to the loop those episodes went on; a note "
    f"where that makes less than {LITTLE:.0%} of the variance of Â",
    "An episode that a time limit cuts has not ended: V of its last state stands for what would have come.",
    f"δ = R + γ·V(s′) − V(s_t), with s′ the last observation of the episode that was cut {FROM_ITS_INFO}. {SOURCE}",
    None,
    ("cut_episodes",),
    _bootstrap,
    "Cut episodes are bootstrapped from their last state",
    ("useless_critic",),
    ("useless_critic",),
    of_episodes=True,
)
AS_ENDS = Check(
    "cut_as_end",
    "A cut is taken for an end",
    "warning",
    f"in all of the latest {CUT} cut episodes or more, the value that δ holds is 0, where V is not, and the reward, "
    f"beside that of the step before, holds less than {HOLDS:g} of γ·V, by two standard errors; a note where "
    f"1/(1 − γ) steps are less than {REACHES:.0%} of an episode",
    "Termination and truncation are one thing to this loop: what would have come after a time limit counts as 0. "
    "Steps before it look worse than they are, because V cannot see how much time is left.",
    "Add γ·V(s′) to the reward of the step that was cut, where advantages are made of it, with s′ the last observation "
    f"of its episode {FROM_ITS_INFO}. Rewards that are told, and summed up as returns, stay without it. Or leave it, "
    f"where results are to be compared with those of scripts that do the same. {SOURCE}",
    None,
    ("cut_episodes",),
    _as_ends,
    "A time limit is not taken for an end",
    of_episodes=True,
)
