"""Way 1: an unchanged script or module, run as it would be, whose PPO is found when it learns.

`python -m ppo_scope.attach.script [-m] SCRIPT …` is what `ppo-scope watch [-m] SCRIPT …` runs in a process of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

from ppo_scope.attach import child
from ppo_scope.attach.connecting.address import given
from ppo_scope.attach.connecting.script_news import tell
from ppo_scope.attach.once import watched_as
from ppo_scope.attach.sb3.stable_baselines import Watched, why_not
from ppo_scope.attach.single_file.lookout import Lookout
from ppo_scope.attach.watcher import FOUND, say
from ppo_scope.wire.attaching import LONGEST, LONGEST_LINES, ScriptNews

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
ADVISED = "These lines do the latter, as far as its source tells, put in where they say:"
FAILED = "{script} has failed before a PPO was found in it: {error}"


def main(arguments: list[str]) -> None:
    """Run the script with its arguments, as its own main program."""
    child.end_with_parent()
    as_module = arguments[0] == "-m"
    sys.argv = arguments[1:] if as_module else arguments
    script = sys.argv[0]
    sys.path[0] = str(Path.cwd()) if as_module else str(Path(script).resolve().parent)
    here = os.getpid()
    lookout = Lookout(refused=lambda *why: _refuse(script, *why), doubts=lambda: _doubt(script, lookout))
    look_at_models(script)
    lookout.begin()
    whole, error = False, None
    try:
        if as_module:
            runpy.run_module(script, run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(script, run_name="__main__")
        whole = True
    except Exception as problem:
        error = problem
        if could_not_begin(problem):  # which is no fault of the program's, and said below
            raise SystemExit(1) from None
        raise
    finally:
        if os.getpid() == here:  # else it is a process that the script has forked
            lookout.end(whole=whole)
            if not FOUND.is_set:
                _explain(script, error, LOOKED.format(named=lookout.why_none()), lookout.adviser.lines)


def could_not_begin(error: Exception) -> bool:
    """Whether Python has found nothing to run."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return isinstance(error, ImportError) and frame.f_code.co_filename == runpy.run_module.__code__.co_filename


def _explain(script: str, error: Exception | None, looked: str, lines: str | None) -> None:
    """Why nothing of this script was shown."""
    if error is not None:
        _complain(script, FAILED.format(script=script, error="".join(traceback.format_exception_only(error)).strip()))
    else:
        _complain(script, NOT_FOUND.format(script=script), looked, OTHERS, lines)


def _doubt(script: str, lookout: Lookout) -> None:
    """Nothing of it was shown so far, though it learns."""
    if not FOUND.is_set:  # by another way
        why = SO_FAR.format(script=script, calls=lookout.calls)
        _complain(script, why, LOOKED.format(named=lookout.why_none()), OTHERS, lookout.adviser.lines)


def _refuse(script: str, why: str, lines: str | None) -> None:
    """What looks like a PPO is not shown."""
    _complain(script, why, "", "" if lines is None else OTHERS, lines)


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
        return learn(model, *arguments, **named)

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
