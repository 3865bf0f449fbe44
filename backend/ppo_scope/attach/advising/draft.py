"""What is being written for a script: pieces of code, and how expressions are put into them."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ppo_scope.attach.advising.carrying import carried
from ppo_scope.attach.advising.living import Living
from ppo_scope.attach.advising.place import Place, Taken, made_in, place_of, shuffled, taken_in
from ppo_scope.attach.advising.reading import Reading
from ppo_scope.attach.advising.rows import Rows, rows_in
from ppo_scope.attach.advising.source import Bit, Source
from ppo_scope.attach.advising.tree import LAID, Scope, is_pure, name_called, parameters

TO_FILL_IN = "...,  # to fill in: "
MAY_BE = "...  # "
"""Before what may be told and is not known: it becomes a comment."""
STEPS = 4
"""From a variable to what it is made of."""


class Piece(NamedTuple):
    """Lines that go into a file."""

    line: int
    """0: before all others."""
    after: bool
    """Or before it."""
    code: Sequence[str]
    beside: int
    """The line that they stand as far to the right as."""

    def indented(self, lines: Sequence[str]) -> list[str]:
        """The code as it stands among the lines of the file."""
        beside = lines[self.beside - 1] if self.beside else ""
        indent = beside[: len(beside) - len(beside.lstrip())]
        code = [one.replace("    ", "\t") for one in self.code] if "\t" in indent else self.code
        return [indent + one if one else one for one in code]


class Draft:
    """Of one script."""

    def __init__(self, source: Source, living: Living, reading: Reading) -> None:
        self.source, self.living, self.reading = source, living, reading
        self.place: Place = place_of(source, reading)
        self.scope, self.told = self.source.free("scope"), self.source.free("told")
        """What a Scope is called, and what collects what is known elsewhere than where a minibatch is told."""
        self.taken: Taken | None = taken_in(source, reading.old_log_prob)
        self.telling: dict[tuple[int, Scope], dict[str, str]] = {}
        """What is told elsewhere, by the line before which that is."""
        self.besides: list[Piece] = []
        self.given: str | None = None
        """A list of rewards as the environment gives them, where that is needed."""
        self.log_probs = self.whole(reading.old_log_prob)
        """All of log π_old."""
        self.shuffled = shuffled(source, self.taken.whole if self.taken is not None else self.log_probs)
        """Before minibatches are cut out of them: what else was collected stands in another order."""
        self.rows: Rows | None = None
        if self.log_probs is not None and not self.shuffled:
            self.rows = rows_in(source, living, self.log_probs, self.place)

    def width_of(self, rows: Rows, scope: Scope | None = None) -> str:
        """N, in the script's words where there are some: where the update begins, or in another scope."""
        node, words = rows.node, self.source.words
        if scope is not None and scope is not self.place.scope:
            return str(rows.layout[1])
        if is_pure(node):
            return f"{words(node)}.shape[1]"
        laid = node.args[0] if isinstance(node, ast.Call) and name_called(node) in LAID else None
        if laid is not None and is_pure(laid):
            return f"len({words(laid)}[0])"
        if isinstance(laid, ast.ListComp) and isinstance(laid.elt, ast.Attribute):
            return f"len({words(laid.generators[0].iter)}[0].{laid.elt.attr})"
        return str(rows.layout[1])

    def has(self, name: str) -> bool:
        """Whether all of the file knows it in which the update is."""
        return bool(self.source.definitions(name, self.source.module_of(self.place.scope)))

    def there(self, bit: Bit) -> str | None:
        """An expression as it is written before the update."""
        node = carried(self.source, bit, self.place.scope, self.place.first.lineno)
        return None if node is None or made_in(self.source, node, self.place) else self.source.words(node)

    def at(self, bit: Bit, line: int, *, only_there: bool = False) -> str | None:
        """As it is written at a line of its own function; as what it is made of, where it comes later than that, unless
        it is wanted only as it is there.
        """
        for _ in range(STEPS):
            names = (one.id for one in ast.walk(bit.node) if isinstance(one, ast.Name))
            if not any(self._comes_later(name, bit.scope, line) for name in names):
                return self.source.words(bit.node)
            before = self.source.origin(bit)
            if only_there or not isinstance(bit.node, ast.Name) or before is None or before.scope is not bit.scope:
                return None
            bit = before
        return None

    def _comes_later(self, name: str, scope: Scope, line: int) -> bool:
        own = self.source.binder(name, scope) is scope and name not in parameters(scope)
        return own and not self.source.is_there(name, scope, line)

    def whole(self, bit: Bit | None) -> Bit | None:
        """All samples of what a minibatch takes, as they are before the update."""
        if bit is None:
            return None
        found = taken_in(self.source, bit)
        if found is not None:
            if self.taken is not None and ast.dump(found.by) != ast.dump(self.taken.by):
                return None
            bits = [found.whole]
        elif self.taken is not None:
            return None
        else:
            bits = sorted(self.source.chain(bit), key=lambda one: not is_pure(one.node))  # `x` rather than `x.detach()`
        for one in bits:
            node = carried(self.source, one, self.place.scope, self.place.first.lineno)
            named = node is not None and any(isinstance(part, ast.Name) for part in ast.walk(node))
            if node is not None and named and not made_in(self.source, node, self.place):
                return one if node is one.node and one.scope is self.place.scope else Bit(node, self.place.scope)
        return None


def call(name: str, given: Mapping[str, str | None], more: Sequence[str] = ()) -> list[str]:
    """Of a function, an argument a line."""
    lines = [_argument(key, value) for key, value in given.items() if value is not None]
    return [f"{name}(", *lines, *(f"    {one}," for one in more), ")"]


def _argument(key: str, value: str) -> str:
    if value.startswith(MAY_BE):
        return f"    # {key}=…: {value.removeprefix(MAY_BE)}"
    return f"    {key}={value}" if ",  # " in value else f"    {key}={value},"
