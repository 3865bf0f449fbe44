"""What a GPU does, on the CPU: coefficients as tensors that change in place, and steps that guard themselves."""

import math

import pytest
import torch

from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from tests.ppo.test_by_hand import OBJECTIVES, by_torch

SMALL = {"num_envs": 3, "rollout_steps": 16, "minibatches": 2, "epochs": 3, "learning_rate": 0.003}
LIVE = {"clip_range": 0.1, "value_coef": 0.3, "entropy_coef": 0.02, "learning_rate": 0.002}


@pytest.fixture(params=[False, True], ids=["in_numpy", "in_torch"])
def make(request):
    """Trainers whose gradient is found by hand, and by torch."""
    made = []

    def _make(asynchronous=True, **settings):
        made.append(Trainer(Settings.parse({**SMALL, **settings}), asynchronous=asynchronous))
        if request.param:
            by_torch(made[-1])
        return made[-1]

    yield _make
    for trainer in made:
        trainer.close()


def walk(trainer, updates, changes):
    """The updates, the changes made during the first of them."""
    found = []
    for phase in trainer.phases():
        if phase.kind is PhaseKind.ROLLOUT and phase.update.index == 1:
            for name, value in changes.items():
                trainer.change(name, value)
        if phase.kind is PhaseKind.UPDATE:
            found.append(phase.update)
            if len(found) == updates:
                return found
    raise AssertionError


def bits(trainer):
    """All that a step of Adam changes: θ, the moments, the count of steps."""
    return [trainer.network.theta.detach().clone(), *trainer.optimisation._adam.state().values()]


def same(some, others):
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


@pytest.mark.parametrize(
    "settings",
    [
        *({"objective": objective} for objective in OBJECTIVES),
        {"anneal_learning_rate": True, "total_steps": 1000},
        {"target_kl": 1e-4, "learning_rate": 0.01},
        {"value_clip_range": 0.1, "max_grad_norm": None},
    ],
    ids=lambda settings: "-".join(settings) if len(settings) > 1 else settings["objective"],
)
def test_not_waiting_for_the_device_gives_the_same_bits(make, settings):
    waiting, asynchronous = make(asynchronous=False, **settings), make(**settings)
    expected, found = (walk(trainer, 3, LIVE) for trainer in (waiting, asynchronous))
    assert same(bits(waiting), bits(asynchronous))
    assert [len(update.minibatches) for update in found] == [len(update.minibatches) for update in expected]
    assert any(update.stopped_by_kl for update in found) == ("target_kl" in settings)


@pytest.mark.parametrize("name", LIVE)
def test_each_coefficient_that_changes_is_seen(make, name):
    """Otherwise the test above would compare two runs that both overlook it."""
    changed, left = make(), make()
    walk(changed, 2, {name: LIVE[name] / 10})
    walk(left, 2, {})
    assert not same(bits(changed), bits(left))


def test_steps_that_guard_themselves_stop_at_the_first_bad_gradient(make):
    """Neither the bad step nor any after it is made, and the run goes on from where the update began."""
    trainer = make(total_steps=1)  # one update, should nothing stop it
    good = bits(trainer)
    phases = trainer.phases()
    phase = next(p for p in phases if p.kind is PhaseKind.EPOCH)
    made = bits(trainer)
    phase.update.batch.targets[:] = math.inf
    walked = []

    def walk_on():
        for p in phases:
            walked.append(p.kind)
            assert same(bits(trainer), made)

    with pytest.raises(NotFiniteError, match="value_loss is not finite at epoch 2, minibatch 1"):
        walk_on()
    assert walked.count(PhaseKind.STEP) == 4, "nothing waited to see"
    assert same(bits(trainer), good)
    assert (trainer.updates, trainer.steps) == (0, 0)
    walk(trainer, 1, {})
    assert not same(bits(trainer), good)
    assert all(torch.isfinite(part).all() for part in bits(trainer))


def test_a_bad_step_undoes_those_after_it_and_none_before(make):
    """Until the update's end, when it is noticed and those before are taken back too."""
    trainer, good, last = make(total_steps=1), [], []
    start = bits(trainer)

    def spoil_the_second_step_of_the_second_epoch():
        for phase in trainer.phases():
            if phase.kind is PhaseKind.STEP and (phase.epoch, phase.minibatch) == (2, 1):
                good.extend(bits(trainer))
            if phase.kind is PhaseKind.LOSS and (phase.epoch, phase.minibatch) == (2, 2):
                minibatch = phase.update.minibatches[-1]
                minibatch.differentiate = lambda take=minibatch.differentiate: take() * math.nan
            last[:] = bits(trainer)

    with pytest.raises(NotFiniteError, match="the gradient is not finite at epoch 2, minibatch 2"):
        spoil_the_second_step_of_the_second_epoch()
    assert same(last, good)
    assert same(bits(trainer), start)


def test_after_an_abandoned_update_both_ways_go_on_with_the_same_bits(make):
    """Without waiting, the epochs after the fault are walked in vain; their orders must not have been used up."""

    def abandon(trainer):
        for phase in trainer.phases():
            if phase.kind is PhaseKind.LOSS and (phase.epoch, phase.minibatch) == (1, 2):
                minibatch = phase.update.minibatches[-1]
                minibatch.differentiate = lambda take=minibatch.differentiate: take() * math.nan

    waiting, asynchronous = make(asynchronous=False), make()
    for trainer in (waiting, asynchronous):
        with pytest.raises(NotFiniteError, match="not finite at epoch 1, minibatch 2"):
            abandon(trainer)
        walk(trainer, 2, LIVE)
    assert same(bits(waiting), bits(asynchronous))
