"""All of it at the top level; two environments, minibatches by index."""

import gymnasium as gym
import numpy as np
import torch
from torch.distributions import Categorical

STEPS, WORLDS, ROUNDS, PASSES = 16, 2, 3, 2
EPSILON, V_WEIGHT, H_WEIGHT = 0.15, 0.7, 0.02

torch.manual_seed(1)
worlds = gym.make_vec("CartPole-v1", WORLDS)
brain = torch.nn.Linear(4, 2)
judge = torch.nn.Linear(4, 1)
adam = torch.optim.Adam([*brain.parameters(), *judge.parameters()], lr=0.01)
seen, _ = worlds.reset(seed=1)

for _ in range(ROUNDS):
    X = torch.zeros(STEPS, WORLDS, 4)
    U = torch.zeros(STEPS, WORLDS, dtype=torch.long)
    logs, gains, guess, ends = (torch.zeros(STEPS, WORLDS) for _ in range(4))
    for t in range(STEPS):
        X[t] = torch.as_tensor(seen)
        with torch.no_grad():
            pi = Categorical(logits=brain(X[t]))
            U[t] = pi.sample()
            logs[t], guess[t] = pi.log_prob(U[t]), judge(X[t]).squeeze(-1)
        seen, gain, dead, late, _ = worlds.step(U[t].numpy())
        gains[t], ends[t] = torch.as_tensor(gain), torch.as_tensor(dead | late)
    with torch.no_grad():
        better = torch.zeros(STEPS, WORLDS)
        follows, run = judge(torch.as_tensor(seen)).squeeze(-1), torch.zeros(WORLDS)
        for t in reversed(range(STEPS)):
            td = gains[t] + 0.99 * follows * (1 - ends[t]) - guess[t]
            run = td + 0.99 * 0.95 * (1 - ends[t]) * run
            better[t], follows = run, guess[t]
    goal = better + guess
    fx, fu, fl, fb, fg = X.reshape(-1, 4), U.reshape(-1), logs.reshape(-1), better.reshape(-1), goal.reshape(-1)
    for _ in range(PASSES):
        order = np.random.default_rng(3).permutation(STEPS * WORLDS)
        for start in range(0, len(order), 8):
            ix = order[start : start + 8]
            pi = Categorical(logits=brain(fx[ix]))
            lp = pi.log_prob(fu[ix])
            rho = (lp - fl[ix]).exp()
            A = fb[ix]
            A = (A - A.mean()) / (A.std() + 1e-8)
            actor = torch.max(-A * rho, -A * rho.clamp(1 - EPSILON, 1 + EPSILON)).mean()
            critic = ((judge(fx[ix]).squeeze(-1) - fg[ix]) ** 2).mean()
            total = actor + V_WEIGHT * critic - H_WEIGHT * pi.entropy().mean()
            adam.zero_grad()
            total.backward()
            adam.step()

weights = [one.detach() for one in (*brain.parameters(), *judge.parameters())]
