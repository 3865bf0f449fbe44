"""What the policy was asked for log π with: states and actions."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ppo_scope.attach.advising.source import Bit, Source
from ppo_scope.attach.advising.tree import called, is_name, parameters

NESTED = 6
"""Calls within calls."""


def asked_with(source: Source, log_prob: Bit) -> tuple[list[Bit], Bit | None]:
    """(what the policy is given, the actions where they are given to `log_prob`)"""
    seen: list[Bit] = []
    acted = None
    for bit in _makers(source, log_prob):
        given = called(bit.node, "log_prob")
        if given is not None and len(given) == 2:
            acted = _as_given(source, bit.of(given[1]))
            seen = [one for maker in _makers(source, bit.of(given[0])) for one in _arguments(source, maker)]
            break
    if acted is None:
        seen = [one for maker in _makers(source, log_prob) for one in _arguments(source, maker)]
    return seen, acted


def _as_given(source: Source, bit: Bit) -> Bit:
    """What a function is called with, where it draws an action only if it is given none: `if action is None: …`."""
    node = bit.node
    if not isinstance(node, ast.Name) or node.id not in parameters(bit.scope):
        return bit
    drawn = (one.statement for one in source.definitions(node.id, bit.scope))
    if not all(_if_none(source.parents.get(one), node.id) for one in drawn):
        return bit
    given = source.argument(node.id, bit.scope, bit.calls)
    return bit if given is None or isinstance(given.node, ast.Constant) else given


def _if_none(node: ast.AST | None, name: str) -> bool:
    test = node.test if isinstance(node, ast.If) else None
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], ast.Is):
        return False
    of = test.comparators[0]
    return is_name(test.left, name) and isinstance(of, ast.Constant) and of.value is None


def _makers(source: Source, bit: Bit) -> Iterator[Bit]:
    """The calls that have made it."""
    for _ in range(8):
        node = bit.node
        if isinstance(node, ast.Call):
            yield bit
            given = called(node, "sum", "squeeze", "flatten", "mean")
            if given and isinstance(node.func, ast.Attribute):
                bit = bit.of(given[0])
                continue
        elif source.origin(bit) is None and (made := source.made(bit)) is not None:
            yield made
            return
        before = source.back(bit)
        if before is None:
            return
        bit = before


def _arguments(source: Source, bit: Bit, depth: int = 0) -> Iterator[Bit]:
    """Of a call, and of the calls that these are made by."""
    node = bit.node
    if not isinstance(node, ast.Call) or depth > NESTED:
        return
    if isinstance(node.func, ast.Attribute):
        of = bit.of(node.func.value)
        made = of if isinstance(of.node, ast.Call) else source.origin(of) or source.made(of)
        if made is not None:
            yield from _arguments(source, made, depth + 1)
    for one in (*node.args, *(by_name.value for by_name in node.keywords)):
        given = bit.of(one)
        made = given if isinstance(one, ast.Call) else source.origin(given) or source.made(given)
        if not isinstance(one, ast.Call):
            yield given
        if made is not None:
            yield from _arguments(source, made, depth + 1)
