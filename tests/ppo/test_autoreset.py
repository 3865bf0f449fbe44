"""Where episodes end, in both of Gymnasium's ways of beginning the next one: what follows an end, and what does not."""

from functools import partial

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import register
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from ppo_scope.ppo.advantages import gae, returns_to_go
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer

LENGTH = 5
SPACES = {
    "plain": gym.spaces.Box(-100, 100, (1,), np.float32),
    "dict": gym.spaces.Dict({"count": gym.spaces.Box(-100, 100, (1,), np.float32)}),
}


class Counting(gym.Env):
    """Observes the step within the episode, is paid for it, and ends after `length`: in turn by termination and
    truncation.
    """

    action_space = gym.spaces.Discrete(2)

    def __init__(self, kind, first_end, length):
        self.observation_space = SPACES[kind]
        self.kind, self.terminates, self.length = kind, first_end == "terminated", length

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self._seen(), {}

    def step(self, action):
        self.count += 1
        ended = self.count == self.length
        terminated, truncated = ended and self.terminates, ended and not self.terminates
        self.terminates ^= ended
        return self._seen(), float(self.count), terminated, truncated, {}

    def _seen(self):
        seen = np.array([self.count], np.float32)
        return {"count": seen} if self.kind == "dict" else seen


def vector(num_envs, mode, kind, first_end, lengths=None):
    made = [partial(Counting, kind, first_end, length) for length in lengths or [LENGTH] * num_envs]
    return SyncVectorEnv(made, autoreset_mode=mode)


def counting(mode, kind="plain", first_end="terminated"):
    name = f"ppo_scope_tests/Counting-{mode.name}-{kind}-{first_end}-v0"
    if name not in gym.registry:
        kwargs = {"mode": mode, "kind": kind, "first_end": first_end}
        register(name, vector_entry_point=vector, kwargs=kwargs)
    return name


def advantages_of(mode, steps, num_envs=2, env_kwargs=None, **env):
    """(trainer, update) at the first update's advantages."""
    settings = {"env": counting(mode, **env), "num_envs": num_envs, "rollout_steps": steps, "minibatches": 1}
    settings |= {"env_kwargs": env_kwargs or {}, "normalize_rewards": False}
    trainer = Trainer(Settings.parse(settings))
    update = next(p for p in trainer.phases() if p.kind is PhaseKind.ADVANTAGES).update
    return trainer, update


def value_of(trainer, count):
    with torch.no_grad():
        return trainer.network(torch.tensor([[float(count)]]))[1].item()


def by_hand(trainer, settings, terminated, steps=LENGTH):
    """(δ, Â) of the steps of one whole episode that begins at count 0."""
    deltas, advantages, following = [], [], 0.0
    for t in reversed(range(steps)):
        last = t == LENGTH - 1
        beyond = 0.0 if last and terminated else settings.discount * value_of(trainer, t + 1)
        deltas.insert(0, (t + 1) + beyond - value_of(trainer, t))
        following = deltas[0] + (0.0 if last else settings.discount * settings.gae_lambda * following)
        advantages.insert(0, following)
    return deltas, advantages


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("first_end", ["terminated", "truncated"])
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_advantages_by_hand_over_an_end_and_at_the_edge(mode, first_end, kind):
    """The second episode ends with the rollout's very last row."""
    pause = 0 if mode is AutoresetMode.SAME_STEP else 1
    trainer, update = advantages_of(mode, 2 * LENGTH + pause, kind=kind, first_end=first_end)
    terminated = first_end == "terminated"
    first, second = (by_hand(trainer, update.settings, end) for end in (terminated, not terminated))
    for which, found in enumerate((update.deltas, update.batch.advantages.view(-1, 2))):
        for n in range(2):
            assert found[:LENGTH, n].tolist() == pytest.approx(first[which], abs=1e-5)
            assert found[LENGTH + pause :, n].tolist() == pytest.approx(second[which], abs=1e-5)
    assert update.rollout.terminated.sum() == update.rollout.truncated.sum() == 2
    trainer.close()


def test_a_truncated_episode_is_judged_by_its_own_last_state():
    """In SAME_STEP mode the next row holds the first state of another episode, which must not be asked."""
    trainer, update = advantages_of(AutoresetMode.SAME_STEP, LENGTH, first_end="truncated")
    last = update.batch.advantages.view(LENGTH, 2)[-1, 0].item()
    own = LENGTH + update.settings.discount * value_of(trainer, LENGTH) - value_of(trainer, LENGTH - 1)
    others = LENGTH + update.settings.discount * value_of(trainer, 0) - value_of(trainer, LENGTH - 1)
    assert abs(own - others) > 1e-3, "the two must differ for this to mean anything"
    assert last == pytest.approx(own, abs=1e-5)
    trainer.close()


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("first_end", ["terminated", "truncated"])
def test_the_same_transitions_have_the_same_advantages_in_either_mode(first_end, kind):
    """Two episodes whole and the third cut off by the rollout's edge; NEXT_STEP has two rows more, which are none."""
    found = {}
    for mode, pauses in ((AutoresetMode.SAME_STEP, 0), (AutoresetMode.NEXT_STEP, 2)):
        trainer, update = advantages_of(mode, 2 * LENGTH + 3 + pauses, num_envs=1, kind=kind, first_end=first_end)
        found[mode] = update.batch.advantages[update.batch.trained].tolist()
        trainer.close()
    assert len(found[AutoresetMode.SAME_STEP]) == 2 * LENGTH + 3
    assert found[AutoresetMode.SAME_STEP] == pytest.approx(found[AutoresetMode.NEXT_STEP], abs=1e-5)


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
@pytest.mark.parametrize("rollout_steps", [1, 8])
def test_steps_episodes_and_masks(mode, rollout_steps):
    """Over 24 rows, in rollouts that end with an episode, and in the middle of one."""
    settings = {"env": counting(mode), "num_envs": 2, "rollout_steps": rollout_steps, "minibatches": 1}
    trainer = Trainer(Settings.parse(settings))
    episodes, rows = [], []
    for phase in trainer.phases():
        if phase.kind is PhaseKind.UPDATE:
            episodes += phase.update.rollout.episodes
            rows.append(phase.update.rollout.trained[:, 0].copy())
            if phase.update.index == 24 // rollout_steps:
                break
    same_step = mode is AutoresetMode.SAME_STEP
    resets = [] if same_step else [5, 11, 17, 23]
    assert np.flatnonzero(~np.concatenate(rows)).tolist() == resets
    assert trainer.steps == 2 * (24 - len(resets))
    assert {(episode.episodic_return, episode.length) for episode in episodes} == {(15.0, LENGTH)}
    assert len(episodes) == 2 * 4
    assert [episode.step for episode in episodes] == [10, 10, 20, 20, 30, 30, 40, 40]
    trainer.close()


def scene(seed=0, steps=30, envs=6):
    generator = np.random.default_rng(seed)
    arrays = [generator.normal(size=(steps, envs)).astype(np.float32) for _ in range(3)]
    terminated = generator.random((steps, envs)) < 0.1
    truncated = (generator.random((steps, envs)) < 0.1) & ~terminated
    return *arrays, terminated, truncated


def test_environments_do_not_leak_into_each_other():
    rewards, values, following, terminated, truncated = scene()
    order = np.random.default_rng(1).permutation(rewards.shape[1])
    given = (rewards, values, following, terminated, truncated)
    whole = gae(*given, 0.97, 0.9)
    assert np.array_equal(whole[:, order], gae(*(array[:, order] for array in given), 0.97, 0.9))
    returns = returns_to_go(rewards, terminated, truncated, 0.97)
    permuted = (array[:, order] for array in (rewards, terminated, truncated))
    assert np.array_equal(returns[:, order], returns_to_go(*permuted, 0.97))
    for changed in (terminated, truncated):
        changed[:, 0] = ~changed[:, 0]
    assert np.array_equal(whole[:, 1:], gae(*given, 0.97, 0.9)[:, 1:])
    assert not np.array_equal(whole[:, 0], gae(*given, 0.97, 0.9)[:, 0])
    assert np.array_equal(returns[:, 1:], returns_to_go(rewards, terminated, truncated, 0.97)[:, 1:])


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_neither_do_those_of_a_whole_rollout(mode):
    def run(*lengths):
        trainer, update = advantages_of(mode, 15, num_envs=4, env_kwargs={"lengths": list(lengths)})
        trainer.close()
        return update.batch.advantages.view(15, 4).numpy(), update.rollout.trained.copy()

    (whole, rows), (permuted, permuted_rows), (changed, changed_rows) = (
        run(3, 5, 7, 4),
        run(4, 3, 7, 5),
        run(6, 5, 7, 4),
    )
    order = [3, 0, 2, 1]
    same = partial(np.allclose, rtol=1e-6, atol=1e-7)  # how a matrix product rounds a row may depend on its place
    assert same(permuted, whole[:, order]) and np.array_equal(permuted_rows, rows[:, order])
    assert same(changed[:, 1:], whole[:, 1:]) and np.array_equal(changed_rows[:, 1:], rows[:, 1:])
    assert not same(changed[:, 0], whole[:, 0])


def test_returns_to_go_are_the_sums_that_they_are_called():
    rewards, _, _, terminated, truncated = scene(2)
    found = returns_to_go(rewards, terminated, truncated, 0.9)
    for n in range(rewards.shape[1]):
        for t in range(len(rewards)):
            total, weight = 0.0, 1.0
            for u in range(t, len(rewards)):
                total, weight = total + weight * rewards[u, n], weight * 0.9
                if terminated[u, n] or truncated[u, n]:
                    break
            assert found[t, n] == pytest.approx(total, abs=1e-5)


def test_an_autoreset_mode_that_nobody_resets_in_is_refused():
    with pytest.raises(ValueError, match=r"autoreset mode .*DISABLED.* is not supported"):
        Trainer(Settings.parse({"env": counting(AutoresetMode.DISABLED)}))
