"""A source file and the lines that go into it, as one tree. In it every node stands where the user's file has it, those
of our lines at the line that they go before or after: tracebacks and `inspect` show the file as it is.
"""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ppo_scope.attach.advising.draft import Piece
from ppo_scope.attach.advising.parting import Put
from ppo_scope.attach.inserting.keeping import GUARD, keep

IMPORTED = f"from ppo_scope.attach.inserting.guard import GUARD as {GUARD}"
GUARDED = f"if {GUARD}.on:"
CROWDED = "line {line} has several statements, and the lines go between them"
UNREADABLE = "the file with the lines in it cannot be read ({error})"
OTHERWISE = "with the lines in it the script would not be the same"
ONCE_MORE = "`{words}`, which line {line} tells, would be asked once more than the script does: put it into a variable"


class NotInserted(Exception):
    """The lines are not put in; why."""


class Line(NamedTuple):
    """Of the file with the lines in it."""

    text: str
    place: int
    """The line of the file as it is; of ours, the one that it is put in by."""
    ours: bool


def tree_with(put: Put, names: Sequence[str]) -> ast.Module:
    """The file with the lines in it; `names`: what is theirs alone.

    Raises:
        NotInserted: they do not go into it, or would do more than to tell.
    """
    try:
        bare = ast.parse(put.text)
        lines = list(_lines_with(put, bare))
        text = "\n".join(one.text for one in lines)
        tree = ast.parse(text)
        less = _Less(lines).visit(ast.parse(text)) or tree
    except SyntaxError as error:
        raise NotInserted(UNREADABLE.format(error=error.msg)) from None
    if ast.dump(less) != ast.dump(bare):
        raise NotInserted(OTHERWISE)
    ours = [one for one in ast.walk(tree) if _is_ours(one, lines)]
    again = keep(tree, ours, {"ppo_scope", GUARD, *names})
    for node in ast.walk(tree):
        _put_back(node, lines)
    if again is not None:
        raise NotInserted(ONCE_MORE.format(words=ast.unparse(again), line=again.lineno))
    return tree


def _lines_with(put: Put, bare: ast.Module) -> Iterator[Line]:
    """Raises `NotInserted`."""
    begun: dict[int, list[ast.stmt]] = {}
    for one in ast.walk(bare):
        if isinstance(one, ast.stmt):
            begun.setdefault(one.lineno, []).append(one)
    own, done = put.text.split("\n"), 0
    for number, piece in enumerate(put.pieces):
        if _goes_between(piece, begun.get(piece.beside, [])):
            raise NotInserted(CROWDED.format(line=piece.beside))
        until = piece.line if piece.after else piece.line - 1
        yield from (Line(own[place], place + 1, False) for place in range(done, until))
        done = until
        code = piece.indented(own)
        # The first is of the module's beginning.
        ours = _guarded(code, put) if number else [IMPORTED, *code]
        yield from (Line(text, max(piece.line, 1), True) for text in ours)
    yield from (Line(own[place], place + 1, False) for place in range(done, len(own)))


def _goes_between(piece: Piece, statements: Sequence[ast.stmt]) -> bool:
    """Whether it makes a difference on which side of all of these it stands, which begin in one line."""
    if len(statements) < 2:
        return False
    ordered = sorted(statements, key=lambda one: one.col_offset)
    passed = ordered[1:] if piece.after else ordered[:-1]  # of these it may have to stand on the other side
    within = any(hasattr(one, "body") for one in ordered)
    return within or bool(_names_in(passed) & _names_in([ast.parse(textwrap.dedent("\n".join(piece.code)))]))


def _names_in(nodes: Sequence[ast.AST]) -> set[str]:
    return {one.id for node in nodes for one in ast.walk(node) if isinstance(one, ast.Name)}


def _guarded(code: Sequence[str], put: Put) -> list[str]:
    """An error in it ends nothing; where the run was ended on the page, the script ends."""
    indent = code[0][: len(code[0]) - len(code[0].lstrip())]
    step = "\t" if "\t" in indent else "    "
    inside = [f"{step}{step}{_of_each(one, put.scope)}" if one else one for one in code]
    head = [f"{indent}{GUARDED}", f"{indent}{step}try:"]
    return [*head, *inside, f"{indent}{step}except Exception:", f"{indent}{step}{step}{GUARD}.failed()"]


def _of_each(line: str, scope: str) -> str:
    """A line as it tells of several agents: what stands for the Scope is asked for at every update."""
    told, indent = line.strip(), line[: len(line) - len(line.lstrip())]
    if told == f"if {scope} is None:":
        return f"{indent}{GUARDED}"
    if told == f"{scope} = ppo_scope.Scope(":
        return f"{indent}{scope} = {GUARD}.each_with(ppo_scope.Scope,"
    return f"{line} or {GUARD}.end()" if told == f"{scope}.update()" else line


def _is_ours(node: ast.AST, lines: Sequence[Line]) -> bool:
    return isinstance(node, ast.stmt) and lines[node.lineno - 1].ours


class _Less(ast.NodeTransformer):
    """Takes our statements out again."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines

    def visit(self, node: ast.AST) -> ast.AST | None:
        return None if _is_ours(node, self._lines) else self.generic_visit(node)


def _put_back(node: ast.AST, lines: Sequence[Line]) -> None:
    """To where it stands in the file as it is."""
    if not isinstance(getattr(node, "lineno", None), int):
        return
    first, last = lines[node.lineno - 1], lines[(node.end_lineno or node.lineno) - 1]  # type: ignore[attr-defined]
    node.lineno, node.end_lineno = first.place, last.place  # type: ignore[attr-defined]
    if first.ours:
        node.col_offset = node.end_col_offset = 0  # type: ignore[attr-defined]
