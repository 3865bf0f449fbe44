"""What the losses of all minibatches of an update came to, beside what ours are: of most of them nothing else is looked
at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ppo_scope.attach.facts import Facts
from ppo_scope.attach.late import LateUpdate
from ppo_scope.attach.record import Minibatch, minibatches_of, seen_of
from ppo_scope.attach.single_file.dual_clip import as_written_near
from ppo_scope.diagnosis.told_loss import EXACT
from ppo_scope.ppo.engine import clip_edges
from ppo_scope.probes.record import Floats

FEWEST_DIGITS = 3
"""Of c: who reads it of what a single minibatch came to has to find as short a number."""


class Off(NamedTuple):
    """A minibatch whose loss is another one."""

    place: int
    """From 0 on."""
    theirs: float
    ours: float


def off_in(update: LateUpdate, told: Sequence[float], facts: Facts) -> list[Off]:
    """Those of an update, as the script has told their losses, made with these."""
    return _off(_made(update, facts), told)


def _made(update: LateUpdate, facts: Facts) -> list[Minibatch]:
    batch = update.batch
    seen = [seen_of(one.told(), batch) for one in update.brief] if update.untouched else update.seen
    return minibatches_of(seen, facts, update.size, update.habits)


def _off(made: Sequence[Minibatch], told: Sequence[float]) -> list[Off]:
    each = [
        Off(place, theirs, float(one.loss))
        for place, (one, theirs) in enumerate(zip(made, told, strict=False))
        if np.isfinite(theirs)
    ]
    return [one for one in each if not abs(one.theirs - one.ours) <= _near(made[one.place])]


def _near(one: Minibatch) -> float:
    """By which a loss may be off: single precision makes a tenth of it."""
    terms = one.policy_loss, one.loss, one.loss - one.policy_loss
    return EXACT * (sum(abs(float(term)) for term in terms) + float(one.advantages[one.trained].abs().mean()) + 0.1)


def cap_of(update: LateUpdate, told: Sequence[float], facts: Facts) -> float | None:
    """c of a dual clip that makes the losses what they are, where samples with Â < 0 go beyond it; None: none does."""
    bare = replace(facts, ratio_cap=None)
    made = _made(update, bare)
    off, high = _off(made, told), clip_edges(facts).high
    found = [_cap_of(made[one.place], one, high) for one in off]
    caps = [one for one in found if one is not None]
    if not caps or len(caps) < len(off):
        return None
    digits = None if len(caps) > 1 else FEWEST_DIGITS
    cap = as_written_near(*min(caps, key=lambda one: one[1]), digits)
    if cap is None or _off(_made(update, replace(facts, ratio_cap=cap)), told):
        return None
    return cap


def _cap_of(one: Minibatch, off: Off, high: float) -> tuple[float, float] | None:
    """(c, by which it may be off) where Σ |Â|·max(r − c, 0) over those with Â < 0 is what is missing."""
    used = one.advantages[one.trained].double().numpy()
    ratio = np.exp(one.logratio[one.trained].double().numpy())
    beyond = (used < 0) & (ratio > high)
    order = np.argsort(-ratio[beyond])
    size, far = -used[beyond][order], ratio[beyond][order]
    missing, near = (off.ours - off.theirs) * len(used), _near(one) * len(used)
    if missing <= 0 or not len(far):
        return None
    weights: Floats = np.cumsum(size)
    caps = (np.cumsum(size * far) - missing) / weights  # if so many of them are beyond it
    lower = np.append(far[1:], high)
    fits = np.flatnonzero((caps < far) & (caps >= lower))
    return (float(caps[fits[0]]), near / float(weights[fits[0]])) if len(fits) else None
