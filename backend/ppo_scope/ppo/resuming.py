"""A trainer that goes on where another one was: to the same bits, where the state of its environments can be kept.

Whether it can is found out by keeping one, and comparing what comes after.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from gymnasium.vector.utils import batch_space

from ppo_scope.ppo.environments import Environments, Step
from ppo_scope.ppo.objects import NotKept, Tree
from ppo_scope.ppo.seeding import return_shared_generators, shared_generators
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer

COPIES = 2
STEPS_BEFORE, STEPS_AFTER = 30, 90
"""That an environment makes before its state becomes another's, and that both make after it."""


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
        try_out(settings)
        trainer = Trainer(settings, **wanted)
        trainer.go_on_from(state, anew=False)
        return trainer, None
    except NotKept as error:
        return _anew(settings, state, wanted), str(error)


def _anew(settings: Settings, state: Tree, wanted: dict[str, Any], *, reseeded: bool = False) -> Trainer:
    trainer = Trainer(settings, **wanted)
    trainer.go_on_from(state, anew=True, reseeded=reseeded)
    return trainer


def try_out(settings: Settings) -> None:
    """Find out whether an environment goes on in the same way where another one was given its state.

    Both are made for it and thrown away; the generators that the whole process shares are as they were.

    Raises:
        NotKept: it does not.
        UnusableEnvironment, EnvironmentFault: it cannot be made, or its own code fails.
    """
    shared = shared_generators()
    few = settings.model_copy(update={"num_envs": min(COPIES, settings.num_envs)})
    one = Environments(few)
    another = Environments(few.model_copy(update={"seed": settings.seed + 1}))
    try:
        actions = copy.deepcopy(batch_space(one.vector.single_action_space, few.num_envs))
        actions.seed(settings.seed)
        drawn = [actions.sample() for _ in range(STEPS_BEFORE + STEPS_AFTER)]
        for action in drawn[:STEPS_BEFORE]:
            one.step(action)
        another.return_to(one.state())
        generators = shared_generators()
        expected = [one.step(action) for action in drawn[STEPS_BEFORE:]]
        return_shared_generators(generators)
        for number, (action, step) in enumerate(zip(drawn[STEPS_BEFORE:], expected, strict=True)):
            if not _equal(step, another.step(action)):
                raise NotKept(f"a copy that was given its state went another way after {number + 1} steps")
    finally:
        one.close()
        another.close()
        return_shared_generators(shared)


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
