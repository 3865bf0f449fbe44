"""c₁ and c₂ of a script whose `args` have none: found from the loss itself, by what is differentiated.

dL/dS of each sample is −c₂ ⁄ B, and dL/dV is c₁ times that of L_VF. Whether this holds for every sample of a minibatch
is seen; what does not is not guessed.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ppo_scope.attach.called import SETTINGS
from ppo_scope.attach.single_file.forms import PLAIN, Form, as_written, forms_of
from ppo_scope.attach.single_file.named import CLOSE, NAMES, Found, Unlike, layout_of, places_of
from ppo_scope.probes.record import Floats

NOT_FOUND = "args has no {name}, and the loss does not tell it: {why}"
NO_MULTIPLE = (
    "its gradient by newvalue is no multiple of that of mean (newvalue − b_returns)²{clipped}, which the value loss is "
    "taken for"
)
NOT_EVEN = "its gradient by entropy is not the same for all samples of the minibatch, as that of a mean is"
NOT_THERE = "nothing that is differentiated of a minibatch has its {names} in it"


class Coefficients(NamedTuple):
    """What of each term is in a loss, or in those of one minibatch that are differentiated one by one."""

    policy: bool = False
    value: float | None = None
    """c₁ of mean (V − V_targ)², without ½; None: it is not in it. So the next one."""
    entropy: float | None = None

    @property
    def whole(self) -> bool:
        """Whether a loss is that of a minibatch: with the policy and V in it, what else is missing is missing."""
        return self.policy and self.value is not None

    def plus(self, other: Coefficients) -> Coefficients:
        """Of both together."""
        value, entropy = (_sum(mine, theirs) for mine, theirs in zip(self[1:], other[1:], strict=True))
        return Coefficients(self.policy or other.policy, value, entropy)

    def settings(self, names: tuple[str, ...]) -> dict[str, float]:
        """Of these. A sign is not theirs: a wrong one is a mistake, which Health tells.

        Raises:
            Unlike: one of them is not known.
        """
        if not self.whole:
            missing = " and ".join(
                NAMES[name][0] for name, there in (("log_prob", self.policy), ("value", self.value)) if not there
            )
            raise Unlike(NOT_FOUND.format(name=SETTINGS[names[0]][0], why=NOT_THERE.format(names=missing)))
        found = {"value_coef": self.value or 0.0, "entropy_coef": self.entropy or 0.0}
        return {name: abs(found[name]) for name in names}


def _sum(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else one + other


def unsaid_in(found: Found) -> tuple[str, ...]:
    """Which of the two `args` do not tell: without a variable of the entropy whatever they say of it is not in the loss
    that is known here.
    """
    settings = found.settings
    unsaid = [name for name in ("value_coef", "entropy_coef") if settings[name] is None]
    if "entropy" not in found.called and "entropy_coef" not in unsaid:
        unsaid.append("entropy_coef")
    return tuple(unsaid)


def coefficients_in(found: Found, loss: Tensor, names: tuple[str, ...], form: Form = PLAIN) -> Coefficients:
    """Those of a loss that is about to be differentiated; its graph stays, and nothing is added to any gradient.

    Args:
        found: the variables of the minibatch.
        loss: a number with its graph.
        names: which of the two settings are asked for; of the others it is not looked at how they are put together.
        form: how it is made of ours.

    Raises:
        Unlike: one of them cannot be told.
    """
    loss = form.undone(found, loss)
    log_prob, value, entropy = found["log_prob"], found["value"], found.get("entropy")
    asked = [one for one in (log_prob, value, entropy) if isinstance(one, Tensor) and one.requires_grad]
    made = torch.autograd.grad(loss, asked, retain_graph=True, allow_unused=True) if asked else ()
    gradients: Mapping[int, Tensor | None] = {id(one): by for one, by in zip(asked, made, strict=True)}
    by_value, by_entropy = gradients.get(id(value)), gradients.get(id(entropy))
    return Coefficients(
        policy=gradients.get(id(log_prob)) is not None,
        value=None if by_value is None else _of_values(found, by_value, form, asked="value_coef" in names),
        entropy=None if by_entropy is None else _of_entropy(by_entropy, asked="entropy_coef" in names),
    )


def first_in(found: Found, loss: Tensor, names: tuple[str, ...]) -> Coefficients:
    """The same of a script that is seen for the first time, of whatever form its loss is.

    Raises:
        Unlike: one of them cannot be told.
    """
    try:
        return coefficients_in(found, loss, names)
    except Unlike:
        for form in forms_of(found, loss):
            with contextlib.suppress(Unlike):
                return coefficients_in(found, loss, names, form)
        raise


def _of_entropy(gradient: Tensor, *, asked: bool) -> float:
    each = gradient.detach().double().flatten().cpu().numpy()
    if asked and not np.allclose(each, each.mean(), rtol=CLOSE, atol=0.0):
        raise Unlike(NOT_FOUND.format(name=SETTINGS["entropy_coef"][0], why=NOT_EVEN))
    return as_written(-float(each.sum()))


def _of_values(found: Found, gradient: Tensor, form: Form, *, asked: bool) -> float:
    """c₁ by the method of least squares: where V meets its target, the gradient of a sample tells nothing."""
    if not asked:
        return 0.0
    mine, sure = value_slopes(found, form)
    theirs, mine, limit = gradient.detach().double().flatten().cpu().numpy()[sure], mine[sure], _limit(found)
    size = float(mine @ mine)
    found_coef = float(theirs @ mine) / size if size else 0.0
    if not size or np.abs(theirs - found_coef * mine).max() > CLOSE * np.abs(theirs).max():
        clipped = " (or, by clip_vloss, of V within clip_coef of b_values, where that is worse)" if limit else ""
        raise Unlike(NOT_FOUND.format(name=SETTINGS["value_coef"][0], why=NO_MULTIPLE.format(clipped=clipped)))
    return as_written(found_coef)


def _limit(found: Found) -> float | None:
    """By which V may move from V_old in L_VF."""
    return float(found.settings.range_of_values) if found.settings.limits_values else None


def value_slopes(found: Found, form: Form) -> tuple[Floats, Any]:
    """dL_VF/dV of each sample [B], and where no rounding decides about it."""
    value, limit = found["value"].detach().flatten(), _limit(found)
    old, targets = (found[name].detach()[places_of(found)] for name in ("values", "targets"))
    with torch.enable_grad():
        value.requires_grad_()
        ours = torch.autograd.grad(form.value_losses(value, targets, old, limit).mean(), value)[0]
    slopes = ours.detach().double().flatten().cpu().numpy()
    if limit is None:
        return slopes, slice(None)
    moved = value.detach() - old
    errors = value.detach() - targets, old + torch.clamp(moved, -limit, limit) - targets
    least, most = (by(*map(torch.square, errors)) for by in (torch.minimum, torch.maximum))
    unsure = (moved.abs() > (1 - CLOSE) * limit) & (most - least <= CLOSE * most)
    return slopes, (~unsure).cpu().numpy()


class Waiting:
    """For c₁ and c₂ of a script whose terms are differentiated one by one: they are known when its first minibatch is
    over, and the update is then under way. It is shown from its second one on.
    """

    def __init__(self, found: Found, learner: Any) -> None:
        self.code = found.code
        self.learner = weakref.ref(learner) if learner is not None else lambda: None
        self._log_probs = found["log_probs"]
        self._minibatch: Any = found["log_prob"].detach(), found["value"].detach()  # so that nothing else lies there
        self.coefficients = Coefficients()
        self.steps = int(np.prod(layout_of(found)))
        """Of the rollout that is not shown."""

    def is_over(self, found: Found) -> bool:
        """Whether another update has begun."""
        return found["log_probs"] is not self._log_probs

    def add(self, found: Found, loss: Tensor, names: tuple[str, ...]) -> None:
        """Of one more loss, if it is of the first minibatch."""
        held = zip(("log_prob", "value"), self._minibatch, strict=True)
        if all(found[name].data_ptr() == one.data_ptr() for name, one in held):
            self.coefficients = self.coefficients.plus(coefficients_in(found, loss, names))
