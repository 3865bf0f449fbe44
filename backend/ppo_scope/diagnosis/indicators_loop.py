"""What a training loop itself may do wrong, as numbers: what its minibatches, losses and bootstraps give away.

All of it is taken at every update, so it looks closely only where a first look has found something.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.diagnosis.indicators_estimate import of_the_estimate
from ppo_scope.diagnosis.indicators_outputs import of_the_outputs
from ppo_scope.diagnosis.indicators_used import of_the_used, of_the_weights
from ppo_scope.diagnosis.judging import FAR_OUT, NUMBERS, OF_CRITIC, WEIGHTS, Row
from ppo_scope.diagnosis.told_loss import of_the_losses
from ppo_scope.ppo.distributions import DiagonalGaussian
from ppo_scope.ppo.engine import clip_edges
from ppo_scope.probes.measurement import median, rms, variance_of
from ppo_scope.probes.minibatches import Minibatches
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import first_ratio
from ppo_scope.probes.record import Batch, Floats

SAME = 1e-4
"""Of the size of V: so close do two bootstrap values have to be to be one and the same."""
ZERO, NEARLY_ZERO = 1e-6, 1e-3
"""|Â| that is none; where Â is (R − mean)/(std + 10⁻⁴) of a group, rounding makes up to the latter of nothing."""
MOVES = 1e-3
"""Of their size: more than V, or log π of one choice, differ from step to step where a state stays what it is."""
IMPOSSIBLE = -1e4
"""log r that no policy comes to: what it took has a logit of −10⁸ or the like, the mark of what is forbidden."""

LEAST = np.float32(-1e30)


def not_finite(moment: Moment, batch: Batch) -> Row:
    """Which share of a number that the samples have is not finite, and which of `NUMBERS` it is: the first in order.

    That r is 0 is no such thing: what a mask forbids in the loss has a log π of −∞. The last step counts, too, after
    which no minibatch comes: whoever asks a policy of weights that are NaN for an action may be told an error.
    """
    seen, of_samples = moment.seen, (batch.log_probs, batch.advantages, batch.values, batch.targets)
    whole = [moment.update.rollout.rewards.reshape(-1), *(found.cpu().numpy() for found in of_samples)]
    each = [moment.transitions(found) for found in whole]
    if seen is not None:
        each += [np.maximum(seen.transitions(seen.logratio), LEAST), seen.transitions(seen.values)]
    told = list(zip(NUMBERS, each, strict=False))
    if (theta := moment.subject.abilities.theta) is not None:
        told.append((WEIGHTS, theta().numpy()))
    if moment.after is not None:
        logratio, _, _, values = map(moment.transitions, moment.after)
        told += [("log r", np.maximum(logratio, LEAST)), ("V", values)]
    judges = not bool(np.isnan(each[NUMBERS.index("V_old")]).all())
    for name, found in told:
        known = judges or name not in OF_CRITIC
        if known and (finite := np.count_nonzero(np.isfinite(found))) < len(found):
            return {"not_finite_share": 1.0 - finite / len(found), "not_finite_of": float(NUMBERS.index(name))}
    return {"not_finite_share": 0.0}


def steps_of(moment: Moment) -> int:
    """How many the optimizer has made: none by a minibatch without a transition, nor by one that target_kl ended it at.

    A loop that asks for its KL after the step has a gradient of the last minibatch as well, and made that step.
    """
    if moment.seen is None:
        return 0
    gradients = [minibatch.gradient_norm is not None for minibatch in moment.update.minibatches]
    ended_before = moment.update.stopped_by_kl and any(gradients) and not gradients[-1]
    return int(np.count_nonzero(moment.seen.trained.any(axis=1))) - ended_before


def of_the_loop(moment: Moment, batch: Batch, told_loss: float) -> tuple[Callable[[], Row], ...]:
    """What finds them, by name; what is not defined for this loop is left out. `told_loss`: its own, at the last
    minibatch.
    """
    seen = moment.seen
    if seen is None:
        return ()
    return (
        partial(_count, moment),
        partial(_order, moment, seen),
        partial(_far_out, seen, clip_edges(moment.update.settings).cap),
        partial(_held_values, moment, batch, seen),
        partial(_bootstraps, moment, batch),
        partial(of_the_estimate, moment, batch, seen),
        partial(_without_advantage, moment),
        partial(of_the_used, moment, batch, seen),
        partial(of_the_weights, moment),
        partial(of_the_outputs, moment, batch),
        partial(of_the_losses, moment, batch, seen, told_loss),
        partial(_statistics, moment),
        partial(_first_ratio, moment, batch, seen),
    )


def _count(moment: Moment) -> Row:
    return {"steps_taken": float(len(moment.update.minibatches)), "steps_made": float(steps_of(moment))}


def _order(moment: Moment, seen: Minibatches) -> Row:
    """Whether each epoch begins with the same minibatch, of which samples, and whether those follow one another."""
    epochs = [minibatch.epoch for minibatch in moment.update.minibatches]
    firsts = [place for place, epoch in enumerate(epochs) if place == 0 or epoch != epochs[place - 1]]
    if len(firsts) < 2 or np.count_nonzero(seen.trained[0]) == np.count_nonzero(moment.trained):
        return {}
    found = seen.samples[firsts]
    sums, ordered = np.add.reduce(found, axis=1), np.sort(found[0])
    same = bool((sums == sums[0]).all()) and bool((np.sort(found) == ordered).all())
    steps = ordered // moment.update.settings.num_envs
    return {
        "same_minibatches": float(same),
        "first_minibatch": float(zlib.crc32(ordered.tobytes())),
        "first_minibatch_span": float(steps[-1] - steps[0] + 1) / moment.update.settings.rollout_steps,
    }


def _far_out(seen: Minibatches, cap: float) -> Row:
    """Which share of what the loss sums up samples with Â < 0 have whose r is far out, and the largest such r.

    It counts up to `cap`, c.
    """
    ratio, used = np.minimum(seen.ratio, np.float32(cap)), seen.advantages
    if not float(ratio.max(initial=0.0)) > FAR_OUT:
        return {"far_out_share": 0.0}
    far = (ratio > FAR_OUT) & (used < 0) & seen.trained
    if not far.any():
        return {"far_out_share": 0.0}
    size = np.abs(used).astype(np.float64)
    # A positive Â is cut off above; that it is by 1 + ε and not by 2 makes no difference here.
    weight = np.where(used < 0, ratio, np.minimum(ratio, 2.0)) * size
    whole = float(weight[seen.trained].sum())
    worst = int(np.where(far, ratio, 0.0).argmax())
    return {
        "far_out_share": float(weight[far].sum()) / whole,
        "far_out_count": float(np.count_nonzero(far)) / np.count_nonzero(seen.trained),
        "far_out_ratio": float(ratio.flat[worst]),
        "far_out_advantage": float(used.flat[worst]),
    }


def _held_values(moment: Moment, batch: Batch, seen: Minibatches) -> Row:
    """Of the last epoch's values: which share the value clip holds before V_targ, and how many of its widths V_old was
    off. Such a value has no gradient, whether a loss takes what is clipped or the larger of both.
    """
    limit = moment.update.settings.value_clip_range
    if limit is None or not limit > 0:
        return {}
    epochs = np.array([minibatch.epoch for minibatch in moment.update.minibatches])
    last = epochs == epochs[-1]
    kept = seen.trained[last]
    places, values = seen.samples[last][kept], seen.values[last][kept]
    old, targets = batch.values.cpu().numpy()[places], batch.targets.cpu().numpy()[places]
    clipped = old + np.clip(values - old, -limit, limit)
    held = (clipped != values) & (np.abs(targets - values) < np.abs(targets - clipped))
    return {
        "value_clip_range": limit,
        "values_held": np.count_nonzero(held) / len(held),
        "value_clips_off": median(np.abs(targets - old)) / limit,
    }


def _bootstraps(moment: Moment, batch: Batch) -> Row:
    """Of the steps that cut an episode: how many were bootstrapped by 0, by V of their own state, or by V of the row
    after, where that is the next episode's.

    δ = R + γ·V − V_old(s) tells what the loop took for V; it is held against what it may have taken by mistake.
    """
    update, discount = moment.update, moment.update.settings.discount
    rollout, cut = update.rollout, update.rollout.truncated & update.rollout.trained
    if not discount:
        return {}
    if not cut.any():
        return {"cut_episodes": 0.0}
    layout = cut.shape
    values = batch.values.cpu().numpy().reshape(layout).astype(np.float64)
    # At the end of an episode Â is δ.
    deltas = batch.advantages.cpu().numpy().reshape(layout) if update.deltas is None else update.deltas
    scaled = update.settings.normalize_rewards and update.rewards is not None
    rewards = update.rewards if scaled and update.rewards is not None else rollout.rewards
    taken = (deltas - rewards.astype(np.float64) + values)[cut] / discount
    after = np.full(layout, np.nan)
    after[:-1] = np.where(rollout.trained[1:], values[1:], np.nan)
    goes_on = ~(rollout.terminated | rollout.truncated)[:-1] & rollout.trained[1:] & rollout.trained[:-1]
    size = rms(values[rollout.trained])
    near = SAME * size + 1e-6 * float(np.abs(rewards[cut]).max())
    # Where V hardly changes from step to step, or is next to nothing, one cannot be told from another.
    gained = np.diff(values, axis=0)
    steps, latest = gained[goes_on], gained[goes_on & cut[1:]]
    varies = goes_on.any() and median(np.abs(steps)) > 10 * near
    told_apart = varies and median(np.abs(values[cut])) > 10 * near
    if not told_apart:
        return {"cut_episodes": 0.0}
    leads_on = ~np.isnan(after[cut])
    return {
        "cut_episodes": float(len(taken)),
        "cut_by_zero": float(np.count_nonzero(np.abs(taken) <= near)),
        "cut_by_own": float(np.count_nonzero(np.abs(taken - values[cut]) <= near)),
        "cut_by_next": float(np.count_nonzero(np.abs(taken - after[cut]) <= near)),
        "cut_before_another": float(np.count_nonzero(leads_on)),
        "cut_value": float(np.abs(values[cut]).mean()),
        "cut_own_off": discount * rms(latest if len(latest) else steps),
        "cut_next_off": discount * rms((after - values)[cut][leads_on]) if leads_on.any() else math.nan,
        "cut_reach": _reach(moment, batch, int(np.count_nonzero(cut))),
        **_paid_ahead(np.diff(rewards.astype(np.float64), axis=0), discount * values[1:], goes_on & cut[1:]),
    }


def _paid_ahead(gained: Floats, ahead: NDArray[np.float64], cut: NDArray[np.bool_]) -> Row:
    """By how much more than the step before a cut step was paid, beside γ·V of its state: what a line through the
    origin takes. Its slope is 0 where rewards are as they were given, and 1 where γ·V(s′) was added to them.

    [M − 1, N] each, of the steps after the first.
    """
    more, size = gained[cut].astype(np.float64), ahead[cut]
    return {
        "cut_pairs": float(len(more)),
        "cut_more_by_ahead": float(more @ size),
        "cut_more_squares": float(more @ more),
        "cut_ahead_squares": float(size @ size),
    }


def _reach(moment: Moment, batch: Batch, cuts: int) -> float:
    """The square by which Â changes in the mean, of its own variance, where δ of each cut step changes by 1.

    Â of the k-th step before it changes by (γ·λ)^k, back to where its episode began: as many steps as there are a cut.
    """
    discount, decay = moment.update.settings.discount, moment.update.settings.gae_lambda
    advantages = batch.advantages.cpu().numpy()[moment.trained]
    variance = variance_of(advantages)
    fades = ((discount or math.nan) * (math.nan if decay is None else decay)) ** 2
    if not variance > 0 or not fades < 1:
        return math.nan
    steps = len(advantages) / cuts
    return float((1 - fades**steps) / (1 - fades) / steps) / variance


def _without_advantage(moment: Moment) -> Row:
    """Which share of the rows, environments or sequences, has no advantage at any step, as the loss uses it."""
    used = np.where(moment.trained & ~np.isnan(moment.advantages_used), moment.advantages_used, 0.0)
    trained = moment.update.rollout.trained
    # [N, M]: few rows of many steps, each of which lies together then.
    rows, trained = used.reshape(trained.shape).T.copy(), trained.T.copy()
    counts = np.add.reduce(trained, axis=1, dtype=np.int64)
    # Of an estimate by steps no row is flat: a group's advantage is one for all steps of a row.
    low, high = np.where(trained, rows, np.inf).min(1), np.where(trained, rows, -np.inf).max(1)
    flat = (low == high) & (counts > 1)
    by_rows = np.count_nonzero(flat) >= 0.5 * np.count_nonzero(counts)
    empty = (np.maximum(-low, high) <= (NEARLY_ZERO if by_rows else ZERO)) & (counts > 0)
    return {
        "empty_rows": float(np.count_nonzero(empty)),
        "rows": float(np.count_nonzero(counts)),
        "advantage_by_row": float(by_rows),
        "advantage_size": float(np.abs(moment.transitions(used)).mean()),
    }


def _statistics(moment: Moment) -> Row:
    """How many observations the statistics that normalise them have seen, and how many the policy has learned from."""
    counted = moment.subject.abilities.observations_counted
    if counted is None or (pair := counted()) is None:
        return {}
    return {"observations_counted": pair[0], "observations_learned_from": pair[1]}


def _first_ratio(moment: Moment, batch: Batch, seen: Minibatches) -> Row:
    """Where r is off 1 at the first minibatch: for which samples it is, by how much, and in what way."""
    error, limit = first_ratio(seen, batch)
    if error <= limit:
        return {}
    kept = seen.trained[0]
    samples, logratio = seen.samples[0][kept], seen.logratio[0][kept].astype(np.float64)
    off = np.abs(np.expm1(np.minimum(logratio, 80.0))) > limit
    if not off.any():
        return {}
    actions = batch.actions.cpu().numpy()[samples].reshape(len(samples), -1)
    size = rms(logratio[off])
    found = {
        "off_fraction": np.count_nonzero(off) / len(off),
        "off_size": size,
        "off_impossible": np.count_nonzero(logratio < IMPOSSIBLE) / np.count_nonzero(off),
        "off_below": np.count_nonzero(logratio[off] < 0) / np.count_nonzero(off),
        "off_early": _early(samples // moment.update.settings.num_envs, np.abs(logratio)),
        "log_prob_size": float(np.abs(batch.log_probs.cpu().numpy()[samples]).mean()),
        "off_by_choice": float(bool((actions == np.round(actions)).all())),
        **_shifted(moment, batch),
        **_written_over(moment, batch),
    }
    for name, there in (("bound", _at_a_bound(moment, actions)), ("mask", _partly_forbidden(moment, batch, samples))):
        if there is not None and there.any():
            found[f"off_at_{name}"] = np.count_nonzero(off & there) / np.count_nonzero(off)
            found[f"on_at_{name}"] = np.count_nonzero(~off & there) / np.count_nonzero(there)
    observations = batch.observations.cpu().numpy()[samples]
    if observations.ndim == 2 and observations.shape[1]:
        chosen = actions.astype(np.int64) if _are_choices(moment, actions) else actions
        found["off_smoothness"] = _smoothness(observations, chosen, logratio)
    return found


def _written_over(moment: Moment, batch: Batch) -> Row:
    """Whether each environment has one observation at all steps, though V_old, or log π_old of one choice, differs from
    step to step: what acted saw several.
    """
    trained = moment.update.rollout.trained
    layout = trained.shape
    seen = batch.observations.cpu().numpy().reshape(*layout, -1)
    if layout[0] < 2 or not seen.size or not (seen[1] == seen[0]).all() or not (seen == seen[0]).all():
        return {}
    values, log_probs = (one.cpu().numpy().reshape(layout) for one in (batch.values, batch.log_probs))
    chosen = batch.actions.cpu().numpy().reshape(*layout, -1)
    pairs = trained[1:] & trained[:-1]
    alike = pairs & (chosen[1:] == chosen[:-1]).all(-1)
    return {"seen_once": float(_moves(values, pairs) or _moves(log_probs, alike))}


def _moves(found: Floats, pairs: NDArray[np.bool_]) -> bool:
    """Whether numbers [M, N] change from one step to the next, by more than rounding, in some of the pairs."""
    steps, size = np.abs(np.diff(found, axis=0))[pairs], np.abs(found[1:])[pairs]
    return bool(np.nanmax(steps, initial=0.0) > MOVES * np.nanmax(size, initial=0.0))


def _shifted(moment: Moment, batch: Batch) -> Row:
    """Of how many samples log π_old is that of the action in its own state, in that of the step before, or after."""
    distribution, rows = moment.subject.distribution, moment.update.settings.num_envs
    if batch.outputs is None or distribution is None or len(batch.actions) <= rows or moment.action_masks is not None:
        return {}
    found, earlier, later = {}, slice(None, -rows), slice(rows, None)
    places = {"own": (earlier, earlier), "before": (earlier, later), "after": (later, earlier)}
    for name, (states, actions) in places.items():
        there = distribution.evaluate(batch.outputs[states], batch.actions[actions])[0]
        near = (there - batch.log_probs[actions].cpu()).abs() <= 1e-4 * (1 + there.abs())
        found[f"state_{name}"] = float(near.double().mean())
    return found


def _at_a_bound(moment: Moment, actions: NDArray[np.generic]) -> NDArray[np.bool_] | None:
    """[B], of real numbers, whether one lies at or beyond a bound: one that is known, or where several are the same."""
    if actions.dtype.kind != "f" or _are_choices(moment, actions):
        return None
    low, high = actions.min(0), actions.max(0)
    many = ((actions == low).sum(0) > 1, (actions == high).sum(0) > 1)
    there = ((actions == low) & many[0]) | ((actions == high) & many[1])
    distribution = moment.subject.distribution
    for name, outside in (("low", np.less), ("high", np.greater)):
        bound = getattr(distribution, name, None)
        if bound is not None:
            there |= outside(actions, np.asarray(bound).reshape(1, -1))
    return _any(there)


def _are_choices(moment: Moment, actions: NDArray[Any]) -> bool:
    """Whether these are whole numbers of a policy that is no normal one: scripts keep choices with a fraction, too."""
    normal = isinstance(moment.subject.distribution, DiagonalGaussian)
    return not normal and bool((actions == np.round(actions)).all())


def _any(there: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[B] of [B, …]."""
    found: NDArray[np.bool_] = there.reshape(len(there), -1).max(1)
    return found


def _partly_forbidden(moment: Moment, batch: Batch, samples: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """[B], whether something is forbidden in that state: by its mask, or by a logit of next to nothing."""
    if moment.action_masks is not None:
        return _any(~moment.action_masks[samples])
    if batch.outputs is None or batch.actions.is_floating_point():
        return None
    return _any(batch.outputs.cpu().numpy()[samples] < -1e6)


def _early(steps: NDArray[np.int64], size: NDArray[np.float64]) -> float:
    """How much larger |log r| is early in the rollout than late: minus the correlation with the step, and none where
    its last quarter is not far smaller.
    """
    late = steps >= np.quantile(steps, 0.75)
    if late.all() or size[late].mean() > 0.6 * size[~late].mean():
        return 0.0
    return -float(np.corrcoef(steps, size)[0, 1])


def _smoothness(observations: Floats, actions: NDArray[np.generic], logratio: NDArray[np.float64]) -> float:
    """How much of log r follows from state and action: of each quarter of samples, by what fits the others.

    Two policies that both are functions of the state differ by a smooth one; rounding and dropout follow from nothing.
    NaN where the samples are too few to tell.
    """
    x = observations.astype(np.float64)
    x = _scaled(x[:, np.argsort(-x.var(0))[:3]])
    if actions.dtype.kind == "f":
        a = _scaled(actions.astype(np.float64)[:, :2])
    else:
        a = _scaled((actions[:, :1] == np.unique(actions[:, 0])[1:4]).astype(np.float64))
    mixed = (x[:, :, None] * a[:, None, :]).reshape(len(x), -1)
    features = np.concatenate([np.ones((len(x), 1)), x, a, mixed], axis=1)
    count, width = features.shape
    if count < 4 * width:
        return math.nan
    left = np.empty(count)
    for part in range(4):
        out = np.arange(count) % 4 == part
        known = features[~out]
        # A little weight decay: features that hardly vary are no excuse for large weights.
        inverse = known.T @ known + 0.01 * len(known) * np.eye(width)
        left[out] = logratio[out] - features[out] @ np.linalg.solve(inverse, known.T @ logratio[~out])
    variance = variance_of(logratio)
    return 1.0 - float(np.square(left).mean()) / variance if variance > 0 else math.nan


def _scaled(found: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = (found - found.mean(0)) / (found.std(0) + 1e-8)
    return scaled
