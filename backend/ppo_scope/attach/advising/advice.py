"""The lines that show a script's own loop by `ppo_scope.Scope`, in the script's own words, and where they go."""

from __future__ import annotations

import ast
import contextlib
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import NamedTuple

from ppo_scope.attach.advising.beside import File, Together, alone, is_own, with_others
from ppo_scope.attach.advising.draft import TO_FILL_IN, Draft, Piece
from ppo_scope.attach.advising.living import Living
from ppo_scope.attach.advising.minibatch import pieces_of
from ppo_scope.attach.advising.reading import reading_of
from ppo_scope.attach.advising.rollout import AS_ONE, CHANGED, lines_before
from ppo_scope.attach.advising.source import Source

INTO = "# {file}, {side} line {line}, `{words}`:"
LONGEST_WORDS = 60
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
    beside: str = ""
    """The name of another file that some of them go into; empty: there is none."""

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
    return {path: frames for path, frames in found.items() if is_own(Path(path))}


def _missing_in(lines: str) -> int:
    return lines.count(TO_FILL_IN) + lines.count(AS_ONE)


def advice_of(path: str, frames: Sequence[FrameType]) -> Advice | None:
    """What to put into this file, and into one beside it where a function of that makes the loss; None: no PPO is seen.

    Args:
        path: the file.
        frames: its functions that are at work, the innermost first; there may be none.
    """
    own = alone(path)
    found = _advice_in(own, frames)
    if found is not None:
        return found
    for together in with_others(own, frames):
        with contextlib.suppress(SyntaxError):
            found = _advice_in(together, frames)
            if found is not None:
                return found
    return None


def _advice_in(files: Together, frames: Sequence[FrameType]) -> Advice | None:
    source = Source(files.text, files.called_by)
    living = Living(source, frames)
    reading = reading_of(source, living.has_gradient, living.scopes)
    if reading is None:
        return None
    draft = Draft(source, living, reading)
    minibatch = pieces_of(draft)
    first, last = draft.place.first, draft.place.last
    before = Piece(first.lineno, False, lines_before(draft), first.lineno)
    after = Piece(last.end_lineno or last.lineno, True, [f"{draft.scope}.update()"], last.lineno)
    pieces = [*_beginning(draft, files), *draft.besides, before, *minibatch, after]
    if any(files.place(one.line)[0] is not files.own for one in (before, after)):
        return None
    pieces.sort(key=lambda one: (one.line, one.after))
    lines = "\n\n".join(_written(source, piece, files) for piece in pieces)
    others = {files.place(piece.line)[0].name for piece in pieces} - {files.own.name}
    names = [draft.scope, draft.told, *([draft.given] if draft.given else [])]
    text = "\n".join(_lines_of(files, files.own))
    return Advice(files.own.path, text, pieces, names, lines, "".join(others))


def _beginning(draft: Draft, files: Together) -> list[Piece]:
    """After the imports that a file begins with. What is told in a file beside it, both have in common."""
    other = files.other
    elsewhere = other is not None and any(files.place(line)[0] is other for line, _ in draft.telling)
    told = [f"{draft.told} = {{}}"] if draft.telling else []
    taken = [f"from {other.module} import {draft.told}"] if elsewhere and other is not None else []
    given = [f"{draft.given} = []"] if draft.given is not None else []
    own = [*taken, "import ppo_scope", "", f"{draft.scope} = None", *([] if elsewhere else told), *given]
    pieces = [Piece(_after_imports(ast.parse("\n".join(_lines_of(files, files.own)))), True, own, 0)]
    if elsewhere and other is not None:
        line = _after_imports(ast.parse("\n".join(_lines_of(files, other))))
        pieces.append(Piece(other.first + line - 1, True, told, 0))
    return pieces


def _lines_of(files: Together, file: File) -> list[str]:
    lines, other = files.text.split("\n"), files.other
    if file is files.own:
        return lines if other is None else lines[: other.first - 1]
    return lines[file.first - 1 :]


def _after_imports(tree: ast.Module) -> int:
    """The last line of those that a file begins with; 0: there are none."""
    line = 0
    for place, one in enumerate(tree.body):
        words = isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and not place
        if not words and not isinstance(one, ast.Import | ast.ImportFrom):
            break
        line = one.end_lineno or one.lineno
    return line


def _written(source: Source, piece: Piece, files: Together) -> str:
    """With its place before it."""
    words = source.lines[piece.line - 1] if piece.line else ""
    words = textwrap.shorten(words, LONGEST_WORDS, placeholder=" …")
    file, line = files.place(piece.line)
    head = INTO.format(file=file.name, side="after" if piece.after else "before", line=line, words=words)
    return "\n".join([head, *piece.indented(source.lines)])
