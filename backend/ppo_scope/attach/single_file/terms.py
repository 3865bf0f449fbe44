"""Whether a script's loss has the terms in it that it is taken for, each with its coefficient, and nothing else.

A small term is lost in the last digits of a large one, so neither is seen by what the loss comes to: dL/dV and dL/dS of
every sample are held against ours, and no weight may be reached by another way than by what the terms are made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ppo_scope.attach.facts import Facts
from ppo_scope.attach.single_file.coefficients import value_slopes
from ppo_scope.attach.single_file.forms import Form
from ppo_scope.attach.single_file.graph import between
from ppo_scope.attach.single_file.named import CLOSE, NAMES, Found, Unlike, rough_of
from ppo_scope.probes.record import Floats

BESIDES = (
    "its loss has something besides in it that is made of neither {names}, such as an exact KL to another policy than "
    "π_old or of one that cannot be asked, or a penalty on weights or outputs"
)
OTHER = "its gradient by {called} is not that of {symbol} = {coef:.6g} times {term}"
TERMS = {
    "value": ("c₁", "mean (newvalue − b_returns)²"),
    "entropy": ("c₂", "the mean entropy, taken away"),
}


def check_terms(found: Found, loss: Tensor, facts: Facts, form: Form) -> None:
    """Of a loss, or of some of its terms where they are differentiated one by one.

    Args:
        found: the variables of a minibatch.
        loss: a number, with its graph, which stays.
        facts: what it is made with.
        form: how it is made of ours.

    Raises:
        Unlike: one of them has another coefficient, or is another one.
    """
    asked: dict[str, Tensor] = {name: one for name in TERMS if _is_told(one := found.get(name))}
    if not asked:
        return
    loss = form.undone(found, loss)
    made = torch.autograd.grad(loss, list(asked.values()), retain_graph=True, allow_unused=True)
    gradients: Sequence[Tensor | None] = made
    for name, gradient in zip(asked, gradients, strict=True):
        if gradient is None or not bool(gradient.isfinite().all()):
            continue
        theirs = gradient.detach().double().flatten().cpu().numpy()
        if name == "value":
            coef, (slopes, sure) = facts.value_coef, value_slopes(found, form)
        else:
            coef, (slopes, sure) = facts.entropy_coef, (np.full(theirs.shape, -1.0 / len(theirs)), slice(None))
        if not _is_times(theirs[sure], coef * slopes[sure]):
            symbol, term = TERMS[name]
            raise Unlike(OTHER.format(called=found.called[name], symbol=symbol, coef=coef, term=term))


def _is_told(one: Any) -> bool:
    """Whether gradients by it say each sample's share: by halves they say too little."""
    return isinstance(one, Tensor) and one.requires_grad and one.ndim == 1 and not rough_of(one)


def _is_times(theirs: Floats, ours: Floats) -> bool:
    """Whether it is the same at every sample, or turned: a wrong sign is a mistake, which Health tells."""
    near = CLOSE * float(max(np.abs(theirs).max(initial=0.0), np.abs(ours).max(initial=0.0)))
    return any(bool((np.abs(theirs - one) <= near).all()) for one in (ours, -ours))


def check_ways(found: Found, loss: Tensor) -> None:
    """Whether its gradient comes to what is learned by what its terms are made of alone.

    Raises:
        Unlike: it does not.
    """
    for node in between(found, loss):
        if hasattr(node, "variable"):
            called = [found.called.get(name, NAMES[name][0]) for name in ("log_prob", "value", "entropy")]
            raise Unlike(BESIDES.format(names=" nor ".join(called)))
