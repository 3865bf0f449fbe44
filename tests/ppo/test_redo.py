"""An update made anew from its start: the same settings give the same bits, others what a run with them gives."""

import numpy as np
import pytest
import torch

from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.phases import Phase, PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import row_values
from tests.moments import moment_at

SMALL = {"num_envs": 4, "rollout_steps": 32}
SETTINGS = [
    SMALL,
    {**SMALL, "shared_network": True, "target_kl": 1e-4},
    {**SMALL, "env": "Pendulum-v1", "normalize_observations": True, "normalize_rewards": True},
    {**SMALL, "anneal_learning_rate": True, "total_steps": 2000},
    {**SMALL, "objective": "kl_penalty", "kl_coef_target": 0.003, "desired_kl": 0.004, "learning_rate_max": 1.0},
    {**SMALL, "anneal_clip_range": True, "anneal_entropy_coef": True, "total_steps": 2000},
]


def run_to(updates, settings, **changes):
    """A trainer after so many updates; `changes` from the last one on."""
    trainer = Trainer(Settings.parse(settings))
    phases = trainer.phases()
    for phase in phases:
        if phase.kind is PhaseKind.UPDATE and phase.update.index == updates - 1:
            for name, value in changes.items():
                trainer.change(name, value)
        if phase.kind is PhaseKind.UPDATE and phase.update.index == updates:
            return trainer, phases
    raise AssertionError


def go_on(phases, updates):
    for phase in phases:
        updates -= phase.kind is PhaseKind.UPDATE
        if not updates:
            return


@pytest.mark.parametrize("settings", SETTINGS)
def test_with_the_same_settings_it_is_the_same_bits(settings):
    trainer, _ = run_to(3, settings)
    weights = trainer.weights_sha256()
    outcome = trainer.redo({})
    assert trainer.weights_sha256() == weights, "the trainer stays as it is"
    with trainer.visit(outcome):
        assert trainer.weights_sha256() == weights
    last = trainer._last.minibatches[-1]
    assert (outcome.phase.epoch, outcome.phase.minibatch) == (last.epoch, last.index)
    assert torch.equal(outcome.position.optimisation.theta, trainer.network.theta)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize(
    "changes",
    [
        {"clip_range": 0.02, "learning_rate": 0.01},
        {"discount": 0.9, "epochs": 2},
        {"objective": "kl_penalty", "kl_coef": 7.0},
    ],
)
def test_with_other_settings_it_is_what_a_run_with_them_gives(settings, changes):
    """From there on as well: Adam, the orders to come and the running statistics are those of that run."""
    expected, expected_phases = run_to(3, settings, **changes)
    trainer, phases = run_to(3, settings)
    before = trainer.weights_sha256()
    changed = trainer.adopt(trainer.redo(changes))
    assert trainer.weights_sha256() == expected.weights_sha256() != before
    assert {change.name: (change.update, change.new) for change in changed} == {
        name: (3, value) for name, value in changes.items()
    }
    assert trainer.settings == expected.settings
    go_on(phases, 2)
    go_on(expected_phases, 2)
    assert trainer.weights_sha256() == expected.weights_sha256()


@pytest.mark.parametrize("settings", SETTINGS)
def test_looking_at_an_outcome_and_dropping_it_changes_nothing(settings):
    undisturbed, expected = run_to(3, settings)
    trainer, phases = run_to(3, settings)
    outcome = trainer.redo({"clip_range": 0.9, "learning_rate": 0.05})
    with trainer.visit(outcome):
        row_values(moment_at(trainer, outcome.phase))
    go_on(phases, 2)
    go_on(expected, 2)
    assert trainer.weights_sha256() == undisturbed.weights_sha256()


def test_both_outcomes_are_measured_by_the_same_code():
    trainer, _ = run_to(3, SMALL)
    expected, _ = run_to(3, SMALL, learning_rate=0.01)
    outcome = trainer.redo({"learning_rate": 0.01})
    with trainer.visit(outcome):
        seen = row_values(moment_at(trainer, outcome.phase))
    again = row_values(moment_at(expected, Phase(PhaseKind.UPDATE, expected._last, 4, 4)))
    timed = [name for name in seen if name.startswith("seconds")]
    assert len(timed) < len(seen)
    for name in seen.keys() - set(timed):
        assert np.array_equal(seen[name], again[name], equal_nan=True), name


def test_pending_changes_that_are_adopted_wait_no_longer():
    trainer, _ = run_to(2, SMALL)
    trainer.change("clip_range", 0.4)
    trainer.change("epochs", 7)
    trainer.adopt(trainer.redo({"clip_range": 0.4}))
    assert trainer.pending == {"epochs": 7}
    assert trainer.settings.clip_range == 0.4


def test_only_an_update_that_has_just_ended_can_be_made_anew():
    trainer = Trainer(Settings.parse(SMALL))
    with pytest.raises(LookupError):
        trainer.redo({})
    trainer, phases = run_to(2, SMALL)
    next(phases)
    with pytest.raises(LookupError):
        trainer.redo({"clip_range": 0.4})
    with pytest.raises(ValueError, match="clip_range"):
        run_to(1, SMALL)[0].redo({"clip_range": 7})


def test_after_a_halt_nothing_can_be_made_anew(monkeypatch):
    """Where the last update began was forgotten when the one that failed began."""
    trainer, phases = run_to(3, SMALL)
    collect = trainer._collector.collect

    def broken(inference, rollout, *rest):
        collect(inference, rollout, *rest)
        rollout.rewards[5, 1] = np.nan

    monkeypatch.setattr(trainer._collector, "collect", broken)
    with pytest.raises(NotFiniteError, match="reward"):
        go_on(phases, 1)
    monkeypatch.undo()
    with pytest.raises(LookupError):
        trainer.redo({})
    go_on(trainer.phases(), 1)
    weights = trainer.weights_sha256()
    with trainer.visit(trainer.redo({})):
        assert trainer.weights_sha256() == weights, "the next one can be, and begins where it began"
