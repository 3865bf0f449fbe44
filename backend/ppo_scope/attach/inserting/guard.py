"""Around the lines that were put into a script: an error in one of them ends the watching, never the training."""

from __future__ import annotations

import contextlib
import copy
import random
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ppo_scope.attach.connecting.address import given
from ppo_scope.attach.connecting.script_news import tell
from ppo_scope.attach.inserting.agents import Agents
from ppo_scope.attach.inserting.learner import NotToldApart
from ppo_scope.attach.watcher import say
from ppo_scope.wire.attaching import LONGEST, ScriptNews
from ppo_scope.worker import causes

if TYPE_CHECKING:
    from ppo_scope.attach.own_loop.scope import Scope

FAILED = "A line that was put in has failed, and nothing more is shown; the training goes on. ({kind}: {error})"

MIXED = (
    "Several agents seem to learn in {script}, and they cannot be told apart: {why}. Nothing more is shown; the "
    "training goes on."
)
NOT_ASKED = "a {kind} would be asked once more than the script does: put what it answers into a variable"


class Guard:
    """Of this process."""

    def __init__(self) -> None:
        self.on = True
        """The lines are run."""
        self.lines = ""
        """Those that were put in; empty: none were."""
        self.script = ""
        """Into which."""
        self._agents = Agents(self._tell)

    def each_with(self, kind: type[Scope], **facts: Any) -> Agents:
        """What the lines call their Scope: each agent has one of its own, and one that is new has it made like this."""
        return self._agents.each_with(kind, **facts)

    def asked(self, held: Any) -> Any:
        """What may be asked once more than the script does, so that nothing comes of it.

        Raises:
            TypeError: it is not known what that would do.
        """
        if isinstance(held, nn.Module):
            return lambda *given, **named: _answer(held, given, named)
        if type(held).__module__.startswith("torch.distributions."):
            return held  # whose `entropy` and `log_prob` draw nothing
        raise TypeError(NOT_ASKED.format(kind=type(held).__name__))

    def failed(self) -> None:
        """In a handler of what one of them has raised."""
        error = sys.exception()
        assert error is not None
        self.on = False
        if isinstance(error, NotToldApart):
            why = MIXED.format(script=self.script, why=error)
        else:
            why = FAILED.format(kind=type(error).__name__, error=causes.in_a_line(error))
        say(why)
        with contextlib.suppress(Exception):  # whatever is the matter, the script goes on
            if not self._agents.let_go({"summary": why}):
                self._news(why)

    def _tell(self, why: str) -> None:
        """In the terminal, and on the page."""
        say(why)
        with contextlib.suppress(Exception):
            self._news(why)

    def _news(self, why: str) -> None:
        tell(given(), ScriptNews(script=self.script, why=why[:LONGEST], lines=self.lines))

    def end(self) -> None:
        """Its run was ended on the page: the script ends as it does."""
        raise SystemExit(0)


def _answer(module: nn.Module, given: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """Of a module that is asked by us: of a copy with the same weights, whatever it notes of itself, and no generator
    moves on.
    """
    apart = copy.deepcopy(module, {id(one): one for one in module.parameters()})
    numpys, pythons = np.random.get_state(), random.getstate()
    try:
        with torch.no_grad(), torch.random.fork_rng():
            return apart(*given, **named)
    finally:
        np.random.set_state(numpys)
        random.setstate(pythons)


GUARD = Guard()
