"""Numbers at the edge of single precision: what rounding, infinities and huge values must not do."""

import inspect
import math
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import register

from ppo_scope.ppo import losses
from ppo_scope.ppo.distributions import Bernoulli, Categorical, DiagonalGaussian, MultiCategorical
from ppo_scope.ppo.failures import EnvironmentFault
from ppo_scope.ppo.finite import NotFiniteGivenError
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.spaces import describe
from ppo_scope.ppo.trainer import Trainer


def discrete(dtype, **of):
    """Of this type, where Gymnasium asks for one (from 1.4 on)."""
    typed = {"dtype": dtype} if "dtype" in inspect.signature(gym.spaces.Discrete).parameters else {}
    return gym.spaces.Discrete(3, **of, **typed)


ACTIONS = {
    "int32": discrete(np.int32, start=5),
    "uint8": discrete(np.uint8),
    "multi int32": gym.spaces.MultiDiscrete([2, 3], dtype=np.int32, start=[1, 4]),
    "multi uint8": gym.spaces.MultiDiscrete([[2], [3]], dtype=np.uint8),
    "float16": gym.spaces.Box(-0.1, 0.1, (2,), np.float16),
    "float64": gym.spaces.Box(-0.1, 0.1, (2,), np.float64),
    "multi binary": gym.spaces.MultiBinary(3),
}
CLOCK = 1.7e9


class Hard(gym.Env):
    """Episodes of 5 steps, rewards as given (as text: JSON knows no NaN), the last of them again and again."""

    def __init__(self, action="uint8", rewards=(1.0,), place=0.0, spread=1.0, dtype=np.float64):
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), dtype)
        self.action_space, self.rewards, self.place, self.spread = (
            ACTIONS[action],
            [*map(float, rewards)],
            place,
            spread,
        )
        self.total = 0

    def _observation(self):
        drawn = self.place + self.spread * self.np_random.normal(size=2)
        return drawn.astype(self.observation_space.dtype)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self._observation(), {}

    def step(self, action):
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        reward = self.rewards[min(self.total, len(self.rewards) - 1)]
        self.count += 1
        self.total += 1
        return self._observation(), reward, self.count == 5, False, {}


register("ppo_scope_tests/Hard-v0", entry_point=Hard, disable_env_checker=True)


@pytest.fixture
def make():
    made = []

    def _make(settings=None, rewards=(1.0,), **kwargs):
        values = {"env": "ppo_scope_tests/Hard-v0", "num_envs": 2, "rollout_steps": 12, "minibatches": 2}
        made.append(
            Trainer(
                Settings.parse(
                    {**values, "env_kwargs": kwargs | {"rewards": [*map(repr, rewards)]}, **(settings or {})}
                )
            )
        )
        return made[-1]

    yield _make
    for trainer in made:
        trainer.close()


def update_of(trainer, index=1):
    return next(p.update for p in trainer.phases() if p.kind is PhaseKind.UPDATE and p.update.index == index)


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_reach_the_environment_in_the_type_of_its_space(make, action):
    """The environment asserts that they are its own; as what is drawn acts, one at a time, too."""
    trainer = make(action=action)
    update_of(trainer, 2)
    distribution, space = trainer.distribution, ACTIONS[action]
    drawn = distribution.act(np.zeros((1, distribution.outputs), np.float32), np.ones((1, distribution.noise_size)))
    assert space.contains(distribution.to_environment(drawn)[0])


def test_an_action_that_the_cast_would_round_beyond_a_bound_stays_within_it():
    low, high = np.array([-0.3], np.float16), np.array([0.1], np.float16)
    found = DiagonalGaussian(low, high).to_environment(np.array([[0.09999], [5], [-5]], np.float32))
    assert found.dtype == np.float16 and (found >= low).all() and (found <= high).all()


class Zeros:
    """A generator that draws what a real one draws once in 2²³ times."""

    def standard_exponential(self, shape, dtype):
        return np.zeros(shape, dtype)


@pytest.mark.parametrize("of", [Categorical(3), MultiCategorical([2, 3], np.array([0, 0]), (2,)), Bernoulli((2,))])
def test_noise_is_finite_and_otherwise_what_it_was(of):
    assert np.isfinite(of.noise(Zeros(), (4,))).all()
    drawn, expected = (np.random.default_rng(3) for _ in range(2))
    plain = -np.log(expected.standard_exponential((64, of.noise_size), dtype=np.float32))
    if isinstance(of, Bernoulli):
        plain += np.log(expected.standard_exponential((64, of.noise_size), dtype=np.float32))
    assert np.array_equal(of.noise(drawn, (64,)), plain)


def test_a_reward_that_is_none_spoils_no_other_episode(make):
    trainer = make({"num_envs": 1}, rewards=(1.0, 1.0, math.nan, 1.0))
    with pytest.raises(NotFiniteGivenError):
        next(trainer.phases())
    update_of(trainer)
    assert [episode.episodic_return for episode in trainer.episodes] == [5.0, 5.0]
    split = make({"num_envs": 1, "rollout_steps": 4}, rewards=(1.0, 1.0, math.nan, 1.0))
    with pytest.raises(NotFiniteGivenError):
        next(split.phases())
    update_of(split, 4)
    assert {episode.episodic_return for episode in split.episodes} == {5.0}, "its own return is not told"


def test_a_huge_reward_spoils_no_other_episode(make):
    trainer = make({"num_envs": 1, "rollout_steps": 24}, rewards=(1e17, 0.1))
    returns = [episode.episodic_return for episode in next(trainer.phases()).update.rollout.episodes]
    assert returns[0] == pytest.approx(1e17)
    assert returns[1:] == pytest.approx([0.5] * 3, rel=1e-6)


@pytest.mark.parametrize(
    ("rewards", "field", "words"),
    [
        ((0.0, 0.0, math.nan), "reward", "it is NaN"),
        ((0.0, 0.0, -math.inf), "reward", "it is −infinity"),
        ((0.0, 0.0, math.inf), "reward", "it is infinity"),
    ],
)
def test_what_is_not_finite_is_named_with_its_place(make, rewards, field, words):
    with pytest.raises(
        NotFiniteGivenError, match=f"environment's {field} is not finite: environment 0, step 2"
    ) as info:
        next(make(rewards=rewards).phases())
    assert words in str(info.value)
    assert (info.value.field, info.value.environment, info.value.step) == (field, 0, 2)


@pytest.mark.parametrize("normalize", [False, True])
def test_what_is_finite_but_too_large_for_single_precision_is_called_that(make, normalize):
    with pytest.raises(EnvironmentFault, match=r"observation of environment 0.*too large for single precision"):
        make({"normalize_observations": normalize}, place=1e300)
    with pytest.raises(EnvironmentFault, match=r"reward of environment 0.*too large for single precision"):
        next(make(rewards=(0.0, 1e300)).phases())


def test_a_last_state_that_is_not_finite_is_named(make):
    trainer = make()
    step = trainer.environments.step
    bad = np.full((1, 2), np.nan, np.float32)
    trainer.environments.step = lambda actions: replace(step(actions), final_observations={1: bad})
    with pytest.raises(NotFiniteGivenError, match="final observation is not finite: environment 1, step 0"):
        next(trainer.phases())


def test_observations_far_from_zero_are_told_apart_once_they_are_normalised(make):
    trainer = make({"normalize_observations": True, "num_envs": 8, "rollout_steps": 64}, place=CLOCK, spread=10.0)
    update_of(trainer, 3)
    update = update_of(trainer, 4)
    raw, seen = update.rollout.observations[:-1].reshape(-1, 2), update.judged.observations
    assert raw.dtype == np.float64 and seen.dtype == np.float32
    assert seen == pytest.approx((raw - CLOCK) / 10, abs=0.2)
    assert len(np.unique(seen)) > 900
    minibatch = update.minibatches[0]
    assert minibatch.logratio[minibatch.trained].abs().max() < 1e-4


@pytest.mark.parametrize(
    ("space", "exact"),
    [
        (gym.spaces.Box(0, 1, (2,), np.float32), True),
        (gym.spaces.Box(0, 1, (2,), np.float16), True),
        (gym.spaces.Box(0, 9, (2,), np.int16), True),
        (gym.spaces.Box(0, 9, (2,), np.int32), False),
        (gym.spaces.Box(0, 9, (2,), np.int64), False),
        (gym.spaces.Box(0, 1, (2,), np.float64), False),
        (gym.spaces.Dict({"a": gym.spaces.Discrete(3), "b": gym.spaces.Box(0, 1, (1,), np.float32)}), True),
        (gym.spaces.Tuple((gym.spaces.Discrete(3), gym.spaces.Box(0, 1, (1,), np.float64))), False),
    ],
)
def test_only_what_single_precision_does_not_hold_is_kept_in_double(space, exact):
    action = gym.spaces.Discrete(2)
    assert describe(space, action).dtype == np.float32
    spaces = describe(space, action, normalized=True)
    assert spaces.dtype == (np.float32 if exact else np.float64)
    assert spaces.prepare_one(space.sample()).dtype == spaces.dtype


@pytest.mark.parametrize("size", [1.0, 100.0, 1e6])
def test_rounding_is_not_blown_up_to_advantages(size):
    """Constant advantages, and differences of nearly equal values of that size."""
    generator, trained = np.random.default_rng(0), torch.ones(256, dtype=torch.bool)
    spacing = np.spacing(np.float32(size))
    noise = torch.from_numpy((spacing * generator.integers(-2, 3, 256)).astype(np.float32))
    assert not losses.normalize(size + noise, trained).any()
    assert not losses.normalize(noise, trained, torch.tensor(size)).any()
    real = torch.from_numpy(generator.normal(size=256).astype(np.float32)) * 100 * spacing
    assert losses.normalize(size + real, trained).std() == pytest.approx(1, abs=0.01), "small, but told apart"
    assert losses.normalize(torch.tensor([1.0, math.nan]), trained[:2]).isnan().all()


@pytest.mark.parametrize("normalize", ["minibatch", "batch"])
def test_constant_returns_teach_nothing(make, normalize):
    """A critic that knows them exactly leaves rounding only."""
    settings = {"normalize_advantages": normalize, "gae_lambda": 1.0, "discount": 1.0, "rollout_steps": 40}
    trainer = make(settings, rewards=(0.1,))
    phases = trainer.phases()
    next(phases)
    trainer.learner.inference.judge = lambda seen: (
        np.zeros((len(seen), 3), np.float32),
        np.float32(1000.0) + np.zeros(len(seen), np.float32),
    )
    phase = next(phases)
    batch = phase.update.batch
    batch.advantages[:] = torch.from_numpy(np.random.default_rng(0).normal(0, 5e-5, len(batch.advantages))).float()
    minibatch = next(p.update.minibatches[0] for p in phases if p.kind is PhaseKind.LOSS)
    assert not minibatch.advantages.any()
