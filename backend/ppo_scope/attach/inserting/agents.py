"""What lines that were put in tell of: for each agent of the script a Scope, and so a run of its own.

The lines speak of one Scope. Whose an update is shows at its first minibatch, by the weights that log π is made of;
until then what was collected for it waits. Which update a minibatch is of is told by the function at work in which that
has begun: agents may take turns at every minibatch.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, Self

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from ppo_scope.attach.inserting.learner import Learner, NotToldApart, weights_of
from ppo_scope.attach.own_loop.handed import Handed, handed, layout_of
from ppo_scope.attach.single_file.optimizers import reaches
from ppo_scope.attach.turns import AGAIN, Turns, numbered
from ppo_scope.wire.run import Cause

if TYPE_CHECKING:
    from ppo_scope.attach.own_loop.scope import Scope

Make = Callable[..., "Scope"]
Key = tuple[int, CodeType]
"""Of a function at work: as long as it is, no other one has this number."""

LIBRARY = "a loop of its own"
MOVED = ("learning_rate", "clip_range", "clip_range_high", "value_coef", "entropy_coef")
"""Of what is told with a rollout: all but arrays."""
ARRAYS = (
    *("actions", "rewards", "log_probs", "values", "advantages", "returns", "dones", "truncated"),
    *("observations", "outputs", "mask", "deltas", "text"),
)
LOSSES = ("policy_loss", "loss")

NO_WEIGHTS = "of what weights log π is made is not seen"
ANOTHERS = "a minibatch of one comes within an update of another one"
OTHER_LOSS = "log π is of one, and the loss that is differentiated of another one"
BEFORE = "a minibatch comes where no update has begun that the lines see"


class Update:
    """One that has begun, and is not over."""

    def __init__(self, make: Make, layout: tuple[int, int], moved: dict[str, Any], found: Handed) -> None:
        """`make`: the Scope, if its agent has none yet. What it learns from: see `Scope.takes`."""
        self.make = make
        self._told = layout, moved, lambda: found
        self.learner: Learner | None = None
        """None: that is not known yet."""

    def begin(self, learner: Learner) -> None:
        """It is this one's."""
        self.learner = learner
        if learner.scope is not None:
            learner.scope.takes(*self._told)
        del self._told


class Agents:
    """Those of a script."""

    def __init__(self, again: Callable[[str], None]) -> None:
        """`again` is told, once, that one learns whose run is over."""
        self._make: Make | None = None
        self._again: Callable[[str], None] | None = again
        self._updates: dict[Key, Update] = {}
        self._learners: list[Learner] = []
        self._turns: Turns[Learner] = Turns()
        self._learns: Learner | None = None  # the one whose minibatch came last

    def each_with(self, kind: type[Scope], **facts: Any) -> Self:
        """Whoever learns from now on, if it has no Scope yet, is told to one that is made like this."""
        if self._make is None:
            me = weakref.ref(self)
            hook = register_optimizer_step_post_hook(lambda optimizer, *_: _stepped(me(), optimizer))
            weakref.finalize(self, hook.remove)
        self._make = partial(kind, **facts)
        return self

    def rollout(self, **given: Any) -> None:
        """See `Scope`."""
        moved = {name: given[name] for name in MOVED if name in given}
        arrays = {name: given.get(name) for name in ARRAYS}
        layout = layout_of(arrays["rewards"])
        assert self._make is not None
        self._updates[_key_of(sys._getframe(1))] = Update(self._make, layout, moved, handed(layout, **arrays))

    def minibatch(self, *, log_prob: Any, **given: Any) -> None:
        """See `Scope`.

        Raises:
            NotToldApart: it is not known whose it is.
        """
        frame = sys._getframe(1)
        update = self._update_at(frame)
        losses = [one for name in LOSSES if isinstance(one := given.get(name), Tensor)]
        if update.learner is None:
            self._begin(update, log_prob, losses, frame)
        elif not update.learner.learns(log_prob, *losses):
            raise NotToldApart(ANOTHERS)
        self._learns = update.learner
        if self._learns is not None and self._learns.scope is not None:
            self._learns.scope.minibatch(log_prob=log_prob, **given)

    def update(self) -> bool:
        """See `Scope`."""
        update = self._updates.pop(_key_of(sys._getframe(1)), None)
        learner = None if update is None else update.learner
        if learner is None or learner.scope is None:
            return True
        learner.has_learned()
        return learner.scope.update()

    def let_go(self, why: Cause) -> bool:
        """Nothing more is told of their runs. False: there is none."""
        self._updates.clear()
        had = [one.scope.let_go(why) for one in self._turns if one.scope is not None]
        return any(had)

    def stepped(self, optimizer: Optimizer) -> None:
        """An optimizer has made its step."""
        if self._learns is not None:
            self._learns.steps(optimizer)

    # Inside

    def _update_at(self, frame: FrameType | None) -> Update:
        """The innermost that a function at work has begun."""
        while frame is not None:
            update = self._updates.get(_key_of(frame))
            if update is not None:
                return update
            frame = frame.f_back
        raise RuntimeError(BEFORE)

    def _begin(self, update: Update, log_prob: Any, losses: list[Tensor], frame: FrameType) -> None:
        """An update, with its first minibatch."""
        weights = weights_of(log_prob, *losses)
        if not weights:
            raise NotToldApart(NO_WEIGHTS)
        places = set(map(id, weights))
        if any(one.grad_fn is not None and not reaches(one, places) for one in losses):
            raise NotToldApart(OTHER_LOSS)
        learner = self._learner_of(weights, update.make)
        for key in [key for key, one in self._updates.items() if one.learner is learner]:
            del self._updates[key]  # it was left in the middle
        update.begin(learner)
        if learner.scope is None:
            self._say_again(f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}")
            return
        learner.updates += 1
        for one in self._turns.took(learner, learner.updates):
            one.end()

    def _learner_of(self, weights: list[Tensor], make: Make) -> Learner:
        found = [one for one in self._learners if one.is_of(weights)]
        if found:
            return found[0]
        learner = Learner(make(library=numbered(LIBRARY, self._turns.number)), weights)
        self._learners = [*(one for one in self._learners if not one.is_gone), learner]
        self._turns.add(learner)
        return learner

    def _say_again(self, place: str) -> None:
        if self._again is not None:
            self._again(AGAIN.format(place=place))
            self._again = None


def _stepped(agents: Agents | None, optimizer: Any) -> None:
    if agents is not None:
        agents.stepped(optimizer)


def _key_of(frame: FrameType) -> Key:
    return id(frame), frame.f_code
