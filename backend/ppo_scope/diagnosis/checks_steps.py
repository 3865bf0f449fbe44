"""What can be wrong with how the policy moves: too far, not at all, held back, undecided for ever."""

from __future__ import annotations

import math

from ppo_scope.diagnosis.judging import (
    FEW_STEPS,
    FEWEST,
    LARGE_BONUS,
    MANY_STEPS,
    Check,
    Found,
    Row,
    Unknown,
    Verdict,
    after,
    at_least,
    at_most,
    last,
    latest,
    percent,
    rounded_down,
    times,
    too_early,
)

STILL = 1e-6
"""k3 of an update below which a policy stands still; a run that learns has a hundred times as much and more."""
USUAL_STEPS, USUAL_RATE = 16, 3e-4
"""Of the optimizer in an update: KL grows with the square of either, so that of fewer and shorter ones says less."""
USUAL_LIMIT = 0.5
"""Of the gradient norm, here and in CleanRL and Stable-Baselines3."""
STARVED, SURELY_STARVED = 0.5, 0.2
"""Of its length that a step of the policy keeps beside Adam's ε; the latter where that is estimated from one minibatch,
whose gradient is mostly shorter than the size that Adam remembers."""
SHORT = 0.15
"""Of α·√n, the way of weights in n steps of Adam by gradients that are nothing but noise. Runs that learn come to 0.3
and more, however much of their gradients the norm limit cuts off, as long as it is much the same."""
OF_THE_POLICY = "policy_step_share", "policy_pace"
"""What is known of its own steps."""
OUTWEIGHS, UNDECIDED, EVEN = 0.6, 0.85, 0.01
"""Gradient of c₂·S, of that of L_PG; entropy, of its maximum; and by how much of it that falls within 10 updates where
the policy goes on deciding. CartPole by c₂ = 0.1 and 0.2 has pulls of 0.3 and 0.8, and decides all the same."""
BEGUN = 0.001
"""By which entropy's share of its maximum falls within 10 updates: such a policy has begun to prefer something. In
means of 10, since each rollout sees other states."""
LARGE = 5.0
"""A c₁ that is a cause by itself; and a size of V_targ."""
COLLAPSED = 0.05
"""Of its maximum, entropy; and a standard deviation."""
DECIDED = COLLAPSED * math.log(2)
"""Entropy, of which that of two actions is the least maximum that there is."""
TELLING = 0.1
"""|Â|, from which on it is not for want of differences that a policy stays."""
SEVERAL = 3.0
"""Times what the run began with, from which on it is a cause."""
RAISED = (
    ("learning_rate", "α", "each step goes as much further"),
    ("clip_range", "ε", "r goes as much further before the clip holds a sample"),
)
"""By a schedule: the name of the number, its symbol, and what comes of it."""
SCALING = "Normalise rewards (a new run). At once: switch the gradient norm limit off."


def _kl_spike(rows: list[Row]) -> Verdict:
    spikes = [row for row in rows[-10:] if row.get("kl_k3", 0.0) > 0.1]
    if not spikes:
        return None
    newest = spikes[-1]
    update = int(newest.get("update", 0))
    often = f" It was one of {len(spikes)} within 10 updates." if len(spikes) > 1 else ""
    summary = f"KL(π_old‖π_θ) was {newest['kl_k3']:.3g} in the mean over the minibatches of update {update}.{often}"
    if cause := _raised(spikes[0]):
        remedy = "Lower the peak of that schedule, or set a target KL, which stops the epochs in time."
        return Found(summary, cause, remedy, "target_kl", latest=update)
    if not math.isnan(last(rows, "kl_coef")) and math.isnan(last(rows, "kl_coef_target")):
        remedy = "Lower the learning rate or the number of epochs, or raise β, or give it a target."
        return Found(summary, remedy=remedy, setting="learning_rate", latest=update)
    return Found(summary, latest=update)


def _raised(row: Row) -> str:
    """Why steps were so long in that update, where a schedule of the loop's own has raised what sets their length.

    Of our own loop, which raises nothing by itself, and of what was set on the page it is not said.
    """
    if row.get("set_on_page") != 0 or "desired_kl" in row:
        return ""
    for name, symbol, effect in RAISED:
        now, first = row.get(name, math.nan), row.get(f"begun_{name}", math.nan)
        if 0 < SEVERAL * first <= now < math.inf:
            return (
                f"{symbol} was {now:.2g} there, {times(now / first)} times the {first:.2g} that the run began with: a "
                f"schedule of the loop raises it, and {effect}."
            )
    return ""


def _still(rows: list[Row]) -> Verdict:
    single = last(rows, "steps_taken") == 1
    # Of an update of one step r is 1 by design, and k3 before it 0: only what it led to tells.
    kl = latest(rows, "final_kl_exact" if single else "kl_k3", 10)
    if single and rows and math.isnan(last(rows, "final_kl_exact")):
        return Unknown("one epoch of one minibatch: r ≡ 1 and k3 = 0 by design", applies=False)
    if not kl:
        return after(10)
    if not _stands(rows, kl):
        return None
    if (early := too_early(rows, FEW_STEPS)) is not None:
        return early
    if collapsed(rows):
        return Unknown("the policy is all but deterministic")
    summary = f"KL(π_old‖π_θ) was {_mean(kl):.2g} in the mean of 10 updates: the policy has stayed what it was."
    rate, limited = last(rows, "learning_rate"), last(rows, "gradient_clip_factor") < 0.1
    if rate < 3e-5:
        if last(rows, "anneals"):
            return None  # as it was asked to
        cause = f"The learning rate α is {rate:.2g}: steps are too short to see."
        return Found(summary, cause, "Raise α, to 0.001 or 0.0003.", "learning_rate")
    if max(last(rows, "clip_range"), last(rows, "clip_range_high")) < 0.005:
        if last(rows, "anneals_clip_range"):
            return None  # so is this
        cause = f"ε is {last(rows, 'clip_range'):g}: after the smallest move the clip holds every sample."
        return Found(summary, cause, "Raise ε, to 0.2.", "clip_range")
    if last(rows, "kl_coef") > 100:
        cause = f"β is {last(rows, 'kl_coef'):g}: any move of the policy costs more than it can earn."
        return Found(summary, cause, "Lower β, to 1.", "kl_coef")
    if limited:
        return Found(summary, *_held_back(rows))
    share = last(rows, "policy_step_share")
    if not last(rows, "normalizes_advantages") and share < STARVED:
        cause = (
            f"Advantages of about {last(rows, 'advantage_std'):.2g} are not normalised, so the policy's gradient is "
            f"as small: beside {_epsilon(rows)} its steps keep {percent(share)} of their length."
        )
        return Found(summary, cause, "Normalise advantages, or rewards (a new run).", "normalize_advantages")
    if last(rows, "losses_told") >= 1 and last(rows, "advantage_size") > TELLING:
        return Found(
            f"{summary} Advantages were {last(rows, 'advantage_size'):.2g} in size"
            f"{'' if math.isnan(rate) else f', and α {rate:.2g}'}.",
            "Such advantages and such an α move a policy, so no gradient of L_PG has come to its weights. Advantages "
            "of shape (B, 1) that meet r of shape (B,) make a table of all pairs of samples, in which normalised ones "
            "sum up to nothing. Or log π was detached, or the optimizer holds other weights than the policy's.",
            "Look at the shapes of r and Â before they are multiplied, and at .grad of the policy after backward().",
        )
    return Found(summary)


def _stands(rows: list[Row], kl: list[float]) -> bool:
    return _mean(kl) <= STILL * _how_long(rows) ** 2


def _how_long(rows: list[Row]) -> float:
    """How far an update of so few steps, by an α that is meant to become small, comes beside a usual one."""
    taken, rate = last(rows, "steps_taken"), last(rows, "learning_rate")
    few = min(taken / USUAL_STEPS, 1.0) if taken > 0 else 1.0
    return few * min(rate / USUAL_RATE, 1.0) if last(rows, "anneals") == 1 and rate > 0 else few


def _starved(rows: list[Row]) -> Verdict:
    shares, paces, factors = (latest(rows, name, 10) for name in (*OF_THE_POLICY, "gradient_clip_factor"))
    if factors and max(factors) > 0.1:
        return None
    if not factors or not (shares or paces):
        return _whose(rows, factors) or after(10)
    most = SURELY_STARVED if last(rows, "step_share_estimated") == 1 else STARVED
    beside_epsilon, beside_memory = bool(shares) and max(shares) <= most, _mean(paces) <= SHORT
    if not (beside_epsilon or beside_memory) or _stands(rows, latest(rows, "kl_k3", 10)):
        return None  # one that stands still is told of by another
    if (early := too_early(rows, FEW_STEPS)) is not None:
        return early
    cause, remedy, setting = _held_back(rows)
    if beside_epsilon:
        summary = f"For 10 updates steps of the policy's weights kept {at_most(max(shares))} of their length or less."
    else:
        summary = (
            f"In each of 10 updates the policy's weights have gone {percent(_mean(paces))} of α·√n in the mean, n "
            "steps an update: by gradients that are nothing but noise Adam goes about as far as that."
        )
    return Found(summary, cause, remedy, setting)


def _whose(rows: list[Row], factors: list[float]) -> Unknown | None:
    """Where gradients are cut off, and which weights are the policy's is told by nobody: that says nothing by itself.

    A critic whose layers are its own may have gradients a thousand times the limit, and the policy learns.
    """
    if not factors or any(math.isfinite(row.get(name, math.nan)) for row in rows for name in OF_THE_POLICY):
        return None
    return Unknown(
        "only where a loop hands out the policy's weights, or the gradient of L_PG by itself: of gradients the norm "
        f"limit leaves {at_most(max(factors))} or less here, and which part of them is the policy's is not known",
        applies=False,
    )


def _held_back(rows: list[Row]) -> tuple[str, str, str]:
    """(cause, remedy, its setting) where the norm limit makes the policy's gradient smaller than Adam's ε."""
    factor, kept = last(rows, "gradient_clip_factor"), last(rows, "policy_step_share")
    ratio, limit = last(rows, "critic_gradient_ratio"), last(rows, "max_grad_norm")
    coefficient = last(rows, "value_coef")
    effect = f"beside {_epsilon(rows)} the policy's steps keep {percent(kept)} of their length"
    by_memory = _mean(latest(rows, "policy_pace", 10)) <= SHORT and not kept <= STARVED
    if by_memory:
        effect = "Adam remembers longer gradients, of minibatches of which less was cut off, and divides by their size"
        if last(rows, "value_clip_range") > 0:
            effect += ". Such are those whose values the value clip holds: the critic has no gradient there"
    elif math.isnan(kept):
        effect = "Adam's ε may be large beside what is left of the policy's"
    elif kept > STARVED:
        effect += ", and Adam may remember longer gradients, of when less was cut off, and divide by their size"
    if ratio < 10 or (math.isnan(ratio) and not max(coefficient, last(rows, "target_size")) > LARGE):
        cause = f"The gradient norm limit of {limit:g} scales gradients down to {percent(factor)}: {effect}."
        if by_memory and last(rows, "target_size") > LARGE:
            return f"{cause} V_targ is about {last(rows, 'target_size'):,.3g} in size.", SCALING, "max_grad_norm"
        higher = "Raise the gradient norm limit, to 0.5, or switch it off."
        return cause, higher if limit < USUAL_LIMIT else "Switch the gradient norm limit off.", "max_grad_norm"
    whose = f"The critic's gradient is {times(ratio)} times as long as the policy's"
    if math.isnan(ratio):
        whose = "The critic's gradient is probably far longer than the policy's"
    size = f"V_targ is about {last(rows, 'target_size'):,.3g} in size"
    held = f"The norm limit is one for both networks and scales both down to {percent(factor)}: {effect}."
    if coefficient > LARGE:
        cause = f"{whose}, because c₁ is {coefficient:g} and {size}. {held}"
        return cause, "Lower c₁, to 0.5.", "value_coef"
    return f"{whose}, because {size}. {held} A larger c₁ makes it worse.", SCALING, "max_grad_norm"


def _epsilon(rows: list[Row]) -> str:
    epsilon = last(rows, "adam_epsilon")
    return "Adam's ε" if math.isnan(epsilon) else f"Adam's ε of {epsilon:.2g}".replace("e-0", "e-")


def _strong_bonus(rows: list[Row]) -> Verdict:
    pulls, shares = latest(rows, "bonus_pull", 20), latest(rows, "entropy_share", 20)
    if rows and not last(rows, "entropy_coef") > LARGE_BONUS:
        return Unknown(f"only where c₂ is above {LARGE_BONUS:g}", applies=False)
    if rows and math.isnan(last(rows, "entropy_share")):
        return Unknown("only where entropy has a maximum: of choices", applies=False)
    if not pulls or not shares:
        return after(20)
    decides = min(shares) < UNDECIDED or _mean(shares[:10]) - _mean(shares[10:]) > EVEN
    if _mean(pulls) < OUTWEIGHS or decides:
        return None
    if (early := too_early(rows, FEW_STEPS)) is not None:
        return early
    return Found(
        f"In the mean of 20 updates the gradient of c₂·S was {_mean(pulls):.2g} times as long as that of L_PG, with "
        f"c₂ = {last(rows, 'entropy_coef'):g}, and the policy's entropy has stayed above {at_least(min(shares))} of "
        "its maximum."
    )


def _uniform(rows: list[Row]) -> Verdict:
    shares = latest(rows, "entropy_share", 20)
    if not shares:
        return after(20)
    if min(shares) <= 0.99 or _mean(shares[:10]) - _mean(shares[10:]) > BEGUN:
        return None
    if last(rows, "episodes") > 0 and min(latest(rows, "returns_differ", 20), default=1.0) == 0:
        return Unknown("episodes have not differed for 20 updates yet: there was nothing to prefer")
    if (early := too_early(rows)) is not None:
        return early
    summary = (
        f"For 20 updates the policy's entropy was {100 * rounded_down(min(shares), 3):.1f} % of its maximum or more."
    )
    coefficient = last(rows, "entropy_coef")
    if coefficient < 0.1:
        return Found(summary)
    cause = (
        f"c₂ is {coefficient:g}: the bonus for staying undecided, c₂·S = {abs(last(rows, 'entropy_term')):.2g}, is "
        f"more than all that normalised advantages, which are about 1, can pay for deciding."
    )
    return Found(summary, cause, "Lower the entropy coefficient c₂, to 0.01.", "entropy_coef")


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.inf


def collapsed(rows: list[Row]) -> bool:
    """Whether the policy is all but deterministic, and has been for 5 updates."""
    told = latest(rows, "choice_entropy", 5)
    return (bool(told) and max(told) < DECIDED) or any(
        values and max(values) < COLLAPSED
        for values in (latest(rows, "entropy_share", 5), latest(rows, "smallest_deviation", 5))
    )


def _entropy_collapse(rows: list[Row]) -> Verdict:
    shares, deviations = latest(rows, "entropy_share", 5), latest(rows, "smallest_deviation", 5)
    told = latest(rows, "choice_entropy", 5)
    if not shares and not deviations and not told:
        return after(5)
    if not collapsed(rows):
        return None
    if last(rows, "at_best"):
        return Unknown("the policy has decided, and the return is at its best: how success looks", applies=False)
    if shares:
        what = f"entropy is {percent(shares[-1])} of its maximum"
    elif told:
        what = f"entropy is {abs(told[-1]):.2g}, where that of two actions alike is ln 2 = {math.log(2):.2g}"
    else:
        what = f"smallest standard deviation is {deviations[-1]:.3g}"
    kept = last(rows, "gain") >= 0.5
    return Found(f"The policy's {what}: it hardly tries anything any more.", severity="note" if kept else None)


SPIKE = Check(
    "kl_spike",
    "KL spike",
    "warning",
    "k3 above 0.1 in one of the last 10 updates; and for as long as what followed from it goes on",
    "The step was too long: the new policy has little to do with the one that collected the data, and the "
    "advantages say nothing about it.",
    "Lower the learning rate or the number of epochs, or set a target KL, which stops the epochs in time.",
    "learning_rate",
    ("kl_k3",),
    _kl_spike,
    "No KL spike in the last 10 updates",
    ("saturated_activations", "entropy_collapse", "starved_policy", "still_policy", "useless_critic", "return_fell"),
    lasts=True,
)
STEPS: tuple[Check, ...] = (
    Check(
        "entropy_collapse",
        "Entropy collapse",
        "warning",
        "entropy below 5 % of its maximum, or a standard deviation below 0.05, for 5 updates; where the number of "
        f"choices is not told, entropy below {DECIDED:.2g}, which is 5 % of that of two; a note where the return "
        "keeps half or more of its best rise, nothing while it is at its best",
        "The policy has become all but deterministic. If the return is as high as you want it, this is how success "
        "looks; if it is not, the policy stopped exploring before it had found what pays.",
        "If the return is low: raise the entropy coefficient c₂, or lower the learning rate, and restart.",
        "entropy_coef",
        ("entropy_share", "smallest_deviation", "choice_entropy"),
        _entropy_collapse,
        "The policy still explores",
        ("useless_critic", "return_fell"),
        needs="what its policy puts out: to a Scope, by policy= with outputs= or judge=, or by entropy=",
    ),
    Check(
        "starved_policy",
        "The norm limit starves the policy",
        "warning",
        "mean clip factor below 0.1, and the policy's steps at most half as long as without Adam's ε, for 10 updates; "
        "a fifth, where Adam's memory is not told and one minibatch's gradient stands for it; or its weights go no "
        f"more than {SHORT:g} of α·√n in an update of n steps, in the mean of them",
        "The norm limit scales the gradients of both networks down by the same factor, and the policy's falls below "
        "Adam's ε: 1e-5 here and in many loops, where torch's own is 1e-8. Or it cuts off a hundred times as much of "
        "one minibatch as of another: then Adam divides by the size of the long gradients, and short ones count for "
        "nothing.",
        SCALING,
        "max_grad_norm",
        (*OF_THE_POLICY, "gradient_clip_factor"),
        _starved,
        "The norm limit leaves the policy its steps",
        ("uniform_policy",),
        needs="its norm limit and its gradients' norms: to a Scope, by max_grad_norm= and gradient()",
    ),
    Check(
        "still_policy",
        "The policy does not move",
        "warning",
        "k3 below 1e-6 in the mean of 10 updates, while the policy is not deterministic; where they make n steps, "
        f"fewer than {USUAL_STEPS}, below (n/{USUAL_STEPS})² of it, and below (α/0.0003)² of it where α is meant to "
        f"fall; of updates of {FEWEST} samples or more, after {FEW_STEPS} steps",
        "Its gradient is next to nothing: every action looks as good as every other.",
        "Look at the rewards that the environment pays, and at Advantages: are they more than noise?",
        None,
        ("kl_k3",),
        _still,
        "The policy moves",
        ("uniform_policy", "useless_critic"),
    ),
    Check(
        "strong_bonus",
        "The entropy bonus outweighs",
        "warning",
        f"c₂ above {LARGE_BONUS:g}, in the policy's weights the gradient of c₂·S is {OUTWEIGHS:g} times as long as "
        "that of L_PG or more, in the mean of the last minibatches of 20 updates, and entropy stays above "
        f"{UNDECIDED:.0%} of its maximum and does not fall by {EVEN:.0%}; of choices, whose entropy has a maximum",
        "Normalised advantages are about 1 whatever rewards are, and what they pay for deciding is mostly noise. A "
        "bonus that pulls as strongly always pulls the same way: the policy decides no further than to where both "
        "are even.",
        "Lower the entropy coefficient c₂, to 0.01.",
        "entropy_coef",
        ("bonus_pull",),
        _strong_bonus,
        "The entropy bonus is small beside what advantages pay",
        ("uniform_policy",),
        needs="the gradient of each term of its loss",
    ),
    Check(
        "uniform_policy",
        "The policy stays uniform",
        "warning",
        "entropy above 99 % of its maximum for 20 updates whose episodes differed, and in the mean of the latest 10 it "
        f"has not fallen by {BEGUN:.1%}; of updates of {FEWEST} samples or more, after {MANY_STEPS} steps",
        "The policy acts at random and has not begun to prefer anything: its steps are too short, or what it sees and "
        "what it is paid tell it nothing.",
        "Raise α if it is small, and look at the rewards: do they depend on what is done?",
        "learning_rate",
        ("entropy_share",),
        _uniform,
        "The policy has preferences",
        needs="what its policy puts out: to a Scope, by policy= with outputs= or judge=",
    ),
)
