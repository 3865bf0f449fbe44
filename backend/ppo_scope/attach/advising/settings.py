"""What a loop trains with, in its script's words, as it is where a Scope is made."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from ppo_scope.attach.advising.draft import TO_FILL_IN, Draft
from ppo_scope.attach.advising.recurrence import Collected
from ppo_scope.attach.advising.source import Bit
from ppo_scope.attach.advising.terms import is_huber
from ppo_scope.attach.advising.tree import called, is_pure

HUBER = "of mean (V − V_targ)² here: the script's own value loss is another one, and L is not the script's"
BONUS = f"{TO_FILL_IN}c₂; 0 where there is no entropy bonus"
MAKERS = ("make", "make_vec")


def settings_of(draft: Draft, found: Collected) -> dict[str, str | None]:
    """What the loop trains with."""
    reading = draft.reading
    high, value, entropy = reading.clip_range_high, reading.value_coef, reading.entropy_coef
    coefficient = None if value is None else _product(draft, value)
    if coefficient is not None and reading.value_loss is not None and is_huber(reading.value_loss.node):
        coefficient += f",  # {HUBER}"
    unknown = f"{TO_FILL_IN}c₁ of mean (V − V_targ)²; 0 where there is no critic"
    return {
        "env": _environment(draft),
        "clip_range": _product(draft, [reading.clip_range]),
        "clip_range_high": None if high is None else _product(draft, [high]),
        "value_coef": coefficient or unknown,
        "entropy_coef": _product(draft, entropy) if entropy is not None else "0.0" if reading.whole else BONUS,
        "max_grad_norm": _limit(draft),
        "discount": None if found.discount is None else draft.there(found.discount),
        "gae_lambda": None if found.gae_lambda is None else draft.there(found.gae_lambda),
    }


def _limit(draft: Draft) -> str | None:
    """That a gradient is cut off at: that of the loss, where there are several."""
    backward = draft.reading.backward
    first = [] if backward is None else ast.walk(draft.source.scope_of(backward))
    for node in (*first, *draft.source.nodes):
        given = called(node, "clip_grad_norm_")
        if given is not None and isinstance(node, ast.Call):
            named = next((one.value for one in node.keywords if one.arg == "max_norm"), None)
            limit = given[1] if len(given) > 1 else named
            return None if limit is None else draft.there(Bit(limit, draft.source.scope_of(node)))
    return None


def _environment(draft: Draft) -> str | None:
    """What it is made by."""
    for node in draft.source.nodes:
        if isinstance(node, ast.Call) and called(node, *MAKERS) is not None and node.args:
            return draft.there(Bit(node.args[0], draft.source.scope_of(node)))
    return None


def _product(draft: Draft, factors: Sequence[Bit | float]) -> str:
    """A coefficient, as it is where the Scope is made."""
    words, number = [], 1.0
    for one in factors:
        if isinstance(one, float):
            number *= one
            continue
        there = draft.there(one)
        if there is None:
            line = draft.source.said(getattr(one.node, "lineno", 0))
            return f"{TO_FILL_IN}`{draft.source.words(one.node)}` of line {line}, which is not known here"
        words.append(f"({there})" if len(factors) > 1 and " " in there else there)
    if number != 1.0 or not words:
        words.insert(0, str(float(f"{number:.9g}")))
    return " * ".join(words)


def learning_rate_of(draft: Draft) -> str | None:
    """α, of the optimizer that makes the step after the loss: one whose gradients are set to 0 as well."""
    source = draft.source
    inner = source.statement_of(draft.reading.backward or draft.reading.policy)
    scope = source.scope_of(inner)
    emptied = {ast.dump(given[0]) for node in source.nodes if (given := called(node, "zero_grad"))}
    steps = [
        (node.lineno, given[0])
        for node in ast.walk(scope)
        if isinstance(node, ast.Call) and (given := called(node, "step")) and len(given) == 1
    ]
    for line, optimizer in sorted(steps, key=lambda step: step[0]):
        if line >= inner.lineno and ast.dump(optimizer) in emptied and is_pure(optimizer):
            words = draft.there(Bit(optimizer, scope))
            return None if words is None else f'{words}.param_groups[0]["lr"]'
    return None
