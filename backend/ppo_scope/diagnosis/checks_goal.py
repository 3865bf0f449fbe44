"""What can be wrong with what a run is to maximise: returns without a bound, rewards that are not the environment's."""

from __future__ import annotations

from ppo_scope.diagnosis.judging import LONG_ENOUGH, Check, Found, Row, Unknown, Verdict, after, last, latest, percent

LOOKED_AT, CUT = 20, 4
"""Updates in which no episode ends by itself, and episodes that are cut in them."""
GROWN = 1.25
"""Of the size of V_targ, within them."""
ALIKE = 0.75
"""Of two episodes the better one is the better one by both. By chance it is 0.5; of rewards that are scaled by numbers
which move on their way it is 0.95 and more."""
ENOUGH = 20


def _endless(rows: list[Row]) -> Verdict:
    if rows and not last(rows, "discount") >= 1:
        return Unknown("only where γ is 1", applies=False)
    sizes, ended = latest(rows, "target_size", LOOKED_AT), latest(rows, "terminated_ends", LOOKED_AT)
    if not sizes or not ended:
        return after(LOOKED_AT)
    if any(ended) or any(row.get("cut_by_zero") for row in rows if row.get("cut_episodes")):
        return None
    cuts = sum(row.get("truncated_ends", 0.0) for row in rows)
    quarters = [sum(sizes[place : place + 5]) / 5 for place in range(0, LOOKED_AT, 5)]
    grows = quarters == sorted(quarters) and quarters[-1] > GROWN * quarters[0]
    if cuts < CUT and not grows:
        return None
    how = f"{cuts:.0f} were cut, and bootstrapped by V" if cuts else "and none was cut"
    summary = f"γ is {last(rows, 'discount'):g}, and in the latest {LOOKED_AT} updates no episode has ended by itself; "
    then = f" V_targ has grown from {quarters[0]:.4g} to {quarters[-1]:.4g} in size meanwhile." if grows else ""
    severity, since = ("warning" if grows else None), int(rows[-LOOKED_AT]["update"])
    return Found(f"{summary}{how}.{then}", severity=severity, since=since)


def _other_rewards(rows: list[Row]) -> Verdict:
    episodes, alike = last(rows, "paid_episodes"), last(rows, "paid_alike")
    if not episodes >= ENOUGH:
        why = f"takes {ENOUGH} whole episodes of which the environment tells what they returned"
        return Unknown(why, applies=len(rows) < LONG_ENOUGH)
    if not alike < ALIKE:
        return None
    scatter = last(rows, "paid_trained_scatter")
    return Found(
        f"The latest {episodes:.0f} episodes returned {last(rows, 'paid_told'):.4g} in the mean, and the rewards that "
        f"are trained on sum up to {last(rows, 'paid_trained'):.4g} ± {scatter:.2g} in them. Of two episodes, the one "
        f"that returned more is paid more in {percent(alike)} of all pairs.".replace("-", "−")
    )


ENDLESS = Check(
    "endless_return",
    "The return has no bound",
    "note",
    f"γ is 1, no episode ends by itself within {LOOKED_AT} updates, and {CUT} or more are cut and bootstrapped by V; a "
    f"warning where V_targ grows meanwhile to {GROWN:g} times its size, from each quarter of them to the next",
    "With γ = 1 all that is ever paid counts, and what never ends pays without end: V_targ holds V of the next state "
    "as it is, so that V runs after itself. Its growth, the same everywhere, hides what tells actions apart.",
    "Set γ to 0.99, which looks about 100 steps ahead. γ = 1 is for episodes that end by themselves, or whose rewards "
    "do.",
    "discount",
    ("discount",),
    _endless,
    "What episodes return has a bound",
    ("wild_rewards", "useless_critic", "return_fell"),
)
OTHER_REWARDS = Check(
    "other_rewards",
    "Trained on other rewards",
    "note",
    f"of {ENOUGH} whole episodes or more, of which the environment tells what they returned and the loop the rewards "
    f"of every step, the one of a pair that returned more is paid more in fewer than {ALIKE:.0%} of all pairs",
    "A wrapper changes rewards before they are trained on: takes their sign, cuts them off, or pays for something "
    "else. The run gets better at what it is paid for, and that is not what its return counts.",
    "If it is meant so, as a reward for the way there is, nothing is wrong. Else scale rewards instead of "
    "cutting them off: divided by their running deviation (NormalizeReward, VecNormalize) they still say which episode "
    "was better.",
    None,
    ("paid_episodes",),
    _other_rewards,
    "What is trained on goes the way of the return",
    ("return_fell",),
)
