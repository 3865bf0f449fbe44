"""What a foreign loop says that it trains with, by the names of our settings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ppo_scope.attach.kl_estimates import ESTIMATES
from ppo_scope.ppo.settings import LIVE, Settings


@dataclass(frozen=True)
class Facts:
    """What an update is made with; see `probes.facts.Facts`. What a loop does not have keeps its default."""

    clip_range: float
    value_coef: float
    entropy_coef: float
    num_envs: int
    rollout_steps: int
    epochs: int
    minibatches: int
    objective: str = "clip"
    learning_rate: float | None = None
    discount: float | None = None
    gae_lambda: float | None = None
    value_clip_range: float | None = None
    clip_range_high: float | None = None
    ratio_cap: float | None = None
    max_grad_norm: float | None = None
    target_kl: float | None = None
    normalize_advantages: str = "off"
    normalize_rewards: bool = False
    normalize_observations: bool = False
    shared_network: bool = False
    activation: str = "tanh"
    seed: int = 0
    kl_coef: float = 0.0
    kl_coef_target: float | None = None
    kl_estimate: str | None = None
    """Of the KL to π_old, of which the loss has `kl_coef` times the mean in it: a name in `kl_estimates.ESTIMATES`."""
    desired_kl: float | None = None
    learning_rate_min: float = 0.0
    learning_rate_max: float = 1.0
    anneal_learning_rate: bool = False
    anneal_clip_range: bool = False
    told: tuple[str, ...] = ()
    """Names of those that the loop has told; the others are not shown."""

    def at(self, learning_rate: float) -> Facts:
        """The same with another α: to make all of them anew takes a loop that lowers it ten times as long."""
        made = object.__new__(Facts)
        vars(made).update(vars(self), learning_rate=learning_rate)
        return made

    def live(self) -> dict[str, Any]:
        """What can change while a run goes on, by name, as far as the loop has told it."""
        found = {name: getattr(self, name) for name in ("objective", *self.told) if name in LIVE}
        return found if self.kl_estimate is None else {**found, "kl_estimate": self.kl_estimate}

    def all(self) -> dict[str, Any]:
        """Everything that the loop has told and our table of settings has. Epochs and minibatches that nobody told are
        counted as they come, and are no setting.
        """
        names = ("objective", "num_envs", "rollout_steps", *self.told)
        return {name: getattr(self, name) for name in names if name in Settings.model_fields}


LIMITS = ("max_grad_norm", "target_kl", "desired_kl", "value_clip_range", "ratio_cap")
"""Settings that may be off, which is None here, and infinity in some loops."""


def as_read(name: str, value: Any) -> Any:
    """What a loop's own attribute is set to: `clip_grad_norm_` knows no limit that is None."""
    return math.inf if name == "max_grad_norm" and value is None else value


def facts_of(told: Mapping[str, Any]) -> Facts:
    """What a loop says that it trains with, by the names of our settings.

    Raises:
        ValueError: a name is none of them, or what has to be one number is none.
    """
    known = Facts.__dataclass_fields__.keys() - {"told"}
    for name in told:
        if name not in known:
            raise ValueError(f"{name} is no setting that is shown of a loop; there are {', '.join(sorted(known))}.")
    if told.get("kl_estimate") not in (None, *ESTIMATES):
        raise ValueError(f"kl_estimate is {told['kl_estimate']!r}, and one of {', '.join(ESTIMATES)} is wanted.")
    layout = {"num_envs": 1, "rollout_steps": 1, "epochs": 1, "minibatches": 1}
    limits = {name: None for name in LIMITS if told.get(name) == math.inf}  # what nothing exceeds is no limit
    return Facts(**{**layout, **in_numbers(told), **limits}, told=tuple(told))


KINDS = {"float": float, "int": int, "bool": bool}
PLAIN = {name: KINDS.get(str(field.type).partition(" ")[0]) for name, field in Facts.__dataclass_fields__.items()}
"""Which of them are numbers, and of which kind of Python's own; None: it is no number."""


def in_numbers(told: Mapping[str, Any]) -> dict[str, Any]:
    """The same, with plain numbers where arrays of one are handed over.

    Raises:
        ValueError: what has to be one number is none.
    """
    return {name: value if value is None else _plain(name, value) for name, value in told.items()}


def _plain(name: str, value: Any) -> Any:
    kind = PLAIN[name]
    if kind is None:
        return value
    try:
        found = kind(value)
        if kind is int and found != value:
            raise ValueError(value)
        return found
    except (TypeError, ValueError, OverflowError):
        if kind is int:
            raise ValueError(f"{name} is {value!r}, and a whole number is wanted.") from None
        apart = " How far r may rise is clip_range_high, where it is another range." if name == "clip_range" else ""
        raise ValueError(f"{name} is {value!r}, and one number is wanted.{apart}") from None
