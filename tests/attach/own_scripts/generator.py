"""Functions, and a generator that hands out minibatches; environments lie one after the other in them."""

import gymnasium as gym
import numpy as np
import torch
from torch.distributions import Categorical
from torch.nn.functional import mse_loss

HYPER = {"clip": 0.2, "value": 0.5, "bonus": 0.01, "steps": 12, "copies": 3, "passes": 2, "size": 9}


def collect(envs, obs, policy, critic, h):
    shape = h["steps"], h["copies"]
    path = {"o": np.zeros((*shape, 4), np.float32), "a": np.zeros(shape, np.int64)}
    path |= {name: np.zeros(shape, np.float32) for name in ("lp", "v", "r", "end", "cut")}
    for t in range(h["steps"]):
        with torch.no_grad():
            x = torch.as_tensor(obs)
            d = Categorical(logits=policy(x))
            a = d.sample()
            path["lp"][t], path["v"][t] = d.log_prob(a), critic(x)[:, 0]
        path["o"][t], path["a"][t] = obs, a
        obs, r, term, trunc, _ = envs.step(a.numpy())
        path["r"][t], path["end"][t], path["cut"][t] = r, term | trunc, trunc
    return obs, path


def gae(path, last, gamma=0.99, lam=0.9):
    adv, carry = np.zeros_like(path["r"]), 0.0
    for t in range(len(adv) - 1, -1, -1):
        alive = 1.0 - path["end"][t]
        after = last if t == len(adv) - 1 else path["v"][t + 1]
        carry = path["r"][t] + gamma * alive * after - path["v"][t] + gamma * lam * alive * carry
        adv[t] = carry
    return adv


def flat(x):
    return torch.as_tensor(x.swapaxes(0, 1).reshape(-1, *x.shape[2:]))


def batches(obs, act, logp, adv, ret, size):
    order = torch.randperm(len(obs))
    for chosen in order.split(size):
        yield obs[chosen], act[chosen], logp[chosen], adv[chosen], ret[chosen]


def improve(policy, critic, adam, path, adv, h):
    arrays = [flat(one) for one in (path["o"], path["a"], path["lp"], adv, adv + path["v"])]
    obs, act, logp, adv_flat, ret = arrays
    for _ in range(h["passes"]):
        for o, a, old, good, goal in batches(obs, act, logp, adv_flat, ret, h["size"]):
            d = Categorical(logits=policy(o))
            good = (good - good.mean()) / (good.std() + 1e-8)
            ratio = torch.exp(d.log_prob(a) - old)
            loss_pi = -torch.minimum(ratio * good, ratio.clamp(1 - h["clip"], 1 + h["clip"]) * good).mean()
            loss_v = mse_loss(critic(o)[:, 0], goal)
            adam.zero_grad()
            (loss_pi + h["value"] * loss_v - h["bonus"] * d.entropy().mean()).backward()
            adam.step()


def main(h):
    torch.manual_seed(7)
    envs = gym.make_vec("CartPole-v1", h["copies"])
    policy, critic = torch.nn.Linear(4, 2), torch.nn.Linear(4, 1)
    adam = torch.optim.Adam([*policy.parameters(), *critic.parameters()], lr=0.01)
    obs, _ = envs.reset(seed=7)
    for _ in range(3):
        obs, path = collect(envs, obs, policy, critic, h)
        with torch.no_grad():
            last = critic(torch.as_tensor(obs))[:, 0].numpy()
        improve(policy, critic, adam, path, gae(path, last), h)
    return [one.detach() for one in (*policy.parameters(), *critic.parameters())]


if __name__ == "__main__":
    weights = main(HYPER)
