"""Way 1: an unchanged script or module, run as it would be, whose PPO is found when it learns.

`python -m ppo_scope.attach.script [--insert] [-m] SCRIPT …` is what `ppo-scope watch [--insert] [-m] SCRIPT …` runs in
a process of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import Any

from ppo_scope.attach import child
from ppo_scope.attach.advising.advice import Advice
from ppo_scope.attach.connecting.address import given
from ppo_scope.attach.connecting.script_news import tell
from ppo_scope.attach.inserting.anew import Beginning
from ppo_scope.attach.inserting.guard import GUARD
from ppo_scope.attach.inserting.inserter import Inserter
from ppo_scope.attach.inserting.running import could_not_begin, run
from ppo_scope.attach.once import watched_as
from ppo_scope.attach.sb3.stable_baselines import Watched, why_not
from ppo_scope.attach.single_file.lookout import Lookout
from ppo_scope.attach.watcher import FOUND, say
from ppo_scope.wire.attaching import LONGEST, LONGEST_LINES, ScriptNews
from ppo_scope.worker.causes import theirs

LEARNERS = (
    ("stable_baselines3.common.on_policy_algorithm", "OnPolicyAlgorithm"),
    ("sb3_contrib", "MaskablePPO"),  # has a `learn` of its own
)
NOT_FOUND = "No PPO was found in {script}."
LOOKED = "Looked for: `learn` of a PPO of Stable-Baselines3 or sb3-contrib; {named}."
SO_FAR = (
    "No PPO has been found in {script} so far, in {calls} calls of `backward`. It trains on, and is shown should one "
    "be found."
)
OTHERS = "Two other ways: ppo_scope.watch(model) in the script, or ppo_scope.Scope in its loop; see docs/attach.md."
ADVISED = (
    "These are the lines of a Scope, as far as its source tells, each to be put where it says; they are of one agent "
    "(a script that trains several makes a Scope for each):"
)
NOT_REACHED = "{script} was begun anew with lines that show it, and has come to none that tells anything."
INTERRUPTED = "{script} was interrupted before it came to a PPO's update."
FAILED = "{script} has failed before a PPO was found in it: {error}"
FAILED_ANEW = (
    "{script} has failed when it was begun anew with lines that show it, before its first update: {error}. Perhaps "
    "what it had made the first time, a folder for example, is in its way: then it runs without --insert."
)


def main(arguments: list[str]) -> None:
    """Run the script with its arguments, as its own main program."""
    beginning = Beginning()
    child.end_with_parent()
    tell_error = sys.excepthook
    sys.excepthook = lambda kind, error, frames: tell_error(kind, error.with_traceback(kept := theirs(frames)), kept)
    inserts = arguments[0] == child.INSERT
    arguments = arguments[inserts:]
    as_module = arguments[0] == "-m"
    sys.argv = arguments[1:] if as_module else arguments
    script = sys.argv[0]
    sys.path[0] = str(Path.cwd()) if as_module else str(Path(script).resolve().parent)
    here = os.getpid()
    inserter = Inserter(beginning, script, asked=inserts, as_module=as_module)
    lookout = Lookout(
        refused=partial(_refuse, inserter),
        doubts=lambda: _doubt(inserter, lookout),
        complete=inserter.complete,
    )
    look_at_models(script)
    files = inserter.files()
    if not files:
        lookout.begin()
    whole, error, interrupted = False, None, False
    try:
        run(script, files, as_module=as_module)
        whole = True
    except KeyboardInterrupt:
        interrupted = True
        raise
    except Exception as problem:
        error = problem
        if could_not_begin(problem):  # which is no fault of the program's, and said below
            raise SystemExit(1) from None
        raise
    finally:
        if os.getpid() == here:  # else it is a process that the script has forked
            if not files:
                lookout.end(whole=whole)
            if not FOUND.is_set and GUARD.on:
                _explain(inserter, error, lookout, interrupted=interrupted)


def _explain(inserter: Inserter, error: Exception | None, lookout: Lookout, *, interrupted: bool = False) -> None:
    """Why nothing of this script was shown."""
    script, anew = inserter.script, bool(GUARD.lines)
    if error is not None:
        told = "".join(traceback.format_exception_only(error)).strip()
        _complain(script, (FAILED_ANEW if anew else FAILED).format(script=script, error=told))
    elif interrupted and (anew or not lookout.calls):
        _complain(script, INTERRUPTED.format(script=script))
    elif anew:
        _complain(script, NOT_REACHED.format(script=script))
    else:
        _say_ways(inserter, NOT_FOUND.format(script=script), lookout)


def _doubt(inserter: Inserter, lookout: Lookout) -> None:
    """Nothing of it was shown so far, though it learns."""
    if not FOUND.is_set:  # by another way
        _say_ways(inserter, SO_FAR.format(script=inserter.script, calls=lookout.calls), lookout)


def _refuse(inserter: Inserter, why: str, advice: Advice | None) -> None:
    """What looks like a PPO is not shown."""
    if advice is None:
        _complain(inserter.script, why)
    else:
        _complain(inserter.script, why, "", f"{OTHERS} {inserter.said_of(advice)}".strip(), advice.lines)


def _say_ways(inserter: Inserter, why: str, lookout: Lookout) -> None:
    """Nothing is shown, and what would."""
    remedy = f"{OTHERS} {inserter.said_of(lookout.adviser.advice)}".strip()
    _complain(inserter.script, why, LOOKED.format(named=lookout.why_none()), remedy, lookout.adviser.lines)


def _complain(script: str, why: str, looked: str = "", remedy: str = "", lines: str | None = None) -> None:
    """Nothing is shown, for this reason: to who runs it, and on the page."""
    if lines is not None and len(lines) > LONGEST_LINES:
        lines = None
    remedy = f"{remedy} {ADVISED}" if lines is not None else remedy
    said = " ".join(filter(None, (why, looked, remedy)))
    say(said if lines is None else f"{said}\n\n{lines}\n")
    _tell(script, f"{why} {remedy}".strip(), looked, lines)


def _tell(script: str, why: str, looked: str = "", lines: str | None = None) -> None:
    """On the page alone."""
    detail = looked[:LONGEST] or None
    tell(given(), ScriptNews(script=Path(script).name, why=why[:LONGEST], detail=detail, lines=lines))


def look_at_models(script: str) -> None:
    """Each of libraries that are known is watched that begins to learn from now on, in this process or a forked one."""
    for module, name in LEARNERS:
        with contextlib.suppress(ImportError):
            _look_at(getattr(importlib.import_module(module), name), script)


def _look_at(kind: Any, script: str) -> None:
    learn = kind.learn

    def watched(model: Any, *arguments: Any, **named: Any) -> Any:
        before = watched_as(model)  # by the script itself, or since it has learned before
        if before is None or before.watcher.copied:
            _begins(model, script)
        try:
            return learn(model, *arguments, **named)
        finally:
            if (there := watched_as(model)) is not None:
                there.watcher.rests()

    kind.learn = watched


def _begins(model: Any, script: str) -> None:
    why = why_not(model)
    if why is None:
        Watched(model, None, False)  # it lives as long as its model
    else:
        FOUND.set()  # if not shown, which is said
        _complain(script, why)


if __name__ == "__main__":
    main(sys.argv[1:])
