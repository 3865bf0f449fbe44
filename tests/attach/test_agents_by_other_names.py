"""Scripts whose agent, minibatches or rollouts are held otherwise than in CleanRL's files."""

import pytest
import torch

from ppo_scope.attach.single_file.optimizers import agent_in
from tests.attach.one_file import Agent
from tests.attach.one_file_followed import changed
from tests.attach.test_other_scripts import same, seen

MADE = "    agent = (Remembering"
NAMES = {
    "policy": (("agent", "policy"),),
    "self.net": ((MADE, "    self = argparse.Namespace()\n" + MADE), ("agent", "self.net")),
    "self.optimizer": (
        (MADE, "    self = argparse.Namespace()\n" + MADE),
        ("agent", "self.net"),
        (" optimizer", " self.optimizer"),
        ("(optimizer", "(self.optimizer"),
    ),
    "beside a copy": (
        ("    critics = list", "    import copy\n\n    frozen = copy.deepcopy(agent)\n    critics = list"),
        ("agent", "model"),
    ),
}


@pytest.mark.parametrize(("name", "kind"), [*((name, "--raw") for name in NAMES), ("policy", "--lstm")])
def test_an_agent_is_known_by_what_it_can_be_asked_and_by_its_optimizer(name, kind, monkeypatch, capfd, tmp_path):
    script = changed(tmp_path, *NAMES[name])
    loop, shown, numbers, _ = seen(monkeypatch, capfd, script, kind, "--iterations", "2")
    same(shown, numbers)
    assert loop.distribution is not None and loop.learner is loop.policy._module
    assert isinstance(loop.learner.critic, torch.nn.Sequential) and loop.optimizer is not None
    assert {"policy_trunk.0.weight", "value_trunk.0.weight"} <= loop.policy.parts().keys()


def test_of_two_agents_that_one_may_mean_none_is_taken():
    agents = [Agent(4, 2, False) for _ in range(2)]
    optimizers = [torch.optim.Adam(one.parameters()) for one in agents]
    assert agent_in({"policy": agents[0], "other": agents[1], "optimizer": optimizers[1]}) is agents[1]
    assert agent_in({"policy": agents[0], "other": agents[1], "one": optimizers[0], "two": optimizers[1]}) is None
    assert agent_in({"policy": agents[0], "the_same": agents[0], "one": optimizers[0]}) is agents[0]


LOADER = (
    (
        "            np.random.shuffle(envinds if args.lstm else b_inds)\n"
        "            for chosen in np.split(envinds if args.lstm else b_inds, args.num_minibatches):\n",
        "            data = torch.utils.data.TensorDataset(torch.arange(len(b_obs)))\n"
        "            for (chosen,) in torch.utils.data.DataLoader(data, batch_size=32, shuffle=True):\n",
    ),
)


def test_minibatches_of_which_a_loader_brings_the_numbers_are_shown(monkeypatch, capfd, tmp_path):
    _, shown, numbers, _ = seen(monkeypatch, capfd, changed(tmp_path, *LOADER), "--iterations", "2")
    same(shown, numbers)


OF_WHOLE_EPISODES = (
    ("args.num_envs = 4 if args.lstm else 2", "args.num_envs = 1"),
    (
        "        for step in range(args.num_steps):\n            obs",
        "        layout = 2000, 1\n"
        "        obs, actions = torch.zeros(*layout, 4), torch.zeros(layout)\n"
        "        logprobs, rewards, dones, values = (torch.zeros(layout) for _ in range(4))\n"
        "        next_obs, next_done = torch.Tensor(envs.reset()[0]), torch.zeros(1)\n"
        "        ended = 0\n"
        "        for step in range(2000):\n            obs",
    ),
    (
        "torch.Tensor(terminations | truncations)\n",
        "torch.Tensor(terminations | truncations)\n"
        "            ended += int(next_done[0])\n"
        "            if ended >= 3 and step % 4 == 3:\n"
        "                break\n"
        "        args.num_steps = step + 1\n"
        "        obs, actions, logprobs = obs[: step + 1], actions[: step + 1], logprobs[: step + 1]\n"
        "        rewards, dones, values = rewards[: step + 1], dones[: step + 1], values[: step + 1]\n"
        "        layout = step + 1, 1\n",
    ),
)


def test_rollouts_of_other_lengths_are_an_environment_that_is_one_step_after_the_other(monkeypatch, capfd, tmp_path):
    script = changed(tmp_path, *OF_WHOLE_EPISODES)
    loop, shown, numbers, _ = seen(monkeypatch, capfd, script, "--iterations", "3")
    same(shown, numbers)
    update = loop._update
    assert update.index == 3 and update.settings.rollout_steps == len(update.batch.values) != loop.steps / 3


APART = ("    def get_action_and_value(", "    def asked("), ("agent.get_action_and_value", "agent.asked")


def test_a_network_that_is_asked_otherwise_is_shown_without_its_policy(monkeypatch, capfd, tmp_path):
    loop, shown, numbers, _ = seen(monkeypatch, capfd, changed(tmp_path, *APART, ("agent", "net")), "--iterations", "2")
    same(shown, numbers)
    assert loop.distribution is None
