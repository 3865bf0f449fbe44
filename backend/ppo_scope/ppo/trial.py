"""Whether a run with these settings trains at all: found out on a trainer that is thrown away."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial

import numpy as np

from ppo_scope.ppo import finite
from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.rollout import Collector, Rollout
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer


class _Enough(Exception):
    """One step is all that is wanted."""


def prove(
    settings: Settings,
    on_stage: Callable[[], object] = lambda: None,
    present: Callable[[Trainer], None] = lambda _: None,
) -> None:
    """Make the environments, one vector step and one minibatch (loss, gradient, step of Adam), all at their real sizes.

    Memory is really taken: a system that does not have it finds out now. What the environments raise passes through.
    `on_stage` is called after each of the four stages, `present` with the trainer before it is thrown away, to try out
    what else a run does first.

    Raises:
        NotFiniteGivenError: what the environments gave is not finite.
    """
    trainer = Trainer(settings)
    try:
        on_stage()
        room = partial(Rollout.empty, settings.rollout_steps, settings.num_envs, trainer.spaces)
        masked = trainer.environments.masks is not None
        rollouts = [_touched(room(masked=masked)) for _ in (1, 2)]
        on_stage()
        rollout = rollouts[0]
        _collect_one_step(trainer, rollout)
        finite.check_rollout(rollout)
        on_stage()
        _repeat_first_step(rollout)
        with contextlib.suppress(NotFiniteError):  # of samples that are no rollout: says nothing about one
            _one_minibatch(trainer, settings, rollout)
        present(trainer)
        on_stage()
    finally:
        trainer.close()


def _touched(rollout: Rollout) -> Rollout:
    """With every page of its arrays written to: memory that was only asked for is not taken yet."""
    for array in vars(rollout).values():
        if isinstance(array, np.ndarray):
            array.fill(array.flat[0] if array.size else 0)
    return rollout


def _collect_one_step(trainer: Trainer, rollout: Rollout) -> None:
    def stop() -> None:
        raise _Enough

    with contextlib.suppress(_Enough):
        Collector(trainer.environments, stop).collect(trainer.inference(), rollout, np.random.default_rng(0), 0)


def _repeat_first_step(rollout: Rollout) -> None:
    """The rest of a rollout as if every step had been like the first one."""
    rollout.observations[1:] = rollout.observations[1]
    rows = (rollout.actions, rollout.rewards, rollout.terminated, rollout.truncated, rollout.action_masks)
    for array in rows:
        if array is not None:
            array[1:] = array[0]
    rollout.final_observations = {}
    rollout.truncated[...] = False  # whose last states are not known


def _one_minibatch(trainer: Trainer, settings: Settings, rollout: Rollout) -> None:
    update = trainer.learner.begin(1, settings, 0, rollout, trainer.network.theta.detach().clone())
    for phase in trainer.learner.learn(update):
        if phase.kind is PhaseKind.STEP:
            return
