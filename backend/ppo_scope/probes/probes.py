"""The probes: from a moment to named scalars and arrays of a snapshot, and to the row of a series.

A probe runs only while somebody looks at what it draws (docs/protocol.md names what each one gives).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ppo_scope.ppo import by_hand, losses
from ppo_scope.ppo.engine import clip_edges
from ppo_scope.ppo.losses import Region
from ppo_scope.probes import promises
from ppo_scope.probes.cost import Budget
from ppo_scope.probes.direction import direction
from ppo_scope.probes.faults import described
from ppo_scope.probes.gradients import gradients
from ppo_scope.probes.measurement import Measurement, bin_of, counted, counted_by, spread, variance_of
from ppo_scope.probes.minibatches import Minibatches
from ppo_scope.probes.moment import Moment, clipped
from ppo_scope.probes.places import by_environment, chosen_environments
from ppo_scope.probes.policy import policy
from ppo_scope.probes.record import Batch, Floats, PhaseKind, Update
from ppo_scope.probes.steps import Steps, alone
from ppo_scope.probes.subject import Lacking
from ppo_scope.probes.transitions import transitions
from ppo_scope.wire.metrics import FIRST_RATIO_LIMIT, SERIES_COLUMNS

RATIO_LIMITS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Half-ranges of the ratio histogram in log r; what lies beyond the last is counted as outside."""

FIRST_RATIO_SPACINGS = 32
"""Relative spacings of single precision by which two ways to sum up log π may differ."""
SHOWN = (Region.INSIDE, Region.HELD, Region.PULLED_BACK, Region.UNHELD, Region.UNKNOWN)
"""The regions that samples of a rollout can be in, in the order of the histogram's rows."""
EPSILON = float(np.finfo(np.float32).eps)

NOT_FINITE = "Not shown here: the weights, or what the policy makes of the samples, are NaN or infinite."

Array = NDArray[Any]


def measure(moment: Moment, watched: frozenset[str], budget: Budget | None = None) -> Measurement:
    """The scalars that are always on and everything that the watched probes add. Unknown names are ignored.

    Nobody's training ends by being looked at: a probe that raises, or gives what it does not promise, is noted in
    `budget.failed` and not asked again. One whose subject cannot do what it needs, or whose numbers are not finite, is
    noted in `lacks`.
    """
    budget = budget or Budget()
    found = Measurement()
    if moment.phase.update is None:
        return found
    for name in ALWAYS:
        try:
            found.scalars.update(once(moment, name))
        except Exception as error:
            budget.failed.setdefault(name, described(error))
    for name in sorted((watched & PROBES.keys()) - budget.failed.keys()):
        try:
            with budget.spending(name):
                probed = PROBES[name](moment)
            promises.check(name, probed, moment)
        except Lacking as lacking:
            found.lacks[name] = str(lacking)
        except Exception as error:
            if moment.finite:
                budget.failed[name] = described(error)
            else:
                found.lacks[name] = NOT_FINITE
        else:
            found.take(probed)
            found.measured.append(name)
    return found


def row_values(moment: Moment) -> dict[str, float]:
    """All scalars of an update, by name."""
    return {name: value for always in ALWAYS for name, value in once(moment, always).items()}


def once(moment: Moment, always: str) -> dict[str, float]:
    """Some of the scalars that are always on, found the first time that they are asked for."""
    if always not in moment.scalars:
        moment.scalars[always] = ALWAYS[always](moment)
    return moment.scalars[always]


def series_row(moment: Moment, seconds_probes: float) -> list[float]:
    """The row of `SERIES_COLUMNS` of a finished update."""
    return alone(series_row_in_steps(moment, seconds_probes))


def series_row_in_steps(moment: Moment, seconds_probes: float) -> Steps[list[float]]:
    """The same, beside those of other updates: what takes longest is derived first, each by itself."""
    for derive in DERIVED:
        derive(moment)
        yield
    values = {**row_values(moment), "seconds_probes": seconds_probes}
    return [values.get(name, math.nan) for name in SERIES_COLUMNS]


def rollout_scalars(moment: Moment) -> dict[str, float]:
    """What concerns the rollout and the update as a whole, as far as the update has come."""
    subject, update = moment.subject, moment.update
    episodes = subject.episodes
    values: dict[str, float] = {
        "steps": subject.steps,
        "learning_rate": update.learning_rate,
        **_coefficients(update),
        "seconds_optimise": update.seconds_optimise,
        **{f"seconds_{name}": seconds for name, seconds in update.seconds().items()},
    }
    if episodes:
        values["episodic_return_mean"] = sum([episode.episodic_return for episode in episodes]) / len(episodes)
        values["episodic_length_mean"] = sum([episode.length for episode in episodes]) / len(episodes)
    if moment.batch is not None and moment.trained.any():
        values.update(_advantage_scalars(moment, moment.batch))
        if moment.after is not None:
            values.update(_final_scalars(moment, moment.batch))
    return values


def _coefficients(update: Update) -> dict[str, float]:
    """ε, c₂ and β as in force, and how α was moved; what a run does not have is left out."""
    settings = update.settings
    found = {"clip_range": settings.clip_range, "entropy_coef": settings.entropy_coef}
    if settings.objective == "kl_penalty":
        found["kl_coef"] = settings.kl_coef
    if settings.desired_kl is not None:
        found |= {
            "learning_rate_raised": float(update.learning_rate_raised),
            "learning_rate_lowered": float(update.learning_rate_lowered),
            "learning_rate_pinned": float(update.learning_rate_pinned),
        }
    return found


def _advantage_scalars(moment: Moment, batch: Batch) -> dict[str, float]:
    """Of the samples that the phase covers; explained variance and the first ratio are the whole rollout's."""
    values = {"explained_variance_before": _explained(moment, moment.transitions(batch.values.cpu().numpy()))}
    raw, used = moment.covering(batch.advantages.cpu().numpy()), moment.covering(moment.advantages_used)
    if len(raw):
        mean = np.add.reduce(raw, dtype=np.float64) / len(raw)
        values["advantage_mean"] = float(mean)
        values["advantage_std"] = math.sqrt(spread(raw, mean) / (len(raw) - 1)) if len(raw) > 1 else 0.0
    seen = ~np.isnan(used)
    if not seen.all():
        raw, used = raw[seen], used[seen]
    if len(used):
        flipped = np.count_nonzero(np.sign(used) * np.sign(raw) < 0)
        values["flipped_fraction"] = flipped / len(used)
    if moment.seen is not None:
        values["first_ratio_error"], values["first_ratio_limit"] = first_ratio(moment.seen, batch)
    return values


def first_ratio(seen: Minibatches, batch: Batch) -> tuple[float, float]:
    """(the largest |r − 1| at the first minibatch, what rounding may make of it).

    log π is a sum over the components of an action, and single precision resolves it by its size and by theirs, which
    may cancel: of hundreds of components, r cannot be told from 1 to 10⁻⁴.
    """
    trained, logratio = seen.trained[0], seen.logratio[0]
    log_probs = batch.log_probs.cpu().numpy()[seen.samples[0]]
    if not trained.all():
        logratio, log_probs = logratio[trained], log_probs[trained]
    error = np.abs(np.expm1(np.minimum(logratio, losses.LARGEST_LOGRATIO))).max(initial=0.0)
    components = math.prod(batch.actions.shape[1:])
    largest = max(float(np.abs(log_probs).max(initial=0.0)), float(components))
    return float(error), max(FIRST_RATIO_LIMIT, FIRST_RATIO_SPACINGS * EPSILON * largest)


def _final_scalars(moment: Moment, batch: Batch) -> dict[str, float]:
    """Under the weights after the last step of the update."""
    assert moment.after is not None
    _, kl, entropies, v = (moment.transitions(array) for array in moment.after)
    ratio = moment.transitions(moment.ratio)
    return {
        "final_ratio_min": float(np.min(ratio)),
        "final_ratio_max": float(np.max(ratio)),
        "final_kl_exact": float(np.add.reduce(kl, dtype=np.float64) / len(kl)),
        "final_entropy": float(np.add.reduce(entropies, dtype=np.float64) / len(entropies)),
        **_final_losses(moment, batch),
        "explained_variance": _explained(moment, v),
        **_theta_change(moment),
    }


def _theta_change(moment: Moment) -> dict[str, float]:
    """‖θ − θ_old‖/‖θ_old‖, where the subject hands out its weights."""
    theta, before = moment.subject.abilities.theta, moment.update.theta_before
    if theta is None or before is None:
        return {}
    return {"theta_change": float((theta() - before).norm() / before.norm())}


def _final_losses(moment: Moment, batch: Batch) -> dict[str, float]:
    """L_PG and L_VF of the whole rollout under the final weights; L_PG of the samples whose Â has been used.

    By the loss in NumPy, as most minibatches are: each operation of torch that comes once an update costs ten of its.
    """
    assert moment.after is not None
    settings, (logratio, kl, _, v) = moment.update.settings, moment.after
    old_log_probs, old, targets = (tensor.cpu().numpy() for tensor in (batch.log_probs, batch.values, batch.targets))
    log_probs, used = old_log_probs + logratio, moment.advantages_used
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite shows as such
        policy, _ = by_hand.policy_loss(settings.objective, log_probs, logratio, used, clip_edges(settings))
        if settings.objective == "kl_penalty":
            policy = policy + np.float32(settings.kl_coef) * kl
        value, _ = by_hand.value_loss(v, targets, old, settings.value_clip_range)
    judged = policy[moment.trained & ~np.isnan(used)]
    return {
        "final_policy_loss": _mean(judged) if len(judged) else math.nan,
        "final_value_loss": _mean(moment.transitions(value)),
    }


def _mean(values: Floats) -> float:
    """In double precision, in torch's order."""
    return float(torch.from_numpy(values).double().mean())


def _explained(moment: Moment, values: Array) -> float:
    """1 − Var(V_targ − V)/Var(V_targ) of the transitions; NaN where the targets differ by rounding only."""
    variance, rounding = moment.target_variance
    left = moment.targets - values
    return 1.0 - variance_of(left) / variance if variance > rounding else math.nan


def _ratio(moment: Moment) -> Measurement:
    """The histogram of log r by region, exact over what the phase covers."""
    logratio, codes = moment.covering(moment.logratio), moment.covering(moment.regions)
    edges = clip_edges(moment.update.settings)
    limit = _ratio_limit(logratio, edges)
    counts, outside = counted_by(codes, SHOWN, logratio, -limit, limit)
    ratio, scalars = moment.covering(moment.ratio), {"ratio_limit": limit}
    if len(ratio):
        scalars["ratio_clip_fraction"] = np.count_nonzero(clipped(ratio, edges)) / len(ratio)
    if len(ratio) and moment.seen is not None:  # before, r is 1 without having been computed
        scalars |= {"ratio_counted_min": float(ratio.min()), "ratio_counted_max": float(ratio.max())}
    return Measurement(scalars, {"ratio_counts": counts, "ratio_outside": outside})


def _ratio_limit(logratio: Array, edges: losses.Edges) -> float:
    low, high, _ = edges
    lower_edge = -math.log(low) if low > 0 else 0.0
    widest = max(float(logratio.max(initial=0.0)), -float(logratio.min(initial=0.0)), math.log(high), lower_edge)
    return next((limit for limit in RATIO_LIMITS if widest <= limit), RATIO_LIMITS[-1])


def _post_step(moment: Moment) -> Measurement:
    """At the phase step, the ratios of the same minibatch after it, in the bins of the probe `ratio`."""
    batch = moment.batch
    if moment.phase.kind is not PhaseKind.STEP or batch is None:
        return Measurement()
    limit = _ratio_limit(moment.covering(moment.logratio), clip_edges(moment.update.settings))
    after, ratio = moment.covering(moment.logratio_now), moment.covering(moment.ratio_now)
    counts, outside = counted_by(np.zeros(after.shape, np.uint8), (0,), after, -limit, limit)
    extremes = {"ratio_post_min": float(ratio.min()), "ratio_post_max": float(ratio.max())} if len(ratio) else {}
    return Measurement(extremes, {"ratio_post_counts": counts[0], "ratio_post_outside": outside[0]})


def _samples(moment: Moment) -> Measurement:
    """Per sample: ratio, region, membership in the minibatch, episode end, Â as used; KL, where it has a price."""
    rollout, chosen = moment.update.rollout, chosen_environments(moment)
    terminated, truncated, trained, used = (
        by_environment(array.reshape(-1), moment, chosen)
        for array in (rollout.terminated, rollout.truncated, moment.trained, moment.advantages_used)
    )
    arrays = {
        "environments": chosen,
        "ratio": by_environment(moment.ratio, moment, chosen),
        "region": by_environment(moment.regions, moment, chosen),
        "in_minibatch": by_environment(moment.in_minibatch, moment, chosen).astype(np.uint8),
        "episode_end": np.where(terminated, np.uint8(1), np.where(truncated, np.uint8(2), np.uint8(0))),
        "advantage_used": np.where(trained, used, np.float32(np.nan)),
    }
    if moment.update.settings.objective == "kl_penalty":
        arrays["exact_kl"] = by_environment(moment.exact_kl, moment, chosen)
    text = moment.subject.abilities.text
    return Measurement(arrays=arrays, notes={} if text is None else {"samples": {"text": text(moment.update, chosen)}})


def _advantages(moment: Moment) -> Measurement:
    """Histograms of Â, raw and as used, and Â raw per sample."""
    batch = moment.batch
    if batch is None:
        return Measurement()
    raw, chosen = batch.advantages.cpu().numpy(), chosen_environments(moment)
    counts, low, high = _symmetric_histogram(moment.covering(raw))
    trained, shown = (by_environment(array, moment, chosen) for array in (moment.trained, raw))
    scalars = {"advantage_low": low, "advantage_high": high}
    arrays = {"advantage_counts": counts, "advantage": np.where(trained, shown, np.float32(np.nan))}
    used = moment.covering(moment.advantages_used)
    if (known := used[~np.isnan(used)]).size:
        scalars |= {"advantage_used_min": float(known.min()), "advantage_used_max": float(known.max())}
        counts, low, high = _symmetric_histogram(used)
        scalars |= {"advantage_used_low": low, "advantage_used_high": high}
        arrays["advantage_used_counts"] = counts
    return Measurement(scalars, arrays)


def _values(moment: Moment) -> Measurement:
    """Rewards, V of the policy that collected, V_targ, V as last computed and the residual δ, per sample."""
    chosen = chosen_environments(moment)
    arrays = {"reward": by_environment(moment.update.rollout.rewards.reshape(-1), moment, chosen)}
    batch, deltas = moment.batch, moment.update.deltas
    if batch is not None and bool(batch.values.isnan().all()):
        return Measurement(arrays=arrays, lacks={"values": str(Lacking("critic"))})
    if batch is not None:
        if moment.update.settings.normalize_rewards and moment.update.rewards is not None:
            arrays["reward_used"] = by_environment(moment.update.rewards.reshape(-1), moment, chosen)
        if deltas is not None:
            trained, delta = (by_environment(array, moment, chosen) for array in (moment.trained, deltas.reshape(-1)))
            arrays["delta"] = np.where(trained, delta, np.float32(np.nan))
        for name, tensor in (("value", batch.values), ("value_target", batch.targets)):
            arrays[name] = by_environment(tensor.cpu().numpy(), moment, chosen)
        arrays["value_now"] = by_environment(moment.values(batch), moment, chosen)
    return Measurement(arrays=arrays)


def _minibatches(moment: Moment) -> Measurement:
    """One row of metrics per minibatch of this update so far."""
    return Measurement(arrays={"minibatches": moment.minibatch_rows.astype(np.float32)})


PROBES: Mapping[str, Callable[[Moment], Measurement]] = {
    "ratio": _ratio,
    "samples": _samples,
    "advantages": _advantages,
    "values": _values,
    "minibatches": _minibatches,
    "post_step": _post_step,
    "policy": policy,
    "gradients": gradients,
    "direction": direction,
    "transitions": transitions,
}
"""Every probe by the name that a page asks for."""


ALWAYS: Mapping[str, Callable[[Moment], dict[str, float]]] = {
    "minibatch_scalars": Moment.aggregated,
    "rollout_scalars": rollout_scalars,
}
"""Scalars of every snapshot, whoever watches."""

DERIVED: tuple[Callable[[Moment], Any], ...] = (
    attrgetter("minibatch_rows"),
    partial(once, always="minibatch_scalars"),
    attrgetter("after"),
    partial(once, always="rollout_scalars"),
)
"""What a row is made of."""


def _symmetric_histogram(values: Array) -> tuple[NDArray[np.uint32], float, float]:
    """Counts in 64 equal bins over a round range, symmetric around 0, that holds all values that are finite."""
    if not (finite := np.isfinite(values)).all():
        values = values[finite]
    limit = round_up(max(float(values.max(initial=0.0)), -float(values.min(initial=0.0))))
    return counted(bin_of(values, -limit, limit)), -limit, limit


def round_up(value: float) -> float:
    """The next of …, 0.1, 0.2, 0.5, 1, 2, 5, 10, …; 1 for 0."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0, 20.0) if value <= step * power)
