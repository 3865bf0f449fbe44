"""Whether a run can begin with the settings that were given, asked before anything is started for it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from ppo_scope.ppo import extras
from ppo_scope.ppo.failures import PASSED_ON, UnusableEnvironment
from ppo_scope.ppo.registry import find
from ppo_scope.ppo.settings import LIVE, Settings
from ppo_scope.processes.spawning import CONTEXT, as_ours

PATIENCE = 30.0
"""Seconds that the import of somebody's module may take, or all that is tried; after them the run itself will tell."""
ON_A_CPU = frozenset({"auto", "cpu"})
"""Devices that every machine has, so that torch need not be asked."""
SAME_MADE = LIVE | {"seed", "total_steps"}
"""Settings that say nothing about what a run is made of."""

Refusal = tuple[str, str]
"""(why no run can begin, in one line; the end of a traceback of the environment's own code, or empty)."""


def why_unknown(settings: Settings) -> str | None:
    """Why no run can begin with this environment, as far as its id tells; None where nothing speaks against it.

    What somebody's module does while it is imported is its own affair: that happens in a process of its own.
    """
    extra = extras.missing(settings.model_dump(include={"env", *extras.FOR_IMAGES}))
    if extra is not None:
        return f"env {settings.env!r}: it {extra}"
    return _asked_elsewhere(_refusal, settings.env) if ":" in settings.env else _refusal(settings.env)


def why_no_device(settings: Settings) -> str | None:
    """Why no run can begin on this device; None where nothing speaks against it. Asked where torch is."""
    return None if settings.device in ON_A_CPU else _asked_elsewhere(_no_device, settings)


def why_not_made(choices: Sequence[Settings]) -> Refusal | None:
    """Why no run can begin with one of these, the first of which that is true: each is made as a run is, once where
    several are made of the same. None: nothing speaks against any, or it takes longer than `PATIENCE`.
    """
    different = {one.model_dump_json(exclude=set(SAME_MADE)): one for one in reversed(choices)}
    refusal: Refusal | None = _asked_elsewhere(_not_made, [*reversed(different.values())])
    return refusal


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


def _no_device(settings: Settings) -> str | None:
    from ppo_scope.ppo.devices import NoDevice, device_of

    try:
        device_of(settings, is_image=False)
    except NoDevice as error:
        return str(error)
    return None


def _not_made(choices: Sequence[Settings]) -> Refusal | None:
    from ppo_scope.ppo.trainer import Trainer

    for settings in choices:
        try:
            Trainer(settings).close()
        except ValueError as error:  # in one line, also where the environment's own code has failed
            return str(error), getattr(error, "detail", "")
    return None


def _asked_elsewhere(question: Callable[..., Any], *about: Any) -> Any:
    """What it answers in a process of its own; None: nothing, or not in time."""
    here, there = CONTEXT.Pipe(duplex=False)
    # No daemon: an environment may begin processes of its own, which those must not. They are of its group, and end so.
    process = CONTEXT.Process(target=_answer, args=(question, about, there), name="ppo-scope asks", daemon=False)
    with as_ours():
        process.start()
    assert process.pid is not None
    there.close()
    try:
        return here.recv() if here.poll(PATIENCE) else None
    except EOFError:  # somebody's code has ended its process, or failed in a way of its own: the run will say so
        return None
    finally:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()
        process.close()


def _answer(question: Callable[..., Any], about: tuple[Any, ...], there: Connection) -> None:
    """What a module prints while it is imported belongs to its run, not to this question."""
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    there.send(question(*about))
