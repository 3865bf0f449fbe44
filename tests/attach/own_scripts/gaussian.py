"""A Gaussian policy of two numbers; its loss in a method, policy and critic a step each, a loop over the loop."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn


class Step(NamedTuple):
    obs: Tensor
    act: Tensor
    logp: Tensor
    val: Tensor
    rew: Tensor
    term: Tensor
    stop: Tensor
    after: Tensor


class World:
    """Points that are pushed, many at once."""

    def __init__(self, copies):
        self.at, self.count = torch.zeros(copies, 2), 0

    def step(self, push):
        self.at = self.at + push.clamp(-1, 1)
        self.count += 1
        after, late = self.at.clone(), self.count % 5 == 0
        far = self.at.abs().sum(-1) > 4
        self.at[far | late] = 0.0
        return after, -after.abs().sum(-1), far.float(), (far | late).float(), {}


class Trainer:
    def __init__(self, copies=3, eps=0.2, passes=2, size=6):
        self.eps, self.passes, self.size = eps, passes, size
        self.world = World(copies)
        self.mean, self.critic = nn.Linear(2, 2), nn.Linear(2, 1)
        self.log_std = nn.Parameter(torch.zeros(2))
        self.pi_opt = torch.optim.Adam([*self.mean.parameters(), self.log_std], lr=0.01)
        self.v_opt = torch.optim.Adam(self.critic.parameters(), lr=0.02)

    def dist(self, obs):
        return torch.distributions.Normal(self.mean(obs), self.log_std.exp())

    @torch.no_grad()
    def gather(self):
        path = []
        for _ in range(8):
            obs = self.world.at.clone()
            d = self.dist(obs)
            act = d.sample()
            after, rew, term, stop, _ = self.world.step(act)
            val, nxt = self.critic(obs).squeeze(-1), self.critic(after).squeeze(-1)
            path.append(Step(obs, act, d.log_prob(act).sum(-1), val, rew, term, stop, nxt))
        return path

    def estimate(self, path):
        adv = torch.zeros(len(path), len(path[0].rew))
        carry = torch.zeros(len(path[0].rew))
        for t in range(len(path) - 1, -1, -1):
            p = path[t]
            delta = p.rew + 0.9 * (1 - p.term) * p.after - p.val
            carry = delta + 0.9 * 0.95 * (1 - p.stop) * carry
            adv[t] = carry
        return adv

    def policy_loss(self, obs, act, logp_old, adv):
        d = self.dist(obs)
        logp = d.log_prob(act).sum(-1)
        ratio = torch.exp(logp - logp_old)
        loss = -torch.min(ratio * adv, torch.clip(ratio, 1 - self.eps, 1 + self.eps) * adv).mean()
        return loss - 0.004 * d.entropy().sum(-1).mean()

    def fit(self):
        for _ in range(3):
            path = self.gather()
            adv = self.estimate(path)
            obs, act = torch.cat([p.obs for p in path]), torch.cat([p.act for p in path])
            logp_old = torch.cat([p.logp for p in path])
            target = adv + torch.stack([p.val for p in path])
            adv, target = adv.flatten(), target.flatten()
            adv = (adv - adv.mean()) / (adv.std() + 1e-8)
            for _ in range(self.passes):
                for pick in torch.randperm(len(obs)).split(self.size):
                    loss = self.policy_loss(obs[pick], act[pick], logp_old[pick], adv[pick])
                    self.pi_opt.zero_grad()
                    loss.backward()
                    self.pi_opt.step()
                    worth = self.critic(obs[pick]).squeeze(-1)
                    error = (worth - target[pick]).pow(2).mean()
                    self.v_opt.zero_grad()
                    error.backward()
                    self.v_opt.step()


torch.manual_seed(8)
np.random.seed(8)
trainer = Trainer()
trainer.fit()
weights = [one.detach() for one in (*trainer.mean.parameters(), trainer.log_std, *trainer.critic.parameters())]
