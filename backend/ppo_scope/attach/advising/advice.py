"""The lines that show a script's own loop by `ppo_scope.Scope`, in the script's own words, and where they go."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

from ppo_scope.attach.advising.draft import TO_FILL_IN, Draft, Piece
from ppo_scope.attach.advising.files import at_work, read, with_used
from ppo_scope.attach.advising.living import Living
from ppo_scope.attach.advising.minibatch import pieces_of
from ppo_scope.attach.advising.parting import Put, parted
from ppo_scope.attach.advising.reading import reading_of
from ppo_scope.attach.advising.rollout import AS_ONE, NOT_SURE, TO_LOOK_AT, lines_before
from ppo_scope.attach.advising.source import Source
from ppo_scope.attach.advising.text import File

INTO = "# {file}, {side} line {line}, `{words}`:"
LONGEST_WORDS = 60
NEAREST = 8
"""Callers of `backward` that are looked at."""


UNSURE = NOT_SURE.partition("{")[0]


class Advice(NamedTuple):
    """What to put into a script."""

    puts: Sequence[Put]
    """That into the file with the update first."""
    names: Sequence[str]
    """What is theirs alone."""
    lines: str
    """The pieces, each with its place before it."""

    @property
    def files(self) -> list[str]:
        """The names of the files that they go into."""
        return [Path(put.path).name for put in self.puts]

    @property
    def open(self) -> list[str]:
        """The names of what somebody has to fill in, or to look at."""
        code = [one.strip() for put in self.puts for piece in put.pieces for one in piece.code]
        given = (one.partition("=") for one in code)
        unsure = ["where an update begins"] if any(one.startswith(UNSURE) for one in code) else []
        return [*unsure, *(name for name, _, value in given if _is_open(value))]


def _is_open(value: str) -> bool:
    return value.startswith(TO_FILL_IN) or TO_LOOK_AT in value


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
            advice = advice_for(_nearest(frame))
            if advice is not None and (self.advice is None or _missing_in(advice) < _missing_in(self.advice)):
                self.advice = advice
                if not advice.open:
                    self._complete(advice)


def _nearest(frame: FrameType | None) -> list[FrameType]:
    """The nearest callers, the innermost first, up to a module that is being run: who runs that does not train."""
    found: list[FrameType] = []
    while frame is not None and len(found) < NEAREST:
        found.append(frame)
        frame = None if frame.f_code.co_name == "<module>" else frame.f_back
    return found


def _missing_in(advice: Advice) -> tuple[int, int]:
    return len(advice.open), advice.lines.count(TO_FILL_IN) + advice.lines.count(AS_ONE)


def advice_for(frames: Sequence[FrameType]) -> Advice | None:
    """What to put into the files of functions at work, and into modules that they use; None: no PPO is seen.

    Args:
        frames: the functions, the innermost first.
    """
    files = at_work(frames)
    found = _advice_in(files, frames)
    if found is None or _missing_in(found) != (0, 0):
        more = with_used(files)
        other = _advice_in(more, frames) if len(more) > len(files) else None
        if other is not None and (found is None or _missing_in(other) < _missing_in(found)):
            return other
    return found


def advice_of(path: str) -> Advice | None:
    """The same of a file none of whose functions is at work."""
    return _advice_in([read(path, {})], [])


def _advice_in(files: Sequence[File], frames: Sequence[FrameType]) -> Advice | None:
    source = Source(*files)
    living = Living(source, frames)
    reading = reading_of(source, living.has_gradient, living.scopes)
    if reading is None:
        return None
    draft = Draft(source, living, reading)
    minibatch = pieces_of(draft)
    first, last = draft.place.first, draft.place.last
    before = Piece(first.lineno, False, lines_before(draft), first.lineno)
    after = Piece(last.end_lineno or last.lineno, True, [f"{draft.scope}.update()"], last.lineno)
    puts = parted(draft, [*draft.besides, before, *minibatch, after])
    names = [draft.scope, draft.told, *([draft.given] if draft.given else [])]
    lines = "\n\n".join(_written(put, piece) for put in puts for piece in put.pieces)
    return Advice(puts, names, lines)


def _written(put: Put, piece: Piece) -> str:
    """With its place before it."""
    lines = put.text.split("\n")
    words = textwrap.shorten(lines[piece.line - 1] if piece.line else "", LONGEST_WORDS, placeholder=" …")
    side = "after" if piece.after else "before"
    head = INTO.format(file=Path(put.path).name, side=side, line=piece.line, words=words)
    return "\n".join([head, *piece.indented(lines)])
