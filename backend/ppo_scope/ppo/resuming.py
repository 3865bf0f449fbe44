"""A trainer that goes on where another one was: to the same bits, where the state of its environments can be kept.

Whether it can is found out by keeping one, and comparing what comes after.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from ppo_scope.ppo.distributions import Actions
from ppo_scope.ppo.environments import Environments, Step
from ppo_scope.ppo.failures import EnvironmentFault
from ppo_scope.ppo.masks import forbid
from ppo_scope.ppo.objects import NotKept, Tree
from ppo_scope.ppo.seeding import shared_generators_kept
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer

COPIES = 2
STEPS_BEFORE, STEPS_AFTER = 30, 90
"""That an environment makes before its state becomes another's, and that both make after it."""
SECONDS_BEFORE, SECONDS_AFTER = 2.0, 5.0
"""For these, where steps take long; one is made at least."""


def resumed(state: Tree, **wanted: Any) -> tuple[Trainer, str | None]:
    """(a trainer that goes on from a state, why its environments begin new episodes if they do).

    It draws by the seed among its settings, which need not be that of the trainer whose state it is. `wanted`: what
    `Trainer` takes beside its settings.

    Raises:
        UnusableEnvironment, EnvironmentFault, DoesNotFit: as `Trainer`.
        ValueError: the settings in it are none.
    """
    settings = Settings.parse(state["settings"])
    if settings.seed != state["seed"]:
        return _anew(settings, state, wanted, reseeded=True), "it goes on with another seed"
    if state["environments"] is None:
        return _anew(settings, state, wanted), "its copies were stepped in other processes"
    try:
        repeats = try_out(settings)
        trainer = Trainer(settings, **wanted)
        trainer.environments.repeats = repeats
        trainer.go_on_from(state, anew=False)
        return trainer, None
    except NotKept as error:
        return _anew(settings, state, wanted), str(error)


def _anew(settings: Settings, state: Tree, wanted: dict[str, Any], *, reseeded: bool = False) -> Trainer:
    trainer = Trainer(settings, **wanted)
    trainer.go_on_from(state, anew=True, reseeded=reseeded)
    return trainer


def try_out(settings: Settings) -> bool:
    """Find out whether an environment goes on in the same way where another one was given its state; if only where that
    one makes again what was done in its episode, True.

    Both are made for it and thrown away; the generators that the whole process shares are as they were.

    Raises:
        NotKept: it does not.
        UnusableEnvironment, EnvironmentFault: it cannot be made, or its own code fails.
    """
    try:
        _try(settings, repeats=False)
        return False
    except NotKept as error:
        try:
            _try(settings, repeats=True)
            return True
        except (NotKept, EnvironmentFault):
            raise error from None


def _try(settings: Settings, *, repeats: bool) -> None:
    few = settings.model_copy(update={"num_envs": min(COPIES, settings.num_envs)})
    with shared_generators_kept(), contextlib.ExitStack() as left:
        one, another = (Environments(few.model_copy(update={"seed": settings.seed + n})) for n in (0, 1))
        left.callback(one.close)
        left.callback(another.close)
        draws = np.random.default_rng(settings.seed)
        for _ in _within(STEPS_BEFORE, SECONDS_BEFORE):
            one.step(_actions(one, draws))
        if repeats:  # what it carries from one episode into the next is not among what is made again
            one.begin_anew(settings.seed + COPIES)
            for _ in _within(STEPS_BEFORE, SECONDS_BEFORE):
                one.step(_actions(one, draws))
        another.repeats = repeats
        another.return_to(one.state())
        with shared_generators_kept():
            drawn = [(action := _actions(one, draws), one.step(action)) for _ in _within(STEPS_AFTER, SECONDS_AFTER)]
        for number, (action, step) in enumerate(drawn):
            if not _equal(step, another.step(action)):
                raise NotKept(f"a copy that was given its state went another way after {number + 1} steps")


def _within(count: int, seconds: float) -> Iterator[int]:
    """Counts up to so many, as far as there is time."""
    until = time.monotonic() + seconds
    for number in range(count):
        yield number
        if time.monotonic() > until:
            return


def _actions(environments: Environments, draws: np.random.Generator) -> Actions:
    """Drawn by a policy that knows nothing, of what is allowed."""
    distribution = environments.spaces.distribution
    outputs = np.zeros((environments.num_envs, distribution.outputs), np.float32)
    noise = distribution.noise(draws, (1, environments.num_envs))[0]
    return distribution.to_environment(distribution.act(forbid(outputs, environments.masks), noise))


def _equal(one: Step, other: Step) -> bool:
    """To the bit, where what is not a number equals itself."""
    pairs = [
        (one.observations, other.observations),
        (one.rewards, other.rewards),
        (one.terminated, other.terminated),
        (one.truncated, other.truncated),
        *((final, other.final_observations.get(n, ())) for n, final in one.final_observations.items()),
    ]
    return all(np.array_equal(first, second, equal_nan=first.dtype.kind == "f") for first, second in pairs)
