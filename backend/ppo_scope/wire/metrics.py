"""The one table of metrics: what each number on the page is, how it is aggregated, and what healthy looks like.

The columns of a series, `GET api/metrics` and docs/metrics.md come from it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

MEAN = "mean over all minibatches of the update, each before its step"
ALL = "over all minibatches of the update, each before its step"
FINAL = "over the whole rollout, under the weights after the last step"
ROLLOUT = "over the whole rollout"
COVERED = "over the whole rollout; at a minibatch, over its samples"
LAST = "over the last 100 episodes"
SUM = "of the update"

FIRST_RATIO_LIMIT = 1e-4
"""|r − 1| at the first minibatch that is nothing to speak of, however small |log π| is."""


@dataclass(frozen=True)
class Metric:
    """One scalar per update; those with `per_minibatch` exist for each minibatch too."""

    name: str
    symbol: str
    label: str
    definition: str
    aggregation: str
    healthy: str = ""
    per_minibatch: bool = False


def _minibatch(name: str, symbol: str, label: str, definition: str, healthy: str = "", how: str = MEAN) -> Metric:
    return Metric(name, symbol, label, definition, how, healthy, per_minibatch=True)


METRICS: tuple[Metric, ...] = (
    Metric(
        "steps",
        "",
        "Steps",
        "transitions collected since the start; autoreset rows do not count",
        "at its end",
    ),
    _minibatch("loss", "L", "Loss", "L_PG + c₁·L_VF − c₂·S"),
    _minibatch(
        "policy_loss",
        "L_PG",
        "Policy loss",
        "mean of max(−r·Â, −clip(r, 1−ε, 1+ε)·Â); of −r·Â + β·KL, −r·Â, −log π·Â or −log π·G under another objective",
        "small, around zero; it need not fall, since every update has new data",
    ),
    _minibatch(
        "value_loss",
        "L_VF",
        "Value loss",
        "mean of (V − V_targ)²; with a value clip range the larger of that and the clipped one",
        "may rise with the return: larger values to predict",
    ),
    _minibatch(
        "entropy",
        "S",
        "Entropy",
        "mean entropy of the policy",
        "falls slowly; a plunge to 0 means that exploring is over",
    ),
    _minibatch("value_term", "c₁·L_VF", "Value term", "the value loss as it enters the loss"),
    _minibatch("entropy_term", "−c₂·S", "Entropy term", "the entropy bonus as it enters the loss"),
    _minibatch(
        "penalty",
        "β·KL",
        "KL penalty",
        "under kl_penalty β times the exact KL, a part of L_PG; of a loop that keeps near a reference policy β times "
        "the KL to that, a term of L; of a script whose loss has the KL to π_old in it, β times that or its "
        "estimate k1, k2 or k3",
    ),
    _minibatch("kl_k1", "k₁", "KL, k1", "mean of −log r: estimates KL(π_old‖π_θ), may be negative"),
    _minibatch(
        "kl_k3",
        "k₃",
        "KL, k3",
        "mean of (r − 1) − log r: estimates KL(π_old‖π_θ), never negative",
        "below about 0.02",
    ),
    _minibatch("kl_exact", "KL", "KL, exact", "mean of KL(π_old(·|s)‖π_θ(·|s)), from the distributions themselves"),
    _minibatch(
        "clip_fraction",
        "",
        "Clip fraction",
        "share of samples with r outside of the clip range, held or not",
        "about 0.05 to 0.3",
    ),
    _minibatch(
        "held_fraction",
        "",
        "Held fraction",
        "share of samples whose policy gradient the clip has set to zero",
    ),
    _minibatch(
        "pulled_back_fraction",
        "",
        "Pulled-back fraction",
        "share of samples with r outside of the clip range whose gradient flows",
    ),
    _minibatch("ratio_min", "min r", "Ratio, smallest", "smallest r", how=f"minimum {ALL}"),
    _minibatch("ratio_max", "max r", "Ratio, largest", "largest r; clipping does not bound it", how=f"maximum {ALL}"),
    _minibatch("ratio_mean", "r̄", "Ratio, mean", "mean of r", "near 1"),
    _minibatch("ratio_q05", "", "Ratio, 5 % quantile", "5 % of the samples have a smaller r"),
    _minibatch("ratio_q95", "", "Ratio, 95 % quantile", "95 % of the samples have a smaller r"),
    _minibatch(
        "effective_sample_size",
        "ESS",
        "Effective sample size",
        "(Σr)² / (n·Σr²): the share of samples left after weighting by r",
        "near 1",
    ),
    _minibatch("gradient_norm", "‖g‖", "Gradient norm", "norm of dL/dθ before clipping"),
    _minibatch(
        "gradient_clip_factor",
        "",
        "Clip factor",
        "min(1, limit/(‖g‖ + 10⁻⁶)), as torch limits a norm: what the gradient is multiplied with",
        "not always far below 1: then the limit tells outliers from the rest no more, although Adam hides most of it",
    ),
    Metric(
        "first_ratio_error",
        "",
        "First ratio error",
        "largest |r − 1| at the first minibatch",
        SUM,
        "below its limit",
    ),
    Metric(
        "first_ratio_limit",
        "",
        "First ratio limit",
        "what rounding may make of the error: 1e-4, or more where |log π| is large",
        SUM,
    ),
    Metric("final_ratio_min", "min r", "Ratio after, smallest", "smallest r", FINAL),
    Metric("final_ratio_max", "max r", "Ratio after, largest", "largest r", FINAL),
    Metric("final_kl_exact", "KL", "KL after, exact", "mean of KL(π_old‖π_θ)", FINAL),
    Metric("final_entropy", "S", "Entropy after", "mean entropy of the policy", FINAL),
    Metric("final_policy_loss", "L_PG", "Policy loss after", "the policy loss, with every Â as last used", FINAL),
    Metric("final_value_loss", "L_VF", "Value loss after", "the value loss", FINAL),
    Metric(
        "explained_variance_before",
        "",
        "Explained variance before",
        "1 − Var(V_targ − V_old)/Var(V_targ)",
        f"{ROLLOUT}, before the update",
        "towards 1; 0 is as good as a constant, negative is worse",
    ),
    Metric(
        "explained_variance",
        "",
        "Explained variance",
        "1 − Var(V_targ − V)/Var(V_targ)",
        FINAL,
        "above the one before",
    ),
    Metric("advantage_mean", "", "Advantage, mean", "mean of Â, raw", COVERED),
    Metric("advantage_std", "", "Advantage, deviation", "sample deviation (n − 1) of Â, raw", COVERED),
    Metric(
        "flipped_fraction",
        "",
        "Flipped signs",
        "share of samples whose Â changes sign by normalisation",
        COVERED,
    ),
    Metric(
        "theta_change",
        "‖Δθ‖/‖θ‖",
        "Relative step",
        "how far the update moved the weights, relative to them",
        SUM,
    ),
    Metric(
        "learning_rate", "α", "Learning rate", "as used, after annealing; with desired_kl that of the last step", SUM
    ),
    Metric(
        "learning_rate_raised", "", "Learning rate raised", "steps before which desired_kl has multiplied α by 1.5", SUM
    ),
    Metric(
        "learning_rate_lowered", "", "Learning rate lowered", "steps before which desired_kl has divided α by 1.5", SUM
    ),
    Metric(
        "learning_rate_pinned",
        "",
        "Learning rate pinned",
        "steps before which desired_kl would have moved α, but it stood at its bound",
        SUM,
        "0: elsewhere the KL is not what was desired",
    ),
    Metric("clip_range", "ε", "Clip range", "as used, after annealing", SUM),
    Metric("entropy_coef", "c₂", "Entropy coefficient", "as used, after annealing", SUM),
    Metric("kl_coef", "β", "KL coefficient", "as used, after adapting; under kl_penalty only", SUM),
    Metric("episodic_return_mean", "", "Episodic return", "mean return of whole episodes", LAST),
    Metric("episodic_length_mean", "", "Episodic length", "mean length of whole episodes", LAST),
    Metric("seconds_environment", "", "Environment", "seconds in the environments", SUM),
    Metric("seconds_inference", "", "Inference", "seconds of choosing actions and storing them", SUM),
    Metric(
        "seconds_advantages",
        "",
        "Advantages",
        "seconds of judging the rollout and estimating advantages",
        SUM,
    ),
    Metric("seconds_optimise", "", "Optimise", "seconds of shuffling, losses, gradients and steps", SUM),
    Metric("seconds_shuffle", "", "Shuffle", "seconds of bringing the batch into a new order, epoch by epoch", SUM),
    Metric("seconds_forward", "", "Forward", "seconds of the networks' outputs and the loss", SUM),
    Metric("seconds_backward", "", "Backward", "seconds of the loss's gradient and its norm", SUM),
    Metric("seconds_step", "", "Adam", "seconds of clipping the gradient and of the optimizer's step", SUM),
    Metric(
        "seconds_probes",
        "",
        "Probes",
        "seconds of measuring and sending what is watched",
        "since the row before",
    ),
)

SERIES_COLUMNS: tuple[str, ...] = tuple(metric.name for metric in METRICS)
"""The columns of a series row, in order."""
EPISODE_COLUMNS = ("update", "step", "episodic_return", "episodic_length")
"""The columns of the episodes, one row each; `step` counts all environments together."""

MINIBATCH_COLUMNS: tuple[str, ...] = tuple(metric.name for metric in METRICS if metric.per_minibatch)
"""The columns that exist for each minibatch."""


def table() -> list[dict[str, Any]]:
    """The table as plain rows."""
    return [asdict(metric) for metric in METRICS]
