"""What a foreign loop says that it trains with, by the names of our settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ppo_scope.attach.kl_estimates import ESTIMATES, EXACT
from ppo_scope.ppo.settings import LIVE, Settings, table


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
    """Of the KL to π_old, of which the loss has `kl_coef` times the mean in it: a name in `ESTIMATES` or `EXACT` of
    `kl_estimates`.
    """
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
        """What can change while a run goes on, by name, as far as the loop has told it: a schedule may have come to a
        number that is none.
        """
        found = {name: getattr(self, name) for name in ("objective", *self.told) if name in LIVE}
        found = {name: one for name, one in found.items() if not isinstance(one, float) or math.isfinite(one)}
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
    if told.get("kl_estimate") not in (None, *ESTIMATES, *EXACT):
        raise ValueError(
            f"kl_estimate is {told['kl_estimate']!r}, and one of {', '.join((*ESTIMATES, *EXACT))} is wanted."
        )
    layout = {"num_envs": 1, "rollout_steps": 1, "epochs": 1, "minibatches": 1}
    return Facts(**{**layout, **in_numbers(told), **no_limits_in(told)}, told=tuple(told))


def no_limits_in(told: Mapping[str, Any]) -> dict[str, None]:
    """Those that are told and nothing exceeds: they are off."""
    return {name: None for name in LIMITS if told.get(name) == math.inf}


def with_rollout(facts: Facts, layout: tuple[int, int], moved: Mapping[str, Any]) -> Facts:
    """What the next update is made with, of a rollout [M, N]: the same object, where that is what it was.

    `moved`: what the loop says anew, by the names of our settings; None: it does not.

    Raises:
        ValueError: what has to be one number is none, or none that it can be.
    """
    told = in_numbers({name: value for name, value in moved.items() if value is not None})
    told |= no_limits_in(told)
    refuse_nonsense(told)
    now = {**told, "num_envs": layout[1], "rollout_steps": layout[0]}
    if not (told.keys() - facts.told) and all(getattr(facts, name) == value for name, value in now.items()):
        return facts
    return replace(facts, **now, told=tuple({*facts.told, *told}))


KINDS = {"float": float, "int": int, "bool": bool}
PLAIN = {name: KINDS.get(str(field.type).partition(" ")[0]) for name, field in Facts.__dataclass_fields__.items()}
"""Which of them are numbers, and of which kind of Python's own; None: it is no number."""
MAY_BE_OFF = {name for name, field in Facts.__dataclass_fields__.items() if str(field.type).endswith("| None")}


def in_numbers(told: Mapping[str, Any]) -> dict[str, Any]:
    """The same, with plain numbers where arrays of one are handed over.

    Raises:
        ValueError: what has to be one number is none.
    """
    return {name: value if value is None else plain(name, value, PLAIN[name]) for name, value in told.items()}


def plain(name: str, value: Any, kind: Callable[[Any], Any] | None) -> Any:
    """A plain number of this kind.

    Raises:
        ValueError: it is none.
    """
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


def finite(name: str, value: Any) -> float:
    """One number.

    Raises:
        ValueError: it is none, or not finite.
    """
    found: float = plain(name, value, float)
    if not math.isfinite(found):
        raise ValueError(f"{name} is {found}, and a finite number is wanted.")
    return found


SIGNED = {"value_coef", "entropy_coef", "learning_rate", "seed"}
"""A wrong sign of these is a mistake that Health finds, or none."""
BOUNDED = {row["name"] for row in table() if row["minimum"] is not None} & PLAIN.keys() - SIGNED

AT_MOST_ONE = {"discount", "gae_lambda"}
"""What later rewards are worth cannot be more than what they are. Other maxima of ours are those of sliders."""


def refuse_nonsense(told: Mapping[str, Any]) -> None:
    """What somebody has written into a call, in plain numbers: nothing could be computed or drawn with some.

    Raises:
        ValueError: one is missing, not finite, or below or above what it can be.
    """
    for name, value in told.items():
        wanted = _wanted(name, value)
        if wanted is not None:
            raise ValueError(f"{name} is {value}, and {wanted} is wanted.")


def _wanted(name: str, value: Any) -> str | None:
    """What it has to be, where it is not that."""
    kind = PLAIN[name]
    if value is None:
        return "one number" if kind is float and name not in MAY_BE_OFF else None
    if kind is None or (value == math.inf and name in LIMITS):
        return None
    if not math.isfinite(value):
        return "a finite number"
    least = 1 if kind is int else 0
    if name in BOUNDED and value < least:
        return f"a number of at least {least}"
    if name in AT_MOST_ONE and value > 1:
        return "a number of at most 1"
    return "a number above 1" if name == "ratio_cap" and value <= 1 else None


def changeable(change: Mapping[str, Any]) -> dict[str, Any]:
    """What a loop lets be changed while it goes on, by the names of our settings.

    Raises:
        ValueError: a name is none of such a setting, or what is to set it cannot be called.
    """
    if not isinstance(change, Mapping):
        raise ValueError(
            f"change is {change!r}, and a dict is wanted: of names of settings, and functions that set them."
        )
    for name, setter in change.items():
        if name not in CHANGEABLE:
            raise ValueError(f"change: {name} cannot be moved on the page; {', '.join(sorted(CHANGEABLE))} can.")
        if not callable(setter):
            raise ValueError(f"change: what is to set {name} is {setter!r}, and a function of its new value is wanted.")
    return dict(change)


CHANGEABLE = LIVE & Facts.__dataclass_fields__.keys()
