"""The same seed gives the same bits, whatever is trained on, whoever watches and however the run is driven."""

import pytest

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import PROBES, measure, series_row
from tests.moments import moment_at
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
        measure(moment_at(watched, phase), frozenset(PROBES))
        if phase.kind is PhaseKind.UPDATE:
            series_row(moment_at(watched, phase), 0.0)

    watched = make()
    first = finished(make(), 3)
    assert first == finished(make(), 3)
    assert first == finished(watched, 3, look)
    assert first != finished(make(seed=2), 3)
    assert make().weights_sha256() != make(seed=2).weights_sha256(), "not only the environments are seeded"


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


def test_however_a_run_is_driven_it_is_the_same_run():
    """In one go; side by side with another, a phase each in turn; and by phases asked for anew at every update."""

    def make(seed=1):
        return Trainer(Settings.parse({**SMALL, "env": sampled("dict", "box"), "seed": seed}))

    whole, other = finished(make(), 3), finished(make(seed=2), 3)
    trainers = make(), make(seed=2)
    for phases in zip(*(trainer.phases() for trainer in trainers), strict=True):
        if all(phase.kind is PhaseKind.UPDATE and phase.update.index == 3 for phase in phases):
            break
    assert [trainer.weights_sha256() for trainer in trainers] == [whole, other]
    anew = make()
    for _ in range(3):
        next(phase for phase in anew.phases() if phase.kind is PhaseKind.UPDATE)
    assert anew.weights_sha256() == whole
    for trainer in (*trainers, anew):
        trainer.close()
