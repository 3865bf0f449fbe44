"""What a training loop may do wrong in its loss: it minimises something else than its numbers say."""

from __future__ import annotations

import math

from ppo_scope.diagnosis.judging import Check, Found, Row, Unknown, Verdict, last, latest
from ppo_scope.diagnosis.mistakes import MISTAKES

LOOKED_AT, SEEN = 10, 3
"""Updates, and in how many of them a mistake is to be seen."""
FAR = 0.2
"""Of a loss, by which it differs from ours."""
EQUAL, UNEQUAL = 1e-4, 2e-3
SINCE = (
    "This loss was ours at the updates that were looked at, and is another one since: another clip, a coefficient that "
    "changes within an update, or another term. What the page shows of L and its terms is not what is trained on."
)
"""Of a loss: so near is it what it is taken for, and so far from ours is it not that. A critic that is trained on the
table comes to a constant, of which both are one."""


TOLD = "told_value_loss", "told_policy_loss", "told_loss"


def _signs(rows: list[Row]) -> Found | None:
    value, entropy = last(rows, "value_coef"), last(rows, "entropy_coef")
    if value < 0:
        return _of_sign("value_sign", "c₁", value, "error")
    # Of choices no entropy is below 0: one that is told as −S is rightly added.
    turned = last(rows, "entropy") < 0 and math.isnan(last(rows, "smallest_deviation"))
    return _of_sign("entropy_sign", "c₂", entropy, "warning") if entropy < 0 and not turned else None


def _of_sign(name: str, symbol: str, coefficient: float, severity: str) -> Found:
    mistake = MISTAKES[name]
    minimised = mistake.what.replace(symbol, f"{-coefficient:g}")
    summary = f"{symbol} is −{-coefficient:g}, so what is minimised is {minimised}."
    return Found(summary, mistake.cause, mistake.remedy, severity=severity)


def _begun(sentence: str) -> str:
    """As it goes on after a colon."""
    return sentence[0].lower() + sentence[1:]


def _loss_told(rows: list[Row]) -> Verdict:
    if not any(name in row for row in rows for name in TOLD):
        return Unknown("only where a loop tells its own loss", applies=False)
    if (found := _put_together_wrongly(rows)) is not None:
        return found
    for name, symbol in (("value_loss", "L_VF"), ("policy_loss", "L_PG"), ("loss", "L")):
        if (found := _differs(rows, name, symbol)) is not None:
            return found
    return None


def _put_together_wrongly(rows: list[Row]) -> Found | None:
    telling = [row for row in rows[-LOOKED_AT:] if "loss_mistake" in row]  # where r is near 1 some of them do not show
    if len(telling) < SEEN or len({row["loss_mistake"] for row in telling}) > 1:
        return None
    newest = telling[-1]
    mistake = list(MISTAKES.values())[int(newest["loss_mistake"])]
    told, ours = (f"{newest[name]:.5g}" for name in ("told_loss", "our_loss"))
    return Found(
        f"The loop's own L was {told} at the last minibatch of update {newest['update']:.0f}, and by the numbers that "
        f"it is made of it is {ours}. {told} is {mistake.what}.".replace("-", "−"),
        mistake.cause,
        mistake.remedy,
        since=int(telling[0]["update"]),
        latest=int(newest["update"]),
    )


def _differs(rows: list[Row], name: str, symbol: str) -> Found | None:
    told, ours = latest(rows, f"told_{name}", 3), latest(rows, f"our_{name}", 3)
    if not told or not ours:
        return None
    # L_PG is next to nothing where r is near 1: it differs by what moves weights only beside |Â|.
    scale = max(abs(ours[-1]), 0.05 * last(rows, "advantage_size") if name != "value_loss" else 0.0, 1e-8)
    away = min(abs(a - b) / max(abs(b), scale) for a, b in zip(told, ours, strict=True))
    table = latest(rows, f"{name}_of_table", 3)
    of_table = bool(table) and all(_alike(a, b, scale) for a, b in zip(told, table, strict=True))
    proven = name == "loss" and last(rows, "loss_proven") > 0  # it was ours: whatever shows is another one
    if away < (UNEQUAL if of_table or proven else FAR):
        return None
    summary = f"The loop's own {symbol} was {told[-1]:.4g}, and by the numbers that it handed over it is {ours[-1]:.4g}"
    if of_table:
        table_of = MISTAKES["table_of_values" if name == "value_loss" else "table_of_policy"]
        over = "what the mean over a table of all pairs of samples gives"
        return Found(f"{summary}. {told[-1]:.4g} is {over}.", table_of.cause, table_of.remedy)
    factor = told[-1] / ours[-1] if ours[-1] else math.nan
    if name == "value_loss" and abs(factor - 0.5) < UNEQUAL:
        return Found(
            f"{summary}: half of it.",
            "This loss has the ½ that some write before the square; ours has none, so half of its c₁ is c₁ here.",
            "Nothing, if that is known: hand over value_coef halved, and value_loss without ½.",
            severity="note",
        )
    return Found(f"{summary}.", SINCE) if proven else Found(f"{summary}.")


def _alike(one: float, other: float, scale: float) -> bool:
    return abs(one - other) <= EQUAL * max(abs(other), scale)


FOLLOWS = (
    *("runaway_deviation", "kl_spike", "unbounded_loss", "kl_without_clip", "entropy_collapse"),
    *("still_policy", "uniform_policy", "useless_critic", "return_fell"),
)
SIGNS = Check(
    "wrong_sign",
    "A coefficient has the wrong sign",
    "warning",
    "c₂ below 0; an error where c₁ is",
    f"{MISTAKES['entropy_sign'].cause} Where it is c₁: {_begun(MISTAKES['value_sign'].cause)}",
    f"{MISTAKES['entropy_sign'].remedy} Where it is c₁: {_begun(MISTAKES['value_sign'].remedy)}",
    None,
    ("value_coef", "entropy_coef"),
    _signs,
    "No coefficient is below 0",
    FOLLOWS,
    excused=False,
)
LOSS = Check(
    "loss_differs",
    "The loop's loss is another one",
    "error",
    "a loss that the loop tells is off what its numbers give by 20 % or more, for 3 updates; by 0.2 % where it is what "
    "a table of all pairs of samples gives, or where a script's loss was proven to be ours before; or by whatever "
    "shows, where it is to 3·10⁻⁶ what a known mistake makes of them: a wrong sign, r of the policy with itself, the "
    "smaller of two losses for the larger, no clip, a sum for a mean, a term left out",
    "The loop minimises something else than it says: another mean, a sign, a factor, or shapes that do not fit.",
    "Compare both at one minibatch, term by term. metrics.md has ours.",
    None,
    ("losses_told",),
    _loss_told,
    "The loop's loss is what its numbers give",
    FOLLOWS,
    ("starved_policy",),
)
