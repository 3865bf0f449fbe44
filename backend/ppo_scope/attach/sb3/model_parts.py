"""What is put into a model of Stable-Baselines3, and read of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any


class Constant:
    """A schedule that does not move; it can be pickled with the model."""

    def __init__(self, value: float) -> None:
        self._value = value

    def __call__(self, _: float) -> float:
        """Whatever is left of the training."""
        return self._value


@contextlib.contextmanager
def listening(callback: Any, hear: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """What the user's callback is told after each step that ends an episode is heard meanwhile. It stays what it is: a
    `collect_rollouts` of the user's own may ask for its class, or note something on it.
    """
    told, theirs = callback.update_locals, vars(callback).get("update_locals")

    def update_locals(found: dict[str, Any]) -> None:  # after each step of the environments, and once at the end
        if True in found["dones"].tolist() and found["n_steps"] < found["n_rollout_steps"]:
            hear(found)
        told(found)

    callback.update_locals = update_locals
    try:
        yield
    finally:
        if theirs is None:
            del callback.update_locals
        else:
            callback.update_locals = theirs


class Trained:
    """Which policy a model has, and which of its weights are trained."""

    def __init__(self, model: Any) -> None:
        self._policy, self._optimizer = model.policy, model.policy.optimizer
        self._parameters = list(model.policy.parameters())
        self._which = self._now()

    def is_so(self, model: Any) -> bool:
        """Whether it still is. A layer that has been put in place of another one is trained by another optimizer, or by
        one with a group more.
        """
        same = model.policy is self._policy and self._policy.optimizer is self._optimizer
        return same and self._now() == self._which

    def _now(self) -> tuple[int, list[bool]]:
        return len(self._optimizer.param_groups), [one.requires_grad for one in self._parameters]


def as_of(kind: type, ours: type, reduced: Any) -> Any:
    """What `__reduce_ex__` tells of an object of our class, as of one of its own, which other processes can find."""
    if isinstance(reduced, str) or not reduced[1] or reduced[1][0] is not ours:
        return reduced
    make, (_, *arguments), *state = reduced
    if make.__name__ == "__newobj__":  # which pickle refuses for another class than the object's
        make = object.__new__
    return make, (kind, *arguments), *state


def env_of(model: Any) -> str:
    """The environment's id, where it has one."""
    try:
        spec = model.get_env().get_attr("spec")[0]
        return str(spec.id)
    except Exception:
        return "an environment"
