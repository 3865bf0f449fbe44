"""A function and an optimizer for each loss, all samples at once; the policy's steps first, then the critic's."""

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical


class Store:
    def __init__(self, size):
        self.obs, self.act = np.zeros((size, 4), np.float32), np.zeros(size, np.int64)
        self.adv, self.rew, self.ret, self.val, self.logp = np.zeros((5, size), np.float32)
        self.at = 0

    def put(self, obs, act, rew, val, logp):
        at = self.at
        self.obs[at], self.act[at], self.rew[at], self.val[at], self.logp[at] = obs, act, rew, val, logp
        self.at += 1

    def all(self):
        self.at, summed = 0, 0.0
        for t in reversed(range(len(self.rew))):
            summed = self.rew[t] + 0.95 * summed
            self.ret[t] = summed
        self.adv[:] = self.ret - self.val
        data = {"obs": self.obs, "act": self.act, "ret": self.ret, "adv": self.adv, "logp": self.logp}
        return {name: torch.as_tensor(one) for name, one in data.items()}


def train(rounds=3, size=24, clip_ratio=0.1, steps_pi=4, steps_v=2):
    torch.manual_seed(5)
    env = gym.make("CartPole-v1")
    pi, v = nn.Linear(4, 2), nn.Linear(4, 1)
    store = Store(size)

    def loss_pi(data):
        obs, act, adv, logp_old = data["obs"], data["act"], data["adv"], data["logp"]
        spread = Categorical(logits=pi(obs))
        logp = spread.log_prob(act)
        ratio = torch.exp(logp - logp_old)
        clipped = torch.clamp(ratio, 1 - clip_ratio, 1 + clip_ratio) * adv
        loss = -(torch.min(ratio * adv, clipped)).mean()
        return loss, {"kl": (logp_old - logp).mean().item()}

    def loss_v(data):
        obs, ret = data["obs"], data["ret"]
        return ((v(obs).squeeze(-1) - ret) ** 2).mean()

    pi_adam = torch.optim.Adam(pi.parameters(), lr=0.01)
    v_adam = torch.optim.Adam(v.parameters(), lr=0.02)

    def update():
        data = store.all()
        for _ in range(steps_pi):
            pi_adam.zero_grad()
            loss, info = loss_pi(data)
            if info["kl"] > 0.5:
                break
            loss.backward()
            pi_adam.step()
        for _ in range(steps_v):
            v_adam.zero_grad()
            error = loss_v(data)
            error.backward()
            v_adam.step()

    obs, _ = env.reset(seed=5)
    for _ in range(rounds):
        for _ in range(size):
            with torch.no_grad():
                spread = Categorical(logits=pi(torch.as_tensor(obs)))
                act = spread.sample()
                val, logp = v(torch.as_tensor(obs)), spread.log_prob(act)
            nxt, rew, dead, late, _ = env.step(act.item())
            store.put(obs, act, rew, val.item(), logp)
            obs = env.reset()[0] if dead or late else nxt
        update()
    return [one.detach() for one in (*pi.parameters(), *v.parameters())]


if __name__ == "__main__":
    weights = train()
