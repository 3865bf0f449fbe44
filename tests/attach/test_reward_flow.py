"""Whether the rewards that advantages are made of are those of the environment is seen by their way there."""

import numpy as np
import pytest

from ppo_scope.attach.advising.adding_up import Told, adds_up
from ppo_scope.attach.advising.recurrence import collected_in
from ppo_scope.attach.advising.reward_flow import CUT, TERMINATED, arrived
from ppo_scope.attach.advising.source import Source
from ppo_scope.attach.advising.text import File

SUM = """
def advantages(rewards, values, dones, last):
    gain = 0.0
    for t in reversed(range(len(rewards))):
        gain = rewards[t] + 0.9 * last * (1 - dones[t]) - values[t] + 0.8 * (1 - dones[t]) * gain
        last = values[t]
"""
STEP = "state, reward, over, cut, info = env.step(action)"
LOOP = """
import collections
import numpy as np
import torch
Step = collections.namedtuple("Step", "state reward")
class Kept:
    def __init__(self, state, paid):
        self.state = state
        self.reward = paid{0}
class Memory:
    rewards = []
    def keep(self, state, paid):
        self.rewards.append(paid{0})
memory = Memory()
def play(env, rewards, path):
    score = 0
    for t in range(8):
        {1}
        {2}
"""
AS_GIVEN = [
    (STEP, "rewards.append(reward)"),
    (STEP, "rewards.append(float(reward)); score += reward; scores.append(score)"),
    (STEP, "rewards[t] = torch.as_tensor(reward).view(-1)"),
    (STEP, "rewards[t], dones[t] = torch.tensor(reward, dtype=torch.float32), over"),
    (STEP, "paid = np.array(reward); memory.keep(state, paid)"),
    (STEP, "memory.keep(state, paid=reward)"),
    (STEP, "rewards += [reward]"),
    (STEP, "rewards.append(reward); print(0.1 * reward, f'{reward - 1}')"),
    (f"reward = 0; {STEP}", "rewards.append(reward)"),
    (f"kept = dict(states=[], rewards=[]); {STEP}", "for k, one in zip(kept, (state, reward)): kept[k].append(one)"),
    (STEP, "rewards.append(reward); running = 0.9 * running + reward"),
    (STEP, "for kept, one in zip((states, rewards), (state, reward)): kept.append(one)"),
    (
        f"kept = {{'states': [], 'rewards': []}}; {STEP}",
        "for name, one in zip(kept, [state, reward]): kept[name].append(one)",
    ),
    (
        f"kept = {{name: [] for name in ('states', 'rewards')}}; {STEP}",
        "for k, one in zip(kept, (state, reward)): kept[k] += [one]",
    ),
]
CHANGED = [
    (STEP, "rewards.append(0.1 * reward)"),
    (STEP, "rewards.append(reward - 1)"),
    (STEP, "rewards.append(np.sign(reward))"),
    (STEP, "rewards.append(max(reward, -1))"),
    (STEP, "rewards.append(reward if not over else -10)"),
    (STEP, "rewards.append(np.array(reward).clip(-1, 1))"),
    (f"{STEP}\n        if over: reward = -10", "rewards.append(reward)"),
    (f"{STEP}\n        reward /= 10", "rewards.append(reward)"),
    (f"{STEP}\n        reward = reward + bonus(state)", "rewards.append(reward)"),
    (f"{STEP}\n        reward = shaped(reward)", "rewards.append(reward)"),
    (STEP, "paid = reward / 8; rewards[t] = paid"),
    (STEP, "memory.keep(state, -reward)"),
    (STEP, "for kept, one in zip((states, rewards), (state, reward / 8)): kept.append(one)"),
    (STEP, "rewards.append(reward)\n        if cut: rewards[-1] += 0.9 * critic(state)"),
    (STEP, "rewards.append(reward)\n    rewards *= 0.1"),
]
UNSEEN = [
    ("found = env.step(action)", "rewards.append(found[1])"),
    (STEP, "elsewhere(reward)"),
    (STEP, "others.append(reward)"),
    (STEP, "for kept, one in zip((rewards, states), (state, reward)): kept.append(one)"),
]


def way_of(before, stored, inside=""):
    source = Source(File("mine.py", LOOP.format(inside, before, stored)), File("other.py", SUM, "other"))
    return arrived(source, collected_in(source).rewards)


@pytest.mark.parametrize(("before", "stored"), AS_GIVEN)
def test_rewards_that_arrive_as_they_were_given_are_known_to(before, stored):
    assert way_of(before, stored) == (True, None)


@pytest.mark.parametrize(("before", "stored"), CHANGED)
def test_rewards_that_become_other_numbers_are_not_the_environments(before, stored):
    found = way_of(before, stored)
    assert found.seen and found.changed_at in (19, 20, 21)


@pytest.mark.parametrize(("before", "stored"), UNSEEN)
def test_rewards_whose_way_is_not_seen_are_not_said_to_be_the_environments(before, stored):
    assert not way_of(before, stored).seen


def test_a_change_where_they_are_kept_is_seen_from_wherever_that_is_called():
    assert way_of(STEP, "memory.keep(state, reward)") == (True, None)
    assert way_of(STEP, "memory.keep(state, reward)", " / 8").changed_at == 13


OF_OBJECTS = SUM.replace("range(len(rewards))", "path").replace("rewards[t]", "t.reward").replace("[t]", "[0]")


@pytest.mark.parametrize("kept", ["Step(state, reward)", "Step(state, reward=reward)", "Kept(state, reward)"])
def test_rewards_may_be_parts_of_what_is_kept_of_a_step(kept):
    def way(stored):
        source = Source(File("mine.py", LOOP.format("", STEP, f"path.append({stored})") + OF_OBJECTS))
        return arrived(source, collected_in(source).rewards)

    assert way(kept) == (True, None)
    assert way(kept.replace("reward)", "-reward)")).changed_at == 19


CUTS = [
    ("ends.append(over or cut)", True),
    ("done = np.logical_or(over, cut)\n        ends[t] = torch.tensor(done)", True),
    ("ends.append(float(over | cut))", True),
    ("ends.append(over)", False),
    ("for kept, one in zip((rewards, ends), (reward, over)): kept.append(one)", False),
    ("for kept, one in zip((rewards, ends), (reward, over or cut)): kept.append(one)", True),
    ("ends.append(over); cuts.append(cut)", False),
]


@pytest.mark.parametrize(("stored", "seen"), CUTS)
def test_where_the_environment_cuts_an_episode_has_to_be_among_the_ends(stored, seen):
    source = Source(File("mine.py", LOOP.format("", STEP, stored) + SUM.replace("dones", "ends")))
    assert arrived(source, collected_in(source).ends, CUT).seen is seen


def test_arrays_of_a_dict_are_known_by_their_keys():
    kept = "buf = {'r': [], 'd': []}\ndef make():\n    rewards, dones = buf['r'], buf['d']\n"
    body = SUM.split("\n")[2:]
    for stored, seen in (("(reward, over)", False), ("(reward, over or cut)", True)):
        played = LOOP.format("", STEP, f"for k, one in zip(buf, {stored}): buf[k].append(one)")
        source = Source(File("mine.py", played + kept + "\n".join(body)))
        found = collected_in(source)
        assert arrived(source, found.rewards) == (True, None)
        assert arrived(source, found.ends, TERMINATED).seen and arrived(source, found.ends, CUT).seen is seen


def test_advantages_that_are_made_of_what_is_told_are_known_to_be():
    generator = np.random.default_rng(1)
    rewards, values = generator.normal(size=(2, 64, 3))
    ends = (generator.random((64, 3)) < 0.2).astype(float)
    sums, returns, after = np.zeros((65, 3)), np.zeros((65, 3)), values[-1]
    for t in reversed(range(64)):
        delta = rewards[t] + 0.9 * after * (1 - ends[t]) - values[t]
        sums[t] = delta + 0.9 * 0.8 * (1 - ends[t]) * sums[t + 1]
        returns[t] = rewards[t] + 0.9 * (1 - ends[t]) * returns[t + 1]
        after = values[t]
    advantages, summed = sums[:-1], returns[:-1]

    def says(rewards, values, ends, advantages, returns, decay=0.8):
        return adds_up(Told(rewards, values, ends, None, advantages, returns), 0.9, decay)

    shuffled = generator.permutation(64)
    assert says(rewards, values, ends, advantages, None) and says(rewards, values, ends, None, advantages + values)
    assert says(rewards, None, ends, None, summed, None)
    ones, paid = np.ones((64, 3)), np.zeros((65, 3))
    for t in reversed(range(64)):
        paid[t] = 1.0 + 0.9 * (1 - ends[t]) * paid[t + 1]
    normal = (paid[:-1] - paid.mean()) / paid.std()
    assert says(ones, None, ends, None, normal, None) and says(rewards, None, ends, None, 3 * summed - 1, None)
    assert says(ones, None, ends, None, normal[shuffled], None) is False
    assert says(rewards, values, ends, advantages[shuffled], None) is False
    assert says(rewards, values, np.roll(ends, 1, 0), advantages, None) is False, "it has to say where episodes end"
    assert says(rewards, values, ends, advantages, None, decay=0.5) is False
    assert says(rewards[shuffled], None, ends, None, summed, None) is False
    assert says(rewards, None, ends, None, None) is None
    assert says(rewards, None, ends, None, np.where(ends > 0, np.nan, summed), None) is None
    assert says(rewards, values, None, advantages, None) is None, "where episodes end has to be known"
    assert says(rewards, None, ends, advantages, advantages + values) is None, "V has to be known for that"


def test_what_follows_a_step_that_is_cut_is_not_asked_for():
    generator = np.random.default_rng(2)
    rewards, values, after = generator.normal(size=(3, 64, 1))
    ends = np.zeros((64, 1))
    ends[3::4] = 1.0
    sums = np.zeros((65, 1))
    for t in reversed(range(64)):
        following = after[t] if ends[t] else values[(t + 1) % 64]
        sums[t] = rewards[t] + 0.9 * following - values[t] + 0.9 * 0.8 * (1 - ends[t]) * sums[t + 1]
    told = Told(rewards, values, ends, np.zeros((64, 1)), sums[:-1], None)
    assert adds_up(told, 0.9, 0.8) is True
    assert adds_up(told._replace(terminated=None), 0.9, 0.8) is False, "they are said to be terminated"
