"""What a training process says of its own failures: what happened, the evidence, and what to do."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType

from ppo_scope.ppo.devices import NoDevice
from ppo_scope.ppo.failures import EnvironmentFault, UnusableEnvironment
from ppo_scope.ppo.finite import NotFiniteError, NotFiniteGivenError
from ppo_scope.ppo.memory import DoesNotFit
from ppo_scope.wire.run import Cause

SPEAKING = (UnusableEnvironment, EnvironmentFault, NotFiniteError, DoesNotFit, NoDevice)
"""Errors whose text is a sentence for people."""
RUNNERS = ("<frozen runpy>", str(Path(__file__).parents[1] / "attach"))
"""Where the code is from that runs a script: how the names of its files begin."""
DETAIL = 4000
SUMMARY = 300


def in_a_line(error: BaseException) -> str:
    """Its text, shortened."""
    return " ".join(str(error).split())[:SUMMARY] or "it gave no reason"


def failed(error: BaseException) -> Cause:
    """Of an error that ended the run. The process ends with it, so nothing is said of its weights."""
    text = str(error).splitlines()[0] if str(error) else ""
    name = type(error).__name__
    summary = text if text and isinstance(error, SPEAKING) else f"{name}: {text}" if text else name
    return {"summary": summary[:SUMMARY], "detail": _detail(error), "remedy": _after(error)}


def unwatched(error: BaseException) -> Cause:
    """Of an error of ours in a loop that goes on without us."""
    return {
        "summary": f"PPO Scope has failed and watches this run no more; its training goes on. ({in_a_line(error)})",
        "detail": _detail(error),
        "remedy": "What was measured until then is kept. Please report it, with the detail.",
    }


def not_finite(error: NotFiniteError, updates: int) -> Cause:
    """Of a number that halted the run; `updates`: how many it has finished."""
    kept = "The weights are those at the start of this update. " if updates else ""
    if isinstance(error, NotFiniteGivenError):
        remedy = (
            f"{kept}The environment gave it: look there at what it computes, and restart once it is corrected. Play "
            "goes on with a new rollout, which may meet the same."
        )
    else:
        remedy = f"{kept}Lower the learning rate, then press Play to go on with a new rollout, or restart."
    return {"summary": f"Not finite: {error}.", "detail": _detail(error), "remedy": remedy}


def _after(error: BaseException) -> str:
    if isinstance(error, UnusableEnvironment):
        return "The environment cannot be trained on as it is: change the setting that is named, and begin a new run."
    if isinstance(error, NoDevice):
        return "Begin a new run on a device that is named there."
    if isinstance(error, EnvironmentFault | NotFiniteGivenError):
        return "Correct the environment at the place that the detail names; then restart, which begins from the seed."
    if isinstance(error, DoesNotFit | MemoryError):
        return "Use fewer environments, a shorter rollout or smaller networks; then begin a new run."
    return "The detail says where it happened. What was measured until then is kept. Restart begins from the seed."


def _detail(error: BaseException) -> str:
    detail = getattr(error, "detail", None)  # an environment's own traceback says more than ours around it
    if isinstance(detail, str) and detail:
        return detail
    frames = theirs(error.__traceback__)
    return "".join(traceback.format_exception(type(error), error, frames))[-DETAIL:]


def theirs(frames: TracebackType | None) -> TracebackType | None:
    """A traceback from where somebody's script begins, without what runs it; the whole one, where nothing of theirs is
    in it.
    """
    found = frames
    while found is not None and found.tb_frame.f_code.co_filename.startswith(RUNNERS):
        found = found.tb_next
    return found or frames
