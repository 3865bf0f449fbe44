"""Mistakes in putting a loss together that its number gives away: words alone, for the server reads them too."""

from __future__ import annotations

from typing import NamedTuple


class Mistake(NamedTuple):
    """Something that is done wrong where a loss is put together."""

    what: str
    """What is minimised, after “that is”."""
    cause: str
    remedy: str


MISTAKES = {
    "entropy_sign": Mistake(
        "L_PG + c₁·L_VF + c₂·S",
        "The entropy has the wrong sign: it is added to what is minimised, so the policy is paid for being certain.",
        "Subtract c₂ times the entropy from the loss.",
    ),
    "policy_sign": Mistake(
        "what ours is with −Â for Â in L_PG",
        "The policy loss has the wrong sign: what was better than expected is made less likely.",
        "L_PG is the mean of max(−Â·r, −Â·clip(r, 1 − ε, 1 + ε)), and it is minimised.",
    ),
    "policy_turned": Mistake(
        "−L_PG + c₁·L_VF − c₂·S",
        "The policy loss has the wrong sign: what was better than expected is made less likely.",
        "L_PG is the mean of max(−Â·r, −Â·clip(r, 1 − ε, 1 + ε)), and it is minimised.",
    ),
    "least_for_most": Mistake(
        "what ours is with the smaller of −Â·r and −Â·clip(r, 1 − ε, 1 + ε) in L_PG",
        "Of the two the larger is to be minimised. With the smaller the clip holds what should be pulled back, and "
        "lets go what should be held: steps have no bound.",
        "torch.max of the two losses, or torch.min of the two objectives with the minus before it.",
    ),
    "ratio_of_itself": Mistake(
        "what ours is with r = 1 at every sample",
        "log π_old of this loss is log π of the same weights, so r is 1 whatever the update has done, and the clip "
        "holds nothing: each epoch is a plain step of the policy gradient on data that have become old.",
        "Keep log π of when the action was drawn, without gradient, and divide by that.",
    ),
    "no_clip": Mistake(
        "what ours is without the clip",
        "r is not clipped, so nothing keeps the policy near the one that collected the data.",
        "L_PG is the mean of max(−Â·r, −Â·clip(r, 1 − ε, 1 + ε)).",
    ),
    "value_sign": Mistake(
        "L_PG − c₁·L_VF − c₂·S",
        "The value loss has the wrong sign: the critic is driven away from what it should tell.",
        "Add c₁ times the value loss to the loss.",
    ),
    "whole_turned": Mistake(
        "−L", "The loss has the wrong sign: what should become small is made large.", "Minimise L, not −L."
    ),
    "table_of_values": Mistake(
        "what the mean over a table of all pairs of samples gives for L_VF",
        "An array of shape (B, 1) meets one of shape (B,): arithmetic stretches both into a table of B × B, in which "
        "each sample is held against every other. What it teaches is the mean.",
        "Give both the same shape: squeeze whichever of V and V_targ has the axis of 1, .squeeze(-1), before the loss. "
        "As a rule it is V, the critic's last axis.",
    ),
    "sum_of_policy": Mistake(
        "what ours is with the sum over the minibatch for the mean in L_PG",
        "L_PG is summed up over the samples of a minibatch, so it counts as often as there are samples beside the "
        "other terms, and the norm limit leaves next to nothing to them.",
        "Take the mean over the minibatch.",
    ),
    "no_entropy": Mistake(
        "L_PG + c₁·L_VF",
        "The entropy is not in the loss, whatever c₂ is.",
        "Subtract c₂ times the mean entropy from the loss, or set c₂ to 0.",
    ),
    "no_values": Mistake(
        "L_PG − c₂·S",
        "The value loss is not in the loss: unless another optimizer trains the critic, it stays as it began.",
        "Add c₁ times the value loss to the loss.",
    ),
    "table_of_policy": Mistake(
        "what the mean over a table of all pairs of samples gives for L_PG",
        "An array of shape (B, 1) meets one of shape (B,): arithmetic stretches both into a table of B × B, in which "
        "r of each sample is weighed by Â of every other. What an action was worth counts no more.",
        "Give both the same shape: squeeze whichever of Â and log π has the axis of 1, .squeeze(-1), before they are "
        "multiplied. As a rule it is Â, made of a critic's values of shape (B, 1).",
    ),
}
"""By name, in the order in which they are looked for."""
