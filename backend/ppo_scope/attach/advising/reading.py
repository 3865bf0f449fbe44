"""What is what in the loss of a PPO, by how it is put together and by no name: r = exp(log π − log π_old), its clip,
min(r·Â, clip(r)·Â), mean (V − V_targ)², the entropy, and their coefficients.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ppo_scope.attach.advising.source import Bit, Source
from ppo_scope.attach.advising.terms import MEANS, Term, Terms, defined, is_module_call, or_number, squared
from ppo_scope.attach.advising.tree import called, is_name, number_in

LEAST = ("min", "minimum", "fmin", "max", "maximum", "fmax")
ENTROPY = re.compile(r"entrop|(^|_)ents?(_|$)", re.IGNORECASE)
LOGARITHM = re.compile(r"(^|_)(log(?!its?(_|$)|g)|ln(_|$))", re.IGNORECASE)
WIDTH = re.compile(r"std|sigma|scale", re.IGNORECASE)
"""Names."""
CLIPS = ("clamp", "clip", "clamp_")

Asked = Callable[[Bit], bool | None]
"""Whether an expression is differentiated; None: not known."""


@dataclass
class Reading:
    """Of one loss; what is None was not found."""

    log_prob: Bit
    old_log_prob: Bit
    clip_range: Bit | float
    clip_range_high: Bit | float | None
    """Where it is another one."""
    used: Bit | None
    """Â, as the loss uses it."""
    policy: ast.stmt
    """The statement with the policy loss in it."""
    value: Bit | None = None
    target: Bit | None = None
    value_loss: Bit | None = None
    entropy: Bit | None = None
    value_coef: list[Bit | float] | None = None
    """Its factors. None: not found."""
    entropy_coef: list[Bit | float] | None = None
    whole: bool = True
    """Nothing else is in what is differentiated, as far as it can be read: what is not found there is not there."""
    losses: dict[str, Bit] = field(default_factory=dict)
    """`loss`, `policy_loss` and `value_loss` as the script has them."""
    backward: ast.Call | None = None
    """Where the policy loss is differentiated."""
    value_backward: ast.Call | None = None
    """And the value loss."""


def reading_of(source: Source, has_gradient: Asked = lambda _: None, first: tuple[object, ...] = ()) -> Reading | None:
    """Of the PPO in this file; None: there is none that is known here.

    Args:
        source: the file.
        has_gradient: whether that is known of an expression.
        first: scopes in which it is looked for before others.
    """
    clips = [node for node in source.nodes if called(node, *CLIPS) is not None]
    clips.sort(key=lambda node: source.scope_of(node) not in first)
    for clip in clips:
        found = _policy_of(source, clip, has_gradient)  # type: ignore[arg-type]
        if found is not None:
            reading, least = found
            _read_losses(source, reading, least, has_gradient)
            return reading
    return None


def _policy_of(source: Source, clip: ast.Call, has_gradient: Asked) -> tuple[Reading, ast.AST] | None:
    """What a clip tells; with the smaller of two that it stands in."""
    scope = source.scope_of(clip)
    given = called(clip, *CLIPS) or []
    if not given:
        return None
    named = {one.arg: one.value for one in clip.keywords}
    low, high = (given[place] if len(given) > place else named.get(name) for place, name in ((1, "min"), (2, "max")))
    edges = _edges(source, low, high, scope)
    difference = _difference(source, Bit(given[0], scope))
    if edges is None or difference is None:
        return None
    minus = difference.node
    assert isinstance(minus, ast.BinOp)
    new, old = difference.of(minus.left), difference.of(minus.right)
    if has_gradient(old) and has_gradient(new) is False:
        new, old = old, new
    used, least = _surrogate(source, clip)
    statement = source.statement_of(least)
    low_edge, high_edge = edges
    reading = Reading(new, old, low_edge, high_edge, used, statement)
    return reading, least


def _edges(
    source: Source, low: ast.expr | None, high: ast.expr | None, scope: object
) -> tuple[Bit | float, Bit | float | None] | None:
    """ε, and ε⁺ where it is another one, of 1 − ε and 1 + ε."""
    below, above = (_edge(source, one, scope, operator) for one, operator in ((low, ast.Sub), (high, ast.Add)))
    if below is None or above is None:
        return None
    same = below == above or (
        isinstance(below, Bit) and isinstance(above, Bit) and ast.dump(below.node) == ast.dump(above.node)
    )
    return below, None if same else above


def _edge(source: Source, node: ast.expr | None, scope: object, operator: type[ast.operator]) -> Bit | float | None:
    """How far from 1."""
    if node is None:
        return None
    for bit in defined(source, Bit(node, scope)):  # type: ignore[arg-type]
        one = bit.node
        if isinstance(one, ast.BinOp) and isinstance(one.op, operator):
            if number_in(one.left) == 1:
                return or_number(bit.of(one.right))
            if operator is ast.Add and number_in(one.right) == 1:
                return or_number(bit.of(one.left))
        number = number_in(one)
        if number is not None:
            away = 1 - number if operator is ast.Sub else number - 1
            return round(away, 9) if 0 < away < 1 else None
    return None


def _difference(source: Source, ratio: Bit) -> Bit | None:
    """log π − log π_old, of which r is exp."""
    for bit in defined(source, ratio):
        inside = called(bit.node, "exp")
        if inside:
            for one in defined(source, bit.of(inside[0])):
                if isinstance(one.node, ast.BinOp) and isinstance(one.node.op, ast.Sub):
                    return one
            return None
    return None


def _surrogate(source: Source, clip: ast.Call) -> tuple[Bit | None, ast.AST]:
    """(Â as it is multiplied with the clipped ratio, the smaller of the two surrogates or what stands for it)"""
    for node in source.nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            for side, other in ((node.left, node.right), (node.right, node.left)):
                if _is(source, Bit(side, source.scope_of(side)), clip):
                    used = other.operand if isinstance(other, ast.UnaryOp) else other
                    least = _that_holds(source, node, lambda one: called(one, *LEAST) is not None)
                    return Bit(used, source.scope_of(used)), least or node
    return None, clip


def _is(source: Source, bit: Bit, node: ast.AST) -> bool:
    return any(one.node is node for one in defined(source, bit))


def _that_holds(source: Source, node: ast.AST, test: Callable[[ast.AST], bool]) -> ast.AST | None:
    """The nearest around it, or around the variable that it is put into, that passes a test."""
    for one in source.above(node):
        if test(one):
            return one
        if isinstance(one, ast.stmt):
            break
    statement = source.statement_of(node)
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
        return None
    scope, name = source.scope_of(statement), statement.targets[0].id
    for one in ast.walk(scope):
        if test(one) and any(is_name(part, name) for part in ast.walk(one)):
            return one
    return None


def _read_losses(source: Source, reading: Reading, least: ast.AST, has_gradient: Asked) -> None:
    """What else is differentiated."""
    kinds = Terms(source, least)
    calls = [node for node in source.nodes if isinstance(node, ast.Call) and called(node, "backward")]
    sums = [Bit(_differentiated(call), source.scope_of(call)) for call in calls]
    read = [(call, one, list(kinds.terms(one))) for call, one in zip(calls, sums, strict=True)]
    read.sort(key=lambda one: not _is_of_policy(one[2]))  # what else is trained may have terms of the same kinds
    for call, differentiated, terms in read:
        reading.whole &= all(term.kind is not None or term is _entropy_of(source, terms) for term in terms)
        if _is_of_policy(terms):
            reading.backward = reading.backward or call
            known = all(term.kind is not None or term is _entropy_of(source, terms) for term in terms)
            if isinstance(differentiated.node, ast.Name) and known:
                reading.losses.setdefault("loss", differentiated)
        scale = _scale_of(terms)
        if scale:
            reading.losses.pop("loss", None)  # it is a multiple of L
        for term in terms:
            if term.kind == "value" and reading.value is None:
                _read_value(source, reading, term, has_gradient)
                reading.value_coef = _less_scale(term.factors, scale)
                reading.value_backward = call
            if term is _entropy_of(source, terms) and reading.entropy is None:
                reading.entropy = term.bit
                minus: tuple[float, ...] = () if term.negative else (-1.0,)
                reading.entropy_coef = _less_scale((*minus, *term.factors), scale)
    own = _held_in(source, least, reading.policy)
    if own is not None:
        reading.losses["policy_loss"] = own


def _scale_of(terms: Sequence[Term]) -> list[Bit | float]:
    """By what the policy loss is multiplied: L is the sum without that."""
    return next(([one for one in term.factors if one != 1.0] for term in terms if term.kind == "policy"), [])


def _less_scale(factors: Sequence[Bit | float], scale: Sequence[Bit | float]) -> list[Bit | float] | None:
    """A coefficient without it; None: it cannot be said."""
    found = list(factors)
    for one in scale:
        same = next((other for other in found if _is_alike(one, other)), None)
        if same is not None:
            found.remove(same)
        elif isinstance(one, float) and one:
            found.append(1 / one)
        else:
            return None
    return found


def _is_alike(one: Bit | float, other: Bit | float) -> bool:
    if isinstance(one, Bit) and isinstance(other, Bit):
        return ast.dump(one.node) == ast.dump(other.node)
    return one == other


def _differentiated(call: ast.Call) -> ast.expr:
    """Whose `backward` it is, or what it is given; by whatever it is scaled."""
    given = called(call, "backward") or []
    found = call.args[0] if call.args else given[0]
    scaled = called(found, "scale")
    return scaled[-1] if scaled else found


def _is_of_policy(terms: Sequence[Term]) -> bool:
    return any(term.kind == "policy" for term in terms)


def may_be_entropy(source: Source, bit: Bit) -> bool:
    """Whether it is called so, or made of logarithms as one is: anything may be taken away from a loss."""
    for one in defined(source, bit):
        parts = [*ast.walk(one.node)]
        names = [getattr(part, "id", None) or getattr(part, "attr", None) or "" for part in parts]
        if any(map(ENTROPY.search, names)):
            return True
        summed = any(isinstance(part, ast.BinOp) for part in parts) or any(map(WIDTH.search, names))
        if summed and any(map(LOGARITHM.search, names)):
            return True
    return False


def _entropy_of(source: Source, terms: Sequence[Term]) -> Term | None:
    """Of a loss: what is the entropy of a distribution, or else what alone is taken away beside the policy loss."""
    for term in terms:
        if term.kind == "entropy":
            return term
    others = [term for term in terms if term.kind is None and term.negative]
    return others[0] if _is_of_policy(terms) and len(others) == 1 and may_be_entropy(source, others[0].bit) else None


def _read_value(source: Source, reading: Reading, term: Term, has_gradient: Asked) -> None:
    pair = squared(source, term.bit)
    assert pair is not None
    value, target = (term.bit.of(one) for one in pair)
    if has_gradient(target) or (has_gradient(value) is None and _is_asked(source, target, value)):
        value, target = target, value
    reading.value, reading.target, reading.value_loss = value, target, term.bit
    own = _held_in(source, term.bit.node, source.statement_of(term.bit.node))
    if own is not None:
        reading.losses["value_loss"] = own


def _is_asked(source: Source, one: Bit, other: Bit) -> bool:
    """Whether the one is what a network says, rather than the other: that was there before, and is taken out of it."""

    def was_there(bit: Bit) -> bool:
        return any(isinstance(step.node, ast.Subscript) for step in source.chain(bit))

    return was_there(other) and not was_there(one)


def _held_in(source: Source, node: ast.AST, statement: ast.stmt) -> Bit | None:
    """The variable that its mean is put into, by itself."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
        return None
    inner: ast.AST = statement.value
    averaged = called(node, "mse_loss") is not None or is_module_call(source, node)
    while inner is not node:
        if isinstance(inner, ast.UnaryOp) and isinstance(inner.op, ast.USub):
            inner = inner.operand
        elif (given := called(inner, *MEANS)) and len(given) == 1:
            inner, averaged = given[0], True
        else:
            return None
    return Bit(statement.targets[0], source.scope_of(statement)) if averaged else None
