"""What the policy would do: before the update, and under the weights as they are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.ppo.distributions import Bernoulli, Categorical, DiagonalGaussian, MultiCategorical
from ppo_scope.probes.measurement import Measurement, bin_of, counted
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.names import action_names, indexed
from ppo_scope.probes.places import chosen_environments
from ppo_scope.probes.record import Batch, Floats
from ppo_scope.probes.subject import Distribution, Lacking, needed

STATES = 8
"""Transitions whose distribution is shown in full."""

ROW_BY_ROW = (Categorical, DiagonalGaussian)
"""Of these a sample's entropy is the same to the bit whatever samples are beside it, so that of now need not be found
anew for those that are covered."""


def policy(moment: Moment) -> Measurement:
    """Distributions of some states before → now, the mean shift of each probability, and entropies."""
    batch = moment.batch
    covered = moment.covered
    if batch is None or not covered.any():
        return Measurement()
    distribution, old = moment.distribution, needed(batch.outputs, "outputs")
    outputs, _ = moment.judged(batch)
    samples = _spread(moment)
    places = np.stack([samples % moment.update.settings.num_envs, samples // moment.update.settings.num_envs], axis=1)
    shown = torch.from_numpy(samples).to(outputs.device)
    counts, low, high = _entropies(moment, batch, (old, outputs), _largest_entropy(moment))
    scalars, arrays = {"entropy_low": low, "entropy_high": high}, {}
    if moment.action_masks is not None and moment.largest_entropies is not None:
        scalars["entropy_allowed"] = float(moment.covering(moment.largest_entropies).mean(dtype=np.float64))
        arrays["policy_allowed"] = moment.action_masks[samples].astype(np.uint8)
    return Measurement(
        scalars=scalars,
        arrays={
            "policy_places": places.astype(np.int32),
            "policy_before": parameters(distribution, old[shown]),
            "policy_now": parameters(distribution, outputs[shown]),
            "policy_shift": _shift(moment, old, outputs),
            "entropy_counts": counts,
            **arrays,
        },
        notes={"policy": description(distribution, moment.subject.env)},
    )


@torch.no_grad()
def parameters(distribution: Distribution, outputs: Tensor, axis: int = -1) -> Floats:
    """[S, W] from policy outputs [S, O]: probabilities, or the means and after them the standard deviations.

    With `axis` 0, [W, S] from [O, S]: many times faster for few actions, with another last digit here and there.

    Raises:
        Lacking: the distribution is none of ours.
    """
    if isinstance(distribution, DiagonalGaussian):
        mean, log_std = outputs.chunk(2, dim=axis)
        found = torch.cat([mean, log_std.exp()], dim=axis)
    elif isinstance(distribution, Bernoulli):
        found = torch.sigmoid(outputs)
    elif isinstance(distribution, MultiCategorical):
        parts = torch.split(outputs, distribution.counts, dim=axis)
        found = torch.cat([part.softmax(axis) for part in parts], dim=axis)
    elif isinstance(distribution, Categorical):
        found = outputs.softmax(axis)
    else:
        raise Lacking("distribution")
    array: Floats = found.cpu().numpy()
    return array


def _shift(moment: Moment, before: Tensor, now: Tensor) -> Floats:
    """[W] of outputs [S, O]: the mean change of each parameter over what is covered, added up in double precision."""
    distribution = moment.distribution
    changes = parameters(distribution, now.T, axis=0) - parameters(distribution, before.T, axis=0)
    found: Floats = moment.covering(changes, axis=1).mean(axis=1, dtype=np.float64).astype(np.float32)
    return found


def description(distribution: Distribution, env: str) -> dict[str, Any]:
    """What the columns of `parameters` are: their kind, their names, and how many belong together.

    `actions` says what each choice, or each dimension of a Box, does, where the environment is known; else None. Of a
    Box, `bounds` are where what is sent to the environment is cut off: lows and highs of all dimensions, or None.

    Raises:
        Lacking: the distribution is none of ours.
    """
    if isinstance(distribution, DiagonalGaussian):
        size = distribution.outputs // 2
        names = [indexed(symbol, i, size) for symbol in ("μ", "σ") for i in range(size)]
        bounds = [_finite(edge) for edge in (distribution.low, distribution.high)]
        actions = action_names(env, size)
        return {"kind": "box", "columns": names, "groups": [size, size], "actions": actions, "bounds": bounds}
    if isinstance(distribution, Bernoulli):
        size = distribution.outputs
        names = [f"{indexed('a', i, size)} on" for i in range(size)]
        return {"kind": "multi_binary", "columns": names, "groups": [1] * size, "actions": None}
    if isinstance(distribution, MultiCategorical):
        counts, starts = distribution.counts, distribution.starts
        names = [
            f"{indexed('a', i, len(counts))} = {k + start}"
            for i, (n, start) in enumerate(zip(counts, starts, strict=True))
            for k in range(n)
        ]
        return {"kind": "multi_discrete", "columns": names, "groups": counts, "actions": None}
    if not isinstance(distribution, Categorical):
        raise Lacking("distribution")
    names = [f"a = {k + distribution.start}" for k in range(distribution.outputs)]
    groups = [distribution.outputs]
    return {"kind": "discrete", "columns": names, "groups": groups, "actions": action_names(env, groups[0])}


def _finite(edge: Floats) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in edge.reshape(-1)]


def _spread(moment: Moment) -> NDArray[np.int64]:
    """Samples spread evenly over the transitions of the environments on show; the same ones all through an update."""
    settings = moment.update.settings
    shown = np.zeros((settings.rollout_steps, settings.num_envs), np.bool_)
    shown[:, chosen_environments(moment)] = True
    candidates = np.flatnonzero(shown.reshape(-1) & moment.trained)
    chosen: NDArray[np.int64] = candidates[
        np.linspace(0, len(candidates) - 1, min(STATES, len(candidates))).astype(int)
    ]
    return chosen


def _largest_entropy(moment: Moment) -> float | None:
    """The largest that any state allows of those that the phase covers, where there is one."""
    if moment.largest_entropies is None:
        return moment.distribution.max_entropy
    return float(moment.covering(moment.largest_entropies).max())


@torch.no_grad()
def _entropies(
    moment: Moment, batch: Batch, outputs: tuple[Tensor, Tensor], largest: float | None
) -> tuple[NDArray[np.uint32], float, float]:
    """([2, BINS] counts before and now, and the range of the bins)."""
    evaluate = moment.distribution.evaluate
    if isinstance(moment.distribution, ROW_BY_ROW):
        found = [evaluate(outputs[0], batch.actions)[1], moment.now[1]]
        both = [moment.covering(one.cpu().numpy()) for one in found]
    else:
        here = torch.from_numpy(np.flatnonzero(moment.covered)).to(batch.actions.device)
        actions = batch.actions.index_select(0, here)
        both = [evaluate(one.index_select(0, here), actions)[1].cpu().numpy() for one in outputs]
    both = [e if (finite := np.isfinite(e)).all() else e[finite] for e in both]
    all_of_them = np.concatenate(both)
    low, high = (float(all_of_them.min()), float(all_of_them.max())) if len(all_of_them) else (0.0, 0.0)
    if largest is not None:
        low, high = min(0.0, low), max(largest, high)
    else:  # of a density: round ends, so that the histogram holds still
        low, high = math.floor(low) - 0.5, math.ceil(high) + 0.5
    if low == high:  # of one action only, there is nothing to be uncertain of
        high = low + 1.0
    return np.stack([counted(bin_of(e, low, high)) for e in both]), low, high
