"""What a loop may do wrong where it makes advantages and targets, which show it step by step."""

from __future__ import annotations

import math

from ppo_scope.diagnosis.judging import (
    ENDS_UNTOLD,
    Check,
    Found,
    Row,
    Unknown,
    Verdict,
    ends_untold,
    last,
    latest,
)

ENOUGH = 4
"""Steps of a kind, from which on all of them are no chance."""
AS_IT_IS = 0.02
"""Of a scale, by which it may be off 1, and of the deviation of targets, by which they may be off."""


NONTERMINAL = "nextnonterminal of step t is 1 − (whether the episode is over after step t)."
A_STEP_OFF = {
    "begins": (
        "Where an episode ends is taken a step late: at step t the sum asks whether the state of t is a first one, "
        "which says that the episode was over after step t − 1.",
        f"{NONTERMINAL} Of `dones` that say whether the state of t is a first one it is 1 − dones[t + 1].",
    ),
    "eves": (
        "Where an episode ends is taken a step early: at step t the sum asks whether the episode is over after step "
        "t + 1. CleanRL takes dones[t + 1], because its dones[t] says whether the state of t is a first one.",
        f"{NONTERMINAL} Of `dones` that say whether it is over after step t it is 1 − dones[t].",
    ),
}
"""(cause, remedy) where the sum stops at another step than the last, by which."""


def _wrong_advantages(rows: list[Row]) -> Verdict:
    if ends_untold(rows):  # to what heeds them, a step at which one is may look like any mistake
        return _stretched(rows) or ENDS_UNTOLD
    divided = latest(rows, "normalised_by", 3)
    if divided and all(abs(one - 1) > AS_IT_IS for one in divided):
        return Found(
            f"For 3 updates V_targ was Â + V, and Â had been normalised before: divided by {divided[-1]:.3g}.",
            "The critic learns V moved by about 1, whatever the size of what was returned: R and V are of two units, "
            "and V follows returns the slower the larger they are.",
            "Make V_targ of Â as it is, and normalise Â after that.",
            severity="warning",
        )
    if not any("ends_told" in row for row in rows):
        return Unknown("only of advantages by GAE, whose γ and λ the loop tells", applies=not rows)

    def count(name: str) -> float:
        return sum(row.get(name, 0.0) for row in rows)

    def all_of(name: str, those: str) -> bool:
        newest = rows[-1]
        if newest.get(name, 0.0) != newest.get(those, 0.0):  # never more than those: as a rule that settles it
            return False
        return count(those) >= ENOUGH and count(name) == count(those)

    def ends() -> str:
        return f"Of the latest {count('ends_told'):.0f} episodes that ended by themselves, all were added up as if"

    if all_of("ends_run_over", "ends_told"):
        for steps, where in (("begins", "first step of each of the next ones"), ("eves", "step before each end")):
            if all_of(f"{steps}_alone", f"{steps}_told"):
                return Found(f"{ends()} they went on, and at the {where} the sum stops.", *A_STEP_OFF[steps])
    if all_of("ends_run_over", "ends_told"):
        return Found(
            f"{ends()} they went on into the next one.",
            "GAE does not know where episodes end: the sum runs on, and V and rewards of the next episode are counted "
            "as if what was done had led to them. So to fail costs nothing.",
            "Multiply γ·V(s′) and γ·λ·Â(t+1) by 0 where the episode is over after step t.",
        )
    if all_of("ends_by_value", "values_told"):
        return Found(
            f"{ends()} V of the state after the end were still to come.",
            "δ of the last step has γ·V(s′) in it, which is the next episode's first state, or none at all: where "
            "an episode ends by itself nothing comes after it.",
            "Multiply γ·V(s′) by 0 where the episode is over after step t, as well as the sum.",
        )
    if all_of("lasts_alone", "lasts_told"):
        return Found(
            f"The latest {count('lasts_told'):.0f} rollouts of environments whose episode went on were all added up as "
            "if it had ended there.",
            "What comes after the last step of a rollout counts for nothing: V of the state that follows it is taken "
            "for 0. Steps near the end of each rollout look worse than they are.",
            "Ask the critic for V of the observation after the last step, and begin the sum with it.",
            severity="warning",
        )
    return _stretched(rows)


def _stretched(rows: list[Row]) -> Found | None:
    scales, shifts = latest(rows, "targets_scale", 3), latest(rows, "targets_shift", 3)
    size = last(rows, "target_size")
    if not scales or not all(
        abs(scale - 1) > AS_IT_IS or abs(shift) > AS_IT_IS * size for scale, shift in zip(scales, shifts, strict=True)
    ):
        return None
    shift = f"{'+' if shifts[-1] >= 0 else '−'} {abs(shifts[-1]):.3g}"
    return Found(
        f"For 3 updates V_targ was {scales[-1]:.3g}·(Â + V) {shift}, and the critic is asked for V as it is.",
        "The critic learns returns that are scaled, and δ = R + γ·V − V takes what it says for returns that are not: "
        "R and V are of two units.",
        "Scale rewards before δ, by one number for the whole run; or bring V back to the unit of R before δ.",
        severity="warning",
    )


def _leaks(rows: list[Row]) -> Verdict:
    known = {name: last(rows, f"{name}_with_gradient") for name in LEAKING}
    if all(map(math.isnan, known.values())):
        return Unknown("only where the tensors of the loop's loss are seen", applies=False)
    leaking = [words for name, words in LEAKING.items() if known[name] > 0]
    if not leaking:
        return None
    return Found(f"In the loop's loss a gradient flows into {' and '.join(leaking)}.")


LEAKING = {"advantages": "Â", "targets": "V_targ", "log_probs": "log π_old"}

ADVANTAGES = Check(
    "wrong_advantages",
    "Advantages are made wrongly",
    "error",
    f"GAE by the γ and λ that are told holds within episodes, and in all of {ENOUGH} or more of the latest cases the "
    "sum runs over an end, stops a step early or late, or takes V after an end; a warning where it takes 0 for what "
    "follows the rollout, or where for 3 updates V_targ is Â + V scaled and V is not, or V and an Â that was "
    "normalised before",
    "Each Â is a sum over what follows in the episode. Where that is cut off at the wrong step, good and bad change "
    "places.",
    "Compare the loop's sum with δ = R + γ·V(s′) − V(s_t) at the steps around an end. metrics.md has ours.",
    None,
    ("ends_told", "lasts_told"),
    _wrong_advantages,
    "Advantages heed where episodes end",
    ("still_policy", "uniform_policy", "useless_critic", "return_fell"),
    ("useless_critic",),
)
LEAKS = Check(
    "leaking_gradient",
    "A gradient flows where none should",
    "error",
    "Â, V_targ or log π_old of the loss has a gradient",
    "These are what was measured, and the loss judges the networks by them. Where a gradient flows through them the "
    "step also moves the critic so that Â suits the policy, or takes the policy's own gradient away again.",
    "Take them under torch.no_grad(), or .detach() them before the loss.",
    None,
    tuple(f"{name}_with_gradient" for name in LEAKING),
    _leaks,
    "What was measured has no gradient",
    ("still_policy", "useless_critic", "return_fell"),
)
