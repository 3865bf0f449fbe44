"""The variables of a script whose PPO is in one file, as CleanRL's: what they are called, and whether they mean it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from types import CodeType, FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ppo_scope.attach.arrays import taken
from ppo_scope.attach.called import CLIP_PAIRS, HALF, SETTINGS
from ppo_scope.attach.facts import Facts, facts_of
from ppo_scope.attach.late import Brief
from ppo_scope.attach.single_file.optimizers import agent_in, optimizers_in

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
V_CLIP = "clip_coef"
"""What limits V as well as r in CleanRL's files; V alone, where `args` have ε and ε⁺ besides."""
DEEP = 8
"""Callers that are looked at: `backward` may be called for the script by another library."""
CLOSE = 1e-4
"""Of the largest gradient of a sample, by which another one may be off what it should be: single precision takes off a
tenth of that.
"""
ROUGH = {torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}
"""Half the spacing of numbers, as `autocast` leaves log π, V and the entropy, and gradients by them."""


class Unlike(Exception):
    """It is not what it looks like; why, without a full stop."""


@dataclass(frozen=True)
class Settings:
    """Where the script keeps them."""

    args: Any

    def __getitem__(self, name: str) -> Any:
        called = self.called(name)
        return None if called is None else getattr(self.args, called)

    def called(self, name: str) -> str | None:
        """What `args` call it; None: they have none."""
        if name in ("clip_range", "clip_range_high"):
            for low, high in CLIP_PAIRS:  # beside them `clip_coef` is that of V
                if self._has_range(low) and self._has_range(high):
                    return low if name == "clip_range" else high
        if name == "clip_range_high":
            return next((one for one in SETTINGS[name] if self._has_range(one)), None)
        return next((one for one in SETTINGS[name] if hasattr(self.args, one)), None)

    def _has_range(self, called: str) -> bool:
        one = getattr(self.args, called, None)
        return isinstance(one, float | int) and not isinstance(one, bool) and 0 <= one < inf

    @property
    def limits_values(self) -> bool:
        """Whether V may move from V_old only so far."""
        return bool(getattr(self.args, "clip_vloss", False))

    @property
    def range_of_values(self) -> Any:
        """How far, where that is so."""
        return getattr(self.args, V_CLIP) if self.limits_values_apart else self["clip_range"]

    @property
    def limits_values_apart(self) -> bool:
        """Whether that is another number of `args` than ε."""
        return self.called("clip_range") != V_CLIP and getattr(self.args, V_CLIP, None) is not None

    def set(self, name: str, value: Any) -> None:
        """Whoever reads it next finds it so."""
        setattr(self.args, str(self.called(name)), value)

    def takes(self, name: str) -> bool:
        """Whether it has one that can be set: what is frozen has none."""
        called = self.called(name)
        return called is not None and can_be_set(self.args, called)


def can_be_set(args: Any, name: str) -> bool:
    """Whether it takes another value: what is frozen takes none."""
    with contextlib.suppress(AttributeError, TypeError):
        setattr(args, name, getattr(args, name))
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


def rough_of(numbers: Tensor) -> float:
    """Of a number, by which it may be off in what they are kept in, where that is half precision."""
    return ROUGH.get(numbers.dtype, 0.0)


def brief_of(found: Found, epoch: int = 0, penalty: Tensor | None = None) -> Brief:
    """The minibatch at hand; `penalty`: see `Brief`."""
    samples, log_prob, value, entropy = found["samples"], found["log_prob"], found["value"], found.get("entropy")
    log_prob, value = log_prob.detach(), value.detach().flatten()
    entropy = torch.full_like(log_prob, torch.nan) if entropy is None else entropy.detach()  # unknown, with c₂ = 0
    if log_prob.dtype in ROUGH or value.dtype in ROUGH or entropy.dtype in ROUGH:
        log_prob, value, entropy = log_prob.float(), value.float(), entropy.float()
    return Brief(
        epoch,
        samples.copy() if isinstance(samples, np.ndarray) else taken(samples),  # the script shuffles them anew
        found["used"].detach(),
        value,
        log_prob,
        entropy,
        penalty,
    )


def places_of(found: Found) -> Tensor:
    """Of the minibatch's samples, in the rollout."""
    return torch.as_tensor(taken(found["samples"], np.int64)).to(found["log_probs"].device)


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


NONE: Mapping[str, float | None] = {}
READ = (*(one for names in SETTINGS.values() for one in names), "clip_vloss", "norm_adv", "anneal_lr", "gae", "seed")
"""Of `args`, for its facts."""


def settings_in(found: Found) -> tuple[Any, ...]:
    """What its facts are made of, but for α."""
    args = found["args"]
    return (*(getattr(args, name, None) for name in READ), *layout_of(found), len(found["samples"]))


def facts_in(
    found: Found, alpha: float | None, coefficients: Mapping[str, float | None] = NONE, *, drops: bool = False
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
    low, high = (coefficients.get(name, told.get(name)) for name in ("clip_range", "clip_range_high"))
    if not _caps(told.get("ratio_cap"), low if high is None else high):
        told.pop("ratio_cap", None)
    told |= coefficients
    for name in ("clip_range", "entropy_coef"):
        told[name] = float(told[name])
    told["value_clip_range"] = float(settings.range_of_values) if settings.limits_values else None
    if hasattr(args, "norm_adv"):  # else it may stand in the code
        told["normalize_advantages"] = "minibatch" if args.norm_adv else "off"
    told["anneal_learning_rate"] = bool(getattr(args, "anneal_lr", False))
    if alpha is not None:
        told["learning_rate"] = alpha
    steps, rows = layout_of(found)
    whole, left = divmod(steps * rows, len(found["samples"]))  # args may say less than the script cuts
    told["minibatches"] = whole + (left > 0 and not drops)
    return facts_of({**told, "num_envs": rows, "rollout_steps": steps, "seed": int(getattr(args, "seed", 0) or 0)})


def _caps(cap: Any, clip_range: Any) -> bool:
    """Whether it is c of a dual clip, and no switch: a number beyond 1 + ε, or 1 + ε⁺."""
    return isinstance(cap, float | int) and not isinstance(cap, bool) and cap > 1.0 + float(clip_range)


def learner_in(found: Found) -> Any:
    """What is trained: the agent, or an optimizer where there is none that is known."""
    agent = agent_in(found.variables)
    return agent if agent is not None else next(iter(optimizers_in(found.variables)), None)


def alpha_of(found: Found, optimizer: Any) -> float | None:
    """Of the script's optimizer, where it can be seen."""
    return float(optimizer.param_groups[0]["lr"]) if optimizer else getattr(found["args"], "learning_rate", None)


def is_too_far(found: Found, target_kl: float | None) -> bool:
    """Whether the script is about to end the update for its KL."""
    args, kl = found["args"], found.variables.get("approx_kl")
    if target_kl is None or not isinstance(kl, Tensor) or not getattr(args, "kle_stop", True):
        return False
    return bool(kl > target_kl)
