"""What loops of language models have in common: rows are sequences, steps are tokens, a minibatch comes in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from ppo_scope.attach.own_loop.scope import Scope

PLACE = "ppo_scope_place"
"""In a batch: which of the rollout's sequences each row is. It goes with them through every shuffling and splitting."""


@dataclass
class Part:
    """What went into the loss at once, of B sequences of T tokens."""

    places: Tensor
    """[B], of its sequences."""
    log_prob: Tensor
    """[B, T]; so the next three."""
    old_log_prob: Tensor
    advantages: Tensor
    """As the loss uses them."""
    entropy: Tensor | None
    """None: it is not computed."""
    penalty: Tensor | None
    """[B, T], β·KL to the reference model, by the library's estimate of each token. None: there is none."""


def token_first(each: Sequence[Tensor], steps: int) -> Tensor:
    """[steps, N] of arrays [B, T] of N sequences in all, filled up with zeros."""
    return torch.cat([pad(one, (0, steps - one.shape[1])) for one in each]).T


def hand_over(scope: Scope, parts: Sequence[Part], *, epoch: int, gradient_norm: float | None = None) -> None:
    """Tell the scope of a minibatch, of all parts that the optimizer's step is made of."""
    assert scope.rollout_layout is not None
    steps, rows = scope.rollout_layout
    time_first = torch.arange(steps)[:, None] * rows

    def joined(name: str) -> Tensor | None:
        each = [getattr(one, name) for one in parts]
        return None if each[0] is None else token_first(each, steps).reshape(-1)

    places = torch.cat([one.places for one in parts])
    scope.minibatch(
        samples=(time_first + places).reshape(-1),
        gradient_norm=gradient_norm,
        epoch=epoch,
        **{name: joined(name) for name in ("log_prob", "old_log_prob", "advantages", "entropy", "penalty")},
    )


class Words:
    """The text of each token, by the library's tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known: dict[int, str] = {}

    def of(self, tokens: Sequence[int]) -> list[str]:
        """One for each."""
        for one in tokens:
            if one not in self._known:
                self._known[one] = str(self._tokenizer.decode([one]))
        return [self._known[one] for one in tokens]

    def sequences(self, tokens: Tensor, lengths: Tensor) -> list[list[str]]:
        """Of tokens [steps, N], up to the length of each."""
        return [self.of(each[:length]) for each, length in zip(tokens.T.tolist(), lengths.tolist(), strict=True)]
