"""What a training loop may do wrong itself: bootstraps, losses, the order of samples, groups without an advantage."""

from __future__ import annotations

import math

from ppo_scope.diagnosis.judging import LONG_ENOUGH, Check, Found, Row, Unknown, Verdict, after, last, latest, percent

CUT = 4
"""Episodes that were cut, from which on all of them are no chance."""
REACHES = 0.6
"""Of an episode: where a cut that is treated as an end changes less, it is worth knowing, and no more."""
FAR = 0.2
"""Of a loss, by which it differs from ours."""
EQUAL, UNEQUAL = 1e-4, 2e-3
"""Of a loss: so near is it what it is taken for, and so far from ours is it not that. A critic that is trained on the
table comes to a constant, of which both are one."""
EMPTY = 0.5


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
    known = [row for row in rows if row.get("cut_episodes")]
    count = sum(row["cut_episodes"] for row in known)
    if count < CUT:
        why = f"takes {CUT} episodes that were cut, whose bootstraps can be told apart"
        return Unknown(why, applies=len(rows) < LONG_ENOUGH)
    latest_known = int(known[-1].get("update", 0))

    def all_of(name: str, those: str = "cut_episodes") -> bool:
        return all(row[name] == row[those] for row in known)

    summary = f"Of the latest {count:.0f} episodes that were cut, all were "
    if all_of("cut_by_zero"):
        size = f"{known[-1]['cut_value']:.3g}"
        what = f"bootstrapped by 0, as if they had ended by themselves, where V is about {size} in size."
        return Found(summary + what, *_as_ends(rows), latest=latest_known)
    if all_of("cut_by_own"):
        what = "bootstrapped by V(s_t), the value of the state that the last step was made in."
        cause = "The reward of the last step has to be added to γ·V of the state that it led to. V of the state before "
        cause += "counts it twice, and makes every cut look as if the step had led nowhere."
        return Found(summary + what, cause, latest=latest_known)
    if all_of("cut_by_next", "cut_before_another") and sum(row["cut_by_next"] for row in known) >= CUT:
        what = "bootstrapped by V of the row after, which is the first state of the next episode."
        cause = "The environment resets itself in the same step, and what it returns is the new episode's first "
        cause += "observation. The last one of the old episode is in its info."
        return Found(summary + what, cause, latest=latest_known)
    return None


def _as_ends(rows: list[Row]) -> tuple[str, str, None, str | None]:
    """(cause, remedy, no setting, severity) where cuts are treated as ends, as many do: how far that reaches."""
    discount, length = last(rows, "discount"), last(rows, "episodic_length_mean")
    ahead = 1 / (1 - discount) if discount < 1 else math.inf
    reaches = f"about the last {ahead:,.0f} steps" if ahead < length else "all steps"
    of = f" of episodes of {length:,.0f}" if math.isfinite(length) else ""
    cause = (
        f"Steps before a cut look worse than they are: with γ = {discount:g}, {reaches}{of}. It is a bias and no "
        "mistake in the sum. Scripts of one file that take termination and truncation for one thing, CleanRL's among "
        "them, all have it and learn well where episodes are long."
    )
    remedy = (
        "Add γ·V(s_{t+1}) to the reward of the step that was cut, with s_{t+1} the last observation of its episode "
        "(Gymnasium: info['final_obs'] where the environment resets itself in the same step); or leave it, where "
        "results are to be compared with those of such scripts. Source: Pardo et al. 2018."
    )
    return cause, remedy, None, "note" if ahead < REACHES * length else None


def _loss_told(rows: list[Row]) -> Verdict:
    if not any(f"told_{name}" in row for row in rows for name in ("value_loss", "policy_loss", "loss")):
        return Unknown("only where a loop tells its own loss", applies=False)
    for name, symbol in (("value_loss", "L_VF"), ("policy_loss", "L_PG"), ("loss", "L")):
        if (found := _differs(rows, name, symbol)) is not None:
            return found
    return None


def _differs(rows: list[Row], name: str, symbol: str) -> Found | None:
    told, ours = latest(rows, f"told_{name}", 3), latest(rows, f"our_{name}", 3)
    if not told or not ours:
        return None
    # L_PG is next to nothing where r is near 1: it differs by what moves weights only beside |Â|.
    scale = max(abs(ours[-1]), 0.05 * last(rows, "advantage_size") if name != "value_loss" else 0.0, 1e-8)
    away = min(abs(a - b) / max(abs(b), scale) for a, b in zip(told, ours, strict=True))
    table = latest(rows, f"{name}_of_table", 3)
    of_table = bool(table) and all(_alike(a, b, scale) for a, b in zip(told, table, strict=True))
    if away < (UNEQUAL if of_table else FAR):
        return None
    summary = f"The loop's own {symbol} was {told[-1]:.4g}, and by the numbers that it handed over it is {ours[-1]:.4g}"
    if of_table:
        return Found(
            f"{summary}. {told[-1]:.4g} is what the mean over a table of all pairs of samples gives.",
            "An array of shape (B, 1) meets one of shape (B,): arithmetic stretches both into a table of B × B, in "
            "which each sample is held against every other. What it teaches is the mean.",
            "Give both the same shape: squeeze the critic's last axis, .squeeze(-1), before the loss.",
        )
    factor = told[-1] / ours[-1] if ours[-1] else math.nan
    if name == "value_loss" and abs(factor - 0.5) < UNEQUAL:
        return Found(
            f"{summary}: half of it.",
            "This loss has the ½ that some write before the square; ours has none, so half of its c₁ is c₁ here.",
            "Nothing, if that is known: hand over value_coef halved, and value_loss without ½.",
            severity="note",
        )
    return Found(f"{summary}.")


def _alike(one: float, other: float, scale: float) -> bool:
    return abs(one - other) <= EQUAL * max(abs(other), scale)


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

BOOTSTRAP = Check(
    "wrong_bootstrap",
    "Wrong value where an episode is cut",
    "warning",
    f"in all of the latest {CUT} cut episodes or more, the value that δ holds is 0, V(s_t), or V of the next episode's "
    "first state, to 10⁻⁴ of the size of V; where V tells them apart; a note where it is 0 and 1/(1 − γ) steps are no "
    "more than half of an episode",
    "An episode that a time limit cuts has not ended: V of its last state stands for what would have come.",
    "δ = R + γ·V(s_{t+1}) − V(s_t), with s_{t+1} the last observation of the episode that was cut (Gymnasium: "
    "info['final_obs'] where the environment resets itself in the same step). Source: Pardo et al. 2018.",
    None,
    ("cut_episodes",),
    _bootstrap,
    "Cut episodes are bootstrapped from their last state",
    ("useless_critic",),
    ("useless_critic",),
)
LOSS = Check(
    "loss_differs",
    "The loop's loss is another one",
    "error",
    "a loss that the loop tells is off what its numbers give by 20 % or more, for 3 updates; or by 0.2 % where it is "
    "what a table of all pairs of samples gives",
    "The loop minimises something else than it says: another mean, a sign, a factor, or shapes that do not fit.",
    "Compare both at one minibatch, term by term. metrics.md has ours.",
    None,
    ("losses_told",),
    _loss_told,
    "The loop's loss is what its numbers give",
    ("useless_critic", "still_policy"),
    ("starved_policy",),
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
