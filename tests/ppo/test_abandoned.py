"""Whatever ends an update early, the trainer is as it was at its start, and goes on with the next rollout."""

import copy
import math

import numpy as np
import pytest
import torch

from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from tests.ppo.test_spaces import sampled

SETTINGS = {
    "num_envs": 3,
    "rollout_steps": 20,
    "minibatches": 2,
    "epochs": 2,
    "learning_rate": 0.003,
    "normalize_observations": True,
    "normalize_rewards": True,
}


class Interruption(BaseException):
    """What ends a process: no `Exception`."""


class Hook:
    """Raises at a step of a rollout, once it is told to."""

    def __init__(self):
        self.error, self.at, self.seen = None, 0, []

    def __call__(self):
        self.seen.append(self.trainer.rollout_step)
        if self.error is not None and self.trainer.rollout_step == self.at:
            error, self.error = self.error, None
            raise error


@pytest.fixture(params=[False, True], ids=["waiting", "asynchronous"])
def hooked(request):
    """A trainer after two updates, and what is called between its steps."""
    hook = Hook()
    settings = Settings.parse({**SETTINGS, "env": sampled("box", "discrete")})
    hook.trainer = Trainer(settings, hook, asynchronous=request.param)
    go_on(hook.trainer, 2)
    yield hook.trainer, hook
    hook.trainer.close()


def go_on(trainer, updates):
    for phase in trainer.phases():
        updates -= phase.kind is PhaseKind.UPDATE
        if not updates:
            return phase.update
    raise AssertionError


def state(trainer):
    """All that an update moves but for the environments and the generator of acting."""
    optimisation, observed = trainer.optimisation.position(), trainer.learner.observation_statistics
    scale = trainer.learner.reward_scale
    return copy.deepcopy(
        {
            "theta": optimisation.theta.numpy(),
            "adam": [part.numpy() for part in optimisation.adam.values()],
            "shuffling": str(optimisation.shuffling),
            "observations": [observed.count, observed.mean, observed.variance],
            "normalised by": [trainer.network.observation_mean, trainer.network.observation_deviation],
            "rewards": [scale._returns, scale.statistics.count, scale.statistics.mean, scale.statistics.variance],
            "counts": [trainer.updates, trainer.steps, list(trainer.episodes), trainer.under_way, trainer.finished],
            "settings": [trainer.settings, trainer.pending, trainer.changes],
        }
    )


def assert_same(found, expected):
    for name in expected:
        np.testing.assert_equal(found[name], expected[name], err_msg=name)


@pytest.mark.parametrize("error", [RuntimeError("broken"), Interruption(), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("at", [1, 13, 20])
def test_what_is_raised_between_steps_abandons_the_update(hooked, error, at):
    trainer, hook = hooked
    before = state(trainer)
    assert (hook.seen, trainer.rollout_step) == ([*range(1, 21)] * 2, 20)
    hook.error, hook.at = error, at
    with pytest.raises(type(error)):
        next(trainer.phases())
    assert_same(state(trainer), before)
    assert trainer.rollout_step == at
    with pytest.raises(LookupError):
        trainer.redo({})
    update = go_on(trainer, 1)
    assert (update.index, update.attempt) == (3, 2)
    assert go_on(trainer, 1).attempt == 1


def test_steps_of_earlier_minibatches_are_taken_back(hooked):
    """In the second epoch, when weights, Adam, the order and the running statistics have all moved."""
    trainer, _ = hooked
    before = state(trainer)

    def spoil():
        for phase in trainer.phases():
            assert phase.update.index == 3
            if phase.kind is PhaseKind.LOSS and (phase.epoch, phase.minibatch) == (2, 2):
                moved = state(trainer)
                for name in ("theta", "shuffling", "rewards", "counts"):
                    assert str(moved[name]) != str(before[name]), name
                phase.update.minibatches[-1].differentiate = lambda: trainer.network.theta.detach() * math.nan

    with pytest.raises(NotFiniteError):
        spoil()
    assert_same(state(trainer), before)
    go_on(trainer, 1)
    assert torch.isfinite(trainer.network.theta).all()


@pytest.mark.parametrize("kind", [kind for kind in PhaseKind if kind not in (PhaseKind.READY, PhaseKind.UPDATE)])
def test_an_exception_at_any_phase_abandons_the_update(hooked, kind):
    trainer, _ = hooked
    before = state(trainer)
    phases = trainer.phases()
    next(p for p in phases if p.kind is kind and p.epoch in (0, 2))
    with pytest.raises(OSError, match="thrown"):
        phases.throw(OSError("thrown"))
    assert_same(state(trainer), before)


def test_a_failure_at_the_very_end_is_one_too(hooked, monkeypatch):
    trainer, _ = hooked
    before = state(trainer)

    def broken(statistics):
        raise MemoryError

    monkeypatch.setattr(trainer.network, "normalize_by", broken)
    with pytest.raises(MemoryError):
        go_on(trainer, 1)
    assert_same(state(trainer), before)


def test_phases_that_are_dropped_can_be_looked_at_and_are_abandoned_when_they_are_asked_for_anew(hooked):
    trainer, _ = hooked
    before = state(trainer)
    next(p for p in trainer.phases() if p.kind is PhaseKind.EPOCH)
    assert trainer.under_way
    assert not np.array_equal(state(trainer)["theta"], before["theta"]), "as far as it came"
    with pytest.raises(LookupError):
        trainer.redo({})
    phase = next(trainer.phases())
    assert (phase.update.index, phase.update.attempt) == (3, 2)
    assert np.array_equal(phase.update.theta_before.numpy(), before["theta"])


def test_a_change_that_came_with_an_abandoned_update_stays_and_is_recorded_once(hooked):
    trainer, hook = hooked
    trainer.change("clip_range", 0.3)
    hook.error, hook.at = RuntimeError("broken"), 4
    with pytest.raises(RuntimeError):
        next(trainer.phases())
    assert (trainer.settings.clip_range, trainer.pending) == (0.3, {})
    assert go_on(trainer, 1).settings.clip_range == 0.3
    assert [(change.update, change.name, change.new) for change in trainer.changes] == [(3, "clip_range", 0.3)]


@pytest.mark.parametrize("at", range(1, 21))
def test_episodes_under_way_go_on_where_a_rollout_was_cut_short(at):
    """Every episode has 9 steps; the row after its end is no transition, wherever the cut was."""
    hook = Hook()
    hook.trainer = trainer = Trainer(Settings.parse({**SETTINGS, "env": sampled("box", "discrete")}), hook)
    hook.error, hook.at = RuntimeError("broken"), at
    with pytest.raises(RuntimeError):
        next(trainer.phases())
    for phase in trainer.phases():
        rollout = phase.update.rollout
        if phase.kind is PhaseKind.ROLLOUT:
            assert {episode.length for episode in rollout.episodes} == {9}
            rows = np.flatnonzero(~rollout.trained[:, 0])
            expected = [row for row in range(20) if (row + 20 * (phase.update.index - 1) + at) % 10 == 9]
            assert rows.tolist() == expected
        if phase.kind is PhaseKind.UPDATE and phase.update.index == 3:
            break
    trainer.close()


def test_a_redo_tells_its_phases_and_may_be_abandoned(hooked):
    trainer, _ = hooked
    go_on(trainer, 1)
    before, walked = state(trainer), []
    outcome = trainer.redo({"learning_rate": 0.01}, lambda phase: walked.append((phase.kind, phase.epoch)))
    epoch = [[*[(kind, k) for kind in ("loss", "gradient", "step")] * 2, ("epoch", k)] for k in (1, 2)]
    assert walked == [("advantages", 0), *epoch[0], *epoch[1], ("update", 2)]
    assert_same(state(trainer), before)

    def cancel_at(kind):
        def cancel(phase):
            if phase.kind is kind:
                raise Interruption

        return cancel

    for kind in (PhaseKind.ADVANTAGES, PhaseKind.GRADIENT, PhaseKind.EPOCH, PhaseKind.UPDATE):
        with pytest.raises(Interruption):
            trainer.redo({"learning_rate": 0.01}, cancel_at(kind))
        assert_same(state(trainer), before)
    again = trainer.redo({"learning_rate": 0.01})
    assert torch.equal(again.position.optimisation.theta, outcome.position.optimisation.theta)
