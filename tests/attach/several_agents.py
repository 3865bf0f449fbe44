"""Scripts by names of their own that train several agents, or one that has several of something."""

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
TOLD_ELSEWHERE = CLASS.replace(
    "class Agent:",
    """def surrogate(now, old, adv, clip):
    r = torch.exp(now - old)
    return -torch.min(r * adv, r.clamp(1 - clip, 1 + clip) * adv).mean()


class Agent:""",
)
RATIO = """                ratio = (d.log_prob(a[ix]) - old[ix]).exp()
                pg = -torch.min(ratio * adv[ix], ratio.clamp(1 - self.clip, 1 + self.clip) * adv[ix]).mean()
"""
CALL = "                pg = surrogate(d.log_prob(a[ix]), old[ix], adv[ix], self.clip)\n"
TOLD_ELSEWHERE = TOLD_ELSEWHERE.replace(RATIO, CALL)
GATHERED = CLASS.replace("self.ends[t] = torch.as_tensor(paid)", "self.ends[t] = 0.1 * torch.as_tensor(paid)")
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
AGAIN = """
agents = [Agent("a"), Agent("b")]
for turn in (0, 1, 1, 0, 0, 1):
    agents[turn].play()
    agents[turn].learn()
nets = [agent.net for agent in agents]
"""
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
