"""The one table of hyperparameters.

Each field of `Settings` states its default, bounds, symbol, unit, help text and whether a change takes effect while
the run goes on. The command line, the validation of requests, the sliders and the documentation are made from it.
"""

from __future__ import annotations

import json
import types
import typing
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

RESERVED = frozenset(
    {
        "id",
        "num_envs",
        "render_mode",
        "vectorization_mode",
        "vector_kwargs",
        "wrappers",
        "autoreset",
        "disable_env_checker",
    }
)
"""Arguments of `gymnasium.make` and `make_vec` that are not the environment's own."""
LONGEST_KWARGS = 4096
KL_MARGIN = 1.5
"""How many times `target_kl` a minibatch's k3 may be before the epochs end."""
KL_COEF_BOUNDS = (1e-4, 1e4)
"""Between which β is adapted: the paper names none, but beyond them it says nothing any more."""


def knob(
    default: Any,
    *,
    label: str,
    about: str,
    group: str,
    live: bool = False,
    symbol: str = "",
    unit: str = "",
    step: float | None = None,
    scale: Literal["linear", "log"] = "linear",
    slider: tuple[float, float] | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
) -> Any:
    """Declare a setting: a pydantic field with everything that a slider, a command line and a reader need.

    `slider` is the range that a slider offers where the permitted one (`ge`/`gt` to `le`) is too wide to be useful.
    """
    shown: dict[str, Any] = {"label": label, "group": group, "live": live, "symbol": symbol, "unit": unit}
    extra = {**shown, "step": step, "scale": scale, "slider": list(slider) if slider else None}
    return Field(default, description=about, ge=ge, gt=gt, le=le, json_schema_extra=extra)


class Settings(BaseModel):
    """Every hyperparameter of a run. Immutable: `changed` gives a new one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    # A table reads best in rows.
    # fmt: off
    # The objective
    objective: Literal["reinforce", "actor_critic", "unclipped", "clip", "kl_penalty"] = knob(
        "clip", label="Objective", group="loss", live=True,
        about="The policy's part of the loss. clip is PPO, kl_penalty its leash made of a price; the others have none.",
    )
    clip_range: float = knob(
        0.2, symbol="ε", label="Clip range", group="loss", live=True, ge=0.0, le=1.0, step=0.01,
        about="How far the probability ratio may move from 1 before a sample stops pushing the policy further.",
    )
    clip_range_high: float | None = knob(
        None, symbol="ε⁺", label="Upper clip range", group="loss", live=True, gt=0.0, le=100.0, step=0.01,
        slider=(0.1, 0.8), scale="log",
        about="How far the probability ratio may rise above 1; ε is then how far it may fall. Off: ε on both sides.",
    )
    ratio_cap: float | None = knob(
        None, symbol="c", label="Ratio cap", group="loss", live=True, gt=1.0, le=1000.0, step=0.1, slider=(2.0, 10.0),
        scale="log",
        about="Dual clip: the largest ratio that counts where the advantage is negative. Must be above the clip range. "
        "Off: none.",
    )
    anneal_clip_range: bool = knob(
        False, label="Anneal clip range", group="loss", live=True,
        about="Lower ε, and ε⁺, linearly to 0 over total_steps (which must then be set).",
    )
    kl_coef: float = knob(
        1.0, symbol="β", label="KL coefficient", group="loss", live=True, ge=0.0, le=KL_COEF_BOUNDS[1], step=0.01,
        slider=(0.01, 100.0), scale="log",
        about="Price of KL(π_old‖π) under the objective kl_penalty: at the start, and throughout without a target.",
    )
    kl_coef_target: float | None = knob(
        0.01, symbol="d", label="KL target of β", group="loss", live=True, gt=0.0, le=100.0, step=0.001,
        slider=(0.001, 0.2), scale="log",
        about="β is doubled after an update whose KL is above 1.5 × this, and halved below a 1.5th of it. Off: fixed.",
    )
    value_coef: float = knob(
        0.5, symbol="c₁", label="Value coefficient", group="loss", live=True, ge=0.0, le=100.0, step=0.01,
        slider=(0.0, 2.0), about="Weight of the critic's loss L_VF in the total loss.",
    )
    entropy_coef: float = knob(
        0.01, symbol="c₂", label="Entropy coefficient", group="loss", live=True, ge=0.0, le=100.0, step=0.001,
        slider=(0.0, 0.1), about="Weight of the entropy bonus S, which rewards a policy for staying undecided.",
    )
    anneal_entropy_coef: bool = knob(
        False, label="Anneal entropy coefficient", group="loss", live=True,
        about="Lower c₂ linearly to 0 over total_steps (which must then be set).",
    )
    value_clip_range: float | None = knob(
        None, label="Value clip range", group="loss", live=True, gt=0.0, le=1000.0, step=0.01, slider=(0.01, 10.0),
        scale="log", about="Limits how far V may move from V_old in the value loss. Off: no limit.",
    )
    normalize_advantages: Literal["minibatch", "batch", "off"] = knob(
        "minibatch", symbol="Â", label="Normalise advantages", group="advantages", live=True,
        about="Shift and scale the advantages to mean 0 and deviation 1: over each minibatch, the batch, or not.",
    )
    discount: float = knob(
        0.99, symbol="γ", label="Discount", group="advantages", live=True, ge=0.0, le=1.0, step=0.001,
        about="What a reward is worth one step later. 0: only the next reward counts; 1: all count alike.",
    )
    gae_lambda: float = knob(
        0.95, symbol="λ", label="GAE lambda", group="advantages", live=True, ge=0.0, le=1.0, step=0.01,
        about="0: advantages lean on the critic (low variance, biased); 1: on the rewards (unbiased, noisy).",
    )

    # The optimisation
    learning_rate: float = knob(
        1e-3, symbol="α", label="Learning rate", group="optimizer", live=True, ge=0.0, le=1.0, step=1e-6,
        slider=(1e-6, 1e-1), scale="log", about="Step size of Adam. Its moments stay when it changes.",
    )
    anneal_learning_rate: bool = knob(
        False, label="Anneal learning rate", group="optimizer", live=True,
        about="Lower α linearly to 0 over total_steps (which must then be set).",
    )
    desired_kl: float | None = knob(
        None, label="Desired KL", group="optimizer", live=True, gt=0.0, le=100.0, step=0.001, slider=(0.001, 0.2),
        scale="log",
        about="Before a step, α is divided by 1.5 where the minibatch's KL is above 2 × this, multiplied below half. "
        "Off: never.",
    )
    learning_rate_min: float = knob(
        1e-5, label="Smallest learning rate", group="optimizer", live=True, gt=0.0, le=1.0, step=1e-6,
        slider=(1e-6, 1e-1), scale="log", about="desired_kl lowers α no further.",
    )
    learning_rate_max: float = knob(
        1e-2, label="Largest learning rate", group="optimizer", live=True, gt=0.0, le=1.0, step=1e-6,
        slider=(1e-6, 1e-1), scale="log", about="desired_kl raises α no further.",
    )
    epochs: int = knob(
        4, symbol="K", label="Epochs", group="optimizer", live=True, ge=1, le=1000, step=1, slider=(1, 30),
        about="How many times an update passes over its rollout before the data are thrown away.",
    )
    minibatches: int = knob(
        4, symbol="n", label="Minibatches", group="optimizer", live=True, ge=1, le=65536, step=1, slider=(1, 64),
        about="Into how many parts each epoch cuts the rollout. It must divide num_envs × rollout_steps.",
    )
    max_grad_norm: float | None = knob(
        0.5, label="Gradient norm limit", group="optimizer", live=True, gt=0.0, le=1e6, step=0.01, slider=(0.01, 10.0),
        scale="log", about="The gradient is scaled down to this global norm where it is longer. Off: never.",
    )
    target_kl: float | None = knob(
        None, label="Target KL", group="optimizer", live=True, gt=0.0, le=100.0, step=0.001, slider=(0.001, 0.2),
        scale="log", about=f"Ends the epochs once a minibatch's KL estimate k3 exceeds {KL_MARGIN} × this. Off: never.",
    )

    # The run
    env: str = knob("CartPole-v1", label="Environment", group="run", about="A Gymnasium environment id.")
    env_kwargs: dict[str, JsonValue] = knob(
        {}, label="Environment arguments", group="run",
        about='Passed on to the environment when it is made, as a JSON object, e.g. {"max_episode_steps": 200}.',
    )
    leave_out: str = knob(
        "", label="Left out", group="run",
        about="Parts of observations that are a Dict which the policy does not get, e.g. mission,other.",
    )
    use_action_mask: bool = knob(
        True, label="Action mask", group="run",
        about="Where the environment says which actions a state allows, the others get probability 0. Off: not asked.",
    )
    seed: int = knob(
        1, label="Seed", group="run", ge=0, le=2**31 - 1, about="The same seed repeats the run bit for bit."
    )
    total_steps: int | None = knob(
        None, label="Total steps", group="run", unit="steps", ge=1, le=10**12, about="End of the run. Off: endless."
    )
    num_envs: int = knob(
        8, symbol="N", label="Environments", group="run", ge=1, le=65536, about="Copies acting side by side."
    )
    rollout_steps: int = knob(
        128, symbol="M", label="Rollout steps", group="run", unit="steps", ge=1, le=10**6,
        about="Steps that every environment takes per update.",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = knob(
        "auto", label="Device", group="run", about="Where the networks are trained. auto: CUDA where it is faster."
    )
    normalize_observations: bool = knob(
        False, label="Normalise observations", group="run",
        about="Shift and scale observations by the mean and deviation of all that were seen in earlier rollouts.",
    )
    normalize_rewards: bool = knob(
        True, label="Normalise rewards", group="run",
        about="Divide rewards by the deviation of the discounted return before advantages are estimated.",
    )
    eval_every: int | None = knob(
        None, label="Evaluate every", group="evaluation", unit="updates", ge=1, le=10**9,
        about="After so many updates the policy acts without chance, in environments of its own that teach it nothing. "
        "Off: never.",
    )
    eval_episodes: int = knob(
        10, label="Episodes each", group="evaluation", unit="episodes", ge=1, le=100,
        about="How many episodes an evaluation is: the same ones each time, side by side.",
    )

    shared_network: bool = knob(
        False, label="Shared network", group="network", about="One trunk with two heads instead of two networks."
    )
    hidden_sizes: tuple[int, ...] = knob(
        (64, 64), label="Hidden layers", group="network", about="Width of each hidden layer, e.g. 64,64."
    )
    activation: Literal["tanh", "relu"] = knob(
        "tanh", label="Activation", group="network", about="Nonlinearity between the layers."
    )

    # Images, which go through the Nature CNN
    frame_skip: int = knob(
        1, label="Frame skip", group="images", ge=1, le=64,
        about="Each action is repeated so often; what is seen is the maximum of the last two frames.",
    )
    frame_size: int | None = knob(
        None, label="Frame size", group="images", unit="pixels", ge=36, le=512,
        about="Resize images to a square of this side. Off: as they are.",
    )
    grayscale: bool = knob(False, label="Grayscale", group="images", about="Look at brightness alone.")
    frame_stack: int = knob(
        1, label="Frame stack", group="images", ge=1, le=16,
        about="How many of the latest observations are seen at once.",
    )
    # fmt: on

    @model_validator(mode="before")
    @classmethod
    def _sizes_from_list(cls, data: Any) -> Any:
        # JSON has no tuples; everything else about the field stays strict.
        if isinstance(data, dict) and isinstance(data.get("hidden_sizes"), list):
            return {**data, "hidden_sizes": tuple(data["hidden_sizes"])}
        return data

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if any(size < 1 or size > 65536 for size in self.hidden_sizes) or len(self.hidden_sizes) > 16:
            raise ValueError("hidden_sizes: up to 16 layers of 1 to 65,536 units each")
        for name in sorted(RESERVED & self.env_kwargs.keys()):
            raise ValueError(f"env_kwargs: {name} is set by this program and cannot be given")
        if len(json.dumps(self.env_kwargs)) > LONGEST_KWARGS:
            raise ValueError(f"env_kwargs: longer than {LONGEST_KWARGS:,} characters of JSON")
        if self.batch_size % self.minibatches:
            raise ValueError(
                f"minibatches: {self.minibatches} does not divide the batch of num_envs × rollout_steps = "
                f"{self.num_envs} × {self.rollout_steps} = {self.batch_size}"
            )
        for name, symbol in (("anneal_learning_rate", "α"), ("anneal_clip_range", "ε"), ("anneal_entropy_coef", "c₂")):
            if getattr(self, name) and self.total_steps is None:
                raise ValueError(f"{name}: needs total_steps, the end towards which {symbol} falls")
        high = self.clip_range if self.clip_range_high is None else self.clip_range_high
        if self.ratio_cap is not None and self.ratio_cap <= 1.0 + high:
            raise ValueError(f"ratio_cap: must be above the upper edge of the clip range, 1 + {high:g}")
        if self.anneal_learning_rate and self.desired_kl is not None:
            raise ValueError("desired_kl: sets α itself; switch anneal_learning_rate off")
        if self.learning_rate_min > self.learning_rate_max:
            raise ValueError(
                f"learning_rate_min: {self.learning_rate_min:g} is above learning_rate_max = {self.learning_rate_max:g}"
            )
        return self

    @property
    def parts_left_out(self) -> tuple[str, ...]:
        """The names in `leave_out`."""
        return tuple(part.strip() for part in self.leave_out.split(",") if part.strip())

    @property
    def batch_size(self) -> int:
        """Samples in a rollout: num_envs × rollout_steps."""
        return self.num_envs * self.rollout_steps

    @property
    def minibatch_size(self) -> int:
        """Samples in a minibatch."""
        return self.batch_size // self.minibatches

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Settings:
        """Settings from name → value, defaults for the rest.

        Raises:
            ValueError: a name is unknown or a value does not fit; one readable line that names the setting.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise ValueError(explain(error)) from None

    def changed(self, **values: Any) -> Settings:
        """The same settings but for `values`.

        Raises:
            ValueError: as in `parse`.
        """
        return Settings.parse({**self.model_dump(), **values})

    def live(self) -> dict[str, Any]:
        """Name → value of the settings that may change while the run goes on."""
        return self.model_dump(include=set(LIVE))


def explain(error: ValidationError) -> str:
    """A validation error as one line: each setting by its name, with what is wrong with it."""
    lines = []
    for detail in error.errors(include_url=False):
        name = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "extra_forbidden":
            lines.append(f"{name}: there is no such setting")
        elif detail["type"] == "value_error":
            lines.append(str(detail["ctx"]["error"]))
        else:
            message = detail["msg"][0].lower() + detail["msg"][1:]
            lines.append(f"{name}: {message} (got {json.dumps(detail['input'], default=str)[:80]})")
    return "; ".join(dict.fromkeys(lines))


def table() -> list[dict[str, Any]]:
    """The table as plain rows, one per setting in order of declaration."""
    return [_row(name) for name in Settings.model_fields]


def _row(name: str) -> dict[str, Any]:
    field = Settings.model_fields[name]
    bounds = {"minimum": None, "maximum": None}
    for constraint in field.metadata:
        for attribute, bound in (("ge", "minimum"), ("gt", "minimum"), ("le", "maximum")):
            value = getattr(constraint, attribute, None)
            bounds[bound] = bounds[bound] if value is None else value
    kind, choices, optional = _kind(field.annotation)
    extra = typing.cast(dict[str, Any], field.json_schema_extra)
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    described = {"name": name, "type": kind, "choices": choices, "optional": optional, "default": default}
    return {**described, **bounds, **extra, "help": field.description}


def _kind(annotation: Any) -> tuple[str, list[str] | None, bool]:
    """(type of the value, its choices, whether it may be None = off) of a field's annotation."""
    optional = False
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        arguments = [argument for argument in typing.get_args(annotation) if argument is not type(None)]
        annotation, optional = arguments[0], True
    if typing.get_origin(annotation) is Literal:
        return "choice", list(typing.get_args(annotation)), optional
    if typing.get_origin(annotation) is tuple:
        return "sizes", None, optional
    if typing.get_origin(annotation) is dict:
        return "object", None, optional
    return {float: "float", int: "int", bool: "bool", str: "text"}[annotation], None, optional


LIVE = frozenset(
    name
    for name, field in Settings.model_fields.items()
    if typing.cast(dict[str, Any], field.json_schema_extra)["live"]
)
"""Names of the settings whose change takes effect at the next update; the others need a new run."""
