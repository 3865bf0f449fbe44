"""The minibatches of an update as arrays, and their row of metrics each.

All at once: J rows of B samples. In NumPy, which is quicker than torch at these sizes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.ppo import losses
from ppo_scope.ppo.distributions import KLFrom
from ppo_scope.ppo.engine import clip_edges
from ppo_scope.probes.facts import Facts
from ppo_scope.probes.record import Floats, Minibatch
from ppo_scope.wire.metrics import MINIBATCH_COLUMNS

QUANTILES = (0.0, 0.05, 0.95, 1.0)
"""Of a minibatch's ratios."""


class SideBySide(list[Any]):
    """Minibatches whose arrays lie one after the other in memory."""

    def __init__(self, minibatches: Sequence[Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(minibatches)
        self.arrays = arrays
        """[J, B, …] by name, and [J] of the single numbers, NaN where a minibatch has none."""


class Minibatches:
    """At least one, so far; each array is made when it is first asked for."""

    def __init__(self, minibatches: Sequence[Minibatch]) -> None:
        self._each = minibatches
        self._shape = len(minibatches), len(minibatches[0].samples)
        self._laid: Mapping[str, NDArray[Any]] = minibatches.arrays if isinstance(minibatches, SideBySide) else {}

    @cached_property
    def samples(self) -> NDArray[np.int64]:
        """[J, B], which samples of the rollout."""
        return self._together("samples")

    @cached_property
    def trained(self) -> NDArray[np.bool_]:
        """[J, B]"""
        return self._together("trained")

    @cached_property
    def whole(self) -> bool:
        """Whether all of these samples are transitions."""
        return bool(self.trained.all())

    def transitions(self, found: NDArray[Any]) -> NDArray[Any]:
        """Of [J, B], those that are transitions, one after the other; not a copy where all are."""
        return found.reshape(-1) if self.whole else found[self.trained]

    @cached_property
    def advantages(self) -> Floats:
        """[J, B], as used in the loss."""
        return self._together("advantages")

    @cached_property
    def logratio(self) -> Floats:
        """[J, B], log r"""
        return self._together("logratio")

    @cached_property
    def ratio(self) -> Floats:
        """[J, B], r as the loss takes it."""
        return losses.ratio_in_numpy(self.logratio)

    @cached_property
    def values(self) -> Floats:
        """[J, B], V"""
        return self._together("values")

    def spread(self, found: NDArray[Any], over: NDArray[Any], latest: int) -> None:
        """Write what the `latest` minibatches found, of [J, B], over the samples [S]; the newest stays."""
        over[self.samples[-latest:].reshape(-1)] = found[-latest:].reshape(-1)

    def exact_kl(self, kl_from_old: KLFrom | None) -> Floats:
        """[J, B]; NaN where the policies' outputs are not known."""
        if kl_from_old is None or any(m.outputs is None for m in self._each):
            return np.full(self._shape, np.nan, np.float32)
        return _numpy(kl_from_old(self._flat("outputs"), self._flat("samples"))).reshape(self._shape)

    def scalars(self) -> dict[str, NDArray[np.float64]]:
        """The terms of the loss and the norm of its gradient, [J] each; NaN where a minibatch has no gradient."""
        names = ("loss", "policy_loss", "value_loss", "entropy", "gradient_norm")
        if self._laid.keys() >= set(names):
            return {name: self._laid[name].astype(np.float64) for name in names}
        values = [v for m in self._each for v in (m.loss, m.policy_loss, m.value_loss, m.entropy, m.gradient_norm)]
        if any(value is None for value in values):
            missing = torch.tensor(torch.nan, device=self._each[0].loss.device)
            values = [missing if value is None else value for value in values]
        columns = _numpy(torch.stack(values)).astype(np.float64).reshape(-1, len(names))  # type: ignore[arg-type]
        return dict(zip(names, columns.T, strict=True))

    def penalty(self) -> NDArray[np.float64]:
        """[J], β·KL to a reference policy; NaN where the loss has none."""
        return np.array([math.nan if m.penalty is None else float(m.penalty) for m in self._each])

    def _together(self, name: str) -> NDArray[Any]:
        return self._laid[name] if name in self._laid else _numpy(self._flat(name)).reshape(self._shape)

    def _flat(self, name: str) -> Tensor:
        """[J·B, …]"""
        if name in self._laid:
            return torch.from_numpy(self._laid[name]).flatten(0, 1)
        return torch.cat([getattr(m, name) for m in self._each])


def rows(seen: Minibatches, settings: Facts, kl_from_old: KLFrom | None) -> NDArray[np.float64]:
    """[J, C] of `MINIBATCH_COLUMNS`."""
    trained, ratio, whole = seen.trained, seen.ratio, seen.whole
    # As the loss takes it, and in double precision, which holds the squares of the largest too.
    logratio = np.minimum(seen.logratio, np.float32(losses.LARGEST_LOGRATIO))
    counts = np.add.reduce(trained, axis=1, dtype=np.int64)
    divisors = counts if whole else np.where(counts > 0, counts, np.nan)  # of no sample there is no mean
    edges = clip_edges(settings)
    asked_for, pulled_back = losses.pushed(ratio, seen.advantages, edges, settings.objective)
    held = asked_for if settings.objective == "clip" else np.zeros_like(asked_for)
    above, below = losses.beyond(ratio, edges)
    _, value_weight, entropy_weight = losses.term_weights(settings.value_coef, settings.entropy_coef)

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        kept = values if whole else np.where(trained, values, 0)
        found: NDArray[np.float64] = np.add.reduce(kept, axis=1, dtype=np.float64) / divisors
        return found

    def share(of_the_transitions: NDArray[np.bool_]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.add.reduce(of_the_transitions, axis=1, dtype=np.float64) / divisors
        return found

    terms, kl_exact = seen.scalars(), mean(seen.exact_kl(kl_from_old))
    if not whole:
        for column in terms.values():
            column[counts == 0] = np.nan
    low, q05, q95, high = quantiles(ratio if whole else np.where(trained, ratio, np.inf), counts, QUANTILES).T
    ratio_mean = mean(ratio)
    columns = {
        "loss": terms["loss"],
        "policy_loss": terms["policy_loss"],
        "value_loss": terms["value_loss"],
        "entropy": terms["entropy"],
        "value_term": value_weight * terms["value_loss"],
        "entropy_term": entropy_weight * terms["entropy"],
        "penalty": settings.kl_coef * kl_exact if settings.objective == "kl_penalty" else seen.penalty(),
        "kl_k1": mean(-logratio),
        "kl_k3": mean(np.expm1(logratio) - logratio),
        "kl_exact": kl_exact,
        "clip_fraction": share((above | below) & trained),
        "held_fraction": share(held & trained),
        "pulled_back_fraction": share(pulled_back & trained),
        "ratio_min": low,
        "ratio_max": high,
        "ratio_mean": ratio_mean,
        "ratio_q05": q05,
        "ratio_q95": q95,
        "effective_sample_size": _quotient(ratio_mean**2, mean(np.square(ratio, dtype=np.float64))),
        "gradient_norm": terms["gradient_norm"],
        "gradient_clip_factor": np.minimum(1.0, (settings.max_grad_norm or np.inf) / (terms["gradient_norm"] + 1e-6)),
    }
    if (unknown := np.isnan(ratio_mean)).any():  # of ratios that are no numbers: no share
        for name in ("clip_fraction", "held_fraction", "pulled_back_fraction"):
            columns[name] = np.where(unknown, np.nan, columns[name])
    return np.array([columns[name] for name in MINIBATCH_COLUMNS]).T.copy()


def quantiles(values: Floats, counts: NDArray[np.int64], shares: tuple[float, ...]) -> NDArray[np.float64]:
    """[J, shares]: of the `counts` [J] smallest values of each row [J, B], between neighbours in proportion.

    NaN where there are none.
    """
    ordered = np.sort(values, axis=1)
    last = np.maximum(counts - 1, 0)[:, None]
    place = np.array(shares) * last
    left = place.astype(np.int64)
    right = np.minimum(left + 1, last)
    each = np.arange(len(values))[:, None]
    low, high = ordered[each, left].astype(np.float64), ordered[each, right].astype(np.float64)
    with np.errstate(invalid="ignore"):  # both may be infinite
        between = np.where(low == high, low, low + (place - left) * (high - low))
    between[counts == 0] = np.nan
    return between


def _quotient(over: NDArray[np.float64], under: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN where there is nothing to divide by: no sample, or ratios that are all 0 in single precision."""
    return np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0)


def _numpy(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy()
