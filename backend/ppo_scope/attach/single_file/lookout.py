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

from ppo_scope.attach.advising.advice import Advice, Adviser
from ppo_scope.attach.ranks import Ranks, rank_here
from ppo_scope.attach.single_file.coefficients import Coefficients, Waiting, first_in, unsaid_in
from ppo_scope.attach.single_file.named import NAMES, Found, Unlike, found_in, learner_in, names_at
from ppo_scope.attach.single_file.named_loop import NamedLoop
from ppo_scope.attach.single_file.optimizers import agent_in
from ppo_scope.attach.single_file.proven_loss import SYMBOLS
from ppo_scope.attach.turns import AGAIN, Turns
from ppo_scope.attach.watcher import FOUND, say

EUCLIDEAN = 2.0
"""`norm_type` of `clip_grad_norm_`, where nobody says another one."""
LOOKED_FOR = "`backward` called where {names} are"
NOT_KNOWN = "something of it is not known here ({error})"
UNLIKE = "What looks like a PPO at {place} is not shown: {why}."
FROM_THE_SECOND = (
    "The PPO at {place} is shown from its second update on: the terms of its loss are differentiated one by one, and "
    "what args do not tell of it, {names}, was known when its first minibatch was over."
)
OTHER_FORM = "The PPO at {place} is shown, and {otherwise}."
DOUBTS_AFTER = 50
"""Calls of `backward` in which nothing was found: then that is said, since a training may go on for days."""
SOME = "of these, {names} are at {place}"
NOT_IN_ALL = "not all of the processes that train together can be shown, or there is no server"


class Lookout:
    """Looks at who calls `backward`, until one is found, and then follows that one, and others that learn in turns."""

    def __init__(
        self,
        url: str | None = None,
        refused: Callable[[str, Advice | None], None] = lambda why, _: say(why),
        doubts: Callable[[], None] = lambda: None,
        complete: Callable[[Advice], None] = lambda _: None,
    ) -> None:
        """`refused` is told why what looks like a PPO is not shown, and what to put into it, where that is known;
        `doubts`, once, that nothing looks like one so far; `complete`, of lines in which nothing is open.
        """
        self._url, self._told_why, self._doubts = url, refused, doubts
        self.loop: NamedLoop | None = None
        """The one that has learned last."""
        self._turns: Turns[NamedLoop] = Turns()
        self._waiting: Waiting | None = None
        self.calls = 0
        """Of `backward`, by whomever."""
        self.nearest: Found | None = None
        self.adviser = Adviser(complete)
        self._some: tuple[list[str], str] = [], ""  # the most of the names that one caller had, and where
        self._refused: set[str] = set()
        self._why: str | None = None  # of the latest that is refused, until it is said
        self._said_again = False
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
            kind = named.get("norm_type", arguments[1] if len(arguments) > 1 else EUCLIDEAN)
            for loop in self._turns if float(kind) == EUCLIDEAN else ():  # else it is not ‖∇L‖
                loop.clipped(norm, weights)
            return norm

        def stepped(optimizer: Any, *_: Any) -> None:
            for loop in self._turns:
                loop.stepped(optimizer)

        torch.Tensor.backward = differentiated  # type: ignore[assignment,method-assign]
        nn.utils.clip_grad_norm_ = clipped
        self._steps = register_optimizer_step_post_hook(stepped)

    def end(self, *, whole: bool) -> None:
        """The script is over, to its end or not: what was put in its way is taken out of it."""
        torch.Tensor.backward, nn.utils.clip_grad_norm_ = self._before  # type: ignore[method-assign]
        self._steps.remove()
        for loop in self._turns if whole else ():
            loop.finish()

    def why_none(self) -> str:
        """What was looked for here, and how far that got."""
        names = ", ".join(called[0] for called in NAMES.values())
        seen = f"{LOOKED_FOR.format(names=names)} (it was called {self.calls} times"
        if self.nearest is not None and (missing := self.nearest.missing()):
            return f"{seen}; at {self.nearest.place} there is no {', '.join(missing)})"
        some, place = self._some
        return f"{seen}; {SOME.format(names=', '.join(some), place=place)})" if some else f"{seen})"

    def _look(self, frame: FrameType, loss: Tensor) -> None:
        self.calls += 1
        if self.loop is not None and self.loop.watcher.copied:  # its run is another process's
            for loop in self._turns:
                loop.leave()
            self.loop = None
            self._turns.clear()
        if self.loop is not None and all(loop.watcher.off for loop in self._turns):
            for loop in self._turns:
                loop.alone()
            return
        found = found_in(frame, self.loop.found if self.loop is not None else None)
        if self.loop is None and self._waiting is None and not self._refused and self.calls <= DOUBTS_AFTER:
            if found is None and len((some := names_at(frame))[0]) > len(self._some[0]):
                self._some = some
            if (found is None or found.missing()) and not FOUND.is_set:
                self.adviser.look(frame)
            if self.calls == DOUBTS_AFTER:
                self._doubts()
        if found is None:
            return
        learner = learner_in(found)
        theirs = next((loop for loop in self._turns if loop.learner is learner), None)
        if theirs is None and not self._was_shown(learner, found):
            self.nearest = found
            theirs = self._try(found, loss)
            self._say_why(frame)
        if theirs is not None:
            self.loop = theirs
            theirs.differentiating(found, loss)
            for one in self._turns.took(theirs, theirs.index):
                self._over(one)

    def _was_shown(self, learner: Any, found: Found) -> bool:
        """Whether it learns again, after its run."""
        was = learner is not None and any(one() is learner for one in self._shown)
        if was and not self._said_again:
            self._said_again = True
            self._told_why(AGAIN.format(place=found.place), None)
        return was

    def _over(self, loop: NamedLoop) -> None:
        """It learns no more."""
        loop.watcher.begins()  # what was set last would be set in the variables of the one that learns now
        loop.finish(stopped_by_kl=True)  # whatever is left of its last update was not to be
        loop.watcher.close()
        loop.leave()
        if loop.learner is not None:
            self._shown.append(weakref.ref(loop.learner))

    def _try(self, found: Found, loss: Tensor) -> NamedLoop | None:
        """Begin a run of it, where that goes."""
        if found.missing() or found.place in self._refused:
            return None
        waiting = self._waiting
        try:
            terms = self._terms(found, loss)
        except Exception as why:
            self._refuse(found, str(why) if isinstance(why, Unlike) else NOT_KNOWN.format(error=why))
            return None
        if self._waiting is not None:
            return None
        return self._begin_run(found, loss, terms, None if terms is None else waiting)

    def _terms(self, found: Found, loss: Tensor) -> Coefficients | None:
        """What the loss tells of c₁ and c₂, where `args` do not; None: they do, or it is to be waited for."""
        waiting, unsaid = self._waiting, unsaid_in(found)
        if not unsaid:
            self._waiting = None
            return None
        if waiting is None or waiting.code is not found.code or waiting.learner() is not learner_in(found):
            terms = first_in(found, loss, unsaid)
            self._waiting = None if terms.whole else Waiting(found, learner_in(found))
            if self._waiting is not None:
                self._waiting.coefficients = terms
            return terms
        if waiting.is_over(found):
            self._waiting = None
            waiting.coefficients.settings(unsaid)
            names = " and ".join(SYMBOLS[name] for name in unsaid)
            say(FROM_THE_SECOND.format(place=found.place, names=names))
            return waiting.coefficients
        waiting.add(found, loss, unsaid)
        return None

    def _begin_run(
        self, found: Found, loss: Tensor, terms: Coefficients | None, waited: Waiting | None
    ) -> NamedLoop | None:
        ranks, loop = Ranks(agent_in(found.variables)), None
        try:
            loop = NamedLoop(found, loss, self._url, ranks, terms, waited, self._turns.number)
        except Unlike as why:
            self._refuse(found, str(why))
        except Exception as error:  # ours, or of variables that are otherwise than is known here: the script goes on
            self._refuse(found, NOT_KNOWN.format(error=error))
        if ranks.agree(loop is not None and not (ranks.together and loop.watcher.off)) and loop is not None:
            self._turns.add(loop, loop.index)
            if loop.loss.form.sentence and rank_here() == 0:
                say(OTHER_FORM.format(place=found.place, otherwise=loop.loss.form.sentence))
            return loop
        if loop is not None:
            loop.watcher.close(finished=False)
            self._refuse(found, NOT_IN_ALL)
        return None

    def _refuse(self, found: Found, why: str) -> None:
        self._refused.add(found.place)
        self._why = UNLIKE.format(place=found.place, why=why)

    def _say_why(self, frame: FrameType) -> None:
        """Where the caller was refused: with the lines that show it in another way."""
        if self._why is not None:
            why, self._why = self._why, None
            self.adviser.look(frame)
            self._told_why(why, self.adviser.advice)
