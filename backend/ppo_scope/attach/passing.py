"""Minibatches of a loop of one's own as they go by: copied at once, and put into our shapes all together.

What is done between two operations of a loop is done with cold caches, and takes several times as long there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ppo_scope.attach.handed import places_of
from ppo_scope.attach.record import Noted

NOT_TOLD = None, None, None
"""By those that are `copied`: the last of `Noted`."""


class Passed(NamedTuple):
    """A minibatch of B samples."""

    epoch: int
    samples: Tensor
    columns: Tensor
    """[C, B]: log π and Â, and V and the entropy where they are told."""
    valued: bool
    spread: bool


def copied(samples: Any, log_prob: Any, advantages: Any, values: Any, entropy: Any) -> tuple[Tensor, Tensor] | None:
    """`samples` and `columns` of a minibatch. None: these are not all tensors [B] in one place, see `handed.noted`."""
    if not isinstance(samples, Tensor) or samples.ndim != 1 or samples.dtype is not torch.int64 or not len(samples):
        return None
    told = [log_prob, advantages, *(one for one in (values, entropy) if one is not None)]
    for one in told:
        if not isinstance(one, Tensor) or one.shape != samples.shape or one.device != told[0].device:
            return None
    return samples.clone(), torch.stack(told).detach()


def noted_together(passed: Sequence[Passed], count: int) -> list[Noted]:
    """The same as records have them, of a rollout of `count` samples.

    Raises:
        Misshapen: they are none of the rollout's.
    """
    if not passed:
        return []
    sizes = [len(one.samples) for one in passed]
    which = torch.split(torch.from_numpy(places_of(torch.cat([one.samples for one in passed]), count, None)), sizes)
    found = torch.cat([one.columns for one in passed], 1).to("cpu", torch.float32).unbind()
    log_prob, advantages, *rest = (torch.split(one, sizes) for one in found)
    none = [None] * len(passed)
    values = rest[0] if passed[0].valued else none
    entropy = rest[-1] if passed[0].spread else none
    each = zip(passed, which, log_prob, advantages, values, entropy, strict=True)
    return [Noted._make((one.epoch, places.numpy(), *four, *NOT_TOLD)) for one, places, *four in each]
