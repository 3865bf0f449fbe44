"""The lines at a minibatch: what is known where its loss is differentiated, and what other functions know of it."""

from __future__ import annotations

import ast

from ppo_scope.attach.advising.carrying import carried
from ppo_scope.attach.advising.draft import MAY_BE, TO_FILL_IN, Draft, Piece, call
from ppo_scope.attach.advising.source import Bit, Source
from ppo_scope.attach.advising.terms import is_huber
from ppo_scope.attach.advising.tree import Scope, called, is_pure

FLAT = ("flatten", "squeeze", "ravel", "view", "reshape")
NEEDED = {"log_prob": "log π", "advantages": "Â as the loss uses it"}
WHICH = TO_FILL_IN + "[B], which samples of the rollout: t·N + n is environment n at step t"
APART = MAY_BE + "V is trained by itself, at line {line}"


def pieces_of(draft: Draft) -> list[Piece]:
    """What is told of each minibatch, and where."""
    inner, after = _where(draft), draft.reading.backward is None
    scope, line = draft.source.scope_of(inner), inner.lineno + after
    given: dict[str, str | None] = {"samples": _samples(draft, scope, inner)}
    for name, bit in _known(draft).items():
        is_loss = name.endswith("loss")
        if bit.scope is scope:
            given[name] = _told(draft, name, bit, line)
        elif name != "loss" and (words := _told(draft, name, bit, _leaving(draft.source, bit.scope))) is not None:
            place = _leaving(draft.source, bit.scope), bit.scope
            draft.telling.setdefault(place, {})[name] = words
        elif not is_loss:
            given[name] = None
    told = {name for one in draft.telling.values() for name in one} | {name for name, one in given.items() if one}
    given |= {name: f"{TO_FILL_IN}[B], {meaning}" for name, meaning in NEEDED.items() if name not in told}
    if _is_apart(draft) and draft.reading.value_backward is not None:
        given["values"] = APART.format(line=draft.source.said(draft.reading.value_backward.lineno))
    more = [f"**{draft.told}"] if draft.telling else []
    code = call(f"{draft.scope}.minibatch", given, more)
    here = Piece((inner.end_lineno or inner.lineno) if after else inner.lineno, after, code, inner.lineno)
    elsewhere = {line: call(f"{draft.told}.update", one) for (line, _), one in draft.telling.items()}
    return [here, *(Piece(line, False, code, line) for line, code in elsewhere.items())]


def _where(draft: Draft) -> ast.stmt:
    """Before it a minibatch is told: where its loss is differentiated, or V is, where that is known later."""
    reading, source = draft.reading, draft.source
    if reading.backward is None:
        return reading.policy
    own, other = reading.backward, reading.value_backward
    elsewhere = reading.value is not None and reading.value.scope is not source.scope_of(own)
    later = other is not None and other is not own and elsewhere and not _is_apart(draft)
    return source.statement_of(other if later and other is not None else own)


def _is_apart(draft: Draft) -> bool:
    """Whether the value loss is differentiated in other minibatches than the policy loss."""
    one, other, source = draft.reading.backward, draft.reading.value_backward, draft.source
    if one is None or other is None or one is other:
        return False
    beside = source.scope_of(one) is source.scope_of(other)
    return not beside or source.loops_around(one) != source.loops_around(other)


def _known(draft: Draft) -> dict[str, Bit]:
    """What the loss tells of a minibatch."""
    reading = draft.reading
    found = {
        "log_prob": reading.log_prob,
        "advantages": reading.used,
        "values": reading.value,
        "entropy": reading.entropy,
        **reading.losses,
    }
    if _is_apart(draft):
        del found["values"]
        found.pop("value_loss", None)
    huber = reading.value_loss is not None and is_huber(reading.value_loss.node)
    if huber or (reading.value_backward is not None and reading.value_backward is not reading.backward):
        found.pop("loss", None)  # it is another one, or not all of it
    if huber:
        found.pop("value_loss", None)
    return {name: bit for name, bit in found.items() if bit is not None}


def _told(draft: Draft, name: str, bit: Bit, line: int) -> str | None:
    """[B], at a line of its function."""
    words = draft.at(bit, line, only_there=name.endswith("loss"))
    if words is None or name.endswith("loss"):
        return words
    array = draft.living.array(bit)
    if array is not None:
        return words if array.ndim == 1 else f"{words}.flatten()"
    bare = isinstance(bit.node, ast.Call) and called(bit.node, *FLAT) is None
    return f"{words}.flatten()" if bare and (name == "values" or "keepdim" in words) else words


def _leaving(source: Source, scope: Scope) -> int:
    """The line before which all of a function is known."""
    ends = [one for one in ast.walk(scope) if isinstance(one, ast.Return | ast.Yield) and source.scope_of(one) is scope]
    return source.statement_of(ends[-1]).lineno if ends else scope.body[-1].lineno


def _samples(draft: Draft, scope: Scope, inner: ast.stmt) -> str | None:
    """Which samples of the rollout it holds; None: that is told elsewhere."""
    source, found = draft.source, draft.taken
    if found is None:
        return _all_samples(draft, scope, inner)
    index = source.words(found.by)
    if isinstance(found.by, ast.Slice):
        index = f"range(len({source.words(found.whole.node)}))[{index}]"
    once = again = index if index.isidentifier() else f"({index})"
    if found.scope is not scope:
        statement = source.statement_of(found.by)
        draft.telling.setdefault((statement.lineno, found.scope), {})["samples"] = index
        again = draft.source.free("index")
        once = f'({again} := {draft.told}.pop("samples"))'
    rows = draft.rows
    if rows is not None and rows.by_environment:
        here = scope is draft.place.scope and is_pure(rows.node)
        steps = f"{source.words(rows.node)}.shape[0]" if here else str(rows.layout[0])
        return f"{once} % {steps} * {draft.width_of(rows, scope)} + {again} // {steps}"
    return index if found.scope is scope else None


def _all_samples(draft: Draft, scope: Scope, inner: ast.stmt) -> str:
    if draft.log_probs is None:
        return WHICH
    log_prob = draft.reading.log_prob
    words = draft.at(log_prob, inner.lineno) if log_prob.scope is scope else None
    if words is None:
        there = carried(draft.source, draft.log_probs, scope, inner.lineno)
        words = None if there is None else draft.source.words(there)
    return WHICH if words is None else f"range(len({words}))"
