"""What a training loop may do wrong itself: what is not finite, the order of samples, groups without an advantage."""

from __future__ import annotations

from ppo_scope.diagnosis.judging import (
    NUMBERS,
    OF_RATIO,
    WEIGHTS,
    Check,
    Found,
    Row,
    Unknown,
    Verdict,
    after,
    last,
    latest,
    percent,
)

EMPTY = 0.5


def _not_finite(rows: list[Row]) -> Verdict:
    share = last(rows, "not_finite_share")
    if not share > 0:
        return None
    which = NUMBERS[int(last(rows, "not_finite_of"))]
    if which == WEIGHTS:
        return Found(
            f"{percent(share)} of the weights θ that the update has led to are NaN or infinite.",
            "Nothing that its samples had was: a loss or a gradient has become NaN on the way, or a step was far too "
            "long. Whoever asks such a policy for an action may be told an error.",
        )
    return Found(f"{which} of {percent(share)} of the update's samples is NaN or infinite.")


def _same_order(rows: list[Row]) -> Verdict:
    same = latest(rows, "same_minibatches", 3)
    if not same:
        return Unknown("takes two epochs of two minibatches or more, in 3 updates", applies=len(rows) < 3)
    if min(same) < 1:
        return None
    span = last(rows, "first_minibatch_span")
    never = len(set(latest(rows, "first_minibatch", 3))) == 1
    of = f"the first minibatch has held {'the same places' if never else 'the same samples'} of the rollout"
    if never:
        more = f", {percent(span)} of its steps" if span < 0.9 else ""
        return Found(
            f"For 3 updates {of} in every epoch of every update{more}.",
            "The order is not drawn at all. Where a minibatch is a stretch of time its samples resemble each other, so "
            "its gradient is that of one part of an episode, and each epoch makes the same detour.",
            severity="warning",
        )
    return Found(f"For 3 updates {of} in every epoch; the next update has others.")


def _no_advantage(rows: list[Row]) -> Verdict:
    counts, empty = latest(rows, "rows", 3), latest(rows, "empty_rows", 3)
    if not counts:
        return after(3)
    share = min(e / c if c else 0.0 for e, c in zip(empty, counts, strict=True))
    if share < EMPTY:
        return None
    groups = bool(last(rows, "advantage_by_row"))
    what = "sequences" if groups else "rows"
    summary = f"{empty[-1]:.0f} of {counts[-1]:.0f} {what} have an advantage of 0 at every step, and half or more had "
    summary += "for 3 updates."
    if share < WHOLE:
        return Found(summary, severity="note")
    return Found(
        f"All {counts[-1]:.0f} {what} have an advantage of 0 at every step, for 3 updates: nothing is learned."
    )


WHOLE = 0.999

NOT_FINITE_SAMPLES = Check(
    "not_finite_samples",
    "Not finite, and trained on all the same",
    "error",
    "R, log π_old, Â, V_old, V_targ, r or V of a sample is NaN or infinite, or a weight of θ; what of them came to be "
    "first is named",
    "The mean over a minibatch with one such sample is one too, and so is its gradient, whatever it is cut off at: one "
    "step, and all weights are NaN. Nothing that is found of such an update means anything.",
    "Go on from a checkpoint of before. Look where it came from: what the environment gives, a division by a deviation "
    "of 0, the logarithm of 0, a step far too long.",
    None,
    ("not_finite_share",),
    _not_finite,
    "All that is trained on is finite",
    ("ratio_not_one", "return_fell"),
    ("ratio_not_one", *OF_RATIO),
)
NO_ADVANTAGE = Check(
    "no_advantage",
    "Nothing to tell samples apart by",
    "warning",
    "all rows (environments, or sequences of a group) without an advantage for 3 updates; a note where half are",
    "An advantage that is normalised within a group is 0 where all of the group were paid the same: all right, or all "
    "wrong. Such samples teach nothing, and only a KL term or the entropy bonus moves the policy by them.",
    "Prompts that are neither too easy nor too hard, larger groups, rewards of more than two values, or draw again "
    "where a group agrees (dynamic sampling; Yu et al. 2025, DAPO).",
    None,
    ("empty_rows",),
    _no_advantage,
    "Samples have advantages",
    ("still_policy", "uniform_policy", "useless_critic"),
)
ORDER = Check(
    "same_minibatches",
    "The same minibatches in each epoch",
    "note",
    "the first minibatch of each epoch holds the same samples, for 3 updates; a warning where they are the same places "
    "of each rollout",
    "The order is drawn once for each update, and not for each epoch. The noise of a minibatch's gradient does not "
    "average out over epochs, and normalised advantages are shifted in the same way each time.",
    "Draw a new order in each epoch: torch.randperm inside of the loop over epochs.",
    None,
    ("same_minibatches",),
    _same_order,
    "Each epoch has minibatches of its own",
)
