"""What can be wrong with the policy that acts: it is not the one that is trained. And which of the ways it is."""

from __future__ import annotations

import math

from ppo_scope.diagnosis.judging import (
    OF_RATIO,
    Check,
    Found,
    Row,
    Unknown,
    Verdict,
    last,
    latest,
    percent,
    rounded_down,
    rounded_up,
)
from ppo_scope.wire.metrics import FIRST_RATIO_LIMIT

WHOLLY = 0.99
"""Of the samples that are off, or of those that are not: all but for one that is so by chance."""
SMOOTH, ROUGH = 0.4, 0.2
"""How much of log r follows from state and action where two policies differ, and where rounding does."""
EARLY = 0.3
"""Correlation of |log r| with how early its step was; of 64 samples chance makes 0.12."""
COARSE = 0.02
"""log r beside |log π| (or 1) up to which it may be a coarser precision: bfloat16 resolves 2⁻⁸, about 0.004."""
MIXED_UP = 0.8
"""Of the rollout, whose log π_old are those of the state before or after: where episodes end it is another one."""
PARTLY = 0.85
"""Of the samples that are off: of another policy it is all but a few."""
KEEP_MASKS = "Keep the mask of each state with the rollout, and give it to the policy when it acts and in the loss."
REMEDY_LAYERS = (
    "Take it out of the policy, or switch it off with .eval(), both when the policy acts and in the loss. In a critic "
    "of its own it does no such harm."
)
APART = 1e-4
"""Between two answers to one question, which rounding does not make."""
LOST = 0.5
"""Of the observations that the policy has learned from: so many the statistics that normalise them have to know."""


def _ratio_not_one(rows: list[Row]) -> Verdict:
    error, limit = last(rows, "first_ratio_error"), last(rows, "first_ratio_limit")
    if math.isnan(limit):  # of a recording that does not know it
        limit = FIRST_RATIO_LIMIT
    if error <= limit or math.isnan(error):
        return None
    summary = f"At the first minibatch r was off 1 by up to {rounded_up(error):g}, where rounding allows "
    summary += f"{rounded_down(limit):g}"
    share = last(rows, "off_fraction")
    if math.isnan(share):
        return Found(f"{summary}.")
    summary = f"{summary}, for {percent(share)} of its samples."
    if last(rows, "log_prob_of_halves") == 1 and (rounded := _of_rounding(rows, summary)) is not None:
        return rounded  # which of two numbers is the nearest follows from the state
    found = _of_clipped(rows, summary) or _of_masks(rows, summary) or _of_layers(rows, summary)
    return found or _of_samples(rows, summary) or _of_policies(rows, summary) or Found(summary)


def _of_clipped(rows: list[Row], summary: str) -> Found | None:
    if not last(rows, "off_at_bound") >= WHOLLY or last(rows, "on_at_bound") > 1 - WHOLLY:
        return None
    return Found(
        f"{summary} They are those whose action lies at or beyond a bound, and no others.",
        "Log π is taken once of the action that was drawn, and once of the one that was cut off at the bound. These "
        "are two actions, with two densities.",
        "Store the action as it was drawn, and take log π of it both times; cut off only what the environment gets.",
    )


def _of_masks(rows: list[Row], summary: str) -> Found | None:
    below, impossible = last(rows, "off_below"), last(rows, "off_impossible")
    if impossible > 0:
        return Found(
            f"{summary} The loss gives no probability at all to the actions of {percent(impossible)} of them.",
            "The policy is given its action mask in the loss, and not when it acts: it took what the loss forbids.",
            KEEP_MASKS,
        )
    if not last(rows, "off_at_mask") >= WHOLLY or 1 - WHOLLY < below < WHOLLY:
        return None
    if below >= WHOLLY:
        what, when = "smaller", "when it acts, and not in the loss, which gives probability to what is forbidden"
    else:
        what, when = "larger", "in the loss, and not where log π_old is taken"
    return Found(
        f"{summary} Each is of a state in which something is forbidden, and its probability is {what} in the loss.",
        f"The policy is given its action mask {when}: these are two policies.",
        KEEP_MASKS,
    )


def _of_layers(rows: list[Row], summary: str) -> Found | None:
    """Of a policy that answers the same question differently: what was looked at in its module, and not concluded."""
    dropping, batched = last(rows, "dropout_layers"), last(rows, "batch_norm_layers")
    if dropping > 0:
        return Found(
            f"{summary} The policy has {_counted(dropping, 'layer')} of dropout in training mode.",
            "Dropout draws anew each time that the policy is asked: log π_old was taken with other units than log π "
            "is. What is clipped is then the difference between two drawings, and not how far the policy has moved.",
            REMEDY_LAYERS,
        )
    if batched > 0:
        return Found(
            f"{summary} The policy has {_counted(batched, 'layer')} of batch normalisation in training mode.",
            "Batch normalisation scales a state by the others that are asked about with it. When the policy acts these "
            "are other ones than in a minibatch, or running means, so that one state has two policies.",
            "Take batch normalisation out of the policy, LayerNorm does not mix samples; or keep it in eval mode, when "
            "it acts and in the loss.",
        )
    if (apart := last(rows, "answers_apart")) > APART:
        return Found(
            f"{summary} Asked twice about the same states, the policy gave answers that are {apart:.2g} apart.",
            "Something in it is drawn anew each time that it is asked, a dropout or a noise of its own: log π_old was "
            "taken with another drawing than log π is.",
            REMEDY_LAYERS,
        )
    return None


def _counted(count: float, what: str) -> str:
    return f"{count:.0f} {what}{'s' if count != 1 else ''}"


def _of_samples(rows: list[Row], summary: str) -> Found | None:
    """Of states and actions that were mixed up."""
    if last(rows, "seen_once") == 1:
        return Found(
            f"{summary} Every observation that an environment has in this rollout is the same, and to the policy that "
            "acted they were not: its V, or its log π of the same action, differs from step to step.",
            "Observations were written over in place after they were stored: each is a view of one array, as "
            "torch.from_numpy, a NumPy slice or an environment that reuses its array make them, and holds what was "
            "seen last.",
            "Copy each observation when it is stored: obs.copy(), obs.clone(), or buffer[t] = obs into an array of its "
            "own.",
        )
    for name, which, mistake in (("before", "before", "after"), ("after", "after", "before")):
        if (share := last(rows, f"state_{name}")) > MIXED_UP and last(rows, "state_own") < 1 - MIXED_UP:
            return Found(
                f"{summary} For {percent(share)} of the rollout log π_old is log π of the action in the state of the "
                f"step {which}.",
                f"States and actions are a step apart: the observation is stored {mistake} the step, and not with the "
                "action that was chosen in it.",
                "Store the observation that the policy was given, in the same row as the action that it chose.",
            )
    share = last(rows, "off_fraction")
    if last(rows, "off_by_choice") == 1 and share < PARTLY:
        return Found(
            f"{summary} For the others r is 1 to rounding.",
            "Another policy would be another in every state. That r is 1 for some is what happens where the loss takes "
            "log π of another action: of one that is drawn anew, and by chance is the same at times.",
            "Give the stored action to the policy in the loss, so that log π is that of what was done.",
        )
    return None


def _of_policies(rows: list[Row], summary: str) -> Found | None:
    smooth, early, falls = _usual(rows, "off_smoothness"), _usual(rows, "off_early"), _falls(rows)
    counts = not math.isnan(last(rows, "observations_counted")) or bool(last(rows, "normalizes_observations") == 1)
    if early > EARLY or (smooth > SMOOTH and (counts or falls)):
        how = " |log r| is largest at the rollout's first steps and fades towards its last." if early > EARLY else ""
        fell = f" It has fallen from {falls[0]:.2g} to {falls[1]:.2g}, as statistics settle." if falls else ""
        return Found(
            f"{summary}{how}{fell}",
            "Observations are normalised, and the statistics moved between acting and training: the policy is "
            "trained on other numbers than it acted on.",
            "Store the observations as the policy saw them, normalised, and train on these; or move the "
            "statistics only between an update and the next rollout.",
        )
    if smooth > SMOOTH:
        return Found(
            f"{summary} {percent(smooth)} of log r follows from state and action.",
            "Two policies differ like that: the weights moved between acting and the first minibatch, or what the "
            "policy sees did, as where a normaliser's statistics move before the update.",
            "Take log π_old with the weights, and of the observations, that the update begins with.",
        )
    if not smooth > ROUGH and (rounded := _of_rounding(rows, summary)) is not None:
        return rounded
    if smooth < ROUGH and last(rows, "answers_apart") <= APART:
        return Found(
            f"{summary} It follows neither from state nor from action, and asked twice the policy answers alike.",
            "Log π_old belongs to other samples than these, where arrays were put into another order, or to another "
            "action: to that before tanh, where the one after it is stored.",
            "Store the action that log π_old was taken of, and look whether each array is flattened in the same order.",
        )
    if smooth < ROUGH:
        return Found(
            f"{summary} It follows neither from state nor from action.",
            "Something is drawn anew each time that the policy is asked, dropout for example; or log π_old belongs to "
            "other samples than these, where arrays were put into another order.",
            "Switch what is drawn anew off in the policy, and look whether each array is flattened in the same order.",
        )
    return None


def _of_rounding(rows: list[Row], summary: str) -> Found | None:
    size, scale = last(rows, "off_size"), max(1.0, last(rows, "log_prob_size"))
    if not size <= COARSE * scale:
        return None
    beside = f"log r is {size:.2g} in size beside a |log π| of {last(rows, 'log_prob_size'):.2g}"
    halves = last(rows, "log_prob_of_halves") == 1
    how = "under autocast as well" if halves else "in float32"
    like = "log π of the loss is of half precision, and" if halves else "It looks like rounding:"
    return Found(
        f"{summary} {like} {beside}{'' if halves else ', whatever the state, the action and the step'}.",
        "Acting and training compute in different numbers: another precision (bfloat16 and float16 resolve 0.4 % "
        "and 0.05 %), another device, or another program that generates.",
        f"Take log π_old once more by the network that is trained, before the first step, or act {how}.",
        severity="warning",
    )


def _usual(rows: list[Row], name: str) -> float:
    """The mean of the latest five: a minibatch is small."""
    known = [value for row in rows[-5:] if not math.isnan(value := row.get(name, math.nan))]
    return sum(known) / len(known) if known else math.nan


def _falls(rows: list[Row]) -> tuple[float, float] | None:
    """The size of log r five updates ago or more, and now, where it has fallen to six tenths or less."""
    sizes = [size for row in rows if not math.isnan(size := row.get("off_size", math.nan))]
    return (sizes[0], sizes[-1]) if len(sizes) >= 5 and sizes[-1] <= 0.6 * sizes[0] else None


def _statistics_lost(rows: list[Row]) -> Verdict:
    counted, learned = last(rows, "observations_counted"), last(rows, "observations_learned_from")
    if math.isnan(counted) and not math.isnan(last(rows, "normaliser_bound")):
        return Unknown("the statistics of VecNormalize stand still: training is False", applies=False)
    if math.isnan(counted):
        return Unknown("only where a loop tells of the statistics that normalise its observations", applies=False)
    if counted >= LOST * learned:
        return None
    rising = latest(rows, "observations_counted", 2)
    if rising and rising[0] == rising[1]:
        return None  # they are held as they are, on purpose
    return Found(
        f"The policy has learned from {learned:,.0f} observations, and the statistics that normalise them know "
        f"{counted:,.0f}."
    )


STATISTICS = Check(
    "normalisation_lost",
    "Normalisation began anew",
    "error",
    "statistics that normalise observations know fewer than half of those that the policy has learned from, and move",
    "The policy was loaded and what normalises its observations was not: it sees other numbers for the same states, "
    "and what it has learned does not hold for them.",
    "Save the statistics with the model and load both: with Stable-Baselines3, VecNormalize.save and "
    "VecNormalize.load. Begin again from there: what is learned meanwhile is learned for other numbers.",
    None,
    ("observations_counted",),
    _statistics_lost,
    "Normalisation knows what the policy knows",
    ("kl_spike", "useless_critic", "return_fell"),
    ("wild_observations", "useless_critic"),
    lasts=True,
)
RATIO = Check(
    "ratio_not_one",
    "Ratio ≠ 1",
    "error",
    "|r − 1| at the first minibatch above 10⁻⁴, or above what rounding makes of a large |log π|: 32 times the "
    "relative spacing of single precision, of |log π| or of the number of an action's components; a warning where it "
    "looks like a coarser precision",
    "Before the first step π_θ is π_old, so r must be 1. That it is not means that the policy that collected is "
    "not the one that is judged: a fault of the implementation. Where the samples that are off tell which, it is said: "
    "log π of actions that were cut off, masks that one of the two does not get, observations that were written over, "
    "a normaliser that moved, a coarser precision.",
    "Do not trust this run. Compare, in a loop of your own, what the policy was given when it acted and what it is "
    "given in the loss. If it is a run of ours, please report it with its settings and seed.",
    None,
    ("first_ratio_error", "steps_taken"),
    _ratio_not_one,
    "r is 1 at the first minibatch",
    ("kl_spike", "unbounded_loss", "kl_without_clip", "return_fell"),
    OF_RATIO,
)
