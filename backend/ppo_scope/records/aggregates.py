"""What several seeds have achieved together: the interquartile mean and its bootstrap interval, by rliable.

Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS 2021.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from dataclasses import dataclass
from typing import Any

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

_drawing = threading.Lock()


@dataclass(frozen=True)
class Aggregate:
    """Of several seeds, at P steps."""

    measure: str
    """iqm or mean."""
    values: Numbers
    """[P]"""
    interval: Numbers | None
    """[2, P]: its lower and its upper end; None: of a single seed there is none, nor without rliable."""


def missing() -> str | None:
    """What rliable would be needed for, where it is not installed: one sentence."""
    try:
        _rliable()
    except Missing as problem:
        return f"Only means are drawn, without intervals: {problem}."
    return None


def aggregate(scores: Numbers) -> Aggregate:
    """Of scores [seeds, P]: their interquartile mean, of few seeds or without rliable their mean, with its interval.

    The interval is rliable's: percentiles of a stratified bootstrap over the seeds. All seeds are of one environment,
    so that there is one stratum.
    """
    robust = len(scores) >= ENOUGH and missing() is None
    measure = interquartile_mean if robust else mean
    interval = None
    if len(scores) > 1 and missing() is None:
        # Its strata draw from NumPy's generator that all have in common, whatever it is given: that one is put back.
        with _drawing:
            before = np.random.get_state()
            np.random.seed(SEED)
            try:
                interval = _rliable().get_interval_estimates(
                    {"": scores[:, None, :]},
                    lambda drawn: measure(drawn[:, 0, :]),
                    reps=RESAMPLES,
                    confidence_interval_size=CONFIDENCE,
                )[1][""]
            finally:
                np.random.set_state(before)
    return Aggregate("iqm" if robust else "mean", measure(scores), interval)


def interquartile_mean(scores: Numbers) -> Numbers:
    """[seeds, P] → [P], the mean of the middle half, as `rliable.metrics.aggregate_iqm` has it for one step."""
    cut = int(CUT * len(scores))
    return np.asarray(np.sort(scores, axis=0)[cut : len(scores) - cut].mean(axis=0))


def mean(scores: Numbers) -> Numbers:
    """[seeds, P] → [P]"""
    return np.asarray(scores.mean(axis=0))


def _rliable() -> Any:
    """Its library, with no more of arch than the bootstrap.

    The rest of arch models time series; it takes seconds to import, and fails beside pandas 3.

    Raises:
        Missing: it is not installed.
    """
    if "arch" not in sys.modules and (found := importlib.util.find_spec("arch")) is not None:
        sys.modules["arch"] = importlib.util.module_from_spec(found)
    return needed("rliable.library")
