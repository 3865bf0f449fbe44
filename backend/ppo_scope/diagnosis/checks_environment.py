"""What can be wrong with what the environment gives and takes: rewards, observations, the range of actions."""

from __future__ import annotations

import math

from ppo_scope.diagnosis.checks_clip import RUNAWAY
from ppo_scope.diagnosis.judging import (
    LARGE_OBSERVATIONS,
    LONG_ENOUGH,
    OF_RATIO,
    SMALL_OBSERVATIONS,
    UNEVEN,
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
    rounded_up,
)

LARGE_TARGETS = 1000.0
SMALL_REWARDS = 1e-3
RARE, RARE_FOR, MANY = 0.95, 10, 50
"""Share of episodes that return the same, in so many updates, after so many episodes."""
WIDE_RANGE = 20.0
"""A range of actions beside which a policy that begins with σ = 1 is a point."""
NOT_NORMAL = Unknown("only for actions that are drawn from normal distributions", applies=False)
NO_MASK = Unknown("only where the environment says which actions are allowed", applies=False)
NO_RANGE = Unknown("only where actions have a range", applies=False)


def _no_signal(rows: list[Row]) -> Verdict:
    episodes = last(rows, "episodes")
    if not episodes >= 1:
        return Unknown("no episode has ended yet")
    if last(rows, "returns_differ"):
        return None
    if episodes < 20:
        return Unknown("takes 20 episodes to tell")
    returned = f"{last(rows, 'episodic_return_mean'):,.6g}".replace("-", "−")
    return Found(
        f"The latest {episodes:.0f} episodes have all returned the same, {returned}: there is nothing to learn from "
        "in them."
    )


def _rare_signal(rows: list[Row]) -> Verdict:
    shares, usual = latest(rows, "return_usual_share", RARE_FOR), latest(rows, "return_usual", RARE_FOR)
    if not shares or not usual:
        none = Unknown("no episode has ended yet", applies=len(rows) < LONG_ENOUGH)
        return after(RARE_FOR) if last(rows, "episodes") > 0 else none
    if not last(rows, "returns_differ"):
        return Unknown("no episode has returned another amount yet")
    worst = min(usual) == max(usual) == last(rows, "return_worst") < last(rows, "return_best")
    if min(shares) < RARE or not worst:
        return None
    if rows[-RARE_FOR].get("episodes", 0.0) < MANY:
        return Unknown(f"takes {RARE_FOR} updates after {MANY} episodes to tell")
    same, best = (f"{last(rows, name):,.6g}".replace("-", "−") for name in ("return_usual", "return_best"))
    return Found(
        f"For {RARE_FOR} updates {at_least(min(shares))} or more of the latest {last(rows, 'episodes'):.0f} episodes "
        f"have returned the same, {same}; the best of all returned {best}."
    )


def _wild_rewards(rows: list[Row]) -> Verdict:
    sizes = latest(rows, "target_size", 5)
    if not sizes:
        return after(5)
    if last(rows, "normalizes_rewards"):
        return None
    if min(sizes) > LARGE_TARGETS:
        return Found(f"V_targ is about {sizes[-1]:,.0f} in size; the critic's weights begin at values of about 1.")
    largest = max(abs(last(rows, "reward_low")), abs(last(rows, "reward_high")))
    if 0 < largest < SMALL_REWARDS:
        return Found(
            f"The largest reward of the rollout is {largest:.2g}, V_targ about {sizes[-1]:.2g} in size.",
            "V begins at values that are far larger than all that is paid, and its errors are all that Â is made of. "
            "Its gradient shrinks with them: beside Adam's ε its steps become short, and it stays as it began.",
            "Normalise rewards (a new run), or multiply them in the environment.",
        )
    return None


def _wild_observations(rows: list[Row]) -> Verdict:
    sizes, spreads = latest(rows, "observation_size", 3), latest(rows, "observation_spread", 3)
    if not sizes:
        return after(3)
    if (cut := _held_at_a_bound(rows)) is not None:
        return cut
    if min(sizes) > LARGE_OBSERVATIONS:
        return Found(f"The networks see numbers of about {sizes[-1]:,.0f}, which vary by {spreads[-1]:,.3g}.")
    if 0 < max(spreads) < SMALL_OBSERVATIONS:
        return Found(
            f"What the networks see varies by {rounded_up(spreads[-1]):g} at most: to them all states look alike.",
            "The first layer begins with weights of about 1. Differences far below 1 hardly reach its results, and "
            "have to be learned to be seen at all.",
            "Normalise observations (a new run), or scale them in the environment.",
        )
    least = latest(rows, "observation_least_spread", 3)
    if least and all(most > UNEVEN * small for small, most in zip(least, spreads, strict=True)):
        part, most = last(rows, "observation_least_part"), last(rows, "observation_most_part")
        return Found(
            f"Of what the networks see part {most:.0f} varies by {spreads[-1]:.2g}, and part {part:.0f} by "
            f"{least[-1]:.2g}, counted from 0: beside the former the latter hardly counts.",
            "All parts meet weights of about the same size. One that varies a thousandth as much is heard a thousandth "
            "as much, until its weights have grown.",
            "If that part tells something, normalise observations (a new run), or scale them in the environment.",
            severity="note",
        )
    return None


def _held_at_a_bound(rows: list[Row]) -> Found | None:
    """Where a normaliser whose statistics stand still cuts off most of what some parts of an observation say."""
    bound, parts = last(rows, "normaliser_bound"), latest(rows, "observation_parts_at_largest", 3)
    held = [math.isclose(one, bound, rel_tol=1e-5) for one in latest(rows, "observation_largest", 3)]
    if not held or not all(held) or not parts or not min(parts):
        return None
    which = f"{parts[-1]:.0f} of {last(rows, 'observation_parts'):.0f} parts of what the networks see"
    return Found(
        f"{which} stand at the bound of ±{bound:g} in most samples: VecNormalize cuts observations off there, and its "
        "statistics stand still.",
        "The statistics that VecNormalize divides by are not those of these observations. With training=False from the "
        "start they are a mean of 0 and a variance of 1, which normalise nothing, and all that is beyond the bound "
        "looks the same.",
        "Let the statistics move while the policy is trained (training=True, a new run). Hold still only those that "
        "were learned, with VecNormalize.load.",
    )


def _action_reach(rows: list[Row]) -> Verdict:
    reached = latest(rows, "action_reach", 5)
    if not reached:
        return NO_RANGE if last(rows, "steps") > 0 and math.isnan(last(rows, "action_reach")) else after(5)
    low, high = last(rows, "action_low"), last(rows, "action_high")
    if high - low < WIDE_RANGE or max(reached) >= 0.1:
        return None
    bounds = f"[{low:g}, {high:g}]".replace("-", "−")
    return Found(
        f"What the policy tries reaches {percent(reached[-1])} of the action range {bounds}; "
        f"{percent(last(rows, 'cut_off_fraction'))} of the numbers that make actions are cut off at a bound."
    )


def _wide_deviation(rows: list[Row]) -> Verdict:
    deviations, shares = latest(rows, "largest_deviation", 10), latest(rows, "deviation_of_range", 10)
    if not deviations:
        known = not math.isnan(last(rows, "largest_deviation"))
        return after(10) if known or not rows else NOT_NORMAL
    now = deviations[-1]
    if shares and min(shares) > 1.2:
        summary = f"The policy's largest σ is {now:.3g}, {shares[-1]:.2g} times the width of its action range."
    elif not shares and min(deviations) > 20:
        summary = f"The policy's largest σ is {now:.3g}; it began at 1."
    else:
        return None
    if now < 1.5:
        return Found(
            summary,
            "σ begins at 1, and the range is narrower than that: nearly all actions are cut off at one bound or the "
            "other.",
            "Rescale the action space to [−1, 1] (gymnasium.wrappers.RescaleAction) and restart.",
        )
    return Found(summary)


def _actions_cut_off(rows: list[Row]) -> Verdict:
    shares = latest(rows, "cut_off_fraction", 10)
    if not shares:
        return NO_RANGE if last(rows, "steps") > 0 and math.isnan(last(rows, "cut_off_fraction")) else after(10)
    if min(shares) <= 0.5:
        return None
    severity = "warning" if min(shares) > 0.9 else None
    what = "the numbers that make actions, as they are drawn,"  # one for each dimension of the space
    return Found(f"{percent(shares[-1])} of {what} lie outside of their range.", severity=severity)


def _forbidden_action(rows: list[Row]) -> Verdict:
    share = last(rows, "forbidden_fraction")
    if math.isnan(share):
        return NO_MASK if last(rows, "steps") > 0 else None
    if not share:
        return None
    return Found(
        f"{percent(share)} of the actions of the rollout are ones that the environment had forbidden; the first in "
        f"environment {last(rows, 'forbidden_environment'):.0f} at step {last(rows, 'forbidden_step'):.0f}."
    )


FORBIDDEN = Check(
    "forbidden_action",
    "A forbidden action was taken",
    "error",
    "any action of the rollout that its action mask does not allow",
    "The policy that acts does not keep to the mask that its loss is computed with: the two are different policies, "
    "and log π of such an action means nothing.",
    "Do not trust this run. A loop of your own has to give the policy the mask of the very state, when it acts, in "
    "the loss, and when it is tried out. If it is a run of ours, please report it.",
    None,
    ("forbidden_fraction",),
    _forbidden_action,
    "Only what is allowed is done",
    ("ratio_not_one",),
    ("ratio_not_one", *OF_RATIO),
)
CAUSES: tuple[Check, ...] = (
    Check(
        "no_signal",
        "No reward signal yet",
        "note",
        "20 episodes or more have ended, and those that were looked at, the latest 100 after each update, all returned "
        "the same",
        "Nothing that was tried has made a difference: what pays has not been found yet, or the environment pays the "
        "same whatever is done. All advantages come from the critic's own errors.",
        "Where reward is rare: more environments, a higher c₂, patience, or a reward for the way there. Where it "
        "should not be: look at what the environment pays.",
        "entropy_coef",
        ("episodes",),
        _no_signal,
        "Episodes return different amounts",
        ("no_advantage", "entropy_collapse", "starved_policy", "still_policy", "uniform_policy", "useless_critic"),
        of_episodes=True,
    ),
    Check(
        "rare_signal",
        "Reward is rare",
        "note",
        f"for {RARE_FOR} updates, after {MANY} episodes, {RARE:.0%} or more of the latest 100 have returned one and "
        "the same amount, which is the least that any episode has returned; and one has returned more",
        "What pays is met by chance, and too rarely to learn from: what an update sees of it is gone before it is met "
        "again. The Â of all other episodes come from the critic's own errors.",
        "More environments or longer rollouts, so that each update has some of it; a higher c₂, patience, or a reward "
        "for the way there.",
        "entropy_coef",
        ("return_usual_share",),
        _rare_signal,
        "What pays is met often enough",
        ("no_advantage", "uniform_policy", "useless_critic"),
        of_episodes=True,
    ),
    Check(
        "wild_observations",
        "Observations of a wild scale",
        "warning",
        "what the networks see is above 100 in size, or varies by less than 0.003, for 3 updates, or a part of it is "
        "where VecNormalize cuts off in most samples, while its statistics stand still; a note where one "
        f"part of it varies {UNEVEN:,.0f} times as much as another",
        "Layers begin with weights for inputs of about 1. Far larger ones push every unit into its flat part, whose "
        "slope is next to nothing, and differences beside a large constant are lost.",
        "Normalise observations (a new run), or scale them in the environment.",
        None,
        ("observation_size", "observation_spread"),
        _wild_observations,
        "Observations are of a good scale",
        ("saturated_activations", "entropy_collapse", "still_policy", "uniform_policy", "useless_critic"),
    ),
    Check(
        "wild_rewards",
        "Rewards of a wild scale",
        "warning",
        "V_targ above 1,000 in size for 5 updates, or no reward of 0.001 or more, and rewards are not normalised",
        "The critic takes very long to reach numbers of that size, and its gradient is as large as they are: through "
        "the norm limit, which is one for both networks, it takes the policy's gradient with it towards 0.",
        "Normalise rewards (a new run). At once: switch the gradient norm limit off, and the policy learns, although "
        "the critic does not.",
        "max_grad_norm",
        ("target_size",),
        _wild_rewards,
        "Rewards are of a good scale",
        ("saturated_activations", "starved_policy", "still_policy", "uniform_policy", "useless_critic"),
    ),
    Check(
        "action_reach",
        "Only a fraction of the action range",
        "warning",
        "all actions of the rollout within 10 % of a range that is wider than 20, for 5 updates",
        "The policy begins around 0 with σ = 1, whatever the range. In a range that is far wider it sees a small part, "
        "and to get elsewhere its means have to grow a hundredfold.",
        "Rescale the action space to [−1, 1] (gymnasium.wrappers.RescaleAction) and restart.",
        None,
        ("action_reach",),
        _action_reach,
        "The policy reaches its action range",
        ("actions_cut_off", "useless_critic"),
    ),
    RUNAWAY,
    Check(
        "wide_deviation",
        "σ beyond the action range",
        "warning",
        "a σ above 1.2 times the width of its action range for 10 updates; above 20 where there is no range",
        "Beyond the range all actions are one and the same, so nothing pays for a smaller σ, and the entropy bonus "
        "pays for a larger one without end.",
        "Set c₂ to 0: the entropy of a normal distribution has no maximum, and exploring needs no bonus here.",
        "entropy_coef",
        ("largest_deviation", "deviation_of_range"),
        _wide_deviation,
        "σ fits the action range",
        ("actions_cut_off", "useless_critic", "return_fell"),
        ("action_reach", "entropy_collapse"),
    ),
    Check(
        "actions_cut_off",
        "Actions cut off at a bound",
        "note",
        "more than half of the numbers that make actions outside of their range for 10 updates; more than 90 %: a "
        "warning",
        "What is drawn beyond a bound acts like the bound itself: the policy tries less than it seems to, and does not "
        "notice where it could go.",
        "Where the return is good, the bound is what pays. Else rescale the action space to [−1, 1], or lower c₂.",
        "entropy_coef",
        ("cut_off_fraction",),
        _actions_cut_off,
        "Actions are mostly within their range",
    ),
)
"""Causes of what else is found, so they come first."""
