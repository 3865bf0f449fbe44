"""What can be wrong with an environment: each is one line for the person who named it."""

from __future__ import annotations

import functools
import importlib
import sysconfig
import traceback
from pathlib import Path
from typing import Any

import gymnasium as gym

HERE = str(Path(__file__).parents[1])
GYMNASIUM = Path(gym.__file__).parent
LONGEST_TEXT = 300
LONGEST_DETAIL = 4000


class UnusableEnvironment(ValueError):
    """An environment that cannot be trained on; the message is one line for the person who named it."""


class EnvironmentFault(ValueError):
    """An environment that breaks its own promises; one line that says what was expected and what came."""


class EnvironmentRaised(EnvironmentFault):
    """An exception left the environment's own code, where it is imported, made, reset or stepped.

    `stage` is "import", "__init__", "reset" or "step". One line tells which file and line, of what type it was and what
    it said; `detail` is the traceback from the environment's first line on.
    """

    def __init__(self, env: str, stage: str, error: BaseException, hint: str = "") -> None:
        self.stage = stage
        error = origin(error)
        frames = _told(error)
        frame = _culprit(frames)
        where = "" if frame is None else f" ({Path(frame.filename).name}, line {frame.lineno})"
        if isinstance(error, SyntaxError) and error.filename:
            where = f" ({Path(error.filename).name}, line {error.lineno})"
        line = "" if frame is None else (frame.line or "")
        super().__init__(f"env {env} failed in {stage}{where}: {_said(error, line)}{hint}")
        told = "".join(traceback.format_list(frames) + list(traceback.format_exception_only(error)))
        self.detail = f"Traceback (most recent call last):\n{told}"[-LONGEST_DETAIL:]

    def __reduce__(self) -> tuple[Any, ...]:
        """Told once, it is handed on to another process in the same words: what was raised may not be."""
        return _told_already, (str(self), vars(self))


def _told_already(words: str, known: dict[str, Any]) -> EnvironmentRaised:
    error = EnvironmentRaised.__new__(EnvironmentRaised, words)
    vars(error).update(known)
    return error


PASSED_ON = (KeyboardInterrupt, GeneratorExit, EnvironmentFault, UnusableEnvironment)
"""What is no exception of the environment's own. All else is, `SystemExit` too: it must not end a training unsaid."""


def origin(error: BaseException) -> BaseException:
    """What was raised first, where `gymnasium.make` has put words of its own around a constructor's error."""
    while error.__cause__ is not None and "was raised from the environment creator" in str(error):
        error = error.__cause__
    return error


def first_sentence(error: BaseException) -> str:
    """The beginning of what it says, without its advice."""
    return _text(error).split(". ")[0].rstrip(".")[:200]


def _said(error: BaseException, line: str) -> str:
    """Type and text; a bare assertion has none, and is told by its line of code."""
    name = type(error).__name__
    text = error.msg if isinstance(error, SyntaxError) else _text(error)
    if text:
        return f"{name}: {text}"
    return f"{name} without a text, at `{line}`" if line else f"{name} without a text"


def _text(error: BaseException) -> str:
    try:
        return " ".join(str(error).split())[:LONGEST_TEXT]
    except Exception:  # its own __str__ fails
        return ""


def _told(error: BaseException) -> list[traceback.FrameSummary]:
    """The frames from the environment's first on; all of them where none is the environment's."""
    frames = list(traceback.extract_tb(error.__traceback__))
    first = next((n for n, frame in enumerate(frames) if not _between(frame.filename)), 0)
    return frames[first:]


def _culprit(frames: list[traceback.FrameSummary]) -> traceback.FrameSummary | None:
    """The innermost line of the environment's author: what NumPy or the standard library did for it is not."""
    theirs = [frame for frame in frames if not _between(frame.filename)]
    if not theirs:
        return None
    written = [frame for frame in theirs if not _installed(frame.filename)]
    package = Path(theirs[0].filename).parent
    return (written or [frame for frame in theirs if Path(frame.filename).is_relative_to(package)])[-1]


@functools.cache
def _between(filename: str) -> bool:
    """Whether a file is what stands between a training and the environment: ours, Gymnasium's, or the import's."""
    path = Path(filename)
    if filename.startswith((HERE, "<frozen importlib", importlib.__file__)):
        return True
    if not path.is_relative_to(GYMNASIUM):
        return False
    parts = path.relative_to(GYMNASIUM).parts
    return not (parts[0] == "envs" and len(parts) > 2)  # Gymnasium's own environments are environments


@functools.cache
def _installed(filename: str) -> bool:
    parts = Path(filename).parts
    return "site-packages" in parts or "dist-packages" in parts or filename.startswith(sysconfig.get_paths()["stdlib"])
