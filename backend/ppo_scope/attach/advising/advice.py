"""The lines that show a script's own loop by `ppo_scope.Scope`, in the script's own words, and where they go."""

from __future__ import annotations

import ast
import contextlib
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

from ppo_scope.attach.advising.draft import TO_FILL_IN, Draft, Piece
from ppo_scope.attach.advising.living import Living
from ppo_scope.attach.advising.minibatch import pieces_of
from ppo_scope.attach.advising.reading import reading_of
from ppo_scope.attach.advising.rollout import AS_ONE, CHANGED, lines_before
from ppo_scope.attach.advising.source import Source

INTO = "# {file}, {side} line {line}, `{words}`:"
LONGEST_WORDS = 60
INSTALLED = {"site-packages", "dist-packages"}
NEAREST = 8
"""Callers of `backward` that are looked at."""
LOOKED_AT = CHANGED.partition("{")[0]
"""What is said of an argument that is known, and to be looked at all the same."""


class Advice(NamedTuple):
    """What to put into a file."""

    path: str
    text: str
    """That the file had when it was read."""
    pieces: Sequence[Piece]
    names: Sequence[str]
    """What they call the Scope, and whatever else is theirs."""
    lines: str
    """The pieces, each with its place before it."""

    @property
    def open(self) -> list[str]:
        """The names of what somebody has to fill in, or to look at."""
        given = (one.strip().partition("=") for piece in self.pieces for one in piece.code)
        return [name for name, _, value in given if _is_open(value)]


def _is_open(value: str) -> bool:
    return value.startswith(TO_FILL_IN) or LOOKED_AT in value


class Adviser:
    """Reads the files of who calls `backward`, each function once."""

    def __init__(self, complete: Callable[[Advice], None] = lambda _: None) -> None:
        """`complete` is told of an advice in which nothing is open."""
        self.advice: Advice | None = None
        """That of which the least is missing."""
        self._complete = complete
        self._read: set[CodeType] = set()

    @property
    def lines(self) -> str | None:
        """Its lines."""
        return None if self.advice is None else self.advice.lines

    def look(self, frame: FrameType) -> None:
        """At who calls, and at who has called that."""
        if frame.f_code in self._read:
            return
        self._read.add(frame.f_code)
        with contextlib.suppress(Exception):  # whatever it is that cannot be read, the script goes on
            for path, frames in _by_file(frame).items():
                advice = advice_of(path, frames)
                if advice is not None:
                    if self.lines is None or _missing_in(advice.lines) < _missing_in(self.lines):
                        self.advice = advice
                        if not advice.open:
                            self._complete(advice)
                    return


def _by_file(frame: FrameType | None) -> dict[str, list[FrameType]]:
    """The nearest callers, the innermost first."""
    found: dict[str, list[FrameType]] = {}
    for _ in range(NEAREST):
        if frame is None:
            break
        found.setdefault(frame.f_code.co_filename, []).append(frame)
        frame = frame.f_back
    return {path: frames for path, frames in found.items() if _is_own(Path(path))}


def _is_own(path: Path) -> bool:
    """Whether it is a file that its user may write into: none of a library that is installed."""
    return path.is_file() and not INSTALLED & {*path.parts}


def _missing_in(lines: str) -> int:
    return lines.count(TO_FILL_IN) + lines.count(AS_ONE)


def advice_of(path: str, frames: Sequence[FrameType]) -> Advice | None:
    """What to put into this file; None: no PPO is seen in it.

    Args:
        path: the file.
        frames: its functions that are at work, the innermost first; there may be none.
    """
    source = Source(Path(path).read_text(encoding="utf-8"))
    living = Living(source, frames)
    reading = reading_of(source, living.has_gradient, living.scopes)
    if reading is None:
        return None
    draft = Draft(source, living, reading)
    minibatch = pieces_of(draft)
    first, last = draft.place.first, draft.place.last
    before = Piece(first.lineno, False, lines_before(draft), first.lineno)
    after = Piece(last.end_lineno or last.lineno, True, [f"{draft.scope}.update()"], last.lineno)
    pieces = [_beginning(draft), *draft.besides, before, *minibatch, after]
    pieces.sort(key=lambda one: (one.line, one.after))
    lines = "\n\n".join(_written(source, piece, Path(path).name) for piece in pieces)
    return Advice(path, source.text, pieces, [draft.scope, draft.told, *([draft.given] if draft.given else [])], lines)


def _beginning(draft: Draft) -> Piece:
    """After the imports that a file begins with."""
    line = 0
    for place, one in enumerate(draft.source.tree.body):
        words = isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and not place
        if not words and not isinstance(one, ast.Import | ast.ImportFrom):
            break
        line = one.end_lineno or one.lineno
    told = [f"{draft.told} = {{}}"] if draft.telling else []
    given = [f"{draft.given} = []"] if draft.given is not None else []
    return Piece(line, True, ["import ppo_scope", "", f"{draft.scope} = None", *told, *given], 0)


def _written(source: Source, piece: Piece, file: str) -> str:
    """With its place before it."""
    words = source.lines[piece.line - 1] if piece.line else ""
    words = textwrap.shorten(words, LONGEST_WORDS, placeholder=" …")
    head = INTO.format(file=file, side="after" if piece.after else "before", line=piece.line, words=words)
    return "\n".join([head, *piece.indented(source.lines)])
