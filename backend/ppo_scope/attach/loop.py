"""What the hooks of every library tell of an update under way, and how a loop becomes a subject."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gymnasium as gym
from torch import Tensor, nn

from ppo_scope.attach.beside.desk import Model
from ppo_scope.attach.course import epsilon, memory
from ppo_scope.attach.episodes import LATEST
from ppo_scope.attach.policy import Policy
from ppo_scope.attach.record import Episode, Phase, Update
from ppo_scope.attach.watcher import Watcher, guarded
from ppo_scope.ppo.registry import time_limit_of
from ppo_scope.probes.record import PhaseKind
from ppo_scope.probes.subject import Abilities, Distribution


class Loop:
    """One that trains, and its record. A subclass begins updates, and tells which minibatches they are made of."""

    reward_threshold = None
    watcher: Watcher
    policy: Policy
    env: str
    observation_space: gym.Space[Any] | None
    observation: str
    is_image = False
    steps: int
    """Transitions trained on so far."""

    def __init__(self) -> None:
        self._update: Update | None = None
        self._index = 0
        self._open = False  # an update that has begun has not ended
        self._within = (0, 0)  # epoch, minibatch
        self._began = 0.0
        self._quiet = False  # nobody is told of phases
        self._latest: list[Episode] = []

    @property
    def episodes(self) -> Sequence[Episode]:
        """The latest, of which means are taken."""
        return self._latest

    @property
    def time_limit(self) -> int | None:
        """Of an environment that is registered by the name that the loop gives, and as it is registered."""
        return time_limit_of(self.env)

    @property
    def distribution(self) -> Distribution | None:
        """What the policy's outputs mean."""
        return self.policy.distribution

    @property
    def abilities(self) -> Abilities:
        """Those of its policy."""
        return self.policy.abilities()

    @property
    def optimizer(self) -> Any:
        """The one that makes its steps."""
        return None

    def as_it_is(self) -> Model:
        """What a process beside the loop measures by."""
        return Model(self, self.policy)

    # Phases

    def _begin(self, update: Update, ended: Sequence[Episode]) -> None:
        """A rollout is whole: the record of an update begins."""
        self._latest = [*self._latest, *ended][-LATEST:]
        self._update, self._open = update, True
        self._within, self._began = (0, 0), time.perf_counter()
        self.watcher.reached(Phase(PhaseKind.ADVANTAGES, update))

    def _at(self, kind: PhaseKind) -> None:
        """The loop has come to a phase within an update."""
        if time.perf_counter() < self.watcher.next_look:
            return
        if self._update is not None and not self._quiet:
            self._update.seconds_optimise = time.perf_counter() - self._began
            self.watcher.reached(Phase(kind, self._update, *self._within))
            if not self.watcher.next_look:
                self._closely()

    def _about_to_step(self) -> None:
        """The first minibatch of an update is there, and no step has been made."""
        if self._update is not None:
            self._update.known["memory_before"] = memory(self.optimizer)

    def _closely(self) -> None:
        """Somebody waits for a phase: what is left out at full speed is told from here on."""

    @guarded
    def _differentiated(self, norm: Tensor) -> None:
        """The gradient is there, and its norm before it is cut off."""
        update = self._update
        if update is None or not update.told:
            return
        last = len(update.told) - 1
        if last not in update.gradient_norms:
            update.gradient_norms[last] = norm
            self._at(PhaseKind.GRADIENT)

    @guarded
    def _step_made(self) -> None:
        self._at(PhaseKind.STEP)

    @guarded
    def _end_epoch(self) -> None:
        self._at(PhaseKind.EPOCH)

    def _left(self) -> None:
        """The loop collects again: an update that an error or an interrupt has ended in the middle is over as it is.

        The series has a row of each, without a gap.
        """
        if self._open:
            self._updated(stopped_by_kl=False)

    @guarded
    def _updated(self, *, stopped_by_kl: bool) -> None:
        update, self._open = self._update, False
        assert update is not None
        update.known |= {**self.policy.restless(update), "memory_after": memory(self.optimizer)}
        update.known |= epsilon(self.optimizer)
        update.stopped_by_kl = stopped_by_kl
        update.seconds_optimise = time.perf_counter() - self._began
        self.watcher.reached(Phase(PhaseKind.UPDATE, update, *self._within))


@contextlib.contextmanager
def clipping(told: Callable[[Tensor], None]) -> Iterator[None]:
    """Whoever limits a gradient's norm tells how large it was."""
    clip = nn.utils.clip_grad_norm_

    def clipped(parameters: Any, *arguments: Any, **named: Any) -> Tensor:
        norm = clip(parameters, *arguments, **named)
        told(norm)
        return norm

    nn.utils.clip_grad_norm_ = clipped  # where loops find it
    try:
        yield
    finally:
        nn.utils.clip_grad_norm_ = clip


@contextlib.contextmanager
def drawing(module: Any, name: str) -> Iterator[list[Any]]:
    """What a function of that module draws meanwhile."""
    drawn: list[Any] = []
    draw = getattr(module, name)

    def noted(*arguments: Any, **named: Any) -> Any:
        drawn.append(draw(*arguments, **named))
        return drawn[-1]

    setattr(module, name, noted)
    try:
        yield drawn
    finally:
        setattr(module, name, draw)
