"""Whether the lines that show a script are put into it, and why not."""

from __future__ import annotations

import time
from pathlib import Path

from ppo_scope.attach.advising.advice import Advice
from ppo_scope.attach.inserting.anew import Beginning
from ppo_scope.attach.inserting.guard import GUARD
from ppo_scope.attach.inserting.lines import NotInserted, tree_with
from ppo_scope.attach.inserting.running import File
from ppo_scope.attach.watcher import say
from ppo_scope.wire.attaching import LONGEST_LINES

COMPLETE = (
    "`ppo-scope watch --insert {what}` makes the Scope by itself: nothing is open in its lines, they are put in in "
    "memory, and no file is written."
)
NOT_INSERTED = "--insert has not put in the lines of a Scope: {why}."
NOT_READ = "what it does could not be read"
OPEN = "{names} {are} to be filled in, or looked at"
TOO_LONG = "they are too many"
ANEW = (
    "{script} is not shown by itself. It begins anew with the lines that show it in {files}, in memory: no file is "
    "written, and what the script has done in its first {seconds:.0f} seconds it does a second time. The lines:"
)


class Inserter:
    """Whether the lines that show the script are put into it, and why not."""

    def __init__(self, beginning: Beginning, script: str, *, asked: bool, as_module: bool = False) -> None:
        """`asked`: they are to be, where nothing is open in them."""
        self.script = script
        self._what = f"-m {script}" if as_module else script
        self._beginning, self._asked, self._began = beginning, asked, time.monotonic()

    def files(self) -> list[File]:
        """Those that are run with the lines, where the script is begun anew with them."""
        advice = self._beginning.advice
        if advice is None:
            return []
        GUARD.lines, GUARD.script = advice.lines, Path(self.script).name
        return files_with(advice)

    def complete(self, advice: Advice) -> None:
        """They are known, and nothing is open in them: the script begins anew, if that is asked for and can be."""
        if self._asked and self.why_not(advice) is None:
            seconds = time.monotonic() - self._began
            anew = ANEW.format(script=self.script, files=" and ".join(advice.files), seconds=max(1.0, seconds))
            say(f"{anew}\n\n{advice.lines}\n")
            self._beginning.begin_anew(advice)

    def why_not(self, advice: Advice) -> str | None:
        """Why these lines are not put in; None: they can be."""
        if advice.open:
            names = " and ".join(filter(None, (", ".join(advice.open[:-1]), advice.open[-1])))
            return OPEN.format(names=names, are="are" if len(advice.open) > 1 else "is")
        if len(advice.lines) > LONGEST_LINES:
            return TOO_LONG
        try:
            for file in files_with(advice):
                file.code(file.path)
        except (NotInserted, SyntaxError, ValueError, RecursionError) as why:
            return str(why)
        return self._beginning.why_not()

    def said_of(self, advice: Advice | None) -> str:
        """In a sentence; empty: there is nothing to say."""
        why = NOT_READ if advice is None else self.why_not(advice)
        if self._asked:
            return "" if why is None else NOT_INSERTED.format(why=why)
        return COMPLETE.format(what=self._what) if why is None else ""


def files_with(advice: Advice) -> list[File]:
    """Its files with the lines in them.

    Raises:
        NotInserted: they do not go in, or would do more than to tell.
    """
    return [File(put.path, tree_with(put, advice.names)) for put in advice.puts]
