"""The variables of a script whose PPO is in one file, as CleanRL's: what they are called, and whether they mean it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from math import isfinite, nan
from types import CodeType, FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ppo_scope.attach.arrays import taken
from ppo_scope.attach.called import HALF, SETTINGS
from ppo_scope.attach.facts import Facts, facts_of
from ppo_scope.attach.late import Brief, Brought
from ppo_scope.attach.record import Habits, minibatches_of, seen_of
from ppo_scope.attach.single_file.optimizers import optimizers_in
from ppo_scope.diagnosis.told_loss import Parts, mistake_in, parts_of
from ppo_scope.ppo import by_hand
from ppo_scope.ppo.engine import clip_edges
from ppo_scope.probes.record import Floats

NAMES = {
    "observations": ("b_obs",),
    "actions": ("b_actions",),
    "log_probs": ("b_logprobs",),
    "advantages": ("b_advantages",),
    "targets": ("b_returns",),
    "values": ("b_values",),
    "samples": ("mb_inds", "minibatch_ind"),
    "log_prob": ("newlogprob", "newlogproba"),
    "ratio": ("ratio",),
    "used": ("mb_advantages",),
    "value": ("newvalue", "new_values"),
    "entropy": ("entropy",),
    "rewards": ("rewards",),
    "dones": ("dones",),
    "next_done": ("next_done",),
    "args": ("args",),
}
"""What is looked for, and what CleanRL's files call it, today and in earlier years."""
TELLING = ("log_probs", "samples", "log_prob", "ratio")
"""Whoever has these has a PPO's update, if perhaps one that is not known here."""
OPTIONAL = ("entropy",)
"""A loss without an entropy bonus needs none."""
NEEDED = ("clip_range", "value_coef", "entropy_coef", "epochs")
DEEP = 8
"""Callers that are looked at: `backward` may be called for the script by another library."""
EXACT, NEARLY = 1e-6, 1e-5
COARSE = (torch.float16, torch.bfloat16)
CLOSE = 1e-4
"""Of the largest gradient of a sample, by which another one may be off what it should be: single precision takes off a
tenth of that.
"""
OTHER_OBJECTIVE = (
    "where r is not 1 any more, the gradient of its loss by newlogprob is not that of the policy loss that is clipped "
    "at {clip_range:g}: it has another clip, two of them or none, or another term in it, such as one for the KL"
)


class Unlike(Exception):
    """It is not what it looks like; why, without a full stop."""


@dataclass(frozen=True)
class Settings:
    """Where the script keeps them."""

    args: Any

    def __getitem__(self, name: str) -> Any:
        return next((getattr(self.args, one) for one in SETTINGS[name] if hasattr(self.args, one)), None)

    def set(self, name: str, value: Any) -> None:
        """Whoever reads it next finds it so."""
        setattr(self.args, next(one for one in SETTINGS[name] if hasattr(self.args, one)), value)

    def takes(self, name: str) -> bool:
        """Whether it has one that can be set: what is frozen has none."""
        for one in SETTINGS[name]:
            if hasattr(self.args, one):
                with contextlib.suppress(AttributeError, TypeError):
                    setattr(self.args, one, getattr(self.args, one))
                    return True
        return False


@dataclass(frozen=True)
class Found:
    """An update's variables, by what they mean."""

    variables: Mapping[str, Any]
    """All that the caller has."""
    outside: Mapping[str, Any]
    """And what its module has."""
    called: dict[str, str]
    """What each is called there."""
    code: CodeType
    line: int

    def __getitem__(self, name: str) -> Any:
        called = self.called[name]
        return self.variables[called] if called in self.variables else self.outside[called]

    def get(self, name: str) -> Any:
        """The same; None: there is none."""
        return self[name] if name in self.called else None

    def missing(self) -> list[str]:
        """What there is none of, as it would be called."""
        return [NAMES[name][0] for name in NAMES if name not in self.called and name not in OPTIONAL]

    @property
    def place(self) -> str:
        """Where the caller is."""
        return f"{self.code.co_filename}:{self.line}"

    @property
    def settings(self) -> Settings:
        """Where its `args` are."""
        return Settings(self["args"])


def found_in(frame: FrameType | None, like: Found | None = None) -> Found | None:
    """The variables of the nearest caller who has a PPO's update, of one `like` that with less ado; None: none has."""
    if like is not None and frame is not None and frame.f_code is like.code and frame.f_locals is like.variables:
        return like
    for _ in range(DEEP):
        if frame is None:
            return None
        own, others = frame.f_locals, frame.f_globals
        called = None
        if like is not None and frame.f_code is like.code:
            called = like.called
        elif all(any(one in own for one in NAMES[name]) for name in TELLING):
            called = {
                name: one for name, called in NAMES.items() for one in reversed(called) if one in own or one in others
            }
        if called is not None:
            return Found(own, others, called, frame.f_code, frame.f_lineno)
        frame = frame.f_back
    return None


def names_at(frame: FrameType) -> tuple[list[str], str]:
    """Which of the names one of the nearest callers has, of those the one with the most, and where that is."""
    best: tuple[list[str], str] = [], ""
    caller: FrameType | None = frame
    for _ in range(DEEP):
        if caller is None:
            break
        some = [one for called in NAMES.values() for one in called if one in caller.f_locals]
        if len(some) > len(best[0]):
            best = some, f"{caller.f_code.co_filename}:{caller.f_lineno}"
        caller = caller.f_back
    return best


def brief_of(found: Found, epoch: int = 0) -> Brief:
    """The minibatch at hand."""
    samples, log_prob, entropy = found["samples"], found["log_prob"].detach(), found.get("entropy")
    return Brief(
        epoch,
        samples.copy() if isinstance(samples, np.ndarray) else taken(samples),  # the script shuffles them anew
        found["used"].detach(),
        found["value"].detach().flatten(),
        log_prob,
        torch.full_like(log_prob, torch.nan) if entropy is None else entropy.detach(),  # unknown, with c₂ = 0
    )


def leaks_in(found: Found) -> dict[str, float]:
    """Which of what was measured before the loss has a gradient in it, for Health."""
    names = {"advantages": "used", "targets": "targets", "log_probs": "log_probs"}
    return {f"{name}_with_gradient": float(found[called].requires_grad) for name, called in names.items()}


def layout_of(found: Found) -> tuple[int, int]:
    """Steps and environments of its rollout; a single environment needs no axis of its own.

    Raises:
        Unlike: it has neither shape.
    """
    shape = tuple(np.shape(found["rewards"]))
    if len(shape) not in (1, 2):
        raise Unlike(f"rewards has the shape {shape}, and [steps, environments] is known here")
    return shape if len(shape) == 2 else (*shape, 1)


def check(found: Found, loss: Tensor, facts: Facts) -> bool:
    """Whether they are what they are called; False: a known mistake has put the loss together of them. What is put
    together wrongly, and how, is for Health to say, and so is what is not finite any more.

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
        if found[name].dtype in COARSE:
            raise Unlike(f"{found.called[name]} is of {found[name].dtype}, and single precision is known here")
    expected = torch.exp(found["log_prob"].detach() - found["log_probs"].detach()[_places(found)])
    ratio = found["ratio"].detach()
    of_itself = bool((ratio == 1).all())  # a known mistake, and at the first minibatch none
    if not of_itself and not torch.allclose(ratio, expected, rtol=EXACT, atol=EXACT):
        raise Unlike("ratio is not exp(newlogprob − b_logprobs[mb_inds])")
    steps = found.variables.get("values")
    if isinstance(steps, Tensor) and tuple(steps.shape) == layout and not torch.equal(steps.flatten(), found["values"]):
        raise Unlike("b_values does not hold values step by step")
    theirs, parts = float(loss.detach()), _parts(found, facts)
    ours = parts.policy_loss + parts.value_term - parts.entropy_term
    if of_itself and not torch.equal(ratio, expected):
        return False
    if isfinite(theirs) and not _is_some_of(theirs, parts):
        if _is_mistaken(theirs, parts, facts):
            return False
        made_of = "the clipped policy loss, c₁ times the value loss and c₂ times the entropy"
        terms = _share_of(ours, theirs, count) or _terms_apart(found, parts, facts)
        raise Unlike(f"its loss is {theirs:.6g}, and {made_of} make {ours:.6g}{terms}")
    return True


def _places(found: Found) -> Tensor:
    """Of the minibatch's samples, in the rollout."""
    return torch.as_tensor(taken(found["samples"], np.int64)).to(found["log_probs"].device)


def _parts(found: Found, facts: Facts) -> Parts:
    """What the loss of the minibatch at hand is made of."""
    told, places = brief_of(found).told(), _places(found)
    old_values, old_log_prob, targets = (found[name].detach()[places] for name in ("values", "log_probs", "targets"))
    whole = told._replace(data=Brought(found["used"].detach(), old_values, old_log_prob, targets))
    made = minibatches_of([seen_of(whole)], facts, len(told.samples), Habits())[0]
    return parts_of(made, old_values.cpu(), targets.cpu(), facts)


def _is_some_of(theirs: float, parts: Parts) -> bool:
    """Whether it is a loss, or those of its terms that are differentiated first where that is done one by one."""
    terms = parts.policy_loss, parts.value_term, -parts.entropy_term
    sums = (sum(some) for count in range(1, 1 + len(terms)) for some in combinations(terms, count))
    near = NEARLY * max(1.0, abs(theirs), float(np.abs(parts.advantages).mean()))
    return any(abs(one - theirs) <= near for one in sums)


def _is_mistaken(theirs: float, parts: Parts, facts: Facts) -> bool:
    """Whether a known mistake makes this loss of these parts, or what is differentiated first of it."""
    value, entropy = parts.value_term, -parts.entropy_term
    return any(mistake_in(theirs + rest, parts, facts) is not None for rest in (0.0, value, entropy, value + entropy))


def check_moved(found: Found, loss: Tensor, facts: Facts) -> bool:
    """The same at a later minibatch: where r is 1, all policy losses are alike, and where V is V_old, all limits of V.
    L_PG may be next to nothing beside L_VF, so its gradient is held against the loss's own, sample by sample.

    Raises:
        Unlike: they are not what they are called.
    """
    if not check(found, loss, facts):
        return False
    log_prob, ratio, used = found["log_prob"], found["ratio"].detach(), found["used"].detach()
    gradient = None
    if log_prob.requires_grad:
        gradient = torch.autograd.grad(loss, log_prob, retain_graph=True, allow_unused=True)[0]
    if gradient is None or not bool(gradient.isfinite().all()):  # the value loss by itself, or nothing that can be told
        return True
    columns = log_prob.detach(), log_prob.detach() - found["log_probs"].detach()[_places(found)], used, ratio
    log_prob, logratio, used, ratio = (one.double().flatten().cpu().numpy() for one in columns)
    theirs, edges = gradient.double().flatten().cpu().numpy() * len(ratio), clip_edges(facts)
    slopes = by_hand.policy_loss(facts.objective, log_prob, logratio, used, edges)[1]
    unclipped, clipped = -used * ratio, -used * np.clip(ratio, *edges[:2])
    least = unclipped * (unclipped <= clipped)
    by_mistake = (-slopes, least, -least, unclipped, -used, len(ratio) * slopes)  # as `MISTAKES` have them
    sure = np.min([np.abs(ratio - edge) for edge in edges], axis=0) > NEARLY  # there a rounding decides
    size = CLOSE * np.abs(used * ratio).max()
    more = (0.0, facts.entropy_coef)  # where the entropy is −log π

    def is_like(one: Floats) -> bool:
        return any((np.abs(theirs - one - rest)[sure] <= size).all() for rest in more)

    if is_like(slopes):
        return True
    if any(map(is_like, by_mistake)):
        return False
    raise Unlike(OTHER_OBJECTIVE.format(clip_range=facts.clip_range))


def _share_of(ours: float, theirs: float, samples: int) -> str:
    """Whether it is a half, a third, … of ours, as where the gradients of so many minibatches make a step, or so many
    times ours.
    """
    times = round(theirs / ours) if ours and isfinite(theirs / ours) else 0
    if times >= 2 and abs(theirs - times * ours) <= NEARLY * abs(theirs):
        how = "is a sum over the samples" if times == samples else "is scaled, as by a GradScaler,"
        return f", of which it is {times} times: a loss that {how} is not known here"
    count = round(ours / theirs) if theirs and isfinite(ours / theirs) else 0
    if count < 2 or abs(ours - count * theirs) > NEARLY * max(1.0, abs(ours)):
        return ""
    return f", {count} times that: a loss divided by the number of minibatches that a step is made of is not known here"


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


NONE: Mapping[str, float] = {}
READ = (*(one for names in SETTINGS.values() for one in names), "clip_vloss", "norm_adv", "anneal_lr", "gae", "seed")
"""Of `args`, for its facts."""


def settings_in(found: Found) -> tuple[Any, ...]:
    """What its facts are made of, but for α."""
    args = found["args"]
    return (*(getattr(args, name, None) for name in READ), *layout_of(found), len(found["samples"]))


def facts_in(
    found: Found, alpha: float | None, coefficients: Mapping[str, float] = NONE, *, drops: bool = False
) -> Facts:
    """What it trains with.

    Args:
        found: its variables.
        alpha: its learning rate, where it is known.
        coefficients: those of its loss that `args` do not tell.
        drops: samples that make no whole minibatch any more are left out.

    Raises:
        Unlike: something is missing that a loss is made with.
    """
    args, settings = found["args"], found.settings
    for name in NEEDED:
        if settings[name] is None and name not in coefficients:
            raise Unlike(f"args has no {SETTINGS[name][0]}, and nothing else that is known here tells it")
    told = {name: settings[name] for name in SETTINGS if settings[name] is not None}
    if not getattr(args, "gae", True):  # returns as they are, in CleanRL's files of earlier years
        told["gae_lambda"] = 1.0
    if "value_coef" in told:
        told["value_coef"] = HALF * float(told["value_coef"])
    told |= coefficients
    for name in ("clip_range", "entropy_coef"):
        told[name] = float(told[name])
    told["value_clip_range"] = told["clip_range"] if getattr(args, "clip_vloss", False) else None
    if hasattr(args, "norm_adv"):  # else it may stand in the code
        told["normalize_advantages"] = "minibatch" if args.norm_adv else "off"
    told["anneal_learning_rate"] = bool(getattr(args, "anneal_lr", False))
    if alpha is not None:
        told["learning_rate"] = alpha
    steps, rows = layout_of(found)
    whole, left = divmod(steps * rows, len(found["samples"]))  # args may say less than the script cuts
    told["minibatches"] = whole + (left > 0 and not drops)
    return facts_of({**told, "num_envs": rows, "rollout_steps": steps, "seed": int(getattr(args, "seed", 0) or 0)})


def learner_in(found: Found) -> Any:
    """What is trained: the agent, or an optimizer where there is none by that name."""
    agent = found.variables.get("agent")
    return agent if isinstance(agent, nn.Module) else next(iter(optimizers_in(found.variables)), None)


def alpha_of(found: Found, optimizer: Any) -> float | None:
    """Of the script's optimizer, where it can be seen."""
    return float(optimizer.param_groups[0]["lr"]) if optimizer else getattr(found["args"], "learning_rate", None)


def is_too_far(found: Found, target_kl: float | None) -> bool:
    """Whether the script is about to end the update for its KL."""
    args, kl = found["args"], found.variables.get("approx_kl")
    if target_kl is None or not isinstance(kl, Tensor) or not getattr(args, "kle_stop", True):
        return False
    return bool(kl > target_kl)
