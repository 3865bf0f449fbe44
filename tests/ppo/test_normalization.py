"""Running statistics against those of all the data at once; what is normalised, and what stays as it was."""

import numpy as np
import pytest

from ppo_scope.ppo.normalization import CLIP, RewardScale, RunningStatistics
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer


def test_statistics_in_pieces_equal_those_of_the_whole():
    values = np.random.default_rng(0).normal(3, 5, size=(1000, 4))
    statistics = RunningStatistics((4,))
    for part in np.split(values, [1, 10, 11, 500]):
        statistics.update(part)
    statistics.update(values[:0])
    assert statistics.count == 1000
    assert statistics.mean == pytest.approx(values.mean(0))
    assert statistics.variance == pytest.approx(values.var(0))


@pytest.mark.parametrize("for_the_reset", [0.0, 7.0])
def test_rewards_are_divided_by_the_deviation_of_the_discounted_return(for_the_reset):
    rewards = np.array([[1.0], [2.0], [for_the_reset], [3.0]], np.float32)
    ends = np.array([[False], [True], [False], [False]])
    trained = np.array([[True], [True], [False], [True]])
    scale = RewardScale(1)
    scaled = scale(rewards, ends, trained, 0.5)
    returns = [1.0, 2.5, 3.0]  # the reset row counts nowhere and nothing crosses the end
    assert scaled == pytest.approx(rewards / np.sqrt(np.var(returns) + 1e-8), rel=1e-5)
    again = scale(rewards, ends, trained, 0.5)
    returns += [0.5 * 3 + 1, 0.5 * 2.5 + 2, 3.0]
    assert again == pytest.approx(rewards / np.sqrt(np.var(returns) + 1e-8), rel=1e-5)


@pytest.fixture
def trainer():
    values = {"env": "Pendulum-v1", "num_envs": 4, "rollout_steps": 64, "normalize_observations": True}
    made = Trainer(Settings.parse({**values, "normalize_rewards": True}))
    yield made
    made.close()


def test_observations_are_normalised_by_what_was_seen_before_the_rollout(trainer):
    seen = []
    for phase in trainer.phases():
        if phase.kind is PhaseKind.ADVANTAGES:
            raw, used = phase.update.rollout.observations[:-1].reshape(-1, 3), phase.update.batch.observations.numpy()
            if seen:
                past = np.concatenate(seen)
                expected = np.clip((raw - past.mean(0)) / np.sqrt(past.var(0) + 1e-8), -CLIP, CLIP)
                assert used == pytest.approx(expected, abs=1e-4)
            else:
                assert np.array_equal(raw, used), "nothing has been seen yet"
            seen.append(raw[phase.update.rollout.trained.reshape(-1)])
        if phase.kind is PhaseKind.LOSS and (phase.epoch, phase.minibatch) == (1, 1):
            minibatch = phase.update.minibatches[0]
            assert minibatch.logratio[minibatch.trained].abs().max() < 1e-4, "one policy collects and is judged"
        if phase.kind is PhaseKind.UPDATE and phase.update.index == 4:
            break


def test_rewards_are_shown_as_the_environment_gave_them(trainer):
    phase = next(p for p in trainer.phases() if p.kind is PhaseKind.ADVANTAGES)
    rollout, batch = phase.update.rollout, phase.update.batch
    assert rollout.rewards.min() < -1
    # γ = 0.99 over a random policy: returns of hundreds, scaled to about 1.
    assert batch.targets[batch.trained].abs().max() < 50
    assert rollout.episodes == [] or rollout.episodes[0].episodic_return < -100
