"""What only the checks of a run's health need of a finished update: numbers that no chart shows.

All of it is taken at every update, so all of it is cheap: a few hundred samples where the whole rollout is not needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.diagnosis.indicators_loop import not_finite, of_the_loop, steps_of
from ppo_scope.diagnosis.indicators_scale import scales, wild
from ppo_scope.diagnosis.judging import LARGE_BONUS, Row
from ppo_scope.ppo.adam import EPS
from ppo_scope.ppo.distributions import DiagonalGaussian, choices_in
from ppo_scope.ppo.masks import forbidden_taken
from ppo_scope.probes.facts import Facts
from ppo_scope.probes.measurement import evenly, rms, variance_of
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.record import Batch, Floats, PhaseKind
from ppo_scope.probes.steps import Steps, alone
from ppo_scope.probes.subject import Distribution

SATURATED = 0.99
"""|tanh| from which a unit counts as saturated: its slope is below 0.02."""
JUDGED = 128
"""Samples of the rollout at which saturation, observations and actions are looked at."""
LIMITED = 0.1
"""Factor of the norm limit from which on it takes the greater part of a gradient."""
ROUNDING = 1e-5
"""By which a log π of 0 may be off."""
LARGEST_THETA = 200_000
"""Weights up to which the sizes of their gradients are looked at."""
FITTED = 16
"""Parts of an observation that a parabola is fitted to."""


def indicators(moment: Moment, adam_epsilon: float = EPS, told_loss: float = math.nan) -> Row:
    """By name; what is not defined for this run is left out. Nothing before an update has ended.

    `told_loss`: what the loop's own loss came to at the last minibatch, where it tells that.
    """
    return alone(indicators_in_steps(moment, adam_epsilon, told_loss))


def indicators_in_steps(moment: Moment, adam_epsilon: float, told_loss: float) -> Steps[Row]:
    """The same, beside those of other updates."""
    batch = moment.batch
    if moment.phase.kind is not PhaseKind.UPDATE or batch is None or not moment.trained.any():
        return {}
    broken = not_finite(moment, batch)
    if broken["not_finite_share"]:  # what else there is to find out follows from that
        return {**_settings(moment.update.settings), **broken}
    chosen = moment.places
    chosen = chosen[evenly(len(chosen), JUDGED)]
    found = {**broken, **_settings(moment.update.settings), "samples": float(np.count_nonzero(moment.trained))}
    yield
    looks: tuple[Callable[[], Row], ...] = (
        partial(_episodes, moment),
        partial(_critic, moment, batch, chosen),
        lambda: _exploration(moment, chosen) or _told_entropy(moment, batch),
        partial(_actions, moment, chosen),
        partial(_forbidden, moment),
        partial(_observations, moment, batch, chosen),
        partial(_steps, moment, adam_epsilon),
        partial(_bonus, moment),
        *of_the_loop(moment, batch, told_loss),
    )
    for look in looks:
        found |= look()
        yield
    return found


def _settings(settings: Facts) -> Row:
    """Those that a cause may lie in, as this update was made with them."""
    high = settings.clip_range if settings.clip_range_high is None else settings.clip_range_high
    return {
        "clip_range": settings.clip_range if settings.objective == "clip" else math.inf,
        "clip_range_high": high if settings.objective == "clip" else math.inf,
        "value_coef": settings.value_coef,
        "entropy_coef": settings.entropy_coef,
        "max_grad_norm": settings.max_grad_norm or math.inf,
        "target_kl": settings.target_kl or math.inf,
        "discount": math.nan if settings.discount is None else settings.discount,
        "anneals": float(settings.anneal_learning_rate),
        "anneals_clip_range": float(settings.anneal_clip_range),
        "normalizes_rewards": float(settings.normalize_rewards),
        "normalizes_observations": float(settings.normalize_observations),
        "normalizes_advantages": float(settings.normalize_advantages != "off"),
        **_leashes(settings),
    }


def _leashes(settings: Facts) -> Row:
    """What follows the KL, and to where; left out where nothing does."""
    found: Row = {}
    if settings.objective == "kl_penalty":
        found |= {"kl_coef": settings.kl_coef, "kl_coef_target": settings.kl_coef_target or math.nan}
    if settings.desired_kl is not None:
        bounds = {"learning_rate_min": settings.learning_rate_min, "learning_rate_max": settings.learning_rate_max}
        found |= {"desired_kl": settings.desired_kl, **bounds}
    return found


def _episodes(moment: Moment) -> Row:
    """Of the latest episodes, those that their mean is taken of."""
    returns = np.array([episode.episodic_return for episode in moment.subject.episodes])
    threshold = moment.subject.reward_threshold
    found: Row = {"episodes": float(len(returns)), "reward_threshold": math.nan if threshold is None else threshold}
    found |= {"time_limit": math.nan if (limit := moment.subject.time_limit) is None else float(limit)}
    if len(returns):
        found |= {
            "return_low": float(returns.min()),
            "return_high": float(returns.max()),
            "return_deviation": math.sqrt(variance_of(returns)),
        }
        usual, count = _usual(returns)
        found |= {"return_usual": usual, "return_usual_share": count / len(returns)}
    rollout = moment.update.rollout
    found |= {f"{how}_ends": float(np.count_nonzero(getattr(rollout, how))) for how in ("terminated", "truncated")}
    rewards = rollout.rewards[rollout.trained]
    low, high = rewards.min(), rewards.max()
    found |= {"reward_low": float(low), "reward_high": float(high)}
    return found | {"reward_high_share": np.count_nonzero(rewards == high) / len(rewards)}


def _usual(values: NDArray[np.float64]) -> tuple[float, int]:
    """(the number that comes most often, the smallest of several; how often it comes)"""
    ordered = np.sort(values)
    before = ordered[:-1]
    another = (ordered[1:] != before) & (before == before)  # NaN, which comes last, is one number
    starts = np.concatenate(([True], another, [True])).nonzero()[0]
    counts = starts[1:] - starts[:-1]
    most = int(counts.argmax())
    return float(ordered[starts[most]]), int(counts[most])


def _critic(moment: Moment, batch: Batch, chosen: NDArray[np.int64]) -> Row:
    """How far V is from V_targ, against how large V_targ is; and where much is left to explain, how much could be."""
    targets = moment.targets
    size = rms(targets)
    found = {"target_size": size}
    if moment.after is None:
        return found
    values = moment.transitions(moment.after[3])
    found["value_size"], errors = rms(values), targets - values
    error, variance = rms(errors), moment.target_variance[0]
    if size > 0:
        found["critic_error_share"] = error / size
    if variance > (1e-6 * size) ** 2:
        found["critic_fitness"] = 1.0 - error**2 / variance
        if variance_of(errors) > 0.9 * variance and batch.observations.ndim == 2 and batch.observations.shape[1]:
            found["critic_fit"] = _fit(batch.observations[chosen].cpu().numpy(), batch.targets[chosen].cpu().numpy())
    return found


def _fit(observations: Floats, targets: Floats) -> float:
    """How much of the variance of V_targ in the later half of samples a parabola fitted to the earlier half explains.

    What is as simple as that a critic should find too. Of many parts of an observation it sees those that vary most.
    """
    x = observations.astype(np.float64)
    x = x[:, np.argsort(-x.var(0))[:FITTED]]
    x = (x - x.mean(0)) / (x.std(0) + 1e-8)
    features = np.concatenate([np.ones((len(x), 1)), x, np.square(x)], axis=1)
    half = len(x) // 2
    weights = np.linalg.lstsq(features[:half], targets[:half].astype(np.float64), rcond=1e-6)[0]
    later = targets[half:].astype(np.float64)
    variance = float(later.var())
    return 1.0 - float(np.mean(np.square(later - features[half:] @ weights))) / variance if variance > 0 else math.nan


def _exploration(moment: Moment, chosen: NDArray[np.int64]) -> Row:
    """Entropy against its maximum, or the deviations of a normal policy, also against the range of actions.

    Of the policy that collected, where the loop cannot be asked about the present one.
    """
    batch, distribution = moment.batch, moment.subject.distribution
    assert batch is not None
    outputs = moment.judged(batch)[0] if moment.after is not None else batch.outputs
    if outputs is None or distribution is None:
        return {}
    largest = distribution.max_entropy
    if moment.largest_entropies is not None:  # where one thing alone can be done nothing is undecided
        largest = float(moment.transitions(moment.largest_entropies).mean())
    if largest:
        entropy = moment.after[2] if moment.after is not None else _entropy(distribution, outputs, batch)
        return {"entropy_share": float(entropy[moment.trained].mean()) / largest}
    if not isinstance(distribution, DiagonalGaussian):
        return {}
    # Of a policy whose σ depends on the state: in the middle one of the states.
    log_std = outputs[chosen][:, -distribution.free :].cpu().numpy()
    deviations = np.exp(np.median(log_std, axis=0).astype(np.float64))
    found = {"smallest_deviation": float(deviations.min()), "largest_deviation": float(deviations.max())}
    widths = _widths(distribution)
    bounded = np.isfinite(widths)
    if bounded.any():
        found["deviation_of_range"] = float((deviations[bounded] / widths[bounded]).max())
    return found


def _told_entropy(moment: Moment, batch: Batch) -> Row:
    """Of choices, where nobody tells what the policy puts out: its entropy as the loop tells it, or as log π of what
    was drawn adds up to it. Choices are whole numbers, and their log π never above 0; densities hardly ever do both.

    Not of a language model, most of whose tokens follow from those before.
    """
    trained = torch.from_numpy(moment.trained)
    actions, log_probs = batch.actions.cpu()[trained], batch.log_probs.cpu()[trained]
    whole = not actions.is_floating_point() or torch.equal(actions, actions.round())
    if moment.subject.abilities.text is not None or not whole or not float(log_probs.max()) < ROUNDING:
        return {}
    told = moment.aggregated().get("entropy", math.nan)
    return {"choice_entropy": -float(log_probs.mean()) if math.isnan(told) else told}


def _entropy(distribution: Distribution, outputs: Tensor, batch: Batch) -> Floats:
    found: Floats = distribution.evaluate(outputs, batch.actions)[1].detach().cpu().numpy()
    return found


def _forbidden(moment: Moment) -> Row:
    """Which share of the actions the environment had forbidden, and which was the first."""
    choices = choices_in(moment.subject.distribution)
    if moment.action_masks is None or moment.batch is None or choices is None:
        return {}
    taken = forbidden_taken(moment.action_masks, moment.batch.actions.cpu().numpy(), choices) & moment.trained
    step, environment = divmod(int(taken.argmax()), moment.update.settings.num_envs)
    found: Row = {"forbidden_fraction": np.count_nonzero(taken) / np.count_nonzero(moment.trained)}
    if moment.largest_entropies is not None:
        found["undecided_share"] = float((moment.transitions(moment.largest_entropies) > 0).mean())
    return {**found, "forbidden_environment": float(environment), "forbidden_step": float(step)}


def _widths(distribution: DiagonalGaussian) -> NDArray[np.float64]:
    """[A], how wide the range of each dimension is."""
    with np.errstate(over="ignore"):
        widths: NDArray[np.float64] = distribution.high.astype(np.float64) - distribution.low.astype(np.float64)
    return widths.reshape(-1)


def _actions(moment: Moment, chosen: NDArray[np.int64]) -> Row:
    """How many components of actions a bound cuts off, and which part of its range the policy reaches."""
    distribution = moment.subject.distribution
    if not isinstance(distribution, DiagonalGaussian):
        return {}
    widths = _widths(distribution)
    bounded = np.isfinite(widths) & (widths > 0)
    if not bounded.any():
        return {}
    drawn = moment.update.rollout.actions.reshape(-1, len(widths))[chosen][:, bounded]
    low, high = distribution.low.reshape(-1)[bounded], distribution.high.reshape(-1)[bounded]
    sent = np.clip(drawn, low, high)
    reached = (sent.max(0) - sent.min(0)) / widths[bounded]
    worst = int(reached.argmin())
    return {
        "cut_off_fraction": float((sent != drawn).mean()),
        "action_reach": float(reached[worst]),
        "action_low": float(low[worst]),
        "action_high": float(high[worst]),
    }


def _observations(moment: Moment, batch: Batch, chosen: NDArray[np.int64]) -> Row:
    """Scale of what the networks see, and how much of each layer of them is saturated by it; not for images."""
    if moment.subject.is_image or batch.observations.ndim < 2 or not math.prod(batch.observations.shape[1:]):
        return {}
    if batch.observations.ndim > 2 and not batch.observations.is_floating_point():
        return {}  # pictures, of a loop that does not say so
    places = torch.from_numpy(chosen).to(batch.observations.device)
    seen = batch.observations.index_select(0, places).flatten(1).cpu().numpy()
    found, enters = scales(seen), moment.subject.abilities.enters
    if enters is not None and wild(found) and (entered := enters(batch, chosen)) is not None:
        found = scales(entered)  # an agent may scale them by itself
    hidden = moment.subject.abilities.hidden
    if hidden is None:
        return found
    policy, value = hidden(seen)
    relu = moment.update.settings.activation == "relu"
    for name, layers in (("policy", policy), ("critic", value)):
        shares = [_saturated(layer, relu=relu) for layer in layers]
        if shares:
            worst = max(shares)
            found |= {f"{name}_saturation": worst, f"{name}_saturated_layer": shares.index(worst) + 1.0}
    found["saturation"] = max(found[name] for name in ("policy_saturation", "critic_saturation") if name in found)
    return found


def _saturated(layer: Floats, *, relu: bool) -> float:
    """Share of a hidden layer's results [B, W] that let no gradient through: of ReLU, units that never do."""
    shut = ~(layer > 0).any(0) if relu else np.abs(layer) > SATURATED
    return np.count_nonzero(shut) / shut.size


def _steps(moment: Moment, adam_epsilon: float) -> Row:
    """How much of its length a step of Adam keeps beside ε, in the policy's weights, and whose gradient is longer."""
    abilities, shared = moment.subject.abilities, moment.update.settings.shared_network
    if abilities.theta is None or abilities.parts is None or abilities.theta().numel() > LARGEST_THETA:
        return {}
    parts = abilities.parts()
    own = _of_the_policy(parts, shared=shared)
    terms = None if own and abilities.typical_gradient is not None else _terms(moment)
    if not own and terms is not None:
        own = _apart_from_the_critic(parts, terms)
    found = _pace(moment, own) if adam_epsilon > 0 else {}
    typical = _typical_gradient(moment, terms)
    if typical is None or not own:
        return found
    policy = np.concatenate([typical[part] for part in own])
    whole = policy + adam_epsilon
    kept = policy / whole if adam_epsilon > 0 else np.ones_like(policy)
    found |= {"adam_epsilon": adam_epsilon, "policy_step_share": float(np.add.reduce(kept)) / len(policy)}
    if abilities.typical_gradient is None:
        found["step_share_estimated"] = 1.0
    critic = [typical[part] for name, part in parts.items() if name.startswith("value")]
    if not shared and policy.any() and critic:
        found["critic_gradient_ratio"] = _norm(np.concatenate(critic)) / _norm(policy)
    return found


def _of_the_policy(parts: dict[str, slice], *, shared: bool) -> list[slice]:
    """Of a shared network only the head, and log σ where it depends on no layer, are the policy's own."""
    own = ("policy_head", "policy_free") if shared else ("policy",)
    return [part for name, part in parts.items() if name.startswith(own)]


def _apart_from_the_critic(parts: dict[str, slice], terms: Sequence[NDArray[np.float64]]) -> list[slice]:
    """The policy's own where names do not tell: what L_PG or S moves, and L_VF does not."""
    policy, value, entropy = terms
    return [part for part in parts.values() if not value[part].any() and (policy[part].any() or entropy[part].any())]


def _bonus(moment: Moment) -> Row:
    """How long the gradient of c₂·S is beside that of L_PG, in the policy's weights at the last minibatch."""
    abilities, update = moment.subject.abilities, moment.update
    coefficient = update.settings.entropy_coef
    if not coefficient > LARGE_BONUS or abilities.differentiate is None or abilities.parts is None:
        return {}
    own = _of_the_policy(abilities.parts(), shared=update.settings.shared_network)
    if abilities.theta is None or abilities.theta().numel() > LARGEST_THETA or not own:
        return {}
    policy, _, entropy = abilities.differentiate(update, update.minibatches[-1])
    pull, push = (_norm(np.concatenate([one[part].astype(np.float64) for part in own])) for one in (entropy, policy))
    return {"bonus_pull": coefficient * pull / push} if push > 0 else {}


def _pace(moment: Moment, own: list[slice]) -> Row:
    """How far an update has moved these weights, in units of α·√n, of those that it has moved at all.

    Adam divides a gradient by its usual size, so that n steps go about as far as that where gradients are nothing but
    noise, and further where they agree: whatever their size, unless it has changed.
    """
    theta, update = moment.subject.abilities.theta, moment.update
    steps, rate = steps_of(moment), update.learning_rate
    known = theta is not None and update.theta_before is not None and own and steps and rate > 0
    if not known or update.settings.desired_kl is not None:  # which moves α meanwhile
        return {}
    assert theta is not None and update.theta_before is not None
    after, before = (one.detach().cpu().numpy() for one in (theta(), update.theta_before))
    moved = np.concatenate([after[part] - before[part] for part in own])
    moved = moved[moved != 0]
    return {"policy_pace": rms(moved) / (rate * math.sqrt(steps))} if len(moved) else {}


def _typical_gradient(moment: Moment, terms: Sequence[NDArray[np.float64]] | None) -> NDArray[np.float64] | None:
    """[P] of the size that Adam sees it in; where it is not told, |dL/dθ| of a minibatch, cut off as it was on average.

    `terms`: see `_terms`.
    """
    abilities, settings = moment.subject.abilities, moment.update.settings
    if abilities.typical_gradient is not None:
        return abilities.typical_gradient().astype(np.float64)
    if terms is None:
        return None
    policy, value, entropy = terms
    whole = np.abs(policy + settings.value_coef * value - settings.entropy_coef * entropy)
    return moment.aggregated()["gradient_clip_factor"] * whole


def _terms(moment: Moment) -> Sequence[NDArray[np.float64]] | None:
    """dL_PG/dθ, dL_VF/dθ and dS/dθ [P] of the last minibatch.

    Taken only where the norm limit cuts off nine tenths of the gradient: it costs a pass back.
    """
    differentiate, update = moment.subject.abilities.differentiate, moment.update
    if differentiate is None or not moment.aggregated().get("gradient_clip_factor", math.nan) < LIMITED:
        return None
    return [one.astype(np.float64) for one in differentiate(update, update.minibatches[-1])]


def _norm(values: NDArray[np.float64]) -> float:
    return math.sqrt(float(values @ values))
