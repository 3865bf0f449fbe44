"""What is put into a model of Stable-Baselines3, and read of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Constant:
    """A schedule that does not move; it can be pickled with the model."""

    def __init__(self, value: float) -> None:
        self._value = value

    def __call__(self, _: float) -> float:
        """Whatever is left of the training."""
        return self._value


class Listening:
    """The user's callback, and an ear beside it."""

    def __init__(self, callback: Any, hear: Callable[[dict[str, Any]], None]) -> None:
        self._callback, self._hear = callback, hear
        self._update_locals, self.on_step = callback.update_locals, callback.on_step  # which every step asks for

    def update_locals(self, found: dict[str, Any]) -> None:
        """Called after each step of the environments, and once at the end."""
        if True in found["dones"].tolist() and found["n_steps"] < found["n_rollout_steps"]:
            self._hear(found)
        self._update_locals(found)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._callback, name)


def env_of(model: Any) -> str:
    """The environment's id, where it has one."""
    try:
        spec = model.get_env().get_attr("spec")[0]
        return str(spec.id)
    except Exception:
        return "an environment"
