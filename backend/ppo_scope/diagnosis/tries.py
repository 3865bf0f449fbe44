"""With which values a remedy is tried: by finding and the setting that it speaks of, the likeliest first.

A page writes them with the run's own numbers, as its library calls them (`ppo_scope.attach.called`).
"""

from __future__ import annotations

import math

from ppo_scope.diagnosis.judging import FAR_OUT
from ppo_scope.wire.headers import SettingValue, Try


def _to(setting: str, value: SettingValue) -> Try:
    return {"setting": setting, "to": value}


def _by(setting: str, factor: float) -> Try:
    return {"setting": setting, "by": factor}


SHORTER = _by("learning_rate", 0.3)
FEWER = _by("epochs", 0.5)
LEASH = _to("target_kl", 0.02)
TIGHTER = _by("target_kl", 0.5)
CAP = _to("ratio_cap", FAR_OUT)
UNLIMITED = _to("max_grad_norm", None)
NO_BONUS = _to("entropy_coef", 0.0)

TRIES: dict[tuple[str, str], tuple[Try, ...]] = {
    ("no_signal", "entropy_coef"): (_to("entropy_coef", 0.03),),
    ("rare_signal", "entropy_coef"): (_to("entropy_coef", 0.03),),
    ("no_end", "entropy_coef"): (_to("entropy_coef", 0.03),),
    ("wild_rewards", "max_grad_norm"): (UNLIMITED,),
    ("starved_policy", "max_grad_norm"): (UNLIMITED,),
    ("still_policy", "max_grad_norm"): (UNLIMITED,),
    ("still_policy", "learning_rate"): (_to("learning_rate", 0.0003),),
    ("still_policy", "clip_range"): (_to("clip_range", 0.2),),
    ("still_policy", "kl_coef"): (_to("kl_coef", 1.0),),
    ("still_policy", "normalize_advantages"): (_to("normalize_advantages", "minibatch"),),
    ("runaway_deviation", "entropy_coef"): (NO_BONUS,),
    ("runaway_deviation", "learning_rate"): (SHORTER,),
    ("wide_deviation", "entropy_coef"): (NO_BONUS,),
    ("actions_cut_off", "entropy_coef"): (_by("entropy_coef", 0.3),),
    ("kl_spike", "learning_rate"): (SHORTER, FEWER, LEASH),
    ("kl_spike", "target_kl"): (LEASH, FEWER),
    ("return_fell", "learning_rate"): (SHORTER, FEWER, LEASH),
    ("spent_learning_rate", "learning_rate"): (_to("learning_rate", 0.0003),),
    ("unbounded_loss", "learning_rate"): (SHORTER, FEWER, LEASH, CAP),
    ("kl_without_clip", "target_kl"): (LEASH, SHORTER, FEWER),
    ("saturated_activations", "learning_rate"): (SHORTER,),
    ("pinned_learning_rate", "epochs"): (FEWER, _by("desired_kl", 2.0)),
    ("runaway_kl_coef", "learning_rate"): (SHORTER, FEWER),
    ("entropy_collapse", "entropy_coef"): (_to("entropy_coef", 0.01), SHORTER),
    ("strong_bonus", "entropy_coef"): (_to("entropy_coef", 0.01),),
    ("uniform_policy", "learning_rate"): (_by("learning_rate", 3.0),),
    ("uniform_policy", "entropy_coef"): (_to("entropy_coef", 0.01),),
    ("endless_return", "discount"): (_to("discount", 0.99),),
    ("tight_value_clip", "value_clip_range"): (_to("value_clip_range", None),),
    ("useless_critic", "value_coef"): (_to("value_coef", 0.5),),
    ("useless_critic", "value_clip_range"): (_to("value_clip_range", None),),
    ("useless_critic", "learning_rate"): (_by("learning_rate", 3.0),),
}


def tries(finding: str, setting: str | None, target_kl: float = math.inf, steps: float = math.nan) -> list[Try]:
    """Of a finding whose remedy speaks of this setting; `target_kl` as the run has it, whose updates make `steps`."""
    found = TRIES.get((finding, setting or ""), ())
    if steps == 1:  # there is no minibatch after it that a KL could end
        return [one for one in found if one is not LEASH]
    return [TIGHTER if one is LEASH and target_kl < math.inf else one for one in found]
