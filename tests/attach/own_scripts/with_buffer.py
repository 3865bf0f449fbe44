"""An agent with lists of one environment's steps, and an `update`; V in a column, as its network gives it."""

from dataclasses import dataclass

import gymnasium as gym
import numpy as np
import torch
from torch import nn


@dataclass
class Config:
    clip: float = 0.25
    c_value: float = 0.4
    c_entropy: float = 0.03
    epochs: int = 3
    batch: int = 10


class Memory:
    def __init__(self):
        self.forget()

    def forget(self):
        self.states, self.moves, self.old, self.paid, self.worth, self.stop = [], [], [], [], [], []

    def keep(self, state, move, old, paid, worth, stop):
        self.states.append(state)
        self.moves.append(move)
        self.old.append(old)
        self.paid.append(paid)
        self.worth.append(worth)
        self.stop.append(stop)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.pi, self.v = nn.Linear(4, 8), nn.Linear(8, 2), nn.Linear(8, 1)

    def ask(self, states, moves):
        hidden = torch.tanh(self.body(states))
        spread = torch.distributions.Categorical(logits=self.pi(hidden))
        return spread.log_prob(moves), spread.entropy(), self.v(hidden)


class Agent:
    def __init__(self, config):
        self.config, self.memory, self.net = config, Memory(), Net()
        self.sgd = torch.optim.Adam(self.net.parameters(), lr=0.01)
        self.env = gym.make("CartPole-v1")
        self.state, _ = self.env.reset(seed=2)

    @torch.no_grad()
    def play(self):
        self.memory.forget()
        for _ in range(20):
            state = torch.as_tensor(self.state)
            move = torch.randint(2, ())
            old, _, worth = self.net.ask(state, move)
            self.state, paid, dead, late, _ = self.env.step(move.item())
            self.memory.keep(state, move, old, paid, worth.item(), dead or late)
            if dead or late:
                self.state, _ = self.env.reset()

    def returns(self):
        m, total, found = self.memory, 0.0, []
        for paid, stop in zip(reversed(m.paid), reversed(m.stop), strict=True):
            if stop:
                total = 0.0
            total = paid + 0.9 * total
            found.insert(0, total)
        return torch.tensor(found, dtype=torch.float32).unsqueeze(1)

    def update(self, returns):
        c, m = self.config, self.memory
        states, moves, old = torch.stack(m.states), torch.stack(m.moves), torch.stack(m.old)
        gain = (returns - torch.tensor(m.worth).unsqueeze(1)).flatten()
        gain = (gain - gain.mean()) / (gain.std() + 1e-8)
        for _ in range(c.epochs):
            order = np.random.default_rng(1).permutation(len(m.paid))
            for i in range(0, len(order), c.batch):
                ids = order[i : i + c.batch]
                new, entropy, worth = self.net.ask(states[ids], moves[ids])
                ratios = torch.exp(new - old[ids])
                one = ratios * gain[ids]
                two = torch.clamp(ratios, 1 - c.clip, 1 + c.clip) * gain[ids]
                of_policy = -torch.min(one, two).mean()
                of_value = 0.5 * nn.functional.mse_loss(worth, returns[ids])
                loss = of_policy + c.c_value * of_value - c.c_entropy * entropy.mean()
                self.sgd.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.net.parameters(), 0.7)
                self.sgd.step()


torch.manual_seed(4)
agent = Agent(Config())
for _ in range(3):
    agent.play()
    agent.update(agent.returns())
weights = [one.detach() for one in agent.net.parameters()]
