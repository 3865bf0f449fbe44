"""Begins a process once more, as it was begun: with its arguments, its folder and its environment, and with lines that
are put into its files meanwhile. What it has in memory is gone, so that nothing is left of the first time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import multiprocessing
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ppo_scope.attach import child
from ppo_scope.attach.advising.advice import Advice
from ppo_scope.attach.advising.draft import Piece
from ppo_scope.attach.advising.files import text_of
from ppo_scope.attach.advising.parting import Put

VARIABLE = "PPO_SCOPE_LINES"
ENDS_WITHIN = 2.0
"""Seconds that processes of the first time have."""
STANDARD = 3
"""Files that every process has open: the first of those that are its own."""


class Beginning:
    """How this process was begun."""

    def __init__(self) -> None:
        """Before anything else is done in it."""
        self._variables, self._folder, self._process = dict(os.environ), Path.cwd(), os.getpid()
        handed = os.environ.pop(VARIABLE, None)
        self._variables.pop(VARIABLE, None)
        self.again = handed is not None
        """It is not begun for the first time."""
        self.advice = None if handed is None else _read(handed)
        """The lines that it is begun anew with; None: there are none, or their file is another one by now."""

    def why_not(self) -> str | None:
        """Why it is not begun anew from here; None: it can be."""
        if self.again:
            return "its file has changed since it was read"
        if os.name != "posix":
            return "that is not done on this system"
        if os.getpid() != self._process:
            return "it learns in a process that the script has begun itself"
        if int(os.environ.get("WORLD_SIZE", 1)) > 1:
            return "several processes train together"
        return None

    def begin_anew(self, advice: Advice) -> NoReturn:
        """With these lines. Nothing of the script's is run any more, no handler and no `finally`."""
        handed = written(advice)
        _end_others()
        for flush in (sys.stdout.flush, sys.stderr.flush, logging.shutdown):
            with contextlib.suppress(Exception):
                flush()
        lifeline = self._variables.get(child.VARIABLE)
        _close_at_exec(except_for=None if lifeline is None else int(lifeline))
        os.chdir(self._folder)
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, {**self._variables, VARIABLE: handed})


def _end_others() -> None:
    """Processes of `multiprocessing`, which would wait for this one for ever."""
    others = multiprocessing.active_children()
    for one in others:
        with contextlib.suppress(Exception):  # a DataLoader complains of each of its own that ends
            one.terminate()
    for one in others:
        with contextlib.suppress(Exception):
            one.join(ENDS_WITHIN / len(others))


def _close_at_exec(*, except_for: int | None) -> None:
    """All files that were opened since it was begun, by whatever library: a device, a socket, a log."""
    for number in [int(one.name) for one in Path("/dev/fd").iterdir()]:
        with contextlib.suppress(OSError):  # that of the listing itself
            if number >= STANDARD:
                os.set_inheritable(number, number == except_for)


def written(advice: Advice) -> str:
    """As it is handed on."""
    puts = [one._replace(path=str(Path(one.path).resolve()), text=_digest(one.text)) for one in advice.puts]
    return json.dumps(advice._replace(puts=puts))


def _read(handed: str) -> Advice | None:
    """None: a file is another one by now."""
    puts, names, lines = json.loads(handed)
    found = [_with_text(*put) for put in puts]
    return None if None in found else Advice([put for put in found if put is not None], names, lines)


def _with_text(path: str, digest: str, pieces: Sequence[Any], scope: str) -> Put | None:
    text = ""
    with contextlib.suppress(OSError, ValueError, SyntaxError):
        text = text_of(path)
    return Put(path, text, [Piece(*one) for one in pieces], scope) if _digest(text) == digest else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
