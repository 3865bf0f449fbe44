"""The same seed gives the same bits, whatever is trained on, whoever watches and however the device is waited for."""

import math

import pytest
import torch

from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import PROBES, measure, series_row
from tests.ppo.test_by_hand import OBJECTIVES
from tests.ppo.test_spaces import ACTIONS, sampled

SMALL = {"num_envs": 3, "rollout_steps": 16, "minibatches": 2, "epochs": 2, "learning_rate": 0.003}


def finished(trainer, updates, each=lambda phase: None):
    """The fingerprint of the weights after so many updates; `each` is called at every phase."""
    for phase in trainer.phases():
        each(phase)
        if phase.kind is PhaseKind.UPDATE and phase.update.index == updates:
            trainer.close()
            return trainer.weights_sha256()
    raise AssertionError


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("action", ACTIONS)
def test_every_space_and_objective_repeats_and_is_not_changed_by_looking(action, objective):
    def make(seed=1):
        return Trainer(Settings.parse({**SMALL, "env": sampled("dict", action), "objective": objective, "seed": seed}))

    def look(phase):
        measure(Moment(watched, phase), frozenset(PROBES))
        if phase.kind is PhaseKind.UPDATE:
            series_row(Moment(watched, phase), 0.0)

    watched = make()
    first = finished(make(), 3)
    assert first == finished(make(), 3)
    assert first == finished(watched, 3, look)
    assert first != finished(make(seed=2), 3)


def test_objectives_differ_from_each_other():
    env = sampled("box", "discrete")
    settings = {**SMALL, "env": env, "learning_rate": 0.05}  # far enough for the clip to hold some
    found = {finished(Trainer(Settings.parse({**settings, "objective": o})), 3) for o in OBJECTIVES}
    assert len(found) == len(OBJECTIVES)


def test_the_objective_is_switched_at_the_next_update_and_recorded():
    def switched():
        trainer = Trainer(Settings.parse({**SMALL, "env": sampled("box", "discrete")}))
        used = []

        def each(phase):
            if phase.kind is PhaseKind.ROLLOUT and phase.update.index == 1:
                trainer.change("objective", "reinforce")
            if phase.kind is PhaseKind.UPDATE:
                used.append(phase.update.settings.objective)

        sha = finished(trainer, 3, each)
        (change,) = trainer.changes
        assert (change.update, change.name, change.old, change.new) == (2, "objective", "clip", "reinforce")
        assert used == ["clip", "reinforce", "reinforce"]
        return sha

    assert switched() == switched()


CASES = [
    *({"objective": objective} for objective in OBJECTIVES),
    {"anneal_learning_rate": True, "total_steps": 1000},
    {"target_kl": 1e-5, "learning_rate": 0.01},
    {"value_clip_range": 0.1, "max_grad_norm": None},
]


@pytest.mark.parametrize("settings", CASES, ids=lambda case: "-".join(map(str, case.values())))
@pytest.mark.parametrize("in_torch", [False, True])
def test_not_waiting_for_the_device_gives_the_same_bits(settings, in_torch):
    """What a GPU does, on the CPU: coefficients as tensors that change in place, and steps that guard themselves."""

    def run(asynchronous):
        trainer = Trainer(Settings.parse({**SMALL, "env": "CartPole-v1", **settings}), asynchronous=asynchronous)
        if in_torch:
            trainer.network.in_numpy = None

        def each(phase):
            if phase.kind is PhaseKind.ROLLOUT and phase.update.index == 1:
                for name, value in {"clip_range": 0.1, "value_coef": 0.3, "entropy_coef": 0.02}.items():
                    trainer.change(name, value)
                trainer.change("learning_rate", 0.002)

        return finished(trainer, 3, each)

    assert run(asynchronous=True) == run(asynchronous=False)


@pytest.mark.parametrize("in_torch", [False, True])
def test_steps_that_guard_themselves_stop_at_the_first_bad_gradient(in_torch):
    trainer = Trainer(Settings.parse({**SMALL, "env": "CartPole-v1"}), asynchronous=True)
    if in_torch:
        trainer.network.in_numpy = None
    phases = trainer.phases()
    phase = next(p for p in phases if p.kind is PhaseKind.EPOCH)
    good = trainer.network.theta.detach().clone()
    phase.update.batch.targets[:] = math.inf
    with pytest.raises(NotFiniteError, match="value_loss is not finite at epoch 2, minibatch 1"):
        for _ in phases:
            pass
    assert torch.equal(trainer.network.theta, good)
    assert finished(trainer, 1) != ""
    assert torch.isfinite(trainer.network.theta).all() and not torch.equal(trainer.network.theta, good)
