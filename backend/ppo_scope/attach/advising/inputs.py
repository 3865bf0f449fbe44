"""What the policy was asked for log π with: states and actions."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ppo_scope.attach.advising.source import Bit, Source
from ppo_scope.attach.advising.tree import called

NESTED = 6
"""Calls within calls."""


def asked_with(source: Source, log_prob: Bit) -> tuple[list[Bit], Bit | None]:
    """(what the policy is given, the actions where they are given to `log_prob`)"""
    seen: list[Bit] = []
    acted = None
    for bit in _makers(source, log_prob):
        given = called(bit.node, "log_prob")
        if given is not None and len(given) == 2:
            acted = bit.of(given[1])
            seen = [one for maker in _makers(source, bit.of(given[0])) for one in _arguments(source, maker)]
            break
    if acted is None:
        seen = [one for maker in _makers(source, log_prob) for one in _arguments(source, maker)]
    return seen, acted


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
        made = given if isinstance(one, ast.Call) else source.origin(given)
        if not isinstance(one, ast.Call):
            yield given
        if made is not None:
            yield from _arguments(source, made, depth + 1)
