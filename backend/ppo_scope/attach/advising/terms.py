"""The terms of a loss, with their signs and coefficients, over the variables and functions that it is made by."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from ppo_scope.attach.advising.source import DEEP, Bit, Source
from ppo_scope.attach.advising.tree import called, mentions, number_in

HUBER = ("smooth_l1_loss", "huber_loss")
MEANS = ("mean", "nanmean")


@dataclass(frozen=True)
class Term:
    """One of a sum."""

    kind: str | None
    """`policy`, `value`, `entropy`; None: that cannot be told."""
    bit: Bit
    """Without its mean and its coefficient."""
    negative: bool
    factors: tuple[Bit | float, ...]


class Terms:
    """The terms of losses in a file."""

    def __init__(self, source: Source, least: ast.AST) -> None:
        self._source, self._least = source, least

    def terms(
        self, bit: Bit, negative: bool = False, factors: tuple[Bit | float, ...] = (), depth: int = 0
    ) -> Iterator[Term]:
        """Of a sum, over the variables that it is made of."""
        first, steps = bit, 0
        while steps < DEEP and depth < DEEP:
            steps += 1
            node = bit.node
            if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
                negative ^= isinstance(node.op, ast.USub)
                bit = first = bit.of(node.operand)
            elif (given := called(node, *MEANS)) and len(given) >= 1 and self._own(bit) is None:
                bit = first = bit.of(given[0])
            elif self._own(bit) is not None:
                yield Term(self._own(bit), first if self._own(bit) == "entropy" else bit, negative, factors)
                return
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
                yield from self.terms(bit.of(node.left), negative, factors, depth + 1)
                other = negative ^ isinstance(node.op, ast.Sub)
                yield from self.terms(bit.of(node.right), other, factors, depth + 1)
                return
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
                term, found = self._factors_of(bit)
                negative ^= sum(isinstance(one, float) and one < 0 for one in found) % 2 == 1
                factors = (*factors, *(abs(one) if isinstance(one, float) else one for one in found))
                bit = first = bit.of(term)
            elif (given := called(node, "max", "maximum")) and self._own(bit.of(given[0])) == "value":
                bit = bit.of(given[0])  # that of V as it is; the other is of V as it is held
            else:
                before = self._source.origin(bit)
                if before is None:
                    yield Term(None, first, negative, factors)
                    return
                bit = before

    def _factors_of(self, bit: Bit) -> tuple[ast.expr, list[Bit | float]]:
        """(the term, its coefficient)"""
        node = bit.node
        assert isinstance(node, ast.BinOp)
        left, right = node.left, node.right
        if isinstance(node.op, ast.Div):
            number = number_in(right)
            return left, [1 / number if number else bit.of(_inverse(right))]
        swap = number_in(right) is not None or (number_in(left) is None and self._leads(bit.of(left)))
        if swap and not self._leads(bit.of(right)):
            left, right = right, left
        return right, _factors_in(bit.of(left))

    def _leads(self, bit: Bit) -> bool:
        """Whether something of a loss is in it."""
        return any(one.kind is not None for one in self.terms(bit, depth=DEEP // 2))

    def _own(self, bit: Bit) -> str | None:
        node = bit.node
        if node is self._least:
            return "policy"
        if squared(self._source, bit) is not None:
            return "value"
        if isinstance(node, ast.Call) and called(node, "entropy") is not None:
            return "entropy"
        if isinstance(node, ast.Call) and called(node, "sum") and mentions(node, "entropy"):
            return "entropy"
        return None


def squared(source: Source, bit: Bit) -> tuple[ast.expr, ast.expr] | None:
    """The two whose difference is squared here, or squared where it is small; None: none is."""
    node = bit.node
    given = called(node, "mse_loss", *HUBER)
    if given is None and is_module_call(source, node):
        given = node.args  # type: ignore[attr-defined]
    if given and len(given) >= 2:
        return given[0], given[1]
    inside: ast.expr | None = None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and number_in(node.right) == 2:
        inside = node.left
    elif (given := called(node, "square", "pow")) and (len(given) == 1 or number_in(given[1]) == 2):
        inside = given[0]
    if inside is None:
        return None
    for one in defined(source, bit.of(inside)):
        if isinstance(one.node, ast.BinOp) and isinstance(one.node.op, ast.Sub) and one.scope is bit.scope:
            return one.node.left, one.node.right
    return None


def is_huber(node: ast.AST) -> bool:
    """Whether differences count otherwise than by their squares."""
    return called(node, *HUBER) is not None


def is_module_call(source: Source, node: ast.AST) -> bool:
    """Whether an `nn.MSELoss` is called."""
    if not isinstance(node, ast.Call) or len(node.args) < 2:
        return False
    if mentions(node.func, "MSELoss"):
        return True
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
    made = (one for one in source.nodes if isinstance(one, ast.Assign) and called(one.value, "MSELoss") == [])
    targets = (target for one in made for target in one.targets)
    return name is not None and any(name in (getattr(one, "id", None), getattr(one, "attr", None)) for one in targets)


def defined(source: Source, bit: Bit) -> Iterator[Bit]:
    """It, and what its name was given, step by step."""
    now: Bit | None = bit
    for _ in range(DEEP):
        if now is None:
            return
        yield now
        now = source.origin(now)


def _factors_in(bit: Bit) -> list[Bit | float]:
    """Of a product."""
    node = bit.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors_in(bit.of(node.left)), *_factors_in(bit.of(node.right))]
    return [or_number(bit)]


def or_number(bit: Bit) -> Bit | float:
    """As a number, where it is one."""
    number = number_in(bit.node)
    return bit if number is None else number


def _inverse(node: ast.expr) -> ast.expr:
    return ast.BinOp(ast.Constant(1), ast.Div(), node)
