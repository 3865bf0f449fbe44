"""What libraries call our settings, as one writes them where a run of theirs is configured."""

from __future__ import annotations

from ppo_scope.wire.run import Called

CLIP_PAIRS = (
    ("clip_coef_low", "clip_coef_high"),
    ("clip_coef_lower", "clip_coef_upper"),
    ("clip_low", "clip_high"),
    ("clip_lower", "clip_upper"),
    ("clip_range_low", "clip_range_high"),
    ("clip_ratio_low", "clip_ratio_high"),
    ("clip_eps_low", "clip_eps_high"),
    ("eps_low", "eps_high"),
    ("epsilon_low", "epsilon_high"),
)
"""ε and ε⁺ of a PPO in one file, where r may rise by another range than it may fall by."""
SETTINGS = {
    "clip_range": ("clip_coef", *(low for low, _ in CLIP_PAIRS)),
    "clip_range_high": tuple(high for _, high in CLIP_PAIRS),
    "value_coef": ("vf_coef",),
    "entropy_coef": ("ent_coef",),
    "epochs": ("update_epochs",),
    "minibatches": ("num_minibatches", "n_minibatch"),
    "max_grad_norm": ("max_grad_norm",),
    "target_kl": ("target_kl",),
    "discount": ("gamma",),
    "gae_lambda": ("gae_lambda",),
    "ratio_cap": ("dual_clip", "dual_clip_coef"),
}
"""As the arguments of a PPO in one file are called, by ours: today, and in earlier years."""
HALF = 0.5
"""Their value loss is half of ours, and their c₁ twice ours."""
OFF = "inf"
"""A limit that is off, where a library has no other word for it."""


def _written(form: str, names: dict[str, str]) -> dict[str, Called]:
    return {ours: {"text": form.replace("NAME", name), "times": 1.0, "off": OFF} for ours, name in names.items()}


STABLE_BASELINES = _written(
    "NAME={}",
    {
        "clip_range": "clip_range",
        "value_coef": "vf_coef",
        "entropy_coef": "ent_coef",
        "learning_rate": "learning_rate",
        "epochs": "n_epochs",
        "max_grad_norm": "max_grad_norm",
        "target_kl": "target_kl",
        "discount": "gamma",
    },
) | {
    "normalize_advantages": {"text": "normalize_advantage=True", "times": 1.0, "off": "False"},
    "max_grad_norm": {"text": "max_grad_norm={}", "times": 1.0, "off": 'float("inf")'},
    "value_clip_range": {"text": "clip_range_vf={}", "times": 1.0, "off": "None"},
}
ONE_FILE = _written(
    "--NAME {}",
    {ours: theirs[0].replace("_", "-") for ours, theirs in SETTINGS.items()} | {"learning_rate": "learning-rate"},
)
ONE_FILE["value_coef"]["times"] = 1 / HALF
ONE_FILE["clip_range_high"]["off"] = "as --clip-coef"
ONE_FILE["value_clip_range"] = {"text": "--{}", "times": 1.0, "off": "no-clip-vloss"}
ONE_FILE["normalize_advantages"] = {"text": "--norm-adv", "times": 1.0, "off": ""}
RSL_RL = _written(
    'algorithm["NAME"] = {}',
    {
        "clip_range": "clip_param",
        "value_coef": "value_loss_coef",
        "entropy_coef": "entropy_coef",
        "learning_rate": "learning_rate",
        "epochs": "num_learning_epochs",
        "max_grad_norm": "max_grad_norm",
        "desired_kl": "desired_kl",
        "normalize_advantages": "normalize_advantage_per_mini_batch",
    },
)
RSL_RL["max_grad_norm"]["off"] = 'float("inf")'
RSL_RL["normalize_advantages"]["text"] = 'algorithm["normalize_advantage_per_mini_batch"] = True'
TORCHRL = _written(
    "NAME={} of ClipPPOLoss",
    {"clip_range": "clip_epsilon", "value_coef": "critic_coeff", "entropy_coef": "entropy_coeff"},
) | {
    "learning_rate": {"text": "lr={} of the optimizer", "times": 1.0, "off": ""},
    "normalize_advantages": {"text": "normalize_advantage=True of ClipPPOLoss", "times": 1.0, "off": ""},
}
TRL = _written(
    "NAME={} in GRPOConfig",
    {
        "clip_range": "epsilon",
        "clip_range_high": "epsilon_high",
        "ratio_cap": "delta",
        "learning_rate": "learning_rate",
        "epochs": "num_iterations",
        "kl_coef": "beta",
        "max_grad_norm": "max_grad_norm",
    },
)
TRL["max_grad_norm"]["off"] = "0"
for limit in ("clip_range_high", "ratio_cap"):
    TRL[limit]["off"] = "None"
VERL = _written(
    "actor_rollout_ref.actor.NAME={}",
    {
        "clip_range_high": "clip_ratio_high",
        "ratio_cap": "clip_ratio_c",
        "entropy_coef": "entropy_coeff",
        "learning_rate": "optim.lr",
        "epochs": "ppo_epochs",
        "kl_coef": "kl_loss_coef",
        "max_grad_norm": "optim.clip_grad",
    },
) | {
    "clip_range": {"text": "clip_ratio_low=clip_ratio_high={} of actor_rollout_ref.actor", "times": 1.0, "off": ""},
}

BY_LIBRARY = {
    "Stable-Baselines3": STABLE_BASELINES,
    "a PPO in one file": ONE_FILE,
    "rsl_rl": RSL_RL,
    "TorchRL": TORCHRL,
    "TRL": TRL,
    "verl": VERL,
}
"""By how a loop says whose it is; of a loop of one's own nobody knows what it calls them."""

KL_MARGINS = {"Stable-Baselines3": 1.5, "a PPO in one file": 1.0}
"""How many times `target_kl` k3 may be: Stable-Baselines3 and sb3-contrib ask it of every minibatch, before its step; a
PPO in one file, as CleanRL's are, of the last one of an epoch, after it.
"""


LIMITING_VALUES = ("a PPO in one file", "rsl_rl")
"""Libraries with one setting for both clips: by how much r may differ from 1, V may differ from V_old."""


def limits_values(library: str) -> bool:
    """Whether ε of the library's loop is its value clip range as well, where it has one."""
    return library.startswith(LIMITING_VALUES)


def kl_margin_of(library: str) -> float | None:
    """How far the KL may go beyond `target_kl` before the library's loop ends an update; None: nobody knows."""
    return next((margin for start, margin in KL_MARGINS.items() if library.startswith(start)), None)


def called_by(library: str) -> dict[str, Called]:
    """The names of the library that a loop is of."""
    return next((names for start, names in BY_LIBRARY.items() if library.startswith(start)), {})
