"""What autograd has noted between a loss and what its terms are made of."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from ppo_scope.attach.single_file.named import Found

MADE_OF = "log_prob", "ratio", "value", "entropy", "used", "advantages", "targets", "log_probs", "values"
"""What terms are made of: gradients in what was measured before the loss are a mistake, which Health tells."""
SHAPED = ("View", "UnsafeView", "ReshapeAlias", "Squeeze", "Unsqueeze", "Alias", "ToCopy")
"""What gives the same numbers another shape or precision."""


def between(found: Found, loss: Tensor) -> Iterator[Any]:
    """Its steps from the loss on, as far as what its terms are made of; a weight that is reached otherwise is one, too.

    Args:
        found: the variables of a minibatch.
        loss: a number, with its graph.
    """
    seen = {node for name in MADE_OF for node in nodes_of(found.get(name))}
    waiting: list[Any] = [loss.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            yield node
            seen.add(node)
            waiting += [one for one, _ in node.next_functions]


def nodes_of(one: Any) -> Iterator[Any]:
    """What has made it, and what that is but another shape of."""
    node = one.grad_fn if isinstance(one, Tensor) else None
    while node is not None:
        yield node
        same = node.name().startswith(SHAPED)
        node = node.next_functions[0][0] if same and node.next_functions else None


@contextlib.contextmanager
def cut_off(found: Found) -> Iterator[None]:
    """No gradient goes through what its terms are made of meanwhile: what comes to a weight has come by another way."""
    nodes = {node for name in MADE_OF for node in nodes_of(found.get(name))}
    hooks = [node.register_prehook(_nothing) for node in nodes]
    try:
        yield
    finally:
        for one in hooks:
            one.remove()


def _nothing(gradients: tuple[Tensor | None, ...]) -> tuple[Tensor | None, ...]:
    return tuple(None if one is None else torch.zeros_like(one) for one in gradients)
