"""Whether there is an environment of the name that was given, asked before anything is started for it."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection

from ppo_scope.ppo import extras
from ppo_scope.ppo.failures import PASSED_ON, UnusableEnvironment
from ppo_scope.ppo.registry import find
from ppo_scope.ppo.settings import Settings
from ppo_scope.processes.spawning import CONTEXT, as_ours

PATIENCE = 30.0
"""Seconds that the import of somebody's module may take; after them the run itself will tell."""


def why_unknown(settings: Settings) -> str | None:
    """Why no run can begin with this environment, as far as its id tells; None where nothing speaks against it.

    What somebody's module does while it is imported is its own affair: that happens in a process of its own.
    """
    extra = extras.missing(settings.model_dump(include={"env", *extras.FOR_IMAGES}))
    if extra is not None:
        return f"env {settings.env!r}: it {extra}"
    return _asked_elsewhere(settings.env) if ":" in settings.env else _refusal(settings.env)


def _refusal(env: str) -> str | None:
    try:
        find(env)
    except UnusableEnvironment as error:
        return str(error)
    except PASSED_ON:
        raise
    except Exception:
        return None  # its own code failed: the run says where
    return None


def _asked_elsewhere(env: str) -> str | None:
    here, there = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_answer, args=(env, there), name="ppo-scope asks", daemon=True)
    with as_ours():
        process.start()
    there.close()
    try:
        return str(here.recv()) or None if here.poll(PATIENCE) else None
    except EOFError:  # importing the module has ended its process: the run will say so
        return None
    finally:
        process.kill()
        process.join()
        process.close()


def _answer(env: str, there: Connection) -> None:
    """What a module prints while it is imported belongs to its run, not to this question."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    there.send(_refusal(env) or "")
