"""Several processes that train one policy together, as torchrun starts them: what each has, and where they disagree.

The first reports. At the end of every update all tell each other how far their own ratios and KL have come and what
their weights add up to, by a group of processes of our own, so that nothing of the training is in its way. Where an
update begins, the first tells what was changed on its page.
"""

from __future__ import annotations

import contextlib
import math
import os
import traceback
import zlib
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, distributed, nn

from ppo_scope.attach.arrays import taken
from ppo_scope.attach.record import Phase, Update
from ppo_scope.attach.watcher import say, unraised
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import row_values
from ppo_scope.probes.record import PhaseKind

if TYPE_CHECKING:
    from ppo_scope.probes.subject import Subject

Weights = nn.Module | Callable[[], Iterable[Any]]

TOLD = ("kl_k3", "first_ratio_error", "first_ratio_limit")
"""Of each process's own samples, by our definitions."""
LONG = timedelta(minutes=30)
"""That one may be held on the page while the others wait; groups of the training itself allow no more, as a rule."""
MODULUS = 2**48
"""A sum that double precision holds."""
WIDTHS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}

APART = "The processes that train together could not be compared; the training goes on:"


def rank_here() -> int:
    """Of this process among those that train together; 0 where it trains alone."""
    if distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    return int(os.environ["RANK"]) if "TORCHELASTIC_RUN_ID" in os.environ and "RANK" in os.environ else 0


class Ranks:
    """Those of one run. What it does is done by all, whether or not one's watching has failed."""

    def __init__(self, weights: Weights | None) -> None:
        self._weights = weights
        self._group: Any = None
        self._failed = False
        self._farewell: Any = None  # under way as long as not all have heard it

    @property
    def together(self) -> bool:
        """Whether this process trains with others."""
        found = distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
        return found and not self._failed

    def compare(self, subject: Subject, update: Update | None, *, going_on: bool) -> tuple[dict[str, float], bool]:
        """(what Health looks at, whether all go on) at the end of an update. None: nothing is known of it here."""
        if not self.together:
            return {}, going_on
        mine = torch.tensor([*self._mine(subject, update), float(going_on)], dtype=torch.float64)
        told = self._gathered(mine)
        if told is None:
            return {}, going_on
        if told[:, -1].isnan().any():
            self._failed = True  # one of them comes no more
            return {}, going_on
        return disagreement(told[:, :-1]), bool(told[:, -1].all())

    def agree(self, whether: bool) -> bool:
        """Whether it is so in every process."""
        if not self.together:
            return whether
        told = self._gathered(torch.tensor([float(whether)]))
        return told is not None and bool(told.all())

    def leave(self) -> None:
        """This one compares no more: the others hear so at the end of the update, without being waited for."""
        if not self.together:
            return
        mine = torch.full((len(TOLD) + 2,), math.nan, dtype=torch.float64)
        found = [torch.empty_like(mine) for _ in range(distributed.get_world_size())]
        self._failed = True
        with contextlib.suppress(Exception):  # nobody is left who could be told
            self._farewell = distributed.all_gather(found, mine, group=self._ours(), async_op=True), found

    def spread(self, changes: dict[str, Any]) -> dict[str, Any]:
        """What the first has been told to change, in every process."""
        if not self.together:
            return changes
        try:
            told = [changes]
            distributed.broadcast_object_list(told, src=0, group=self._ours())
        except Exception:
            self._failed = True
            say(f"{APART}\n{traceback.format_exc()}")
            return {}
        return told[0]

    def _gathered(self, mine: Tensor) -> Tensor | None:
        """[R, …], what each process has; None: they could not be asked, and are not asked any more."""
        found = [torch.empty_like(mine) for _ in range(distributed.get_world_size())]
        try:
            distributed.all_gather(found, mine, group=self._ours())
        except Exception:
            self._failed = True
            say(f"{APART}\n{traceback.format_exc()}")
            return None
        return torch.stack(found)

    def _ours(self) -> Any:
        if self._group is None:
            self._group = distributed.new_group(backend="gloo", timeout=LONG)
        return self._group

    @unraised
    def _mine(self, subject: Subject, update: Update | None) -> list[float]:
        """Numbers of `TOLD`, and the sum over the weights; NaN where something is not known."""
        found = [math.nan] * (len(TOLD) + 1)
        try:
            found[-1] = float(sum_of(self._weights)) if self._weights is not None else math.nan
            if update is not None and update.told:
                moment = Moment(subject, Phase(PhaseKind.UPDATE, update))
                values = {**row_values(moment), **moment.aggregated()}
                found[:-1] = [values.get(name, math.nan) for name in TOLD]
        except Exception:  # all have to come to the gathering, whatever is wrong here
            say(f"{APART}\n{traceback.format_exc()}")
        return found


def disagreement(told: Tensor) -> dict[str, float]:
    """What Health looks at, of [R, TOLD and the sum over the weights]."""
    kl, errors, limits, sums = told.unbind(1)
    found = {"ranks": float(len(told))}
    known = kl.isfinite()
    if known.any():
        high = int(torch.where(known, kl, -math.inf).argmax())
        low = int(torch.where(known, kl, math.inf).argmin())
        found |= {"rank_kl_high": float(kl[high]), "rank_kl_high_of": float(high)}
        found |= {"rank_kl_low": float(kl[low]), "rank_kl_low_of": float(low)}
    beyond = errors > limits
    if errors.isfinite().any():
        worst = int(torch.where(errors.isfinite(), errors, -math.inf).argmax())
        found |= {"rank_ratio_error": float(errors[worst]), "rank_ratio_error_of": float(worst)}
        found["rank_ratio_beyond"] = float(beyond.sum())
    if sums.isfinite().all():
        others = (sums != sums[0]).nonzero().reshape(-1)
        found["rank_weights_apart"] = float(len(others))
        found["rank_weights_apart_of"] = float(others[0]) if len(others) else math.nan
    return found


@torch.no_grad()
def sum_of(weights: Weights) -> float:
    """Over the bits of all weights: the same for the same weights. NaN where each process has only a part of them."""
    found = 0
    arrays = weights.parameters() if isinstance(weights, nn.Module) else weights()
    for one in arrays:
        if not isinstance(one, Tensor):
            part = zlib.crc32(taken(one).tobytes())
        elif type(one.data).__name__ == "DTensor":
            return math.nan
        else:  # where they are, for they may be many
            bits = one.detach().contiguous().view(WIDTHS[min(one.element_size(), 8)])
            places = torch.arange(1, 1 + bits.numel(), device=bits.device) % 65_521
            part = int((bits.reshape(-1).long() * places).sum())
        found = (31 * found + part) % MODULUS
    return float(found)
