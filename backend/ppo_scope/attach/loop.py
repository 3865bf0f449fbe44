"""What the hooks of every library tell of an update under way, and how a loop becomes a subject."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

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

    def left(self) -> None:
        """The loop collects again, or is over: an update that something has ended in the middle is over as it is.

        The series has a row of each, without a gap, and what has ended it shows in its numbers.
        """
        if self._open:
            self._updated(stopped_by_kl=False)

    @contextlib.contextmanager
    def leaving(self) -> Iterator[None]:
        """An error that ends an update meanwhile is its author's to catch: nothing may come after it."""
        try:
            yield
        except Exception:
            self.left()
            raise

    @guarded
    def _updated(self, *, stopped_by_kl: bool) -> None:
        update, self._open = self._update, False
        assert update is not None
        update.known |= {**self.policy.restless(update), "memory_after": memory(self.optimizer)}
        update.known |= epsilon(self.optimizer)
        update.stopped_by_kl = stopped_by_kl
        update.seconds_optimise = time.perf_counter() - self._began
        self.watcher.reached(Phase(PhaseKind.UPDATE, update, *self._within))


class _Ears:
    """In the place of a function that libraries call by its module: tells what it returns, to each thread what it
    returns there. Models may train at once in several; the first comes by it, and the last takes it away again.
    """

    lock = threading.Lock()
    placed: ClassVar[dict[tuple[str, str], _Ears]] = {}

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.told: dict[int, list[Callable[[Any], None]]] = {}

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        found = self.function(*arguments, **named)
        for tell in self.told.get(threading.get_ident(), ()):
            tell(found)
        return found


@contextlib.contextmanager
def hearing(module: Any, name: str, tell: Callable[[Any], None]) -> Iterator[None]:
    """What that function returns in this thread meanwhile is told."""
    place, thread = (module.__name__, name), threading.get_ident()
    with _Ears.lock:
        ears = _Ears.placed.get(place)
        if ears is None:
            ears = _Ears.placed[place] = _Ears(getattr(module, name))
            setattr(module, name, ears)
        ears.told = {**ears.told, thread: [*ears.told.get(thread, ()), tell]}
    try:
        yield
    finally:
        with _Ears.lock:
            left = ears.told[thread][:-1]
            ears.told = {one: told for one, told in {**ears.told, thread: left}.items() if told}
            if not ears.told:
                del _Ears.placed[place]
                if getattr(module, name) is ears:  # else somebody has put something of theirs around it
                    setattr(module, name, ears.function)


def clipping(told: Callable[[Tensor], None]) -> contextlib.AbstractContextManager[None]:
    """Whoever limits a gradient's norm tells how large it was."""
    return hearing(nn.utils, "clip_grad_norm_", told)  # where loops find it


@contextlib.contextmanager
def drawing(module: Any, name: str) -> Iterator[list[Any]]:
    """What a function of that module draws meanwhile."""
    drawn: list[Any] = []
    with hearing(module, name, drawn.append):
        yield drawn
