"""Pictures of single steps: what is drawn from a noted state is what the environment itself drew at that step."""

import pickle

import gymnasium as gym
import numpy as np
import pytest

from ppo_scope.pictures.images import encode
from ppo_scope.pictures.looks import ROLLOUTS, Looks, NotNoted
from ppo_scope.pictures.states import Artist
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer


def walked(env, updates=1, noting=True):
    """A trainer after so many rollouts, and the looks that were noted."""
    trainer = Trainer(Settings.parse({"env": env, "num_envs": 2, "rollout_steps": 16, "minibatches": 2, "epochs": 1}))
    looks = Looks(trainer)
    trainer._collector._between_steps = looks.after_step
    phases = trainer.phases()
    for _ in range(updates):
        if noting:
            looks.begin()
        for phase in phases:
            if phase.kind is PhaseKind.UPDATE:
                break
    return trainer, looks, phase.update


@pytest.mark.parametrize("env", ["CartPole-v1", "MountainCar-v0", "Pendulum-v1", "Acrobot-v1", "FrozenLake-v1"])
def test_the_picture_is_the_one_that_the_environment_draws_when_it_is_there(env):
    """The same actions in an environment of its own, which draws itself at every step."""
    trainer, looks, update = walked(env)
    vector = gym.make_vec(env, num_envs=2, render_mode="rgb_array")
    vector.reset(seed=trainer.settings.seed)
    artist = Artist(trainer.settings)
    distribution = trainer.distribution
    for t in range(16):
        drawn = [encode(picture) for picture in vector.render()]
        assert [artist.draw(pickle.loads(looks.find(1, n, t))) for n in range(2)] == drawn, f"step {t}"
        vector.step(distribution.to_environment(update.rollout.actions[t]))


@pytest.mark.parametrize(
    ("shape", "frames", "colours", "rows", "columns"),
    [
        ((40, 44, 3), 1, 3, 1, 1),
        ((40, 44), 1, 1, 1, 1),
        ((4, 40, 44), 4, 1, 2, 2),
        ((2, 40, 44, 3), 2, 3, 1, 2),
        ((3, 40, 44), 3, 1, 2, 2),
    ],
)
def test_of_images_it_is_what_the_policy_sees(shape, frames, colours, rows, columns):
    settings = {"num_envs": 2, "rollout_steps": 8, "minibatches": 2, "epochs": 1, "env_kwargs": {"shape": list(shape)}}
    trainer = Trainer(Settings.parse({"env": "tests.environments.pixels:Pixels-v0", **settings}))
    looks = Looks(trainer)
    trainer._collector._between_steps = looks.after_step
    looks.begin()
    update = next(phase.update for phase in trainer.phases() if phase.kind is PhaseKind.UPDATE)
    artist = Artist(trainer.settings)
    for step in (0, 5):
        observation = update.rollout.observations[step, 1].reshape(frames, colours, 40, 44)
        shown = [frame.transpose(1, 2, 0) for frame in observation]
        shown += [np.full_like(shown[0], 255)] * (columns * rows - frames)
        lines = [np.concatenate(shown[columns * row :][:columns], axis=1) for row in range(rows)]
        expected = encode(np.concatenate(lines))
        assert artist.draw(pickle.loads(looks.find(1, 1, step))) == expected


def test_noting_changes_nothing():
    noted, _, _ = walked("CartPole-v1", updates=3)
    plain, _, _ = walked("CartPole-v1", updates=3, noting=False)
    assert noted.weights_sha256() == plain.weights_sha256()


def test_what_was_not_noted_is_refused_with_the_reason():
    _, looks, _ = walked("CartPole-v1", noting=False)
    with pytest.raises(NotNoted, match="while the run is stepped"):
        looks.find(1, 0, 0)
    _, looks, _ = walked("CartPole-v1")
    with pytest.raises(NotNoted, match="no such sample"):
        looks.find(1, 2, 0)
    with pytest.raises(NotNoted, match="no such sample"):
        looks.find(1, 0, 17)


def test_only_the_latest_rollouts_are_remembered():
    _, looks, _ = walked("CartPole-v1", updates=ROLLOUTS + 2)
    assert looks.find(ROLLOUTS + 2, 0, 3)
    assert not looks.holds(2)
    with pytest.raises(NotNoted):
        looks.find(2, 0, 3)


def test_an_update_that_was_given_up_leaves_no_notes():
    _, looks, _ = walked("CartPole-v1", updates=2)
    looks.forget(2)
    assert looks.holds(1) and not looks.holds(2)
    with pytest.raises(NotNoted, match="while the run is stepped"):
        looks.find(2, 0, 3)


def test_an_environment_whose_looks_are_not_known():
    _, looks, _ = walked("tests.environments.drawing:WithoutRenderMode-v0")
    assert not looks.holds(1)
    with pytest.raises(NotNoted, match="cannot be drawn"):
        looks.find(1, 0, 0)


@pytest.mark.parametrize(("env", "words"), [("SecretState-v0", "the state is a secret"), ("HugeState-v0", "8,000")])
def test_a_note_that_fails_is_switched_off_and_said_and_ends_nothing(env, words):
    trainer, looks, _ = walked(f"tests.environments.drawing:{env}", updates=2)
    assert trainer.updates == 2
    assert words in looks.off and not looks.holds(2)
    with pytest.raises(NotNoted, match=words):
        looks.find(2, 0, 0)


def test_a_note_is_not_changed_by_what_the_environment_does_later():
    _, looks, _ = walked("CartPole-v1")
    states = [pickle.loads(looks.find(1, 0, t))["state"] for t in range(17)]
    assert len({tuple(np.asarray(state).tolist()) for state in states}) > 10
