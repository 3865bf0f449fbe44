"""What the clip does not see: a loss without a bound, a KL that rises where fewer samples are clipped, σ on its way."""

from __future__ import annotations

import math
from itertools import pairwise

from ppo_scope.diagnosis.judging import FAR_OUT, Check, Found, Row, Unknown, Verdict, after, last, latest, percent

SHARE = 0.2
"""Of the policy loss. Sound runs with normal policies come to 0.05."""
LOOKED_AT = 20
"""Updates over which a trend is one."""
FEW = 5
"""At either end of them, whose mean is taken."""
ROSE, FELL = 3.0, 0.5
LEAST_KL, LEAST_CLIPPED = 0.005, 0.02
"""Below, neither is of consequence."""
MOVED = 1.2
UP, DOWN = math.log(2.0), -1.5
"""Of log σ within the updates that are looked at: to twice its size, to less than a quarter of it."""


def _unbounded(rows: list[Row]) -> Verdict:
    recent = [row for row in rows[-10:] if row.get("far_out_share", 0.0) > SHARE]
    if not recent:
        return None
    worst = max(recent, key=lambda row: row["far_out_share"])
    pushed = worst["far_out_ratio"] * abs(worst["far_out_advantage"])
    return Found(
        f"In update {worst.get('update', 0):.0f}, {percent(worst['far_out_count'])} of the samples, with Â < 0 and "
        f"r > {FAR_OUT:g}, made up {percent(worst['far_out_share'])} of the policy loss; at the worst r·|Â| was "
        f"{pushed:.3g}, with r = {worst['far_out_ratio']:.3g}.",
        latest=int(recent[-1].get("update", 0)),
    )


def _parted(rows: list[Row]) -> Verdict:
    kl, clipped = latest(rows, "kl_k3", LOOKED_AT), latest(rows, "clip_fraction", LOOKED_AT)
    if not kl or not clipped:
        return after(LOOKED_AT)
    for name in ("clip_range", "clip_range_high"):
        bounds = latest(rows, name, LOOKED_AT)
        if not bounds or max(bounds) > MOVED * min(bounds):
            return Unknown("ε has moved meanwhile", applies=False)
    kl_then, kl_now, clipped_then, clipped_now = _ends(kl) + _ends(clipped)
    if kl_now < max(ROSE * kl_then, LEAST_KL) or clipped_then < LEAST_CLIPPED or clipped_now > FELL * clipped_then:
        return None
    return Found(
        f"Within {LOOKED_AT} updates k3 has risen from {kl_then:.2g} to {kl_now:.2g}, while the clip fraction fell "
        f"from {percent(clipped_then)} to {percent(clipped_now)}."
    )


def _ends(values: list[float]) -> tuple[float, float]:
    return sum(values[:FEW]) / FEW, sum(values[-FEW:]) / FEW


def _runaway(rows: list[Row]) -> Verdict:
    largest, smallest = latest(rows, "largest_deviation", LOOKED_AT), latest(rows, "smallest_deviation", LOOKED_AT)
    if not largest or not smallest or min(smallest) <= 0:
        known = not math.isnan(last(rows, "largest_deviation"))
        if known or not rows:
            return after(LOOKED_AT)
        return Unknown("only for actions that are drawn from normal distributions", applies=False)
    up, down = math.log(largest[-1] / largest[0]), math.log(smallest[-1] / smallest[0])
    coefficient = last(rows, "entropy_coef")
    if up >= UP and all(b > a for a, b in pairwise(largest)):
        each = up / (LOOKED_AT - 1)
        summary = f"σ has grown in each of {LOOKED_AT - 1} updates, from {largest[0]:.3g} to {largest[-1]:.3g}: "
        summary += f"log σ by {each:.2g} each."
        if coefficient > 0:
            return Found(summary)
        cause = "No bonus for entropy pays for that, so the advantages do: of what is tried, the far is paid better. "
        cause += "Or the sign before log σ or the entropy is the wrong one."
        return Found(summary, cause, "Look at the sign of the entropy in the loss: L = L_PG + c₁·L_VF − c₂·S.")
    if down <= DOWN and all(b < a for a, b in pairwise(smallest)):
        summary = f"σ has shrunk in each of {LOOKED_AT - 1} updates, from {smallest[0]:.3g} to {smallest[-1]:.3g}."
        cause = "A smaller σ makes each log π larger and steeper, so that the same step moves the policy further: it "
        cause += "goes faster the further it has come. "
        cause += f"c₂ is {coefficient:g}.".replace("-", "−")
        remedy = "Lower α, or hold log σ above a bound. Look at the sign of the entropy in the loss: − c₂·S."
        return Found(summary, cause, remedy, "learning_rate")
    return None


UNBOUNDED = Check(
    "unbounded_loss",
    "The clip does not bound r·|Â|",
    "warning",
    f"samples with Â < 0 and r > {FAR_OUT:g} make up more than 20 % of the policy loss, in one of the last 10 updates",
    "For Â < 0 the loss takes the larger of −r·Â and the clipped one: it is r·|Â|, and r has no bound. A few samples "
    "that became far more probable, although they were bad, then decide what the step does.",
    f"Shorter steps: a lower α, fewer epochs, or a target KL. Or a second clip, at −c·Â for Â < 0 with c = {FAR_OUT:g} "
    "(dual clip; Ye et al. 2020).",
    "learning_rate",
    ("far_out_share",),
    _unbounded,
    "No few samples decide the policy loss",
    ("saturated_activations", "entropy_collapse", "useless_critic", "return_fell"),
)
PARTED = Check(
    "kl_without_clip",
    "KL rises while less is clipped",
    "warning",
    f"within {LOOKED_AT} updates of much the same ε, k3 rises threefold, to 0.005 or more, and the clip fraction falls "
    "to half (means of 5)",
    "The clip fraction counts samples and does not ask how far they went. Of a policy that has decided in most states "
    "r cannot move there; in the few others it moves ever further, and the clip only stops pushing, it never pulls.",
    "Go by the KL: set a target KL, lower α or the number of epochs. Look in Sample at what has the largest r.",
    "target_kl",
    ("clip_fraction",),
    _parted,
    "KL and clip fraction tell the same",
    ("entropy_collapse", "return_fell"),
)
RUNAWAY = Check(
    "runaway_deviation",
    "σ runs away",
    "warning",
    f"σ grows in each of {LOOKED_AT - 1} updates and doubles, or shrinks in each and falls below a quarter",
    "The entropy of a normal distribution has no maximum: c₂·S pays for a larger σ without end, and more for each "
    "dimension of the action.",
    "Set c₂ to 0, or to a thousandth; or hold log σ within bounds.",
    "entropy_coef",
    ("largest_deviation",),
    _runaway,
    "σ stays where it can be used",
    ("wide_deviation", "actions_cut_off", "entropy_collapse", "useless_critic", "return_fell"),
)
