"""Way 1: an unchanged script or module, run as it would be, whose PPO is found when it learns.

`python -m ppo_scope.attach.script [-m] SCRIPT …` is what `ppo-scope watch [-m] SCRIPT …` runs in a process of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import runpy
import sys
import traceback
import weakref
from pathlib import Path
from typing import Any

from ppo_scope.attach import child
from ppo_scope.attach.connecting.address import given
from ppo_scope.attach.connecting.script_news import tell
from ppo_scope.attach.sb3.stable_baselines import Watched, why_not
from ppo_scope.attach.single_file.named_loop import Lookout
from ppo_scope.attach.watcher import say
from ppo_scope.wire.attaching import LONGEST, ScriptNews

LEARNERS = (
    ("stable_baselines3.common.on_policy_algorithm", "OnPolicyAlgorithm"),
    ("sb3_contrib", "MaskablePPO"),  # has a `learn` of its own
)
NOT_FOUND = "No PPO was found in {script}."
LOOKED = "Looked for: `learn` of a PPO of Stable-Baselines3 or sb3-contrib; {named}."
OTHERS = "Two other ways: ppo_scope.watch(model) in the script, or ppo_scope.Scope in its loop; see docs/attach.md."
FAILED = "{script} has failed before a PPO was found in it: {error}"


def main(arguments: list[str]) -> None:
    """Run the script with its arguments, as its own main program."""
    child.end_with_parent()
    as_module = arguments[0] == "-m"
    sys.argv = arguments[1:] if as_module else arguments
    script = sys.argv[0]
    sys.path[0] = str(Path.cwd()) if as_module else str(Path(script).resolve().parent)
    models, lookout = Models(script), Lookout(refused=lambda why: _tell(script, why))
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
        raise
    finally:
        lookout.end(whole=whole)
        if not models.found and not models.refused and lookout.loop is None:
            _explain(script, error, LOOKED.format(named=lookout.why_none()))


def _explain(script: str, error: Exception | None, looked: str) -> None:
    """Why nothing of this script was shown."""
    if error is not None:
        _complain(script, FAILED.format(script=script, error="".join(traceback.format_exception_only(error)).strip()))
    else:
        _complain(script, NOT_FOUND.format(script=script), looked, OTHERS)


def _complain(script: str, why: str, looked: str = "", remedy: str = "") -> None:
    """Nothing is shown, for this reason: to who runs it, and on the page."""
    say(" ".join(filter(None, (why, looked, remedy))))
    _tell(script, f"{why} {remedy}".strip(), looked)


def _tell(script: str, why: str, looked: str = "") -> None:
    """On the page alone."""
    tell(given(), ScriptNews(script=Path(script).name, why=why[:LONGEST], detail=looked[:LONGEST] or None))


class Models:
    """Of libraries that are known: each that begins to learn from now on is watched."""

    def __init__(self, script: str) -> None:
        self._script = script
        self.found: list[weakref.ref[Watched]] = []
        self.refused = False
        """One that has begun to learn cannot be shown, which was said."""
        for module, name in LEARNERS:
            with contextlib.suppress(ImportError):
                self._look_at(getattr(importlib.import_module(module), name))

    def _look_at(self, kind: Any) -> None:
        learn = kind.learn

        def watched(model: Any, *arguments: Any, **named: Any) -> Any:
            if not any(there.model is model for one in self.found if (there := one()) is not None):
                self._begins(model)
            return learn(model, *arguments, **named)

        kind.learn = watched

    def _begins(self, model: Any) -> None:
        why = why_not(model)
        if why is None:
            self.found.append(weakref.ref(Watched(model, None, False)))  # it lives as long as its model
        else:
            self.refused = True
            _complain(self._script, why)


if __name__ == "__main__":
    main(sys.argv[1:])
