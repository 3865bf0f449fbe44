"""A PPO that is spread over files is read as one, and shown as what it is, wherever its loops and its loss stand."""

import sys

import numpy as np
import pytest
import torch

from ppo_scope.attach.inserting import guard
from ppo_scope.attach.inserting.guard import Guard
from ppo_scope.attach.inserting.inserter import files_with
from ppo_scope.attach.inserting.running import run
from tests.attach.advised import advice_for, run_with

NETWORKS = """
import torch
from torch import nn
from torch.distributions import Categorical

class Networks(nn.Module):
    def __init__(self):
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
        self.critic = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))

    def judge(self, seen, chosen):
        policy = Categorical(logits=self.actor(seen))
        return policy.log_prob(chosen), policy.entropy(), self.critic(seen).squeeze(-1)

    @torch.no_grad()
    def act(self, seen):
        policy = Categorical(logits=self.actor(seen))
        chosen = policy.sample()
        return chosen, policy.log_prob(chosen), self.critic(seen).squeeze(-1)
"""
BUFFER = """
import torch

class Buffer:
    def __init__(self, steps, copies):
        self.obs = torch.zeros(steps, copies, 4)
        self.acts = torch.zeros(steps, copies, dtype=torch.long)
        self.olds, self.rews, self.ends, self.worths = (torch.zeros(steps, copies) for _ in range(4))
        self.steps = steps

    def store(self, t, obs, act, old, rew, end, worth):
        self.obs[t], self.acts[t], self.olds[t] = obs, act, old
        self.rews[t], self.ends[t], self.worths[t] = rew, end, worth

    def finish(self, after, discount, decay):
        self.adv, gain = torch.zeros_like(self.rews), 0.0
        for t in reversed(range(self.steps)):
            more = 1 - self.ends[t]
            gain = self.rews[t] + discount * after * more - self.worths[t] + discount * decay * more * gain
            self.adv[t] = gain
            after = self.worths[t]
        self.data = {
            "obs": self.obs.reshape(-1, 4),
            "acts": self.acts.reshape(-1),
            "old": self.olds.reshape(-1),
            "adv": self.adv.reshape(-1),
            "ret": (self.adv + self.worths).reshape(-1),
        }

    def cut(self, size):
        for index in torch.randperm(len(self.data["old"])).split(size):
            yield {name: one[index] for name, one in self.data.items()}
"""
COLLECT = """
import gymnasium as gym
import torch
import numbers_of_it as given

envs = gym.make_vec("CartPole-v1", num_envs=given.COPIES, vectorization_mode="sync")

def begin():
    torch.manual_seed(1)
    return torch.as_tensor(envs.reset(seed=1)[0])

def play(networks, obs, buffer):
    for t in range(given.STEPS):
        act, old, worth = networks.act(obs)
        following, paid, terminated, truncated, _ = envs.step(act.numpy())
        paid, end = torch.as_tensor(paid), torch.as_tensor(terminated | truncated)
        buffer.store(t, obs, act, old, paid, end, worth)
        obs = torch.as_tensor(following)
    buffer.finish(networks.act(obs)[2], given.GAMMA, given.LAMBDA)
    return obs
"""
LEARNS = """
import torch
from torch import nn
from networks import Networks
{imports}

class Agent:
    def __init__(self):
        self.networks = Networks()
        self.opt = torch.optim.Adam(self.networks.parameters(), lr=0.003)

    def learn(self, batch):
        now, spread, guess = self.networks.judge(batch["obs"], batch["acts"])
        total = {loss}
        self.opt.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(self.networks.parameters(), 0.7)
        self.opt.step()
"""
LOSSES = """
import torch
import numbers_of_it as given

def whole(now, spread, guess, batch):
    r = torch.exp(now - batch["old"])
    adv = batch["adv"]
    surrogate = torch.min(r * adv, torch.clamp(r, 1 - given.CLIP, 1 + given.CLIP) * adv)
    return -surrogate.mean() + given.C1 * ((guess - batch["ret"]) ** 2).mean() - given.C2 * spread.mean()
"""
NUMBERS = "CLIP, C1, C2, EPOCHS = 0.1, 0.6, 0.02, 2\nSTEPS, COPIES, GAMMA, LAMBDA = 16, 2, 0.9, 0.8\n"
TRAIN = """
import torch
from agent import Agent
from buffer import Buffer
from collecting import begin, play
from numbers_of_it import *

obs, agent = begin(), Agent()
buffer = Buffer(STEPS, COPIES)
for update in range(3):
    obs = play(agent.networks, obs, buffer)
    data = buffer.data
    for epoch in range(EPOCHS):
        for index in torch.randperm(len(data["old"])).split(8):
            agent.learn({name: one[index] for name, one in data.items()})
torch.save([*agent.networks.parameters()], "weights.pt")
"""
TRAINER = """
from agent import Agent
from buffer import Buffer
from collecting import begin, play
import numbers_of_it as given

class Trainer:
    def __init__(self):
        self.obs, self.agent = begin(), Agent()
        self.buffer = Buffer(given.STEPS, given.COPIES)

    def fit(self, updates):
        for _ in range(updates):
            self.obs = play(self.agent.networks, self.obs, self.buffer)
            for _ in range(given.EPOCHS):
                for batch in self.buffer.cut(8):
                    self.agent.learn(batch)
        return [*self.agent.networks.parameters()]
"""
LOSS_THERE = {
    "networks.py": NETWORKS,
    "buffer.py": BUFFER,
    "collecting.py": COLLECT,
    "numbers_of_it.py": NUMBERS,
    "losses.py": LOSSES,
    "agent.py": LEARNS.format(imports="from losses import whole", loss="whole(now, spread, guess, batch)"),
    "train.py": TRAIN,
}
NAMES = ("networks", "buffer", "collecting", "numbers_of_it", "losses", "agent")


def in_a_package(text):
    for name in NAMES:
        text = text.replace(f"from {name} import", f"from .{name} import")
    return text.replace("import numbers_of_it as given", "from . import numbers_of_it as given")


PACKAGE = {f"own/{name}": in_a_package(text) for name, text in LOSS_THERE.items() if name != "train.py"} | {
    "own/__init__.py": "",
    "own/trainer.py": in_a_package(TRAINER),
    "train.py": "import torch\nfrom own.trainer import Trainer\ntorch.save(Trainer().fit(3), 'weights.pt')\n",
}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Files of a script, none of which is imported yet each time that it is run."""
    monkeypatch.setattr(guard, "GUARD", Guard())
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path / "train.py"

    yield write
    forget()


def forget():
    for name in [one for one in sys.modules if one.partition(".")[0] in (*NAMES, "own")]:
        del sys.modules[name]


def with_lines(script, advice, monkeypatch):
    """(its Scopes, its weights at the end); `advice`: None: without any."""

    def as_main(path):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "__main__", sys.modules["__main__"])
            patch.setattr(sys, "meta_path", [*sys.meta_path])
            run(path, [] if advice is None else files_with(advice), as_module=False)

    forget()
    scopes, _ = run_with(script, monkeypatch, as_main)
    return scopes, torch.load("weights.pt", weights_only=False)


@pytest.mark.parametrize("files", [LOSS_THERE, PACKAGE], ids=["five files", "a package"])
def test_a_script_is_shown_wherever_its_loops_its_loss_and_its_numbers_stand(files, written, monkeypatch):
    script = written(files)
    _, plain = with_lines(script, None, monkeypatch)
    forget()
    advice = advice_for(script)
    assert advice.open == [], advice.lines
    (scope,), weights = with_lines(script, advice, monkeypatch)
    assert guard.GUARD.on and not scope.watcher.off
    assert [len(update.minibatches) for update in scope.updates] == [2 * 4] * 3
    assert scope.rollout_layout == (16, 2)
    facts = scope.updates[-1].settings
    told = [getattr(facts, name) for name in ("clip_range", "value_coef", "entropy_coef", "max_grad_norm", "discount")]
    assert told == pytest.approx([0.1, 0.6, 0.02, 0.7, 0.9])
    for update in scope.updates:
        assert update.minibatches[0].logratio.exp().numpy() == pytest.approx(1.0, abs=1e-5)
        assert np.isin(update.rollout.rewards, [0.0, 1.0]).all(), "CartPole pays 1 a step, and nothing for a reset"
        assert update.rollout.rewards.mean() > 0.8
    assert all(map(torch.equal, plain, weights))


def changed(name, before, after):
    """The five files, one of them otherwise."""
    assert before in LOSS_THERE[name]
    return {**LOSS_THERE, name: LOSS_THERE[name].replace(before, after)}


MOVES = changed(
    "train.py",
    "    data = buffer.data\n",
    "    data = buffer.data\n    numbers.CLIP, numbers.C2 = 0.1 / (1 + update), 0.0\n",
)
MOVES["train.py"] = MOVES["train.py"].replace("import torch\n", "import torch\nimport numbers_of_it as numbers\n")


def test_what_moves_between_updates_is_told_as_it_is_at_each(written, monkeypatch):
    script = written(MOVES)
    advice = advice_for(script)
    (scope,), _ = with_lines(script, advice, monkeypatch)
    told = [(update.settings.clip_range, update.settings.entropy_coef) for update in scope.updates]
    assert told == [pytest.approx((0.1 / updates, 0.0)) for updates in (1, 2, 3)]


BEGINS = """if t == self.steps - 1:
                more = 1 - 0 * after
            else:
                more = 1 - self.ends[t + 1]"""
SHUFFLED = """
        order = torch.randperm(len(self.data["old"]))
        self.data = {name: one[order] for name, one in self.data.items()}
"""
BY_ANOTHER_NAME = "for one in [agent.learn]:\n                one({name: one[index] for name, one in data.items()})"
OPEN = [
    (changed("buffer.py", "\n    def cut", f"{SHUFFLED}\n    def cut"), ["rewards"]),
    (changed("buffer.py", "self.adv[t] = gain", "self.adv[t] = gain + self.rews[t - 1]"), ["rewards"]),
    (
        changed("train.py", "agent.learn({name: one[index] for name, one in data.items()})", BY_ANOTHER_NAME),
        [
            "where an update begins",
            "rewards",
        ],
    ),
    (changed("losses.py", "given.C2 * spread.mean()", "given.C2 * (now - now.detach()).mean()"), ["entropy_coef"]),
]


@pytest.mark.parametrize(("files", "names"), OPEN, ids=["shuffled", "other sums", "unseen calls", "no entropy"])
def test_what_is_not_seen_or_does_not_add_up_is_left_open(files, names, written):
    advice = advice_for(written(files))
    assert advice.open == names, advice.lines


def test_a_v_more_than_there_are_steps_costs_the_lines_nothing(written):
    files = changed(
        "buffer.py",
        "(torch.zeros(steps, copies) for _ in range(4))",
        "(torch.zeros(steps + one // 3, copies) for one in range(4))",
    )
    files["buffer.py"] = files["buffer.py"].replace("self.adv + self.worths)", "self.adv + self.worths[:-1])")
    advice = advice_for(written(files))
    assert not advice.open and "# values=…" in advice.lines


WITHOUT_ENDS = [
    changed("buffer.py", "more = 1 - self.ends[t]", BEGINS),
    changed("collecting.py", "terminated | truncated", "terminated"),
]


@pytest.mark.parametrize("files", WITHOUT_ENDS, ids=["where they begin", "without cuts"])
def test_what_does_not_tell_all_ends_of_episodes_is_not_told_as_their_ends(files, written):
    advice = advice_for(written(files))
    assert "# dones=…" in advice.lines and not advice.open


ONE_STEP = """
import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical

env = gym.make("CartPole-v1")
torch.manual_seed(1)
state, _ = env.reset(seed=1)
net = nn.Linear(4, 2)
opt = torch.optim.Adam(net.parameters())
for update in range(2):
    states, moves, olds, rewards, dones = [], [], [], [], []
    for t in range(16):
        with torch.no_grad():
            policy = Categorical(logits=net(torch.as_tensor(state)))
        move = policy.sample()
        following, reward, terminated, truncated, _ = env.step(move.item())
        states.append(state), moves.append(move), olds.append(policy.log_prob(move))
        rewards.append(reward), dones.append(terminated or truncated)
        state = env.reset()[0] if dones[-1] else following
    gains, gain = [], 0.0
    for t in reversed(range(16)):
        gain = rewards[t] + 0.9 * (1 - dones[t]) * gain
        gains.insert(0, gain)
    seen, done, old = torch.tensor(np.array(states)), torch.stack(moves), torch.stack(olds)
    adv = torch.tensor(gains)
    {0}
    ratio = torch.exp(Categorical(logits=logits).log_prob(done) - old)
    loss = -torch.min(ratio * adv, ratio.clamp(0.8, 1.2) * adv).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
"""


@pytest.mark.parametrize(
    "asked",
    [
        "logits = net(seen)",
        "logits, _ = net(seen), None",
        "logits, _ = (lambda x: (net(x), 0))(seen)",
        "logits, _ = torch.stack([net(seen)] * 2)",
    ],
)
def test_what_a_policy_finds_is_not_told_as_what_it_is_given(asked, tmp_path):
    (script := tmp_path / "train.py").write_text(ONE_STEP.format(asked))
    lines = advice_for(script).lines
    given = "torch.stack" not in asked
    assert (
        "observations=seen.reshape(-1, 1, *seen.shape[1:])" in lines
    ) is given and "observations=logits" not in lines
