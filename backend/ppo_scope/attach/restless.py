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


def layers(module: nn.Module) -> dict[str, float]:
    """How many layers of the policy are in training mode and are of dropout, or of batch normalisation."""
    mine = [part for name, part in module.named_modules() if part.training and not any(one in name for one in CRITICS)]
    return {
        "dropout_layers": float(sum(map(_drops_out, mine))),
        "batch_norm_layers": float(sum(isinstance(part, _BatchNorm) for part in mine)),
    }


def _drops_out(part: nn.Module) -> bool:
    names = ("p",) if isinstance(part, _DropoutNd) else RATES
    rates = (getattr(part, name, None) for name in names)
    return any(isinstance(rate, float) and rate > 0 for rate in rates)


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
