"""What several seeds have achieved together: the interquartile mean and its bootstrap interval, as by rliable.

Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS 2021. The mathematics is
SciPy's: rliable itself takes `trim_mean` from there, and its bootstrap from a package that models time series.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppo_scope.records.extras import Missing, needed

Numbers = NDArray[np.float64]

CONFIDENCE = 0.95
"""Of the interval, at each step by itself."""
RESAMPLES = 2000
SEED = 0
"""The same runs have the same interval, whenever they are looked at."""
ENOUGH = 3
"""Seeds of which an interquartile mean is taken; of fewer, the mean."""
CUT = 0.25
"""Of the seeds at either end, which an interquartile mean leaves out."""
AT_ONCE = 4_000_000
"""Numbers of resamples that are in memory at once: a hundred seeds would take gigabytes else."""


@dataclass(frozen=True)
class Aggregate:
    """Of several seeds, at P steps."""

    measure: str
    """iqm or mean."""
    values: Numbers
    """[P]"""
    interval: Numbers | None
    """[2, P]: its lower and its upper end; None: of a single seed there is none, nor without SciPy."""


def missing() -> str | None:
    """What SciPy would be needed for, where it is not installed: one sentence."""
    try:
        needed("scipy.stats")
    except Missing as problem:
        return f"Only means are drawn, without intervals: {problem}."
    return None


def aggregate(scores: Numbers) -> Aggregate:
    """Of scores [seeds, P]: their interquartile mean, of few seeds or without SciPy their mean, with its interval.

    The interval has the percentiles of a bootstrap over the seeds, at each step by itself. All seeds are of one
    environment, so that rliable's bootstrap by strata has one stratum.
    """
    if missing() is not None:
        return Aggregate("mean", mean(scores), None)
    robust = len(scores) >= ENOUGH
    measure = interquartile_mean if robust else mean
    return Aggregate("iqm" if robust else "mean", measure(scores), _interval(scores, measure))


def interquartile_mean(scores: Numbers, axis: int = 0) -> Numbers:
    """[seeds, P] → [P], the mean of the middle half of the seeds."""
    return np.asarray(needed("scipy.stats").trim_mean(scores, CUT, axis=axis))


def mean(scores: Numbers, axis: int = 0) -> Numbers:
    """[seeds, P] → [P]"""
    return np.asarray(scores.mean(axis=axis))


def quartiles(scores: Numbers) -> Numbers | None:
    """[seeds, P] → [2, P]: between them is the middle half of the seeds, at each step by itself; None: of fewer than
    three there is none.
    """
    return np.quantile(scores, [CUT, 1 - CUT], axis=0) if len(scores) >= ENOUGH else None


def _interval(scores: Numbers, measure: Callable[..., Numbers]) -> Numbers | None:
    if len(scores) < 2:
        return None
    found = needed("scipy.stats").bootstrap(
        (scores,),
        measure,
        axis=0,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        vectorized=True,
        batch=max(1, AT_ONCE // max(1, scores.size)),
        random_state=np.random.default_rng(SEED),
    )
    return np.stack([found.confidence_interval.low, found.confidence_interval.high])
