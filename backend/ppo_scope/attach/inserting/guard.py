"""Around the lines that were put into a script: an error in one of them ends the watching, never the training."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ppo_scope.attach.connecting.address import given
from ppo_scope.attach.connecting.script_news import tell
from ppo_scope.attach.watcher import say
from ppo_scope.wire.attaching import LONGEST, ScriptNews
from ppo_scope.worker import causes

if TYPE_CHECKING:
    from ppo_scope.attach.own_loop.scope import Scope

FAILED = "A line that was put in has failed, and nothing more is shown; the training goes on. ({kind}: {error})"


class Guard:
    """Of this process."""

    def __init__(self) -> None:
        self.on = True
        """The lines are run."""
        self.lines = ""
        """Those that were put in; empty: none were."""
        self.script = ""
        """Into which."""

    def failed(self, scope: Scope | None) -> None:
        """In a handler of what one of them has raised."""
        error = sys.exception()
        assert error is not None
        self.on = False
        why = FAILED.format(kind=type(error).__name__, error=causes.in_a_line(error))
        say(why)
        if scope is None or not scope.let_go({"summary": why}):
            tell(given(), ScriptNews(script=self.script, why=why[:LONGEST], lines=self.lines))

    def end(self) -> None:
        """Its run was ended on the page: the script ends as it does."""
        raise SystemExit(0)


GUARD = Guard()
