"""Way 1: an unchanged script, run as it would be, whose PPO is found when it learns.

`python -m ppo_scope.attach.script SCRIPT …` is what `ppo-scope watch SCRIPT …` runs in a process of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import runpy
import sys
from pathlib import Path
from typing import Any

from ppo_scope.attach import child
from ppo_scope.attach.named_loop import Lookout
from ppo_scope.attach.stable_baselines import Watched, why_not
from ppo_scope.attach.watcher import say

LEARNERS = (
    ("stable_baselines3.common.on_policy_algorithm", "OnPolicyAlgorithm"),
    ("sb3_contrib", "MaskablePPO"),  # has a `learn` of its own
)
NOT_FOUND = (
    "No PPO was found in {script}. Looked for: `learn` of a PPO of Stable-Baselines3 or sb3-contrib; {named}. Two "
    "other ways: "
    "ppo_scope.watch(model) in the script, or ppo_scope.Scope in a loop of one's own; see docs/attach.md."
)


def main(arguments: list[str]) -> None:
    """Run the script with its arguments, as its own main program."""
    child.end_with_parent()
    script, sys.argv = arguments[0], arguments
    sys.path[0] = str(Path(script).resolve().parent)
    found, lookout = _look_out(), Lookout()
    lookout.begin()
    whole = False
    try:
        runpy.run_path(script, run_name="__main__")
        whole = True
    finally:
        lookout.end(whole=whole)
        if not found and lookout.loop is None:
            say(NOT_FOUND.format(script=script, named=lookout.why_none()))


def _look_out() -> list[Watched]:
    """Watch each model that begins to learn from now on; those that do."""
    found: list[Watched] = []
    for module, name in LEARNERS:
        with contextlib.suppress(ImportError):
            _look_at(getattr(importlib.import_module(module), name), found)
    return found


def _look_at(kind: Any, found: list[Watched]) -> None:
    learn = kind.learn

    def watched(model: Any, *arguments: Any, **named: Any) -> Any:
        if not any(one.model is model for one in found):
            if (why := why_not(model)) is None:
                found.append(Watched(model, None, False))
            else:
                say(why)
        return learn(model, *arguments, **named)

    kind.learn = watched


if __name__ == "__main__":
    main(sys.argv[1:])
