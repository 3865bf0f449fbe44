"""c of a dual clip (Ye et al. 2020), found from the samples with Â < 0 that reach it: beyond c they have no gradient,
and L_PG has c·|Â| of them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.attach.facts import Facts
from ppo_scope.attach.kl_estimates import ESTIMATES
from ppo_scope.attach.single_file.checking import NEARLY, parts_of_minibatch
from ppo_scope.attach.single_file.forms import Form, slopes_of
from ppo_scope.attach.single_file.named import CLOSE, Found
from ppo_scope.diagnosis.told_loss import EXACT
from ppo_scope.ppo.engine import clip_edges

SURE = 1e-3
"""Of c, by which it may be unsure: single precision of the loss, over what reaches c."""
MOST_DIGITS = 5


def cap_in(found: Found, loss: Tensor, facts: Facts, form: Form) -> float | None:
    """c by which the loss of this minibatch is what it is, if it is a dual clip: that is still to be proven. None: no
    sample reaches it, or they do not tell it well enough.
    """
    log_prob = found["log_prob"]
    loss = form.undone(found, loss)
    gradient = torch.autograd.grad(loss, log_prob, retain_graph=True, allow_unused=True)[0]
    if gradient is None:
        return None
    bare = replace(facts, ratio_cap=None)
    parts, edges = parts_of_minibatch(found, bare, form), clip_edges(bare)
    ratio, used, (low, high, _) = parts.ratio, parts.advantages, edges
    slopes, _ = slopes_of(found, edges)
    theirs = gradient.double().flatten().cpu().numpy() * len(ratio)
    if facts.kl_estimate in ESTIMATES:  # without the term for the KL
        theirs = theirs - facts.kl_coef * ESTIMATES[facts.kl_estimate][1](np.log(ratio))
    beyond = (used < 0) & (ratio > high + NEARLY)
    held = beyond & (np.abs(theirs) < np.abs(slopes) / 2)
    weight = float(np.abs(used[held]).sum())
    if not weight:
        return None
    others = np.maximum(-used * ratio, -used * np.clip(ratio, low, high))[~held].sum()
    by_name = _policy_loss(found, theirs)
    besides = (0.0, 0.0) if by_name is not None else (parts.value_term + parts.penalty, parts.entropy_term)
    of_policy = by_name if by_name is not None else float(loss.detach()) - besides[0] + besides[1]
    cap = (of_policy * len(ratio) - float(others)) / weight
    terms = sum(map(abs, (of_policy, *besides))) + float(np.abs(used).mean())
    unsure = EXACT * terms * len(ratio) / weight
    if not unsure <= SURE * cap:
        return None
    lowest, highest = float(ratio[beyond & ~held].max(initial=high)), float(ratio[held].min())
    cap = as_written_near(cap, unsure) or cap
    return cap if lowest <= cap <= highest and cap > high else None


def as_written_near(cap: float, unsure: float, digits: int | None = None) -> float | None:
    """The shortest number as near as that; itself where none is, or None where it has to be one of so many digits."""
    each = (float(f"{cap:.{one}g}") for one in range(1, (digits or MOST_DIGITS) + 1))
    return next((one for one in each if abs(one - cap) <= unsure), cap if digits is None else None)


def _policy_loss(found: Found, slopes: NDArray[np.float64]) -> float | None:
    """Of the script, where it has it by the name that CleanRL gives it, and its gradient is that of the loss [B]:
    beside a large value loss the last digits of L_PG are lost in the loss itself.
    """
    theirs = found.variables.get("pg_loss")
    if not isinstance(theirs, Tensor) or theirs.numel() != 1 or not theirs.requires_grad:
        return None
    own = torch.autograd.grad(theirs, found["log_prob"], retain_graph=True, allow_unused=True)[0]
    if own is None:
        return None
    off = own.double().flatten().cpu().numpy() * len(slopes) - slopes
    if np.abs(off).max() > CLOSE * np.abs(slopes).max():
        return None
    return float(theirs.detach())
