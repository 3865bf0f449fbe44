"""The variables of a script whose PPO is in one file, as CleanRL's: what they are called, and whether they mean it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from math import isfinite
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
NEEDED = ("clip_range", "value_coef", "entropy_coef", "epochs")
DEEP = 8
"""Callers that are looked at: `backward` may be called for the script by another library."""
EXACT, NEARLY = 1e-6, 1e-5


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

    def missing(self) -> list[str]:
        """What there is none of, as it would be called."""
        return [NAMES[name][0] for name in NAMES if name not in self.called]

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


def brief_of(found: Found, epoch: int = 0) -> Brief:
    """The minibatch at hand."""
    samples = found["samples"]
    return Brief(
        epoch,
        samples.copy() if isinstance(samples, np.ndarray) else taken(samples),  # the script shuffles them anew
        found["used"].detach(),
        found["value"].detach().flatten(),
        found["log_prob"].detach(),
        found["entropy"].detach(),
    )


def leaks_in(found: Found) -> dict[str, float]:
    """Which of what was measured before the loss has a gradient in it, for Health."""
    names = {"advantages": "used", "targets": "targets", "log_probs": "log_probs"}
    return {f"{name}_with_gradient": float(found[called].requires_grad) for name, called in names.items()}


def check(found: Found, loss: Tensor, facts: Facts) -> None:
    """Whether they are what they are called.

    Raises:
        Unlike: they are not.
    """
    layout = found["rewards"].shape
    if len(layout) != 2:
        raise Unlike(f"rewards has the shape {tuple(layout)}, and [steps, environments] is known here")
    size = layout[0] * layout[1]
    for name in ("log_probs", "advantages", "targets", "values"):
        if found[name].shape != (size,):
            raise Unlike(f"{NAMES[name][0]} has the shape {tuple(found[name].shape)}, and rewards {tuple(layout)}")
    count = len(found["samples"])
    for name in ("log_prob", "ratio", "used", "value", "entropy"):
        column = name == "value" and found[name].shape == (count, 1)  # Health tells what comes of that
        if found[name].shape != (count,) and not column:
            shape = tuple(found[name].shape)
            raise Unlike(f"{NAMES[name][0]} has the shape {shape}, and the minibatch {count} samples")
    told = brief_of(found).told()
    places = torch.from_numpy(told.samples).to(found["log_probs"].device)
    old_values, old_log_prob, targets = (found[name].detach()[places] for name in ("values", "log_probs", "targets"))
    expected = torch.exp(told.found[1] - old_log_prob)
    if not torch.allclose(found["ratio"].detach(), expected, rtol=EXACT, atol=EXACT):
        raise Unlike("ratio is not exp(newlogprob − b_logprobs[mb_inds])")
    steps = found.variables.get("values")
    if isinstance(steps, Tensor) and steps.shape == layout and not torch.equal(steps.flatten(), found["values"]):
        raise Unlike("b_values does not hold values step by step")
    whole = told._replace(data=Brought(found["used"].detach(), old_values, old_log_prob, targets))
    made, theirs = minibatches_of([seen_of(whole)], facts, count, Habits())[0], float(loss.detach())
    ours, parts = float(made.loss), parts_of(made, old_values.cpu(), targets.cpu(), facts)
    # What is put together wrongly, and how, is for Health to say.
    if not _is_some_of(theirs, parts) and mistake_in(theirs, parts, facts) is None:
        made_of = "the clipped policy loss, c₁ times the value loss and c₂ times the entropy"
        terms = _share_of(ours, theirs) or _terms_apart(found, float(made.policy_loss), HALF * float(made.value_loss))
        raise Unlike(f"its loss is {theirs:.6g}, and {made_of} make {ours:.6g}{terms}")


def _is_some_of(theirs: float, parts: Parts) -> bool:
    """Whether it is a loss, or those of its terms that are differentiated first where that is done one by one."""
    terms = parts.policy_loss, parts.value_term, -parts.entropy_term
    sums = (sum(some) for count in range(1, 1 + len(terms)) for some in combinations(terms, count))
    return any(abs(one - theirs) <= NEARLY * max(1.0, abs(theirs)) for one in sums)


def _share_of(ours: float, theirs: float) -> str:
    """Whether it is a half, a third, … of ours: as where the gradients of so many minibatches make a step."""
    count = round(ours / theirs) if theirs and isfinite(ours / theirs) else 0
    if count < 2 or abs(ours - count * theirs) > NEARLY * max(1.0, abs(ours)):
        return ""
    return f", {count} times that: a loss divided by the number of minibatches that a step is made of is not known here"


def _terms_apart(found: Found, policy_loss: float, half_value_loss: float) -> str:
    """Which of the terms, where the script has them by the names that CleanRL gives them, is another one."""
    apart = []
    for name, ours in (("pg_loss", policy_loss), ("v_loss", half_value_loss)):
        theirs = found.variables.get(name)
        if isinstance(theirs, Tensor) and theirs.numel() == 1:
            told = float(theirs.detach())
            if abs(told - ours) > NEARLY * max(1.0, abs(told)):
                apart.append(f"; {name} is {told:.6g}, and of the samples of mb_inds it would be {ours:.6g}")
    return "".join(apart)


READ = (*(one for names in SETTINGS.values() for one in names), "clip_vloss", "norm_adv", "anneal_lr", "seed")
"""Of `args`, for its facts."""


def settings_in(found: Found) -> tuple[Any, ...]:
    """What its facts are made of, but for α."""
    args = found["args"]
    layout = (*found["rewards"].shape, len(found["samples"]))
    return (*(getattr(args, name, None) for name in READ), layout)


def facts_in(found: Found, alpha: float | None, *, drops: bool = False) -> Facts:
    """What it trains with; `drops`: samples that make no whole minibatch any more are left out.

    Raises:
        Unlike: something is missing that a loss is made with.
    """
    args, settings = found["args"], found.settings
    for name in NEEDED:
        if settings[name] is None:
            raise Unlike(f"args has no {SETTINGS[name][0]}")
    told = {name: settings[name] for name in SETTINGS if settings[name] is not None}
    told["value_coef"] = HALF * float(told["value_coef"])
    for name in ("clip_range", "entropy_coef"):
        told[name] = float(told[name])
    told["value_clip_range"] = told["clip_range"] if getattr(args, "clip_vloss", False) else None
    told["normalize_advantages"] = "minibatch" if getattr(args, "norm_adv", False) else "off"
    told["anneal_learning_rate"] = bool(getattr(args, "anneal_lr", False))
    if alpha is not None:
        told["learning_rate"] = alpha
    steps, rows = found["rewards"].shape
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
