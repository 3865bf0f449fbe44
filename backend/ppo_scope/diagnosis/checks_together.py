"""What can be wrong where processes train together."""

from __future__ import annotations

import math

from ppo_scope.diagnosis.judging import (
    OF_RATIO,
    Check,
    Found,
    Row,
    Unknown,
    Verdict,
    last,
    rounded_up,
)

ONE_PROCESS = Unknown("only where several processes train together", applies=False)
DRIFT_KL = 0.02
DRIFT_FACTOR = 4.0


def _ranks_apart(rows: list[Row]) -> Verdict:
    ranks = last(rows, "ranks")
    if math.isnan(ranks):
        return ONE_PROCESS if last(rows, "steps") > 0 else None
    apart = last(rows, "rank_weights_apart")
    if apart > 0:
        return Found(
            f"After the update {apart:.0f} of {ranks:.0f} processes have other weights than the first: a sum over "
            f"their bits differs, in rank {last(rows, 'rank_weights_apart_of'):.0f} to begin with.{_how_far(rows)}"
        )
    beyond = last(rows, "rank_ratio_beyond")
    if 0 < beyond < ranks:
        return Found(
            f"At its first minibatch rank {last(rows, 'rank_ratio_error_of'):.0f} had r off 1 by up to "
            f"{rounded_up(last(rows, 'rank_ratio_error')):g}, and {ranks - beyond:.0f} of {ranks:.0f} processes had "
            "not: it collects with another policy than it trains."
        )
    high, low = last(rows, "rank_kl_high"), last(rows, "rank_kl_low")
    if high > DRIFT_KL and high > DRIFT_FACTOR * max(low, 0.0):
        return Found(f"The update has moved the policies of the processes by different amounts.{_how_far(rows)}")
    return None


def _how_far(rows: list[Row]) -> str:
    high, low = last(rows, "rank_kl_high"), last(rows, "rank_kl_low")
    if not high > low:
        return ""
    return (
        f" KL (k3) of their own samples: {high:.2g} in rank {last(rows, 'rank_kl_high_of'):.0f}, {low:.2g} in rank "
        f"{last(rows, 'rank_kl_low_of'):.0f}."
    )


RANKS_APART = Check(
    "ranks_apart",
    "The processes disagree",
    "error",
    "weights differ between the processes that train together, or r is 1 at the first minibatch in some of them only, "
    "or KL is above 0.02 in one and more than 4 times what it is in another",
    "They are meant to train one policy: each step with the mean of all gradients, from the same weights. Here one "
    "has gone its own way, and what the first one shows is not what the others train.",
    "Do not trust this run. Look whether the policy is wrapped (DistributedDataParallel) and called through its "
    "wrapper, whether all start from the same weights, and whether each takes as many steps.",
    None,
    ("ranks",),
    _ranks_apart,
    "The processes that train together agree",
    ("ratio_not_one",),
    ("ratio_not_one", *OF_RATIO),
)
