"""What a loop may do wrong between its policy and the distribution that actions are drawn from."""

from __future__ import annotations

import math

from ppo_scope.diagnosis.judging import Check, Found, Row, Unknown, Verdict, after, last, latest, percent

BELOW, ABOVE = -1e-5, 1e-3
"""Of what would be the least probability: so near to 0 does it come where it is one, and no nearer."""
DECIDED = 0.1
"""Of samples, in which an action has next to none."""
NOT_TOLD = Unknown("only of one choice, without a mask, whose logits are known", applies=False)


def _double_softmax(rows: list[Row]) -> Verdict:
    choices = last(rows, "choices")
    if rows and math.isnan(choices):
        return NOT_TOLD
    sums = latest(rows, "outputs_are_probabilities", 3)
    if sums and min(sums) == 1:
        return Found(f"For 3 updates what is taken for logits was never below 0, and summed up to 1. {_most(choices)}")
    least, none = latest(rows, "least_probability", 10), latest(rows, "of_no_probability", 10)
    if not least or not none:
        return after(10)
    share = sum(none) / len(none)
    if min(least) < BELOW or max(least) > ABOVE or share < DECIDED:
        return None
    return Found(
        f"For 10 updates logits have come up to the bound that probabilities would have in their place, in "
        f"{percent(share)} of the samples, and have not passed it once. {_most(choices)}"
    )


def _most(choices: float) -> str:
    return f"No action can have more than {percent(math.e / (math.e + choices - 1))} in this way."


DOUBLE_SOFTMAX = Check(
    "double_softmax",
    "A softmax of a softmax",
    "warning",
    "for 3 updates outputs that are taken for logits are probabilities; or for 10 they are, but for a number that is "
    f"added to all: none below 0, down to within {ABOVE:g} of it, and in {DECIDED:.0%} of the samples next to it",
    "What is given as logits has been through a softmax already, and the distribution takes another one. The policy "
    "cannot decide: the best action keeps at most e times the probability of any other.",
    "Leave the softmax at the end of the policy out, or give what it puts out as probs=, not as logits=.",
    None,
    ("least_probability",),
    _double_softmax,
    "Logits go as far apart as they like",
    ("still_policy", "uniform_policy"),
    excused=False,
)
