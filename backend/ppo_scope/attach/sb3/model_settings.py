"""What a model of Stable-Baselines3 trains with, as we call it: read anew for each update, and set from outside."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import Any

from ppo_scope.attach.facts import Facts, as_read, facts_of
from ppo_scope.attach.record import Habits
from ppo_scope.attach.sb3.buffered import Form, form_of
from ppo_scope.attach.sb3.foreign_policy import ForeignPolicy
from ppo_scope.attach.sb3.model_parts import Constant

CHANGEABLE = ("clip_range", "value_coef", "entropy_coef", "epochs", "target_kl", "max_grad_norm")
NAMES = {"value_coef": "vf_coef", "entropy_coef": "ent_coef", "epochs": "n_epochs"}
"""What a model calls otherwise."""
READ = (
    *("vf_coef", "ent_coef", "max_grad_norm", "target_kl", "normalize_advantage", "gamma", "gae_lambda", "n_epochs"),
    *("batch_size", "n_envs", "n_steps", "seed"),
)
"""Its attributes, beside the schedules."""


class ModelSettings:
    """Of one model."""

    def __init__(self, model: Any, policy: ForeignPolicy) -> None:
        self._model, self._policy = model, policy
        self.total: int | None = None
        """Steps that `learn` was asked for."""
        self._read = attrgetter(*READ)
        self._told: tuple[Any, ...] = ()  # what the model told last
        self.facts: Facts
        """As `update` has found them; so the next three."""
        self.learning_rate: float
        self.habits: Habits
        self.form: Form
        self.update()

    def update(self) -> None:
        """Read them: as a rule they are what they were."""
        model = self._model
        progress = self._left()
        value_clip_range = None if model.clip_range_vf is None else model.clip_range_vf(progress)
        told = (model.lr_schedule(progress), model.clip_range(progress), value_clip_range, *self._read(model))
        if told != self._told:
            self._told = told
            self.learning_rate = float(told[0])
            self.facts = self._facts(float(told[1]), None if value_clip_range is None else float(value_clip_range))
            self.habits = replace(self._policy.habits, normalizes=model.normalize_advantage)
            self.form = form_of(model)

    def of(self, policy: ForeignPolicy) -> None:
        """The model has this one from here on."""
        self._policy, self._told = policy, ()

    def set(self, wanted: dict[str, Any]) -> None:
        """By our names."""
        model = self._model
        if "clip_range" in wanted:
            model.clip_range = Constant(wanted["clip_range"])
        for name, value in wanted.items():
            if name != "clip_range":
                setattr(model, NAMES.get(name, name), as_read(name, value))

    def tried(self, wanted: dict[str, Any]) -> tuple[Facts, float]:
        """Set these, for an update that is made anew: what it is made with, and α. What `update` has found stays."""
        before = self.facts, self.learning_rate
        self.set(wanted)
        self.update()
        found = self.facts, self.learning_rate
        (self.facts, self.learning_rate), self._told = before, ()
        return found

    def _facts(self, clip_range: float, value_clip_range: float | None) -> Facts:
        model = self._model
        size = min(model.batch_size, model.n_steps * model.n_envs)
        told = {
            "clip_range": clip_range,
            "value_coef": float(model.vf_coef),
            "entropy_coef": float(model.ent_coef),
            "learning_rate": self.learning_rate,
            "max_grad_norm": model.max_grad_norm,
            "target_kl": model.target_kl,
            "value_clip_range": value_clip_range,
            "normalize_advantages": "minibatch" if model.normalize_advantage else "off",
            "discount": float(model.gamma),
            "gae_lambda": float(model.gae_lambda),
            "epochs": int(model.n_epochs),
            "minibatches": -(-model.n_steps * model.n_envs // size),
        }
        shared = {"shared_network": self._policy.shared, "activation": self._policy.activation}
        layout = {"num_envs": model.n_envs, "rollout_steps": model.n_steps, "seed": model.seed or 0}
        return replace(facts_of({**told, **shared}), **layout)

    def _left(self) -> float:
        """Of the training that `learn` was asked for, which schedules go by: 1 at its start, 0 at its end."""
        return 1.0 - float(self._model.num_timesteps) / float(self.total) if self.total else 1.0
