"""Several agents in a script by names of its own: with `--insert` each is a run of its own, also in turns."""

import json
import sys
import urllib.request

import numpy as np
import pytest
import torch

from ppo_scope.attach.inserting import guard
from ppo_scope.attach.inserting.guard import Guard
from ppo_scope.attach.inserting.inserter import files_with
from ppo_scope.attach.inserting.running import run
from tests.attach.advised import advice_for, run_with
from tests.attach.elsewhere import Watching
from tests.attach.test_advice import SCRIPTS, SHAPES
from tests.attach.test_several_files import LOSS_THERE

NETS = """
import copy
import gymnasium as gym
import torch
from torch import nn
from torch.distributions import Categorical

class Net(nn.Module):
    def __init__(self, name):
        super().__init__()
        torch.manual_seed(ord(name))
        self.name, self.pi, self.v = name, nn.Linear(4, 2), nn.Linear(4, 1)

    def ask(self, x):
        return Categorical(logits=self.pi(x)), self.v(x).squeeze(-1)

heard = []

def note(net, loss, old):
    heard.append((net.name, loss.item(), float(old.sum())))
"""
AGENT = """
class Agent:
    def __init__(self, name, clip=0.2):
        self.net, self.clip = Net(name), clip
        self.env = gym.make_vec("CartPole-v1", 2, vectorization_mode="sync")
        self.seen, _ = self.env.reset(seed=ord(name))
        self.opt = torch.optim.Adam(self.net.parameters(), lr=0.01)

    def play(self):
        self.x, self.a = torch.zeros(16, 2, 4), torch.zeros(16, 2, dtype=torch.long)
        self.old, self.paid, self.worth, self.ends = (torch.zeros(16, 2) for _ in range(4))
        for t in range(16):
            self.x[t] = torch.as_tensor(self.seen)
            with torch.no_grad():
                d, self.worth[t] = self.net.ask(self.x[t])
                self.a[t] = d.sample()
                self.old[t] = d.log_prob(self.a[t])
            self.seen, paid, dead, late, _ = self.env.step(self.a[t].numpy())
            self.paid[t], self.ends[t] = torch.as_tensor(paid), torch.as_tensor(dead | late)
        with torch.no_grad():
            after, carry, self.adv = self.net.ask(torch.as_tensor(self.seen))[1], torch.zeros(2), torch.zeros(16, 2)
        for t in reversed(range(16)):
            delta = self.paid[t] + 0.99 * after * (1 - self.ends[t]) - self.worth[t]
            carry = delta + 0.99 * 0.9 * (1 - self.ends[t]) * carry
            self.adv[t], after = carry, self.worth[t]
        self.goal = self.adv + self.worth

    def learn(self):
        x, a, old = self.x.reshape(-1, 4), self.a.reshape(-1), self.old.reshape(-1)
        adv, goal = self.adv.reshape(-1), self.goal.reshape(-1)
        for _ in range(2):
            for ix in torch.randperm(32).split(16):
                d, v = self.net.ask(x[ix])
                ratio = (d.log_prob(a[ix]) - old[ix]).exp()
                pg = -torch.min(ratio * adv[ix], ratio.clamp(1 - self.clip, 1 + self.clip) * adv[ix]).mean()
                loss = pg + 0.5 * ((v - goal[ix]) ** 2).mean() - 0.01 * d.entropy().mean()
                self.opt.zero_grad()
                loss.backward()
                self.opt.step()
                note(self.net, loss, old)
"""
CLASS = NETS + AGENT
YIELDS = CLASS.replace(
    "                self.opt.step()\n", "                self.opt.step()\n                yield True\n"
)
SEEDS = """
nets = []
for number in range(3):
    agent = Agent("abc"[number], 0.1 * (1 + number))
    for update in range(3):
        agent.play()
        agent.learn()
    nets.append(agent.net)
"""
FUNCTION = """
def train(name, clip):
    net = Net(name)
    worlds = gym.make_vec("CartPole-v1", 2, vectorization_mode="sync")
    seen, _ = worlds.reset(seed=ord(name))
    opt = torch.optim.Adam(net.parameters(), lr=0.01)
    for update in range(3):
        X, U = torch.zeros(16, 2, 4), torch.zeros(16, 2, dtype=torch.long)
        logs, gains, guess, ends = (torch.zeros(16, 2) for _ in range(4))
        for t in range(16):
            X[t] = torch.as_tensor(seen)
            with torch.no_grad():
                d, guess[t] = net.ask(X[t])
                U[t] = d.sample()
                logs[t] = d.log_prob(U[t])
            seen, gain, dead, late, _ = worlds.step(U[t].numpy())
            gains[t], ends[t] = torch.as_tensor(gain), torch.as_tensor(dead | late)
        with torch.no_grad():
            follows, run, better = net.ask(torch.as_tensor(seen))[1], torch.zeros(2), torch.zeros(16, 2)
            for t in reversed(range(16)):
                td = gains[t] + 0.99 * follows * (1 - ends[t]) - guess[t]
                run = td + 0.99 * 0.95 * (1 - ends[t]) * run
                better[t], follows = run, guess[t]
        goal = better + guess
        fx, fu, fl, fb, fg = X.reshape(-1, 4), U.reshape(-1), logs.reshape(-1), better.reshape(-1), goal.reshape(-1)
        for _ in range(2):
            for ix in torch.randperm(32).split(16):
                d, v = net.ask(fx[ix])
                rho = (d.log_prob(fu[ix]) - fl[ix]).exp()
                A = fb[ix]
                actor = torch.max(-A * rho, -A * rho.clamp(1 - clip, 1 + clip)).mean()
                total = actor + 0.5 * ((v - fg[ix]) ** 2).mean() - 0.01 * d.entropy().mean()
                opt.zero_grad()
                total.backward()
                opt.step()
                note(net, total, fl)

nets = []
for name, clip in zip("abc", (0.1, 0.2, 0.3)):
    train(name, clip)
"""
IN_TURNS = """
agents = [Agent("a"), Agent("b")]
for update in range(3):
    for agent in agents:
        agent.play()
        agent.learn()
nets = [agent.net for agent in agents]
"""
COLLECTED_BEFORE = """
agents = [Agent("a"), Agent("b")]
for update in range(3):
    for agent in agents:
        agent.play()
    for agent in agents:
        agent.learn()
nets = [agent.net for agent in agents]
"""
AS_GENERATORS = """
agents = [Agent("a"), Agent("b")]
def train(agent):
    for update in range(3):
        agent.play()
        yield from agent.learn()

both = [train(agent) for agent in agents]
while both:
    both = [one for one in both if next(one, None)]
nets = [agent.net for agent in agents]
"""
LEAGUE = """
agents = [Agent("a"), Agent("b")]
for update in range(3):
    for agent in agents:
        agent.play()
        agent.learn()
        if update == 0 and agent is agents[0]:
            agents[1].net.load_state_dict(agent.net.state_dict())
nets = [agent.net for agent in agents]
"""
SEVERAL = {  # clip ranges, of agents by names that they have
    "seeds": (CLASS + SEEDS, {"a": 0.1, "b": 0.2, "c": 0.3}),
    "seeds that are let go": (NETS + FUNCTION, {"a": 0.1, "b": 0.2, "c": 0.3}),
    "in turns": (CLASS + IN_TURNS, {"a": 0.2, "b": 0.2}),
    "in turns, collected before": (CLASS + COLLECTED_BEFORE, {"a": 0.2, "b": 0.2}),
    "in turns, one a copy": (CLASS + LEAGUE, {"a": 0.2, "b": 0.2}),
    "at every minibatch": (YIELDS + AS_GENERATORS, {"a": 0.2, "b": 0.2}),
}


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """Runs a script without and with the lines that show it: its Scopes, what it notes of itself, and what was said."""
    monkeypatch.setattr(guard, "GUARD", Guard())
    told = []
    monkeypatch.setattr(guard, "tell", lambda _, news: told.append(news.why))

    def show(text):
        (script := tmp_path / "train.py").write_text(text)
        _, plain = run_with(script, monkeypatch)
        advice = advice_for(script)
        assert advice.open == [], advice.lines

        def as_main(path):
            with monkeypatch.context() as patch:
                patch.setitem(sys.modules, "__main__", sys.modules["__main__"])
                patch.setattr(guard.sys, "meta_path", [*sys.meta_path])
                run(path, files_with(advice), as_module=False)
                return vars(sys.modules["__main__"])

        scopes, variables = run_with(script, monkeypatch, as_main)
        assert variables["heard"] == plain["heard"], "it trains the same bits"
        for one, other in zip(plain["nets"], variables["nets"], strict=True):
            assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))
        return scopes, variables["heard"], told

    return show


def is_told(scope, name, heard, *, updates=3, minibatches=4):
    """It was told of this agent's updates, and of nothing else."""
    assert [len(update.minibatches) for update in scope.updates] == [minibatches] * updates
    own = [one for one in heard if one[0] == name]
    assert len(own) == updates * minibatches
    losses = [float(one.loss) for update in scope.updates for one in update.minibatches]
    assert losses == pytest.approx([loss for _, loss, _ in own], rel=1e-4, abs=1e-5)
    collected = [float(update.batch.log_probs.sum()) for update in scope.updates]
    assert collected == pytest.approx([old for _, _, old in own[::minibatches]], rel=1e-5)


@pytest.mark.parametrize("name", SEVERAL)
def test_each_agent_of_a_script_is_a_run_of_its_own(name, shown):
    text, clips = SEVERAL[name]
    scopes, heard, told = shown(text)
    assert guard.GUARD.on and not told
    for number, (scope, (agent, clip)) in enumerate(zip(scopes, clips.items(), strict=True), 1):
        is_told(scope, agent, heard)
        assert scope.updates[0].settings.clip_range == pytest.approx(clip)
        assert scope._library == "a loop of its own" + (f", its agent {number}" if number > 1 else "")
    one_after_the_other = "turns" not in name and "every" not in name
    assert [scope.watcher.off for scope in scopes] == [one_after_the_other] * (len(scopes) - 1) + [False]


OLD = """
        self.previous = copy.deepcopy(self.net)
        self.again = Net(self.net.name)
        self.again.load_state_dict(self.net.state_dict())
        state = torch.get_rng_state()
        self.opt = torch.optim.Adam(self.net.parameters(), lr=0.01)
        torch.set_rng_state(state)
"""
ALONE = """
agent = Agent("a")
for update in range(3):
    agent.play()
    agent.learn()
nets = [agent.net]
"""
TWO_OPTIMIZERS = CLASS.replace(
    "self.opt = torch.optim.Adam(self.net.parameters(), lr=0.01)",
    "self.opt = torch.optim.Adam(self.net.pi.parameters(), lr=0.01)\n"
    "        self.critic = torch.optim.Adam(self.net.v.parameters(), lr=0.02)",
)
TWO_OPTIMIZERS = TWO_OPTIMIZERS.replace("self.opt.zero_grad()", "self.opt.zero_grad(), self.critic.zero_grad()")
TWO_OPTIMIZERS = TWO_OPTIMIZERS.replace("self.opt.step()", "self.opt.step(), self.critic.step()")
BY_TURNS_OF_ITS_PARTS = CLASS.replace(
    "                self.opt.zero_grad()\n",
    "                self.net.pi.bias.requires_grad_(len(heard) < 4)\n                self.opt.zero_grad()\n",
)
COPIED = """
for update in range(3):
    agent.play()
    agent.learn()
    agent.net = copy.deepcopy(agent.net)
    agent.opt = torch.optim.Adam(agent.net.parameters(), lr=0.01)
"""
ONE = {
    "two optimizers": TWO_OPTIMIZERS + ALONE,
    "an old policy": CLASS.replace("    def learn(self):\n", f"    def learn(self):{OLD}") + ALONE,
    "a copy that learns on": CLASS + '\nagent = Agent("a")\n' + COPIED + "\nnets = [agent.net]\n",
    "a copy that learns on beside the old policy": CLASS
    + '\nagent = Agent("a")\n'
    + COPIED.replace("    agent.net = copy", "    previous = agent.net\n    agent.net = copy")
    + "\nnets = [agent.net]\n",
    "layers that are frozen": CLASS
    + ALONE.replace("    agent.play()\n", "    agent.net.pi.bias.requires_grad_(update < 1)\n    agent.play()\n"),
}


@pytest.mark.parametrize("name", ONE)
def test_what_one_agent_has_several_of_makes_no_more_runs(name, shown):
    scopes, heard, told = shown(ONE[name])
    (scope,) = scopes
    is_told(scope, "a", heard)
    assert guard.GUARD.on and not scope.watcher.off and not told


TWICE = {  # of each the lines that train an agent, which are then run a second time
    "generator": "    weights = main(HYPER)",
    "two_optimizers": "    weights = train()",
    "whole_batch": "    weights = main()",
    "with_buffer": "agent = Agent(Config())",
    "gaussian": "trainer = Trainer()",
}


@pytest.mark.parametrize("name", TWICE)
def test_the_same_training_done_twice_is_two_runs(name, shown):
    text = (SCRIPTS / f"{name}.py").read_text()
    place = text.index(TWICE[name])
    indent = " " * (len(TWICE[name]) - len(TWICE[name].lstrip()))
    again = "".join(f"    {line}\n" if line else "\n" for line in text[place:].splitlines())
    scopes, _, told = shown(f"{text[:place]}{indent}for again in range(2):\n{again}\nheard, nets = [], []\n")
    assert guard.GUARD.on and not told and [scope.watcher.off for scope in scopes] == [True, False]
    for scope in scopes:
        assert [len(update.minibatches) for update in scope.updates] == [SHAPES[name][0]] * 3
        for update in scope.updates:
            assert update.minibatches[0].logratio.exp().numpy() == pytest.approx(1.0, abs=1e-5)


AGAIN = """
agents = [Agent("a"), Agent("b")]
for turn in (0, 1, 1, 0, 0, 1):
    agents[turn].play()
    agents[turn].learn()
nets = [agent.net for agent in agents]
"""


def test_one_that_learns_on_after_its_run_is_shown_no_more_and_that_is_said_once(shown, capfd):
    scopes, heard, told = shown(CLASS + AGAIN)
    first, second = scopes
    assert [len(update.minibatches) for update in first.updates] == [4] and first.watcher.off
    is_told(second, "b", heard)
    assert "learns on at train.py:" in capfd.readouterr().err and len(told) == 1 and guard.GUARD.on


SHARES = """
agents = [Agent("a"), Agent("b")]
trunk = nn.Linear(4, 4)
for agent in agents:
    agent.net.pi = nn.Sequential(trunk, nn.Tanh(), agent.net.pi)
for update in range(3):
    for agent in agents:
        agent.play()
        agent.learn()
nets = [agent.net for agent in agents]
"""
WITHIN = CLASS.replace(
    "                d, v = self.net.ask(x[ix])",
    "                net = self.both[len(heard) % 2]\n                d, v = net.ask(x[ix])",
)
WITHIN = WITHIN.replace("note(self.net", "note(net").replace(
    "torch.optim.Adam(self.net.parameters(), lr=0.01)",
    "torch.optim.Adam([*self.net.parameters(), *self.other.parameters()], lr=0.01)",
)
WITHIN = WITHIN.replace(
    "        self.env =", '        self.other = Net("z")\n        self.both = self.net, self.other\n        self.env ='
)
LOCAL = CLASS.replace(
    "        for _ in range(2):",
    "        self.opt = torch.optim.Adam(self.net.parameters(), lr=0.01)\n        for _ in range(2):",
)
LOCAL = LOCAL.replace(
    "                note(self.net, loss, old)\n", "                note(self.net, loss, old)\n        del self.opt\n"
)
MIXED = {
    "one trunk": (CLASS + SHARES, "two policies have some of their weights in common", 1),
    "a copy, and then both": (LOCAL + LEAGUE, "weights that one of them had before", 2),
    "within an update": (WITHIN + ALONE, "a minibatch of one comes within an update of another one", 0),
}


@pytest.mark.parametrize("name", MIXED)
def test_agents_that_cannot_be_told_apart_end_what_is_shown_with_a_sentence(name, shown, capfd):
    text, why, updates = MIXED[name]
    scopes, _, _ = shown(text)
    assert [len(scope.updates) for scope in scopes] == [updates] and not guard.GUARD.on
    assert all(scope.watcher.off for scope in scopes)
    assert capfd.readouterr().err.count(f"they cannot be told apart: {why}") == 1


SEEDS_OF_FILES = """
import json
import torch
from agent import Agent, heard
from buffer import Buffer
from collecting import begin, play
from numbers_of_it import *

for seed in range(2):
    obs, agent = begin(), Agent()
    torch.manual_seed(seed)
    buffer = Buffer(STEPS, COPIES)
    for update in range(3):
        obs = play(agent.networks, obs, buffer)
        data = buffer.data
        for epoch in range(EPOCHS):
            for index in torch.randperm(len(data["old"])).split(8):
                agent.learn({name: one[index] for name, one in data.items()})
print(json.dumps(heard), flush=True)
"""


def test_seeds_of_a_script_that_is_spread_over_files_are_runs_of_their_own_on_the_page(tmp_path):
    learns = LOSS_THERE["agent.py"].replace("class Agent", "heard = []\n\nclass Agent")
    learns = learns.replace(
        "        self.opt.step()\n", "        self.opt.step()\n        heard.append(total.item())\n"
    )
    for name, text in {**LOSS_THERE, "agent.py": learns, "train.py": SEEDS_OF_FILES}.items():
        (tmp_path / name).write_text(text)
    with Watching("--insert", "train.py", folder=tmp_path, anew=True) as watching:
        watching.said("the script has ended with code 0")
        place = watching.said(r"http://\S+?/(?=#token)")[0]
        heard = json.loads(watching.said(r"(?m)^\[.*\]$")[0])
        runs = json.load(urllib.request.urlopen(f"{place}api/runs", timeout=30))
        runs.sort(key=lambda run: run["attached"]["library"])
        assert [(run["attached"]["library"], run["state"], run["update"]) for run in runs] == [
            ("a loop of its own", "finished", 3),
            ("a loop of its own, its agent 2", "finished", 3),
        ]
        own = np.array(heard).reshape(2, 3, 8).mean(axis=2)
        for run, losses in zip(runs, own, strict=True):
            told = json.load(urllib.request.urlopen(f"{place}api/runs/{run['id']}/series", timeout=30))
            column = told["columns"].index("loss")
            assert [row[column] for row in told["rows"]] == pytest.approx(losses, rel=1e-4)
