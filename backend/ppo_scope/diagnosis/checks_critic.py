"""What can be wrong inside the networks: a critic that predicts nothing, and layers that let nothing through."""

from __future__ import annotations

import math

from ppo_scope.diagnosis.judging import (
    ENDS_UNTOLD,
    FEW_STEPS,
    MANY_STEPS,
    Check,
    Found,
    Row,
    Unknown,
    Verdict,
    after,
    at_least,
    at_most,
    ends_untold,
    last,
    latest,
    percent,
    rounded_down,
    too_early,
)

SAMPLES = 128
"""Of an update: of fewer a parabola follows the few episodes in it, which no critic could."""
MOST = 5
"""Of 10 updates, in which a parabola has been fitted."""
NEGLIGIBLE = 0.05
"""RMS(V_targ − V) of RMS(V_targ): below, there is nothing left to explain."""
ON_ITS_WAY = 0.02
"""Of the size of V_targ, by which V comes nearer to it in 10 updates: CleanRL's scripts begin with 0.05 as they are."""
LONG_WAY = 1.0
"""Size of V_targ, above which its distance can be why V is not there yet: networks begin with outputs below 1."""
CLIPPED = 0.5
"""Share of values without a gradient, from which on the value clip and not α sets the pace of V."""
SMALL = 0.01
"""Of c₁: below, what the critic comes to is no doing of its loss."""
SATURATED = 0.9
HELD, WIDTHS = 0.8, 200.0
"""Share of values without a gradient, and how many widths of the value clip V_old is off. In sound runs that do without
scaled rewards, 0.2 is a 50th to an 80th of the way, and the critic learns no slower for it."""
ENDS = "Where an episode ends δ takes no V after it, so the Â before is off by as much as V is."
NOTHING = 0.02
"""Explained variance, below which V tells no states apart."""
BLIND_UPDATES, BLIND_STEPS = 20, 1000
"""And of the optimizer, in which V may be on its way to V_targ and tell no states apart."""
ALIKE = (
    "Until then its gradient points one way in every state, and what it drives layers to tells states apart no more: "
    "the policy's too, where it shares them."
)
SEEN = 1e-3
"""Less of it is nothing."""
DEAD = 0.1
"""Explained variance up to which a saturated critic counts as one that does not learn."""


def _useless_critic(rows: list[Row]) -> Verdict:
    errors, explained = latest(rows, "critic_error_share", 10), latest(rows, "explained_variance", 10)
    if not errors or not explained:
        return after(10)
    if last(rows, "value_coef") != 0 and (nothing := _nothing_to_predict(rows)) is not None:
        return nothing
    if _mean(errors) < NEGLIGIBLE:
        return None
    if (early := too_early(rows, FEW_STEPS, SAMPLES)) is not None:
        return early
    mean, fits = _mean(explained), [row.get("critic_fit", math.nan) for row in rows[-10:]]
    fits = [fit for fit in fits if not math.isnan(fit)]
    beaten = mean < NOTHING and len(fits) >= MOST and _mean(fits) > max(mean, 0.0) + 0.2
    amiss = max(latest(rows, "critic_fitness", 10), default=0.0) < -0.5 and min(errors) > 0.5
    slow = amiss and (_gained(rows, errors) <= ON_ITS_WAY or isinstance(_tight(rows), Found))
    blind = "" if beaten or slow else _blind(rows)
    if beaten:
        verdict = "worse than a constant" if round(100 * mean, 1) < 0 else "next to nothing"
        summary = (
            f"In the last 10 updates the critic has explained {100 * mean:.1f} % of the variance on average, "
            f"{verdict}; a parabola fitted to the observations explains {100 * _mean(fits):.0f} %."
        )
    elif slow:
        summary = (
            f"For 10 updates V was off V_targ by {at_least(min(errors))} of its size or more: worse than a constant."
        )
        if mean > DEAD:
            summary += f" It tells states apart, and explains {percent(mean)} of the variance."
    elif blind:
        summary = blind
    else:
        return _on_its_way(errors) if amiss else _nothing_explained(mean, fits, errors, rows)
    if last(rows, "value_coef") >= SMALL and (early := too_early(rows, MANY_STEPS, SAMPLES)) is not None:
        return early
    return _because(rows, summary.replace("-", "−"), errors, apart=amiss and mean > DEAD, blind=bool(blind))


def _nothing_to_predict(rows: list[Row]) -> Unknown | None:
    if ends_untold(rows):
        return None if last(rows, "reward_high") > last(rows, "reward_low") else ENDS_UNTOLD
    differ = last(rows, "returns_differ")
    return None if differ else Unknown("episodes do not differ yet: there is nothing to predict")


def _blind(rows: list[Row]) -> str:
    """What is said of a V that is the same in every state, and far from V_targ, although it has had its time.

    It may be on its way there: what its bias alone has to go, it goes in all states alike.
    """
    explained = latest(rows, "explained_variance", BLIND_UPDATES)
    fitness = latest(rows, "critic_fitness", BLIND_UPDATES)
    taken = last(rows, "update") * last(rows, "steps_taken")
    if not explained or not fitness or max(explained) > NOTHING or max(fitness) > -0.5 or not taken >= BLIND_STEPS:
        return ""
    return (
        f"In each of {BLIND_UPDATES} updates the critic has explained {_most_of(max(explained))} of the variance of "
        f"V_targ, and its squared error was at least {rounded_down(1 - max(fitness)):g} times that of the best "
        "constant."
    )


def _most_of(share: float) -> str:
    return f"at most {at_most(share)}" if share >= SEEN else "nothing"


def _on_its_way(errors: list[float]) -> Unknown:
    return Unknown(f"V is on its way to V_targ: off by {percent(errors[0])} of its size, and {percent(errors[-1])} now")


def _nothing_explained(mean: float, fits: list[float], errors: list[float], rows: list[Row]) -> Unknown | None:
    """No good news of a critic that explains nothing, and no fault either where nothing simple explains more."""
    if mean >= NOTHING:
        return None
    if max(latest(rows, "critic_fitness", 10), default=0.0) < -0.5 and _gained(rows, errors) > ON_ITS_WAY:
        return _on_its_way(errors)
    share = f"{round(100 * mean, 1) + 0.0:.1f}".replace("-", "−")  # of −0.04 % it is 0.0
    explained = f"the critic explains {share} % of the variance in the mean of 10 updates"
    if len(fits) < MOST:
        return Unknown(f"{explained}, and whether the observations tell more is not known")
    told = f"{100 * max(_mean(fits), 0.0):.0f} %"
    return Unknown(f"{explained}, and a parabola fitted to the observations explains {told}: hardly more")


def _gained(rows: list[Row], errors: list[float]) -> float:
    """By which share of V_targ's size V grows towards it within these updates; 0 where it is not on its way there.

    By its own size, since returns that grow keep the error a share as large; and by the line through all of them,
    since both are other ones in each rollout.
    """
    size, sizes = last(rows, "target_size"), latest(rows, "value_size", len(errors))
    if not sizes or max(errors) > 1 or sizes[-1] > size or last(rows, "value_coef") < SMALL:
        return 0.0
    places = [place - (len(sizes) - 1) / 2 for place in range(len(sizes))]
    slope = sum(p * s for p, s in zip(places, sizes, strict=True)) / sum(p * p for p in places)
    return max(slope * len(sizes), 0.0) / size


def _tight(rows: list[Row]) -> Verdict:
    held, off = latest(rows, "values_held", 10), latest(rows, "value_clips_off", 10)
    if not held or not off:
        known = not rows or not math.isnan(last(rows, "values_held"))
        return after(10) if known else Unknown("only where L_VF is clipped", applies=False)
    if _mean(held) < HELD or min(off) < WIDTHS:
        return None
    limit, errors = last(rows, "value_clip_range"), latest(rows, "critic_error_share", 10)
    behind = bool(errors) and min(errors) > 0.5
    return Found(
        f"For 10 updates V_old was {math.floor(min(off)):,} times the value clip of {limit:g} or more off V_targ, and "
        f"{percent(_mean(held))} of the values of the last epochs had no gradient.",
        remedy=f"Switch the value clip off, or normalise rewards: where V_targ is about 1 in size, and not "
        f"{last(rows, 'target_size'):.3g}, a clip of 0.2 lets V through.",
        setting="value_clip_range",
        severity="warning" if behind else None,
    )


def _because(rows: list[Row], summary: str, errors: list[float], *, apart: bool, blind: bool) -> Found:
    """`apart`: it tells states apart, and is off by much the same everywhere; `blind`: it never has."""
    coefficient, saturation = last(rows, "value_coef"), last(rows, "critic_saturation")
    if coefficient < SMALL:
        cause = f"c₁ is {coefficient:g}: the critic's loss hardly counts, so it stays as it began."
        return Found(summary, cause, "Raise c₁, to 0.5.", "value_coef")
    if saturation > 0.5:
        layer = last(rows, "critic_saturated_layer")
        cause = (
            f"{percent(saturation)} of the activations in the critic's hidden layer {layer:.0f} are saturated: no "
            f"gradient gets through them. V_targ is about {last(rows, 'target_size'):,.3g} in size, and weights that "
            "have to reach that far drive the layer before them to its ends."
        )
        return Found(summary, cause, "Normalise rewards (a new run).")
    gained = _gained(rows, errors)
    if gained > 0 and (min(errors) > 0.5 or blind) and last(rows, "target_size") > LONG_WAY:
        cause, remedy, setting = _slow(rows, gained, errors[-1])
        if blind:  # longer steps would only drive them there sooner
            return Found(summary, f"{cause} {ALIKE}", "Normalise rewards (a new run).")
        return Found(summary, cause, remedy, setting)
    if apart:
        return Found(summary, f"V is off by much the same everywhere. {ENDS}")
    return Found(summary)


def _slow(rows: list[Row], gained: float, left: float) -> tuple[str, str, str]:
    """(cause, remedy, its setting) where V is on its way to V_targ and hardly moves: what sets its pace."""
    size, rate, held = last(rows, "target_size"), last(rows, "learning_rate"), latest(rows, "values_held", 10)
    pace = f"V comes nearer by {percent(gained)} of V_targ in 10 updates, which is about {size:.3g} in size"
    if held and _mean(held) > CLIPPED:
        limit = last(rows, "value_clip_range")
        cause = f"{pace}: in an update it may move by no more than the value clip of {limit:g}. {ENDS}"
        return cause, "Switch the value clip off, or normalise rewards (a new run).", "value_clip_range"
    told = "" if math.isnan(rate) else f" = {rate:.2g}"
    cause = (
        f"{pace}. Adam divides a gradient by its usual size, so that steps of α{told} move V no faster where it "
        f"is far off. At this pace it is there in {10 * left / gained:,.0f} updates"
    )
    rates = latest(rows, "learning_rate", 10)
    if rates and rates == sorted(set(rates), reverse=True):
        fall = (rates[0] - rate) / (len(rates) - 1)
        cause += f", and α, which falls, is 0 in {rate / fall:,.0f}"
    return f"{cause}. {ENDS}", "Normalise rewards (a new run), or raise α.", "learning_rate"


def _saturated(rows: list[Row]) -> Verdict:
    found, explained = [], latest(rows, "explained_variance", 10)
    # A critic that explains something gets by with what is left of its layers: in many sound runs it begins like that.
    learns = {"policy": False, "critic": not explained or _mean(explained) > DEAD}
    for whose in ("policy", "critic"):
        shares = latest(rows, f"{whose}_saturation", 3)
        if shares and min(shares) > SATURATED and not learns[whose]:
            layer = last(rows, f"{whose}_saturated_layer")
            found.append(f"{percent(shares[-1])} of the activations in the {whose}'s hidden layer {layer:.0f}")
    if found:
        return Found(f"{' and '.join(found)} are saturated: no gradient gets through them.")
    return None if latest(rows, "saturation", 3) else after(3)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


SATURATION = Check(
    "saturated_activations",
    "Saturated activations",
    "warning",
    "more than 90 % of one hidden layer's activations saturated (tanh: |y| > 0.99; ReLU: 0 for every sample) for 3 "
    "updates; in the critic, where it has explained less than 0.1 of the variance in the mean of 10, too",
    "The inputs or the weights are too large for the activation, whose slope is next to nothing there. A step that "
    "was too long does that, inputs far above 1, or in the critic values of V_targ far above 1.",
    "Normalise the observations, for the critic the rewards, or lower the learning rate, and restart.",
    "learning_rate",
    ("saturation",),
    _saturated,
    "Saturation keeps neither network from learning",
    ("entropy_collapse", "still_policy", "uniform_policy", "useless_critic", "return_fell"),
    needs="what its hidden layers make of a state",
)
VALUE_CLIP = Check(
    "tight_value_clip",
    "The value clip holds V back",
    "note",
    f"for 10 updates V_old is {WIDTHS:g} times the value clip or more off V_targ, and {HELD:.0%} of the values of an "
    "update's last epoch, or more, have no gradient because of it; a warning while V is off V_targ by half of its size "
    "or more",
    "V may move by no more than the value clip in an update: beyond, a sample's gradient is 0. Where V_targ is so far "
    "away V takes hundreds of updates to come there, by what the first steps of each make of all samples together.",
    "Switch the value clip off, or normalise rewards, so that V_targ is about 1 in size.",
    "value_clip_range",
    ("values_held",),
    _tight,
    "The value clip lets V follow V_targ",
    ("useless_critic",),
)
CRITIC = Check(
    "useless_critic",
    "Useless critic",
    "warning",
    "explained variance below 0.02 in the mean of 10 updates and at least 20 points below what a parabola in the "
    "observations explains, and V off V_targ by 5 % or more; or for 10 updates V off V_targ by half of its size, and "
    f"its squared error 1.5 times that of a constant or more, and V no nearer by {ON_ITS_WAY:.0%} of that size; or, "
    f"after {BLIND_STEPS} steps, for {BLIND_UPDATES} updates no more than {NOTHING:.0%} of the variance explained, and "
    "such an error; "
    f"of updates of {SAMPLES} samples or more, after {MANY_STEPS} steps, or {FEW_STEPS} where c₁ is next to 0",
    "The critic predicts the return no better than a constant would, so the advantages are as noisy as the "
    "returns themselves.",
    "Normalise rewards if they are far from 1 (a new run), or give the critic time: early in a run this passes.",
    None,
    ("explained_variance", "critic_error_share"),
    _useless_critic,
    "The critic predicts what it can",
    needs="what V is after an update: to a Scope, by judge=",
)
