"""Several agents in one script: each is a run of its own, also where they learn in turns."""

import json
from functools import partial

import numpy as np
import pytest
import torch

from ppo_scope.attach.single_file.acting import Acting
from ppo_scope.probes.record import PhaseKind
from tests.attach.one_file_followed import changed, followed, plain

BEGIN = "    for iteration in range(args.iterations):\n"
BOTH = """
    second = Agent(envs.single_observation_space.shape[0], outputs, args.continuous)
    optimizers = optimizer, torch.optim.Adam(second.parameters(), lr=args.learning_rate, eps=1e-5)
    played = envs, gym.vector.SyncVectorEnv(making)
    starts = [torch.Tensor(one.reset(seed=place)[0]) for place, one in enumerate(played)]
    both = [[*one, next_done] for one in zip((agent, second), optimizers, played, starts, strict=True)]
"""
PICK = "        agent, optimizer, envs, next_obs, next_done = both[turn(iteration)]\n"
KEEP = "        for _ in range(2 if args.auxiliary else 0):\n"
KEPT = "        both[turn(iteration)][3:] = next_obs, next_done\n"
AGENT = "class Agent(nn.Module):"


def in_turns(folder, turn):
    """The script with two agents; `turn`: which of them learns in an iteration."""
    chosen = f"def turn(iteration):\n    return {turn}\n\n\n"
    return changed(folder, (AGENT, chosen + AGENT), (BEGIN, BOTH + BEGIN + PICK), (KEEP, KEPT + KEEP))


def shown(seen, loop, phase):
    """Notes what is shown of which agent."""
    update = phase.update
    if phase.kind is PhaseKind.LOSS:
        one = update.minibatches[-1]
        found = [float(one.policy_loss), float(one.value_loss) / 2, float(one.entropy), float(one.loss)]
        seen.setdefault(loop, {}).setdefault(update.index, []).append(found)
    elif phase.kind is PhaseKind.UPDATE:
        agent, batch = loop.learner, update.batch
        with torch.no_grad():
            assert torch.equal(loop.policy.judge(batch)[1], agent.get_value(batch.observations).flatten())


def test_two_that_learn_in_turns_are_two_runs_to_the_end(monkeypatch, capfd, tmp_path):
    script, seen = in_turns(tmp_path, "iteration % 2"), {}
    numbers, digest = plain("--iterations", "6", script=script)
    _, printed = followed(monkeypatch, capfd, "--iterations", "6", at=partial(shown, seen), script=script)
    assert printed.out.splitlines()[-1] == digest and "learns on" not in printed.err
    theirs = numbers.reshape(3, 2, 12, 4)
    assert [list(updates) for updates in seen.values()] == [[1, 2, 3]] * 2
    for place, updates in enumerate(seen.values()):
        assert np.array(list(updates.values())) == pytest.approx(theirs[:, place], rel=1e-6, abs=1e-6)
    first, second = seen
    assert first.learner is not second.learner and (first.steps, second.steps) == (384, 384)


def test_one_that_learns_on_after_its_run_is_not_shown_and_that_is_said_once(monkeypatch, capfd, tmp_path):
    script, seen = in_turns(tmp_path, "(0, 1, 1, 0, 0, 1)[iteration]"), {}
    _, printed = followed(monkeypatch, capfd, "--iterations", "6", at=partial(shown, seen), script=script)
    assert [list(updates) for updates in seen.values()] == [[1], [1, 2, 3]]
    assert printed.err.count("learns on at") == 1


MINIBATCHES_IN_TURNS = """
turns = [train(args), train(args)]
while turns:
    turns = [one for one in turns if next(one, None)]
"""


def test_two_that_take_turns_at_every_minibatch_are_two_runs_as_well(monkeypatch, capfd, tmp_path):
    """The script as a generator that two are made of."""
    end = "                print(json.dumps([one.item() for one in (pg_loss, v_loss, entropy.mean(), loss)]))\n"
    script = changed(
        tmp_path,
        ('if __name__ == "__main__":\n    args = arguments()\n', "def train(args):\n"),
        (f"{end}            if", f"{end}                yield True\n            if"),
    )
    script.write_text(f"{script.read_text()}\nargs = arguments(){MINIBATCHES_IN_TURNS}", encoding="utf-8")
    seen = {}
    _, printed = followed(monkeypatch, capfd, "--iterations", "2", at=partial(shown, seen), script=script)
    theirs = np.array([json.loads(line) for line in printed.out.splitlines() if "[" in line]).reshape(2, 12, 2, 4)
    assert [list(updates) for updates in seen.values()] == [[1, 2]] * 2
    for place, updates in enumerate(seen.values()):
        assert np.array(list(updates.values())) == pytest.approx(theirs[:, :, place], rel=1e-6, abs=1e-6)


class Playing:
    """Environments of two rows, whose episodes end at every second step."""

    def __init__(self):
        self.time = 0

    def step(self, _):
        self.time += 1
        over = np.full(2, self.time % 2 == 0)
        told = {"episode": {"r": np.full(2, float(self.time)), "l": np.full(2, 2)}, "_episode": over} if over[0] else {}
        return np.zeros((2, 1)), np.ones(2), over, np.zeros(2, bool), told


def test_an_agents_episodes_are_those_of_its_own_rollout_and_another_one_listens_on():
    envs = Playing()
    first, second = Acting(envs), Acting(envs)
    rewards, starts, ends = np.ones((4, 2), np.float32), np.zeros((4, 2), bool), np.zeros((4, 2), bool)
    ends[1::2] = True
    for _ in range(8):  # four steps of another one's, and then its own
        envs.step(None)
    told = first.rollout(rewards, starts, ends, 0)[1]
    assert [(one.step, one.episodic_return) for one in told] == [(4, 6.0), (4, 6.0), (8, 8.0), (8, 8.0)]
    first.leave()
    second.rollout(rewards, starts, ends, 0)
    for _ in range(4):
        envs.step(None)
    assert [one.episodic_return for one in second.rollout(rewards, starts, ends, 8)[1]] == [10.0, 10.0, 12.0, 12.0]
    second.leave()
    envs.step(None)
    assert second._steps == 0
