"""What a loop may do wrong between the rollout and the step: another Â, gradients and networks that are left out."""

from __future__ import annotations

import math

from ppo_scope.diagnosis.checks_steps import collapsed
from ppo_scope.diagnosis.judging import Check, Found, Row, Unknown, Verdict, after, last, latest, percent

OTHERS, TURNED = 0.5, -0.9
"""Correlation of Â as used with that of its samples, below which it is not theirs, and is its opposite."""
THE_SAME = 0.99999
"""Of two columns that differ by scale and shift, and by nothing else, but for rounding."""
OFF, FAR_OFF = 0.3, 1.0
"""Of the mean of normalised advantages over an epoch."""
WIDE, FAR_TOO_WIDE = 2.0, 10.0
"""Factor by which their deviation is off 1."""
FROZEN, ONE = 5, 1e-4
"""Updates in which mean and deviation are the same two numbers, to so much of the latter: no chance."""
REMEDY = "Take both of the very minibatch, or of the whole rollout, after Â is made."
PULLS = 1e-3
"""|Â|, from which on a policy has a gradient."""
AFTERWARDS = ("kl_spike", "unbounded_loss", "kl_without_clip", "entropy_collapse", "still_policy", "uniform_policy")


def _other_advantages(rows: list[Row]) -> Verdict:
    own = latest(rows, "used_like_own", 3)
    if not own:
        return after(3) if len(rows) < 3 or not math.isnan(last(rows, "used_like_own")) else NOT_TOLD
    beside = "At the first minibatch of each of 3 updates Â as the loss has it "
    if max(own) < TURNED:
        return Found(
            f"{beside}had a correlation of {own[-1]:.2g} with Â of its samples: its sign is turned.".replace("-", "−"),
            "What was better than expected is made less likely, and what was worse more likely.",
            "L_PG is the mean of max(−Â·r, −Â·clip(r, 1 − ε, 1 + ε)): one minus, and not two.",
        )
    for name, symbol, cause in INSTEAD:
        if min(latest(rows, name, 3), default=0.0) > THE_SAME:
            return Found(f"{beside}was {symbol}, but for scale and shift.", cause, severity="warning")
    if max(map(abs, own)) < OTHERS:
        return Found(f"{beside}had a correlation of {own[-1]:.2g} with Â of its samples.".replace("-", "−"))
    return _badly_normalised(rows)


def _badly_normalised(rows: list[Row]) -> Found | None:
    if (found := _frozen(rows)) is not None:
        return found
    means, deviations = latest(rows, "used_mean", 3), latest(rows, "used_deviation", 3)
    if not means or not deviations or not last(rows, "normalizes_advantages"):
        return None
    widths = [max(width, 1 / width) if width > 0 else math.inf for width in deviations]
    if min(map(abs, means)) < OFF and min(widths) < WIDE:
        return None
    far = min(map(abs, means)) > FAR_OFF or min(widths) > FAR_TOO_WIDE
    return Found(
        f"The loop normalises Â, and what its loss gets has a mean of {means[-1]:.2g} and a deviation of "
        f"{deviations[-1]:.2g} over the first epoch: 0 and 1 would be normalised.".replace("-", "−"),
        "Mean and deviation are those of other numbers: of an earlier batch, a running mean, another axis, or taken "
        "before Â was changed. A mean off 0 pays for every action or for none, and a deviation off 1 is an α off by as "
        "much, as far as Adam does not make up for it.",
        REMEDY,
        severity="warning" if far else "note",
    )


def _frozen(rows: list[Row]) -> Found | None:
    """Normalised by a mean and a deviation that never change, whatever Â is."""
    shifts, scales = latest(rows, "used_shift", FROZEN), latest(rows, "used_scale", FROZEN)
    own = latest(rows, "own_mean", FROZEN)
    if not shifts or not scales or not own:
        return None
    scale, shift = scales[-1], shifts[-1]
    stay = max(shifts) - min(shifts) <= ONE * scale and max(scales) - min(scales) <= ONE * scale
    if not stay or abs(shift) < 10 * ONE * scale or max(own) - min(own) < 100 * ONE * scale:
        return None
    off = max(abs(mean - shift) for mean in own) / scale
    return Found(
        f"For {FROZEN} updates Â as the loss has it was Â less {shift:.3g}, divided by {scale:.3g}: the same two "
        f"numbers, where the mean of Â was between {min(own):.3g} and {max(own):.3g}.".replace("-", "−"),
        "Mean and deviation were taken once, early in the run, and Â has changed since. A mean off that of Â pays for "
        "every action or for none, and a deviation off its own is an α off by as much, as far as Adam does not make up "
        "for it.",
        REMEDY,
        severity="warning" if off > FAR_OFF else "note",
    )


INSTEAD = (
    (
        "used_like_targets",
        "V_targ",
        "The policy is paid by what was returned, and V is not subtracted: the sign of such a weight says which state "
        "it was, rather than which action. That is REINFORCE with the noise that a baseline is there to remove.",
    ),
    (
        "used_like_rewards",
        "R of the very step",
        "The policy is paid for each step by its reward alone: what an action leads to later does not count.",
    ),
)
NOT_TOLD = Unknown("takes minibatches of 16 samples or more whose Â differ", applies=False)


def _untrained(rows: list[Row]) -> Verdict:
    stands = {name: latest(rows, f"{name}_stands", 3) for name in ("policy", "critic")}
    if not any(stands.values()):
        told = not math.isnan(last(rows, "policy_stands"))
        return after(3) if told or not rows else Unknown("only where a loop hands out its weights", applies=False)
    # One that has decided, or whose layers let nothing through any more, stands as well: but it has moved before.
    moved = {name: any(row.get(f"{name}_stands", 1.0) == 0 for row in rows) for name in stands}
    pulled = min(latest(rows, "advantage_size", 3), default=0.0) > PULLS and last(rows, "clip_range") > PULLS
    weighed = last(rows, "value_coef") > 0
    decides = max(latest(rows, "undecided_share", 3), default=1.0) > 0
    pulled = pulled and decides and not collapsed(rows)
    for name, other, reason in (("policy", "critic", pulled), ("critic", "policy", weighed)):
        if reason and stands[name] and not moved[name] and stands[other] and max(stands[other]) == 0:
            return Found(
                f"In {len(rows)} updates not one weight of the {name} has moved, and those of the {other} have."
            )
    if not decides and stands["policy"] and min(stands["policy"]) > 0:
        return Unknown(
            "the masks leave one action in every state: there is nothing to choose, nor to learn", applies=False
        )
    return None


def _kept_gradients(rows: list[Row]) -> Verdict:
    kept = latest(rows, "gradient_kept", 3)
    if not kept:
        told = not math.isnan(last(rows, "gradient_kept"))
        return after(3) if told or not rows else Unknown("only where backward is seen", applies=False)
    if min(kept) < 1:
        return None
    return Found("For 3 updates the gradient of the first step was still there when that of the second was taken.")


def _anew(rows: list[Row]) -> Verdict:
    anew = [row for row in rows if row.get("log_probs_anew", 0.0) > 0]
    if not any("log_probs_anew" in row for row in rows):
        return Unknown("only of scripts in one file", applies=not rows)
    if len(anew) < 3:
        return None
    return Found(
        f"In {percent(len(anew) / len(rows))} of the latest {len(rows)} updates log π_old is another one than in the "
        "update before, and Â the very same: it was computed anew, on one rollout. Each is shown here as an update.",
        latest=int(anew[-1]["update"]),
    )


OTHER_ADVANTAGES = Check(
    "other_advantages",
    "Â of the loss is another one",
    "error",
    f"for 3 updates Â as used has a correlation below {OTHERS} with that of its samples, or below −0.9; a warning "
    "where it is V_targ or R instead, to 10⁻⁵; of one that is normalised, a note where its mean is off 0 by "
    f"{OFF} or its deviation by a factor of {WIDE:g} over the first epoch, a warning at {FAR_OFF:g} and "
    f"{FAR_TOO_WIDE:g}; a note where both were one and the same for {FROZEN} updates",
    "The advantages of a minibatch are those of other samples than its actions: one array was shuffled or cut up by "
    "other indices than the others, or flattened in another order. Actions are paid for what others did.",
    "Take every array by the same indices: b_advantages[mb_inds] beside b_actions[mb_inds].",
    None,
    ("used_like_own",),
    _other_advantages,
    "The loss has the Â of its samples",
    (*AFTERWARDS, "useless_critic", "return_fell"),
)
UNTRAINED = Check(
    "untrained_network",
    "A network is not trained",
    "error",
    "not one weight of the policy, or of the critic, has moved in 3 updates or more, up to 20, while the other's did; "
    "Â, c₁ and ε are not 0, masks leave a choice, and the policy is not all but deterministic",
    "No step reaches it: the optimizer holds the other's weights alone, or those of a network that was replaced "
    "since; or its loss is detached before it is differentiated.",
    "Give the optimizer the weights of both, after the networks are made, and look at .grad after backward().",
    None,
    ("policy_stands",),
    _untrained,
    "Both networks are trained",
    ("still_policy", "uniform_policy", "useless_critic"),
    needs="which of its weights are the policy's and which the critic's",
)
KEPT_GRADIENTS = Check(
    "kept_gradients",
    "Gradients are not set to 0",
    "error",
    "at the second minibatch of 3 updates, after a step, the weights have a gradient before it is taken",
    "backward() adds to what is there. Each step then goes by the sum of all gradients so far, of weights that are "
    "long gone: it cannot turn round, and the norm limit lets little of what is new through.",
    "optimizer.zero_grad() before each backward().",
    None,
    ("gradient_kept",),
    _kept_gradients,
    "Each step goes by its own gradient",
    (*AFTERWARDS, "useless_critic", "return_fell"),
)
ANEW = Check(
    "moving_old_policy",
    "The old policy moves with the new one",
    "error",
    "3 of the latest updates have another log π_old than the update before, and the very same Â",
    "π_old is the policy that collected. Where its log π is computed anew in each epoch, r begins at 1 each time and "
    "the clip allows every epoch a whole step: nothing bounds how far the policy goes on one rollout.",
    "Keep log π of when the action was drawn, through all epochs.",
    None,
    ("log_probs_anew",),
    _anew,
    "Each rollout is held against the policy that collected it",
    (*AFTERWARDS, "return_fell"),
)
