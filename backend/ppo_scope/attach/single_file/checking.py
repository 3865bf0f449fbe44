"""Whether the variables of a script mean what they are called: its ratio, and the loss that is put together of them."""

from __future__ import annotations

from itertools import combinations
from math import isfinite, nan
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ppo_scope.attach.called import HALF
from ppo_scope.attach.facts import Facts
from ppo_scope.attach.kl_estimates import ESTIMATES, symbol_of
from ppo_scope.attach.late import Brought
from ppo_scope.attach.record import Habits, minibatches_of, seen_of
from ppo_scope.attach.single_file.clip_ranges import own_upper
from ppo_scope.attach.single_file.forms import PLAIN, Form
from ppo_scope.attach.single_file.kl_penalty import fitting
from ppo_scope.attach.single_file.named import (
    CLOSE,
    NAMES,
    OPTIONAL,
    Found,
    Unlike,
    brief_of,
    layout_of,
    places_of,
    rough_of,
)
from ppo_scope.diagnosis.told_loss import Parts, mistake_in, parts_of
from ppo_scope.ppo import by_hand
from ppo_scope.ppo.engine import clip_edges
from ppo_scope.ppo.losses import Edges
from ppo_scope.probes.record import Bools, Floats

EXACT, NEARLY = 1e-6, 1e-5
SHORT = 5e-3
"""Of a number of two digits, by which a quotient of what two losses differ by may be off it."""
MAY_BE_HALVES = ("log_prob", "value", "entropy")
"""What may be of half precision, as `autocast` leaves it: it is shown as it is, and meets numbers of single one."""
NO_SCALER = "a loss that is scaled is known here where a GradScaler of torch.amp is among the script's variables"
NOT_SO_MANY = "a sum over the samples it is not by its gradients"
NO_PART = (
    "a loss divided by the number of minibatches that a step is made of is known here where all of it is "
    "differentiated at once, and its gradients are so many times less, too"
)
OTHER_OBJECTIVE = (
    "the gradient of its loss by newlogprob is not that of the policy loss that is clipped "
    "at {clip_range:g}: it has another clip, two of them or none, or another term in it, such as one for the KL"
)

PENALISED = (
    "its loss has a term for the KL to π_old besides, {penalty}, as its gradient by newlogprob says at every sample: "
    "such a term is not known here"
)


MADE_OF = "the clipped policy loss, c₁ times the value loss and c₂ times the entropy"


def made_of_in(form: Form) -> str:
    """What a loss of this form is made of."""
    return MADE_OF if form.estimate is None else f"{MADE_OF}, with β·{symbol_of(form.estimate)},"


class OtherLoss(Unlike):
    """The loss is not put together of what is known."""


def check(found: Found, loss: Tensor, facts: Facts, form: Form = PLAIN) -> bool:
    """Whether they are what they are called; False: a known mistake has put the loss together of them. What is put
    together wrongly, and how, is for Health to say, and so is what is not finite any more.

    Args:
        found: the variables of a minibatch.
        loss: a number, with its graph.
        facts: what it is made with.
        form: how it is made of ours.

    Raises:
        Unlike: they are not.
    """
    layout = layout_of(found)
    size = layout[0] * layout[1]
    for name in ("log_probs", "advantages", "targets", "values"):
        if found[name].shape != (size,):
            raise Unlike(f"{NAMES[name][0]} has the shape {tuple(found[name].shape)}, and rewards {tuple(layout)}")
    count = len(found["samples"])
    for name in ("log_prob", "ratio", "used", "value", *(one for one in OPTIONAL if one in found.called)):
        column = name == "value" and found[name].shape == (count, 1)  # Health tells what comes of that
        if found[name].shape != (count,) and not column:
            shape = tuple(found[name].shape)
            raise Unlike(f"{NAMES[name][0]} has the shape {shape}, and the minibatch {count} samples")
        if rough_of(found[name]) and name not in MAY_BE_HALVES:
            raise Unlike(f"{found.called[name]} is of {found[name].dtype}, and single precision is known here")
    expected = torch.exp(found["log_prob"].detach() - found["log_probs"].detach()[places_of(found)])
    ratio = found["ratio"].detach()
    as_it_should_be = torch.allclose(ratio, expected, rtol=EXACT, atol=EXACT)
    of_itself = bool((ratio == 1).all())  # a known mistake, and at the first minibatch none
    if not (of_itself or as_it_should_be):
        raise Unlike("ratio is not exp(newlogprob − b_logprobs[mb_inds])")
    steps = found.variables.get("values")
    if isinstance(steps, Tensor) and tuple(steps.shape) == layout and not torch.equal(steps.flatten(), found["values"]):
        raise Unlike("b_values does not hold values step by step")
    theirs, parts = float(form.undone(found, loss.detach())), parts_of_minibatch(found, facts, form)
    ours = parts.whole
    if of_itself and not as_it_should_be:
        return False
    if isfinite(theirs) and not _is_some_of(theirs, parts, _rounded_away(found, parts, facts)):
        if _is_mistaken(theirs, parts, facts):
            return False
        made_of = made_of_in(form)
        terms = _share_of(ours, theirs, count) or _penalty_named(found, theirs - ours)
        terms = terms or _terms_apart(found, parts, facts)
        raise OtherLoss(f"its loss is {theirs:.6g}, and {made_of} make {ours:.6g}{terms}")
    return True


def parts_of_minibatch(found: Found, facts: Facts, form: Form) -> Parts:
    """What the loss of the minibatch at hand is made of; its value loss as the script has it."""
    told, places = brief_of(found).told(), places_of(found)
    old_values, old_log_prob, targets = (found[name].detach()[places] for name in ("values", "log_probs", "targets"))
    brought = Brought(found["used"].detach(), old_values, old_log_prob, targets, form.price(found, facts.kl_coef))
    whole = told._replace(data=brought)
    made = minibatches_of([seen_of(whole)], facts, len(told.samples), Habits())[0]
    parts = parts_of(made, old_values.cpu(), targets.cpu(), facts)
    if form.delta is None:
        return parts
    values, targets = (one.detach().flatten().double() for one in (found["value"], targets))
    value_loss = form.value_losses(values, targets, old_values, None).mean()
    return Parts(*parts[:6], facts.value_coef * float(value_loss), parts.entropy_term, parts.penalty)


def _rounded_away(found: Found, parts: Parts, facts: Facts) -> float:
    """By how much c₂·S is off where a mean is taken in half precision."""
    entropy = found.get("entropy")
    if entropy is None or not rough_of(entropy):
        return 0.0
    return abs(float(facts.entropy_coef * entropy.detach().mean()) - parts.entropy_term)


def _is_some_of(theirs: float, parts: Parts, more: float) -> bool:
    """Whether it is a loss, or those of its terms that are differentiated first where that is done one by one; `more`:
    by which it may be off besides.
    """
    terms = [parts.policy_loss, parts.value_term, -parts.entropy_term] + [parts.penalty] * bool(parts.penalty)
    sums = (sum(some) for count in range(1, 1 + len(terms)) for some in combinations(terms, count))
    near = NEARLY * max(1.0, abs(theirs), float(np.abs(parts.advantages).mean())) + more
    return any(abs(one - theirs) <= near for one in sums)


def _is_mistaken(theirs: float, parts: Parts, facts: Facts) -> bool:
    """Whether a known mistake makes this loss of these parts, or what is differentiated first of it."""
    value, entropy = parts.value_term, -parts.entropy_term
    return any(mistake_in(theirs + rest, parts, facts) is not None for rest in (0.0, value, entropy, value + entropy))


def check_moved(found: Found, loss: Tensor, facts: Facts, form: Form = PLAIN) -> bool:
    """The same at a later minibatch: where r is 1, all policy losses are alike, and where V is V_old, all limits of V.
    L_PG may be next to nothing beside L_VF, so its gradient is held against the loss's own, sample by sample.

    Raises:
        Unlike: they are not what they are called.
    """
    try:
        if not check(found, loss, facts, form):
            return False
    except OtherLoss:
        _say_what_is_left(_pull_of(found, form.undone(found, loss), facts))
        raise
    pull = _pull_of(found, form.undone(found, loss), facts)
    if pull is None or pull.is_like(pull.slopes):
        return True
    unclipped, clipped = -pull.used * pull.ratio, -pull.used * np.clip(pull.ratio, *pull.edges[:2])
    least = unclipped * (unclipped <= clipped)
    by_mistake = (
        -pull.slopes,
        least,
        -least,
        unclipped,
        -pull.used,
        len(least) * pull.slopes,
    )  # as `MISTAKES` have them
    if any(map(pull.is_like, by_mistake)):
        return False
    _say_what_is_left(pull)
    raise Unlike(OTHER_OBJECTIVE.format(clip_range=facts.clip_range))


class Pull(NamedTuple):
    """B·dL/d log π of each sample of a minibatch [B], and what it would be of the clipped policy loss."""

    theirs: Floats
    slopes: Floats
    logratio: Floats
    ratio: Floats
    used: Floats
    edges: Edges
    near: float
    """By which a sample's may be off."""
    size: Floats
    """The same, with what half precision leaves out."""
    entropy_coef: float

    @property
    def sure(self) -> Bools:
        """At an edge a rounding decides."""
        found: Bools = np.min([np.abs(self.ratio - edge) for edge in self.edges], axis=0) > NEARLY
        return found

    def is_like(self, one: Floats) -> bool:
        """Whether it is this one."""
        more = (0.0, self.entropy_coef)  # where the entropy is −log π
        return any((np.abs(self.theirs - one - rest) <= self.size)[self.sure].all() for rest in more)


def _pull_of(found: Found, loss: Tensor, facts: Facts) -> Pull | None:
    """None: it is the value loss by itself, or nothing that can be told."""
    log_prob, ratio, used = found["log_prob"], found["ratio"].detach(), found["used"].detach()
    if not log_prob.requires_grad:
        return None
    gradient = torch.autograd.grad(loss, log_prob, retain_graph=True, allow_unused=True)[0]
    if gradient is None or not bool(gradient.isfinite().all()):
        return None
    columns = log_prob.detach(), log_prob.detach() - found["log_probs"].detach()[places_of(found)], used, ratio
    log_prob, logratio, used, ratio = (one.double().flatten().cpu().numpy() for one in columns)
    theirs, edges = gradient.double().flatten().cpu().numpy() * len(ratio), clip_edges(facts)
    slopes: Any = by_hand.policy_loss(facts.objective, log_prob, logratio, used, edges)[1]
    if facts.kl_estimate in ESTIMATES:
        slopes = slopes + facts.kl_coef * ESTIMATES[facts.kl_estimate][1](logratio)
    near = float(CLOSE * np.abs(used * ratio).max())
    size = near + rough_of(gradient) * np.abs(theirs)
    return Pull(theirs, slopes, logratio, ratio, used, edges, near, size, facts.entropy_coef)


def _say_what_is_left(pull: Pull | None) -> None:
    """Raises `Unlike` where what is left of it is that of another ε⁺, or of a term for the KL."""
    if pull is None:
        return
    rest: Any = pull.theirs - pull.slopes
    why = own_upper(rest, pull.used * pull.ratio, pull.ratio, pull.sure, pull.size, pull.edges)
    if why is not None:
        raise Unlike(why) from None
    penalty = fitting(rest[pull.sure], pull.logratio[pull.sure].astype(np.float64), pull.near)
    if penalty is not None:
        raise Unlike(PENALISED.format(penalty=penalty.words)) from None


def _share_of(ours: float, theirs: float, samples: int) -> str:
    """Whether it is a half, a third, … of ours, as where the gradients of so many minibatches make a step, or so many
    times ours.
    """
    times = round(theirs / ours) if ours and isfinite(theirs / ours) else 0
    if times >= 2 and abs(theirs - times * ours) <= NEARLY * abs(theirs):
        return f", of which it is {times} times: {NOT_SO_MANY if times == samples else NO_SCALER}"
    count = round(ours / theirs) if theirs and isfinite(ours / theirs) else 0
    if count < 2 or abs(ours - count * theirs) > NEARLY * max(1.0, abs(ours)):
        return ""
    return f", {count} times that: {NO_PART}"


def _penalty_named(found: Found, rest: float) -> str:
    """Whether what is left of its loss is a few times something that the script calls a KL."""
    for name, one in found.variables.items():
        if "kl" in name.lower() and isinstance(one, Tensor) and one.numel() == 1 and one.requires_grad:
            times = rest / float(one.detach()) if one else 0.0
            if times > 0 and isfinite(times) and abs(float(f"{times:.2g}") - times) <= SHORT * times:
                return (
                    f": the rest is {times:.2g} times {name}, and a term for another KL than that to π_old is not known"
                )
    return ""


def _terms_apart(found: Found, parts: Parts, facts: Facts) -> str:
    """Which of the terms, where the script has them by the names that CleanRL gives them, is another one."""
    apart = []
    half_value_loss = HALF * parts.value_term / facts.value_coef if facts.value_coef else nan
    for name, ours in (("pg_loss", parts.policy_loss), ("v_loss", half_value_loss)):
        theirs = found.variables.get(name)
        if isinstance(theirs, Tensor) and theirs.numel() == 1:
            told = float(theirs.detach())
            if abs(told - ours) > NEARLY * max(1.0, abs(told)):
                apart.append(f"; {name} is {told:.6g}, and of the samples of mb_inds it would be {ours:.6g}")
    return "".join(apart)
