"""An update that is made again, from the state before it and what was collected in it: phase by phase the same."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from ppo_scope.ppo.phases import Phase, PhaseKind
from ppo_scope.ppo.rollout import Rollout
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.records import trees

SMALL: dict[str, Any] = {"num_envs": 3, "rollout_steps": 40, "minibatches": 4, "epochs": 2}


def told(trainer: Trainer, phase: Phase) -> tuple[Any, ...]:
    """What a phase has come to, bit for bit."""
    update = phase.update
    assert update is not None
    last = update.minibatches[-1] if update.minibatches else None
    losses = [] if last is None else [last.loss.item(), last.samples.tolist(), last.advantages.numpy().tobytes()]
    batch = b"" if update.batch is None else update.batch.targets.numpy().tobytes()
    place = phase.kind, phase.epoch, phase.minibatch, update.index, update.attempt, update.learning_rate
    return *place, trainer.weights_sha256(), batch, losses, trainer.steps, list(trainer.episodes)


@pytest.mark.parametrize(
    ("env", "values"),
    [
        ("CartPole-v1", {"target_kl": 0.01}),
        ("Pendulum-v1", {"normalize_observations": True}),
        ("CartPole-v1", {"objective": "kl_penalty", "kl_coef_target": 1e-4, "desired_kl": 1e-4}),
        ("Taxi-v4", {}),
    ],
)
def test_every_phase_is_the_same_again(env: str, values: dict[str, Any]) -> None:
    settings = Settings(env=env, **SMALL, **values)
    trainer = Trainer(settings)
    kept: dict[int, tuple[bytes, bytes, dict[str, Any]]] = {}
    lived: dict[int, list[tuple[Any, ...]]] = {}
    state = trees.encode(trainer.state())
    for phase in trainer.phases():
        update = phase.update
        assert update is not None
        if phase.kind is PhaseKind.ROLLOUT:
            kept[update.index] = state, trees.encode(update.rollout.tree()), update.set_to.live()
        lived.setdefault(update.index, []).append(told(trainer, phase))
        if phase.kind is PhaseKind.UPDATE:
            if update.index == 2:
                trainer.change("clip_range", 0.3)
            state = trees.encode(trainer.state())
            if update.index == 4:
                break
    again = Trainer(copy.deepcopy(settings))
    for index in (3, 1, 4, 2):  # in whatever order somebody looks
        state, rollout, live = kept[index]
        again.stand_at(trees.decode(state))
        phases = again.replay(Rollout.of(trees.decode(rollout)), live)
        assert [told(again, phase) for phase in phases] == lived[index]


def test_another_rollout_comes_to_something_else() -> None:
    settings = Settings(**SMALL)
    trainer = Trainer(settings)
    state = copy.deepcopy(trainer.state())
    update = next(trainer.phases()).update
    assert update is not None
    rollout = update.rollout.tree()
    rewards = np.array(rollout["rewards"])
    rewards[::7] += 1.0
    ends = []
    for tree in (rollout, {**rollout, "rewards": rewards}):
        trainer.stand_at(state)
        for _ in trainer.replay(Rollout.of(tree), settings.live()):
            pass
        ends.append(trainer.weights_sha256())
    assert ends[0] != ends[1]
