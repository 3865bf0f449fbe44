"""Collection: which rows are transitions, which episodes ended, and what the masked rows may influence (nothing)."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import register

from ppo_scope.ppo.environments import Environments
from ppo_scope.ppo.failures import UnusableEnvironment
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer

LENGTH = 5


class Scripted(gym.Env):
    """Rewards 1, 2, 3, …; the observation is the step within the episode; ends after 5 steps, in turn by each way."""

    observation_space = gym.spaces.Box(-100, 100, (1,), np.float32)
    action_space = gym.spaces.Discrete(2, start=7)

    def __init__(self):
        self.episodes = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.step_count = 0
        return np.array([0.0], np.float32), {}

    def step(self, action):
        assert action in (7, 8), "the environment must get actions of its own space"
        self.step_count += 1
        ended = self.step_count == LENGTH
        self.episodes += ended
        terminated = ended and self.episodes % 2 == 1
        observation = np.array([self.step_count], np.float32)
        return observation, float(self.step_count), terminated, ended and not terminated, {}


register("ppo_scope_tests/Scripted-v0", entry_point=Scripted)
SCRIPTED = {"env": "ppo_scope_tests/Scripted-v0", "minibatches": 1, "normalize_rewards": False}


@pytest.fixture
def trainer():
    made = Trainer(Settings.parse({**SCRIPTED, "num_envs": 2, "rollout_steps": 16}))
    yield made
    made.close()


def test_the_row_after_an_end_is_no_transition(trainer):
    rollout = next(trainer.phases()).update.rollout
    done = rollout.terminated | rollout.truncated
    # 5 steps, the reset, 5 steps, the reset, 4 steps.
    assert np.flatnonzero(done[:, 0]).tolist() == [4, 10]
    assert np.flatnonzero(~rollout.trained[:, 0]).tolist() == [5, 11]
    assert rollout.terminated[4].all() and rollout.truncated[10].all()
    assert trainer.steps == rollout.transitions == 2 * (16 - 2)


def test_episodes_are_counted_across_rollouts(trainer):
    episodes = []
    for phase in trainer.phases():
        if phase.kind is PhaseKind.UPDATE:
            episodes += phase.update.rollout.episodes
            if phase.update.index == 4:
                break
    assert len(episodes) >= 18
    assert {episode.length for episode in episodes} == {LENGTH}
    assert {episode.episodic_return for episode in episodes} == {1.0 + 2 + 3 + 4 + 5}
    assert [episode.step for episode in episodes] == sorted(episode.step for episode in episodes)
    assert episodes[0].step == 2 * LENGTH


def test_an_end_at_the_edge_of_a_rollout_masks_the_first_row_of_the_next():
    trainer = Trainer(Settings.parse({**SCRIPTED, "num_envs": 1, "rollout_steps": 5}))
    masks = []
    for phase in trainer.phases():
        if phase.kind is PhaseKind.ROLLOUT:
            masks.append(phase.update.rollout.trained[:, 0].tolist())
            if phase.update.index == 2:
                break
    trainer.close()
    assert masks == [[True] * 5, [False, True, True, True, True]]


def test_bootstrapping_by_hand_over_termination_and_truncation(trainer):
    phase = next(p for p in trainer.phases() if p.kind is PhaseKind.ADVANTAGES)
    rollout, batch, settings = phase.update.rollout, phase.update.batch, phase.update.settings
    with torch.no_grad():
        _, values = trainer.network(torch.tensor([[float(LENGTH)]]))
    last_value = values.item()
    v = batch.values.view(16, 2)[:, 0].tolist()
    advantages = batch.advantages.view(16, 2)[:, 0].tolist()
    assert advantages[4] == pytest.approx(5.0 - v[4], abs=1e-5)  # terminated: nothing follows
    assert advantages[10] == pytest.approx(5.0 + settings.discount * last_value - v[10], abs=1e-5)  # truncated
    assert rollout.rewards[4, 0] == rollout.rewards[10, 0] == 5.0, "rewards stay as the environment gave them"


def test_masked_rows_influence_nothing(trainer):
    """Whatever stands in an autoreset row, the loss and its gradient are the same to the bit."""
    phases = trainer.phases()
    phase = next(p for p in phases if p.kind is PhaseKind.ADVANTAGES)
    masked = ~phase.update.batch.trained
    assert masked.any()

    def gradient():
        saved = trainer.optimisation._shuffling.bit_generator.state
        inner = trainer.optimisation.epoch(phase.update, phase.update.batch, 1)
        next(inner)
        minibatch = phase.update.minibatches.pop()
        trainer.optimisation._shuffling.bit_generator.state = saved
        return minibatch.differentiate()

    before = gradient()
    phase.update.batch.advantages[masked] = 1e6
    phase.update.batch.targets[masked] = -1e6
    phase.update.batch.log_probs[masked] = -0.1
    assert torch.equal(before, gradient())


def test_native_and_wrapped_environments_agree_on_what_a_transition_is():
    """CartPole has a vector environment of its own, Acrobot goes through Gymnasium's SyncVectorEnv."""
    for env in ("CartPole-v1", "Acrobot-v1"):
        trainer = Trainer(Settings.parse({"env": env, "num_envs": 2, "rollout_steps": 600, "minibatches": 1}))
        rollout = next(trainer.phases()).update.rollout
        trainer.close()
        done = rollout.terminated | rollout.truncated
        assert done.any()
        assert np.array_equal(rollout.trained[1:], ~done[:-1])
        assert (rollout.rewards[1:][done[:-1]] == 0).all()


class Told(gym.Env):
    observation_space = gym.spaces.Text(3)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return "abc", {}


class Tiny(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Box(0, 3, (1,), np.int8)


register("ppo_scope_tests/Told-v0", entry_point=Told)
register("ppo_scope_tests/Tiny-v0", entry_point=Tiny)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ("CartPol-v1", "did you mean CartPole-v1"),
        ("ppo_scope_tests/Told-v0", r"observation space Text\(.*\) is not supported"),
        ("ppo_scope_tests/Tiny-v0", r"action space Box\(0, 3, \(1,\), int8\) is not supported"),
        ("no_such_module:Env-v0", "module 'no_such_module' cannot be imported"),
        ("LunarLander-v3", "pip install"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_in_one_line(env, words):
    with pytest.raises(UnusableEnvironment, match=words) as caught:
        Environments(Settings.parse({"env": env}))
    assert "\n" not in str(caught.value)
