"""How a script's loss is made of ours where it is another one: by a factor, by how its value loss counts errors, or
by a term for the KL.

Each is proven by the gradients of every sample of a minibatch, and by the loss itself (`checking.py`). L and its terms
are shown by our definition, and it is said what the script's are; ‖∇L‖ and gradients by term are its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ppo_scope.attach.kl_estimates import EXACT, OF_WHAT
from ppo_scope.attach.record import Habits, value_losses
from ppo_scope.attach.single_file.clip_ranges import edges_in
from ppo_scope.attach.single_file.kl_penalty import penalty_in
from ppo_scope.attach.single_file.named import CLOSE, Found, places_of
from ppo_scope.ppo import by_hand
from ppo_scope.ppo.losses import Edges
from ppo_scope.probes.record import Floats

if TYPE_CHECKING:
    from ppo_scope.attach.single_file.exact_kl import ExactKL

MOST_PARTS = 1024
"""By which a loss is divided: beyond, one number is too near the next to tell them apart."""
WRITTEN = 1e-6
"""Of a number, by which it may be off what somebody has written."""
DIGITS = 4
IN_SYMBOLS = "its loss is {loss}"
SAMPLES = "B the samples of a minibatch, over which it is summed"
SCALE = "s the scale of its GradScaler"
AT_A_STEP = "‖∇L‖ and gradients by term are its own, of what is clipped and given to its optimizer"
LINEAR = (
    "its value loss counts errors of V beyond {delta:g} in proportion (Huber, smooth L1): L_VF and L are by our "
    "definition, c₁ times the mean square, and not what it is trained on, while gradients by term are of its own loss"
)
PRICE = "its loss has β·{estimate} in it"
PRICED = "its loss has a term for the KL to π_old in it, β times the mean of {of} ({estimate}), as L has here"
EXACTLY = "its loss has β times the exact KL to π_old in it"


@dataclass(frozen=True)
class Form:
    """loss = s·B ⁄ n · (L_PG + c₁·L_VF − c₂·S + β·KL), or as much of that as there is."""

    parts: int = 1
    """n, as where so many minibatches make a step."""
    summed: bool = False
    """B, samples of the minibatch: the script takes sums for means."""
    scaled: bool = False
    """s, by a GradScaler among the script's variables."""
    delta: float | None = None
    """Errors of V beyond it count in proportion, and not by their square; None: all by their square."""
    estimate: str | None = None
    """Of the KL to π_old, of which β times the mean is a term: a name in `ESTIMATES` or `EXACT`; None: none is."""
    exact: ExactKL | None = field(default=None, compare=False, repr=False)
    """How it is found, where it is the exact one."""

    @property
    def symbols(self) -> str:
        """Of its loss, by ours."""
        of = "·".join(["s"] * self.scaled + ["B"] * self.summed + ["L"])
        return f"{of} / {self.parts}" if self.parts > 1 else of

    @property
    def brief(self) -> str:
        """What is otherwise, for a line; empty: nothing."""
        loss = [] if self.symbols == "L" else [IN_SYMBOLS.format(loss=self.symbols)]
        price = [] if self.estimate is None else [PRICE.format(estimate=self.estimate)]
        if self.estimate in EXACT:
            price = [EXACTLY]
        return ", ".join(
            loss + price + ([] if self.delta is None else [f"its value loss is Huber's, δ = {self.delta:g}"])
        )

    @property
    def sentence(self) -> str:
        """The same, with what its symbols are."""
        about = []
        if self.symbols != "L":
            meant = [SCALE] * self.scaled + [SAMPLES] * self.summed
            loss = ", ".join([IN_SYMBOLS.format(loss=self.symbols), *meant])
            about = [f"{loss}; L and its terms are by our definition; {AT_A_STEP}"]
        if self.estimate in EXACT:
            about.append(f"{EXACTLY}, as L has here")
        elif self.estimate is not None:
            about.append(PRICED.format(estimate=self.estimate, of=OF_WHAT[self.estimate]))
        if self.delta is not None:
            about.append(LINEAR.format(delta=self.delta))
        return "; ".join(about)

    def times(self, samples: int) -> float:
        """By how much gradients of a minibatch are more than those of L, once a GradScaler has undone its own."""
        return (samples if self.summed else 1) / self.parts

    def undone(self, found: Found, loss: Tensor) -> Tensor:
        """The loss, with its graph if it has one, without its factor."""
        if self.parts == 1 and not self.summed and not self.scaled:
            return loss
        with torch.enable_grad():
            scaler = scaler_in(found) if self.scaled else None
            if scaler is not None:
                loss = loss / scaler.scale(torch.ones_like(loss.detach()))
            return loss / self.times(len(found["samples"]))

    def price(self, found: Found, coef: float) -> Tensor | None:
        """β·KL [B] of the minibatch at hand, where it is exact; else r tells it."""
        return None if self.exact is None else self.exact.price(found, coef)

    def value_losses(self, values: Tensor, targets: Tensor, old: Tensor, limit: float | None) -> Tensor:
        """Per sample, as the script is trained on them: without ½, as ours."""
        if self.delta is None:
            return value_losses(values, targets, old, limit, Habits())
        return 2 * torch.nn.functional.huber_loss(values, targets, reduction="none", delta=self.delta)


PLAIN = Form()


def as_written(number: float) -> float:
    """What somebody has written, where it is that to single precision: 0.5 for 0.50000003."""
    short = float(f"{number:.{DIGITS}g}")
    return short if abs(short - number) <= WRITTEN * abs(number) else number


def scaler_in(found: Found) -> Any:
    """The script's GradScaler; None: it has none that can be seen."""
    kind: Any = getattr(torch.amp, "GradScaler", ())  # not there in every version
    for one in (*found.variables.values(), *found.outside.values()):
        if isinstance(one, kind) and one.is_enabled():
            return one
    return None


def forms_of(found: Found, loss: Tensor) -> list[Form]:
    """What the loss of a minibatch may be, or the first of its terms, by its gradients: each is still to be proven."""
    log_prob, value, edges = found["log_prob"], found["value"], edges_in(found, loss)
    asked = [one for one in (log_prob, value) if one.requires_grad]
    if edges is None or not asked:
        return []
    made: Any = torch.autograd.grad(loss, asked, retain_graph=True, allow_unused=True)
    by = {id(one): _numbers(gradient) for one, gradient in zip(asked, made, strict=True) if gradient is not None}
    by_policy, by_value = by.get(id(log_prob)), by.get(id(value))
    if by_policy is None:
        return [] if by_value is None else _of_values_alone(found, by_value)
    slopes, sure = slopes_of(found, edges)
    forms = []
    for times in _times(by_policy[sure], slopes[sure] / len(slopes)):
        delta = None if by_value is None else _delta_of(found, by_value, times)
        for one in _factors(found, times):
            form = Form(*one, delta)
            forms += [*priced_forms(form, found, loss, slopes, sure), form]
    return [one for one in forms if one != PLAIN]


def _times(theirs: Floats, ours: Floats) -> list[float]:
    """How many times L_PG's gradient it may be, with what a k1 adds to it: the same at every sample."""
    alone = _multiple(theirs, ours)
    if alone is not None:
        return [alone]
    columns = np.stack([ours, np.full_like(ours, -1.0 / max(1, len(ours)))], axis=1)
    times, priced = np.linalg.lstsq(columns, theirs, rcond=None)[0] if len(ours) > 1 else (0.0, 0.0)
    both = times > 0 and priced > 0 and _multiple(theirs, columns @ [times, priced]) is not None
    return [float(times)] if both else []


def _of_values_alone(found: Found, by_value: Floats) -> list[Form]:
    """Of the value loss, differentiated before the policy's: its factor is told by c₁, where `args` tell that."""
    told, targets = found.settings["value_coef"], _numbers(found["targets"])[places_of(found).cpu().numpy()]
    if not told:
        return []
    errors = _numbers(found["value"]) - targets
    times = _multiple(by_value, float(told) * errors / len(errors))
    forms = [] if times is None else [Form(*one) for one in _factors(found, times)]
    return [one for one in forms if one != PLAIN]


def priced_forms(form: Form, found: Found, loss: Tensor, slopes: Floats, sure: Any) -> list[Form]:
    """The same with a term for the KL, where there is one in the loss."""
    penalty = penalty_in(found, form.undone(found, loss), slopes, sure)
    return [] if penalty is None else [replace(form, estimate=penalty.estimate)]


def slopes_of(found: Found, edges: Edges, more: float = 0.0) -> tuple[Floats, Any]:
    """dL_PG/d log π of each sample, times their number, and where no rounding decides it; `more`: how near the clip's
    edges it may.
    """
    places = places_of(found)
    log_prob, used = found["log_prob"].detach(), found["used"].detach()
    columns = log_prob, log_prob - found["log_probs"].detach()[places], used
    log_prob, logratio, used = (_numbers(one) for one in columns)
    slopes = by_hand.policy_loss("clip", log_prob, logratio, used, edges)[1]
    sure = np.min([np.abs(np.exp(logratio) - edge) for edge in edges[:2]], axis=0) > more
    return slopes, sure


def _numbers(found: Tensor) -> Any:
    return found.detach().double().flatten().cpu().numpy()


def _multiple(theirs: Floats, ours: Floats) -> float | None:
    """How many times ours theirs is, at every sample; None: it is no multiple."""
    size = float(ours @ ours)
    times = float(theirs @ ours) / size if size else 0.0
    if not (isfinite(times) and times > 0) or np.abs(theirs - times * ours).max() > CLOSE * np.abs(theirs).max():
        return None
    return times


def _factors(found: Found, times: float) -> Sequence[tuple[int, bool, bool]]:
    """(n, summed, scaled) that come to this factor."""
    samples, scaler = len(found["samples"]), scaler_in(found)
    scales = [(False, 1.0)] + ([] if scaler is None else [(True, float(scaler.get_scale()))])
    made = []
    for scaled, scale in scales:
        parts = round(scale / times)
        if 1 <= parts <= MOST_PARTS and abs(times * parts - scale) <= CLOSE * scale:
            made.append((parts, False, scaled))
        if samples > 1 and abs(times - scale * samples) <= CLOSE * times:
            made.append((1, True, scaled))
    return made


def _delta_of(found: Found, gradient: Floats, times: float) -> float | None:
    """δ where the gradient by V of every sample is in proportion to its error up to δ, and the same beyond. `times`:
    the factor of the loss; where no error is as small as that, c₁ is that of `args`.
    """
    if found.settings.limits_values:
        return None
    errors = _numbers(found["value"]) - _numbers(found["targets"])[places_of(found).cpu().numpy()]
    most, told = float(np.abs(gradient).max()), found.settings["value_coef"]
    within = np.abs(gradient) < (1 - 10 * CLOSE) * most
    slope = _multiple(gradient[within], errors[within])
    if slope is None and not within.any() and told is not None:
        slope = float(told) * times / len(errors)
    if not slope:
        return None
    delta = as_written(most / slope)
    off = np.abs(gradient - slope * np.clip(errors, -delta, delta)).max()
    beyond = np.abs(errors).max() > (1 + 10 * CLOSE) * delta
    return delta if beyond and off <= CLOSE * most else None
