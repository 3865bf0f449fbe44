"""What can be wrong with what a run is to maximise: no return at all, one without a bound, other rewards."""

from __future__ import annotations

from ppo_scope.diagnosis.judging import (
    LONG_ENOUGH,
    Check,
    Found,
    Row,
    Unknown,
    Verdict,
    after,
    at_least,
    last,
    latest,
    percent,
)

LOOKED_AT, CUT = 20, 4
"""Updates in which no episode ends by itself, and episodes that are cut in them."""
GROWN = 1.25
"""Of the size of V_targ, within them."""
LONG, LONG_FOR_A_COST = 10_000, 5_000
"""Steps of each environment without an end. Hardly a game of Atari's takes so many; the latter where each costs the
same, so that the end is all there is to find."""
NEXT_TO_ALL = 0.99
FOR, SHORT, LONGER = 3, 0.8, 10
"""Updates in which so many of the steps end an episode, and steps that one had before."""
LATER, LATE = 3, 2
"""Times the longest episode so far, and times a time limit that is known."""
ALIKE = 0.75
"""Of two episodes the better one is the better one by both. By chance it is 0.5; of rewards that are scaled by numbers
which move on their way it is 0.95 and more."""
ENOUGH = 20


def _short(rows: list[Row]) -> Verdict:
    """A task of one step is one from its beginning; these were longer."""
    shares, cuts = latest(rows, "share_of_ends", FOR), latest(rows, "share_of_cuts", FOR)
    if not shares:
        return after(FOR)
    longest = last(rows, "longest_episode")
    if min(shares) < SHORT or longest < LONGER:
        return None
    are_cut = min(cuts) >= SHORT
    how = "cut" if are_cut else "ended"
    summary = (
        f"For {FOR} updates at least {at_least(min(cuts if are_cut else shares))} of the steps have {how} an episode: "
        f"hardly one goes on after its first step. Earlier there were episodes of up to {longest:,.0f} steps."
    )
    since = int(rows[-FOR]["update"])
    if not are_cut:
        return Found(summary, since=since)
    return Found(
        summary,
        "The environment cuts an episode as soon as it has begun, as if its time were up: what counts its steps is not "
        "set back. Of each episode the policy sees one step, and V bootstraps on V.",
        "Set back in reset() what counts the steps.",
        severity="error",
        since=since,
    )


def _no_end(rows: list[Row]) -> Verdict:
    steps, limit, longest = (last(rows, name) for name in ("steps_without_end", "time_limit", "longest_episode"))
    if not steps > 0:
        return None
    cost = _cost(rows)
    patience = LATE * limit if limit > 0 else max(LONG if cost is None else LONG_FOR_A_COST, LATER * longest)
    if steps < patience:
        return None if longest else Unknown("no episode has ended yet")
    began = "No episode has ended yet" if not longest else f"After episodes of {longest:,.0f} steps or less none ends"
    summary = f"{began}: for {steps:,.0f} steps of each of {last(rows, 'environments'):.0f} environments"
    if limit > 0:
        return Found(
            f"{summary}. By its name Gymnasium cuts this environment's episodes after {limit:,.0f}.",
            "Episodes do end, and the loop does not notice, or tells of others: Â runs on over each reset, into an "
            "episode that what was done did not lead to.",
            "Let an episode end where it is terminated or truncated, and hand both over (`dones` of a Scope).",
            severity="warning",
        )
    discount = last(rows, "discount")
    if 0 < discount < 1:
        summary += f"; γ = {discount:g} looks about {1 / (1 - discount):,.0f} ahead"
    if cost is None:
        return Found(f"{summary}.")
    paid = f"{cost:g}".replace("-", "−")
    return Found(
        f"{summary}. In the latest {LOOKED_AT} updates no step was paid more than {paid}, and next to all were paid "
        "just that.",
        "Every step costs the same, so nothing tells one action from another: the policy goes in circles or stands at "
        "a wall, and V bootstraps on V. Only an end would make a difference, and it is not found.",
        "Cut episodes: max_episode_steps among the environment's arguments, or gymnasium.wrappers.TimeLimit. Each then "
        "begins at the start again. And explore more: a higher c₂, more environments, a reward for the way there.",
        "entropy_coef",
        severity="warning",
    )


def _cost(rows: list[Row]) -> float | None:
    """What next to every step of the latest updates was paid, where that is a loss and none was paid more."""
    best, shares = latest(rows, "reward_high", LOOKED_AT), latest(rows, "reward_high_share", LOOKED_AT)
    alike = best and min(best) == max(best) < 0 and sum(shares) >= NEXT_TO_ALL * LOOKED_AT
    return best[-1] if alike else None


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


SHORT_EPISODES = Check(
    "short_episodes",
    "Episodes of one step",
    "warning",
    f"for {FOR} updates {SHORT:.0%} or more of all steps end an episode, of a run in which one had {LONGER} steps or "
    "more; an error where as many cut one",
    "Something that ends an episode is not set back in reset(), so that the next one is over as it begins. Or the "
    "policy has found out how to end each at once, because to go on costs more.",
    "Look at reset(): it has to set back all that ends an episode. If it does, look at what a step costs beside what "
    "an end does.",
    None,
    ("share_of_ends",),
    _short,
    "Episodes go on after their first step",
    (
        *("no_signal", "rare_signal", "no_advantage", "kl_spike", "entropy_collapse", "still_policy", "uniform_policy"),
        *("useless_critic", "return_fell"),
    ),
    of_episodes=True,
)
NO_END = Check(
    "no_end",
    "No episode ends",
    "note",
    f"{LONG:,} steps of each environment without an end in any, and {LATER} times the longest episode so far; of one "
    f"whose time limit is known, {LATE} times that, a warning; so it is after {LONG_FOR_A_COST:,} "
    f"where {NEXT_TO_ALL:.0%} of the steps of {LOOKED_AT} updates were paid one number below 0, and none more",
    "Nothing cuts an episode, and the policy does not come to where one ends. There is no return to see or to be "
    "judged by, no start is seen again, and V bootstraps on V. Where a task goes on by its nature, or staying is what "
    "pays, that is no fault.",
    "If episodes should end: cut them (max_episode_steps among the environment's arguments, or "
    "gymnasium.wrappers.TimeLimit), and see that a loop of your own tells of ends. If they should not: go by the "
    "rewards of a step, with γ below 1.",
    None,
    ("steps_without_end",),
    _no_end,
    "Episodes end",
    ("endless_return",),
    of_episodes=True,
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
    of_episodes=True,
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
    of_episodes=True,
)
