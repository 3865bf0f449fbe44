"""An update of Stable-Baselines3 made a second time, with other settings: from where it began, to compare, or to go on.

What an update depends on is kept where it begins. Where nothing is applied, training goes on from exactly where it was.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ppo_scope.attach.facts import Facts
from ppo_scope.attach.policy import Policy
from ppo_scope.attach.record import Phase, Update
from ppo_scope.attach.report import Report
from ppo_scope.ppo.settings import Settings
from ppo_scope.probes.record import PhaseKind
from ppo_scope.wire.codes import ErrorCode, Refused
from ppo_scope.worker.causes import in_a_line
from ppo_scope.worker.ear import Command

SETTINGS = ("clip_range", "vf_coef", "ent_coef", "n_epochs", "target_kl", "max_grad_norm", "_n_updates")
"""Attributes of a model that an update reads or moves."""
LOGGED = ("name_to_value", "name_to_count", "name_to_excluded")

RUNNING = "The run is going on: pause it before you apply something to an update."
NOT_WHOLE = "Step to the end of an update first: both outcomes must be whole."
FAILED = "The update could not be made anew, and is as it was: {why}"
NOT_TAKEN = "This loop does not take {name} from outside."
NONE = "There are no two outcomes to choose from."
UNDECIDED = "Update {index} has two outcomes, and none is chosen yet. Keep one of them first, as it was or the new one."


class Position:
    """Where a model stands: all that its next update depends on, beside the rollout."""

    def __init__(self, model: Any, policy: Policy, theta: Tensor | None = None) -> None:
        """`theta`: the weights, where somebody has them already."""
        optimizer = model.policy.optimizer
        self._theta = policy.theta() if theta is None else theta
        self._buffers = [one.clone() for one in policy.buffers()]
        self._moments = _Moments(optimizer)
        self._groups = [{name: one[name] for name in one if name != "params"} for one in optimizer.param_groups]
        self._settings = {name: vars(model)[name] for name in SETTINGS}
        self._logged = {name: dict(vars(model.logger)[name]) for name in LOGGED}
        devices = range(torch.cuda.device_count()) if model.device.type == "cuda" else ()
        self._generators = random.getstate(), np.random.get_state(), torch.get_rng_state()
        self._on_devices = [torch.cuda.get_rng_state(one) for one in devices]

    def take(self, model: Any, policy: Policy) -> None:
        """Stand there again."""
        optimizer = model.policy.optimizer
        policy.become(self._theta.to(policy.device), [one.to(policy.device) for one in self._buffers])
        self._moments.take(optimizer)
        for group, kept in zip(optimizer.param_groups, self._groups, strict=True):
            group.update(kept)
        vars(model).update(self._settings)
        for name, kept in self._logged.items():
            found = vars(model.logger)[name]
            found.clear()
            found.update(kept)
        python, numpy, own = self._generators
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(own)
        for device, state in enumerate(self._on_devices):
            torch.cuda.set_rng_state(state, device)


class _Moments:
    """What an optimizer remembers; its tensors, which are many and small, are copied all at once."""

    def __init__(self, optimizer: Any) -> None:
        self._plain: dict[Any, dict[str, Any]] = {}
        found: dict[tuple[Any, Any], list[tuple[Any, str, Tensor]]] = {}
        for parameter, state in optimizer.state.items():
            self._plain[parameter] = plain = {}
            for name, value in state.items():
                if isinstance(value, Tensor):
                    found.setdefault((value.dtype, value.device), []).append((parameter, name, value))
                    value = value.shape
                plain[name] = value  # in their order
        self._tensors = [
            ([one[:2] for one in alike], torch.cat([one[2].reshape(-1) for one in alike])) for alike in found.values()
        ]

    def take(self, optimizer: Any) -> None:
        """Remember that again."""
        states = {parameter: dict(plain) for parameter, plain in self._plain.items()}
        for places, whole in self._tensors:
            sizes = [states[parameter][name].numel() for parameter, name in places]
            for (parameter, name), part in zip(places, torch.split(whole, sizes), strict=True):
                states[parameter][name] = part.clone().reshape(states[parameter][name])
        optimizer.state.clear()
        optimizer.state.update(states)


@dataclass(frozen=True)
class Outcome:
    """An update, where it has led, and the settings that it was made with where they differ."""

    update: Update
    position: Position
    values: dict[str, Any] = field(default_factory=dict)
    within: tuple[int, int] = (0, 0)

    @property
    def phase(self) -> Phase:
        """Its end."""
        return Phase(PhaseKind.UPDATE, self.update, *self.within)


class Repeats(Protocol):
    """Whose updates can be made a second time."""

    def again(self, values: dict[str, Any]) -> Outcome:
        """Make the update that has just ended anew; everything is then as it was before."""
        ...

    @contextmanager
    def visit(self, outcome: Outcome) -> Iterator[None]:
        """The weights as that outcome left them, for as long as somebody looks."""
        ...

    def adopt(self, outcome: Outcome) -> Facts:
        """Go on from there; the settings from before."""
        ...


class Outcomes:
    """Of the update at hand: as it is, and as it would be."""

    def __init__(self, loop: Repeats, report: Report) -> None:
        self._loop, self._report = loop, report
        self._new: Outcome | None = None

    def make(self, values: dict[str, Any], changeable: frozenset[str]) -> None:
        """Compute the second one, and show both.

        Raises:
            Refused: it cannot be made; the update is as it was.
        """
        self.refuse_when_undecided()
        if not self._report.whole:
            raise Refused(ErrorCode.CONFLICT, NOT_WHOLE)
        for name in values:
            if name not in changeable:
                raise Refused(ErrorCode.INVALID, NOT_TAKEN.format(name=name))
        try:
            Settings.parse(values)
        except ValueError as error:
            raise Refused(ErrorCode.INVALID, str(error)) from None
        try:
            self._new = outcome = self._loop.again(values)
        except Refused:
            raise
        except Exception as error:  # of the library, with these settings
            raise Refused(ErrorCode.FAILED, FAILED.format(why=in_a_line(error))) from None
        self._report.compare(outcome.phase, self._loop.visit(outcome))

    def choose(self, command: Command) -> list[dict[str, Any]]:
        """Go on from one of the two; what has changed with it.

        Raises:
            Refused: there are no two.
        """
        if self._new is None:
            raise Refused(ErrorCode.CONFLICT, NONE)
        outcome, self._new = self._new, None
        self._report.decided()
        if command["which"] != "new":
            return []
        before, after, index = self._loop.adopt(outcome), outcome.update.settings, outcome.update.index
        self._report.amended(outcome.phase)
        moved = [(name, getattr(before, name), getattr(after, name)) for name in outcome.values]
        return [{"name": name, "old": old, "new": new, "first_update": index} for name, old, new in moved if old != new]

    def refuse_when_undecided(self) -> None:
        """Neither of the two is chosen by the way.

        Raises:
            Refused: there are two.
        """
        if self._new is not None:
            raise Refused(ErrorCode.CONFLICT, UNDECIDED.format(index=self._new.update.index))
