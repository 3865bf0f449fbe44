"""What makes a policy answer the same question differently, beside its distribution: for Health."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

ASKED = 64
"""Samples at which a policy is asked twice."""
RATES = ("dropout", "attention_dropout")
"""What layers that drop something out by themselves call how much of it, those of torch and those of transformers."""
CRITICS = ("critic", "value")


class Layers:
    """Those of a policy that drop something out or normalise by the batch; they are looked for once: to walk through
    all parts of a module takes a hundred times as long as to look at these.
    """

    def __init__(self, module: nn.Module) -> None:
        mine = [part for name, part in module.named_modules() if not any(one in name for one in CRITICS)]
        self._dropping = [(part, rates) for part in mine if (rates := _rates_of(part))]
        self._normalizing = [part for part in mine if isinstance(part, _BatchNorm)]

    def told(self) -> dict[str, float]:
        """How many of either are in training mode now."""
        dropping = (
            part.training and any(_is_on(getattr(part, rate)) for rate in rates) for part, rates in self._dropping
        )
        return {
            "dropout_layers": float(sum(dropping)),
            "batch_norm_layers": float(sum(part.training for part in self._normalizing)),
        }


def _rates_of(part: nn.Module) -> list[str]:
    names = ("p",) if isinstance(part, _DropoutNd) else RATES
    return [name for name in names if isinstance(getattr(part, name, None), float)]


def _is_on(rate: Any) -> bool:
    return isinstance(rate, float) and rate > 0


def twice(module: nn.Module, ask: Callable[[Any], Tensor], bare: Mapping[int, Any] | None = None) -> dict[str, float]:
    """How far two answers of a copy of the module to one question are apart; nothing where it cannot be asked.

    `bare`: what stands in a copy in the place of what cannot be copied, by its `id`.
    """
    try:
        module = copy.deepcopy(module, dict(bare or {}))
        with torch.random.fork_rng(), torch.no_grad():
            one, other = ask(module), ask(module)
        return {"answers_apart": float((one - other).abs().max())}
    except Exception:  # one that is called otherwise than is known here
        return {}
