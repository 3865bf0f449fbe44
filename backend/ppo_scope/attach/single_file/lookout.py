"""Finds a PPO in one file, as CleanRL's are, in an unchanged script by what its variables are called.

    ppo-scope watch ppo.py --its --arguments

Wherever `backward` is called, the variables of who called it are looked at. Where they are those of a PPO's update, by
name, shape and meaning (r = exp(log π − log π_old), and L put together of its terms), it is followed from there on
(`named_loop.py`); nothing is shown that does not pass.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from ppo_scope.attach.ranks import Ranks
from ppo_scope.attach.single_file.named import NAMES, Found, Unlike, found_in, learner_in
from ppo_scope.attach.single_file.named_loop import NamedLoop
from ppo_scope.attach.watcher import say

LOOKED_FOR = "`backward` called where {names} are"
UNLIKE = "What looks like a PPO at {place} is not shown: {why}."
NOT_IN_ALL = "not all of the processes that train together can be shown, or there is no server"


class Lookout:
    """Looks at who calls `backward`, until one is found, and then follows that one."""

    def __init__(self, url: str | None = None, refused: Callable[[str], None] = lambda _: None) -> None:
        """`refused` is told why what looks like a PPO is not shown."""
        self._url, self._told_why = url, refused
        self.loop: NamedLoop | None = None
        self.calls = 0
        """Of `backward`, by whomever."""
        self.nearest: Found | None = None
        self._refused: set[str] = set()
        self._shown: list[weakref.ref[Any]] = []  # what has learned in runs that are over

    def begin(self) -> None:
        """From now on, in this process."""
        backward, clip = torch.Tensor.backward, nn.utils.clip_grad_norm_
        self._before = backward, clip

        def differentiated(loss: Tensor, *arguments: Any, **named: Any) -> None:
            frame = sys._getframe(1)
            if self.loop is None or not self.loop.passes(frame.f_locals, loss):
                self._look(frame, loss)
            backward(loss, *arguments, **named)  # type: ignore[no-untyped-call]

        def clipped(parameters: Tensor | Iterable[Tensor], *arguments: Any, **named: Any) -> Tensor:
            if self.loop is None:
                return clip(parameters, *arguments, **named)
            weights = [parameters] if isinstance(parameters, Tensor) else list(parameters)
            norm = clip(weights, *arguments, **named)
            self.loop.clipped(norm, weights)
            return norm

        def stepped(optimizer: Any, *_: Any) -> None:
            if self.loop is not None:
                self.loop.stepped(optimizer)

        torch.Tensor.backward = differentiated  # type: ignore[assignment,method-assign]
        nn.utils.clip_grad_norm_ = clipped
        self._steps = register_optimizer_step_post_hook(stepped)

    def end(self, *, whole: bool) -> None:
        """The script is over, to its end or not: what was put in its way is taken out of it."""
        torch.Tensor.backward, nn.utils.clip_grad_norm_ = self._before  # type: ignore[method-assign]
        self._steps.remove()
        if self.loop is not None and whole:
            self.loop.finish()

    def why_none(self) -> str:
        """What was looked for here, and how far that got."""
        names = ", ".join(called[0] for called in NAMES.values())
        seen = f"{LOOKED_FOR.format(names=names)} (it was called {self.calls} times"
        if self.nearest is not None and (missing := self.nearest.missing()):
            return f"{seen}; at {self.nearest.place} there is no {', '.join(missing)})"
        return f"{seen})"

    def _look(self, frame: FrameType, loss: Tensor) -> None:
        self.calls += 1
        if self.loop is not None and self.loop.watcher.copied:  # its run is another process's
            self.loop.leave()
            self.loop = None
        if self.loop is not None and self.loop.watcher.off:
            self.loop.alone()
            return
        found = found_in(frame, self.loop.found if self.loop is not None else None)
        if found is None:
            return
        if self.loop is not None and (learner := learner_in(found)) is not self.loop.learner:
            if self._was_shown(learner):
                return
            self._over(self.loop)
            self.loop = None
        if self.loop is None:
            self.nearest = found
            self._try(found, loss)
        if self.loop is not None:
            self.loop.differentiating(found, loss)

    def _was_shown(self, learner: Any) -> bool:
        """Whether it learns beside another one, which is shown by now."""
        return learner is not None and any(one() is learner for one in self._shown)

    def _over(self, loop: NamedLoop) -> None:
        """Another agent learns: its run is one of its own, with a policy, environments and steps of its own."""
        loop.finish(stopped_by_kl=True)  # whatever is left of its last update was not to be
        loop.watcher.close()
        loop.leave()
        if loop.learner is not None:
            self._shown.append(weakref.ref(loop.learner))

    def _try(self, found: Found, loss: Tensor) -> None:
        if found.missing() or found.place in self._refused:
            return
        agent = found.variables.get("agent")
        ranks, loop = Ranks(agent if isinstance(agent, nn.Module) else None), None
        try:
            loop = NamedLoop(found, loss, self._url, ranks)
        except Unlike as why:
            self._refuse(found, str(why))
        except Exception as error:  # ours, or of variables that are otherwise than is known here: the script goes on
            self._refuse(found, f"something of it is not known here ({error})")
        if ranks.agree(loop is not None and not (ranks.together and loop.watcher.off)):
            self.loop = loop
        elif loop is not None:
            loop.watcher.close(finished=False)
            self._refuse(found, NOT_IN_ALL)

    def _refuse(self, found: Found, why: str) -> None:
        self._refused.add(found.place)
        sentence = UNLIKE.format(place=found.place, why=why)
        say(sentence)
        self._told_why(sentence)
