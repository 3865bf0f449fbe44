"""A class that asks `evaluate` for log π, V and the entropy of all samples, K times over; the mean is taken last."""

import gymnasium as gym
import torch
import torch.nn as nn
from torch.distributions import Categorical


class Memory:
    def __init__(self):
        self.actions, self.states, self.logprobs, self.rewards, self.ends, self.worths = [], [], [], [], [], []

    def clear(self):
        for one in vars(self).values():
            one.clear()


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.actor = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2), nn.Softmax(dim=-1))
        self.critic = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))

    def act(self, state):
        dist = Categorical(self.actor(state))
        action = dist.sample()
        return action.detach(), dist.log_prob(action).detach(), self.critic(state).detach()

    def evaluate(self, state, action):
        dist = Categorical(self.actor(state))
        return dist.log_prob(action), self.critic(state), dist.entropy()


class PPO:
    def __init__(self, k_epochs, eps_clip):
        self.k_epochs, self.eps_clip = k_epochs, eps_clip
        self.policy = ActorCritic()
        self.optimizer = torch.optim.Adam(self.policy.parameters(), lr=0.01)
        self.policy_old = ActorCritic()
        self.policy_old.load_state_dict(self.policy.state_dict())
        self.MseLoss = nn.MSELoss()

    def update(self, memory):
        rewards = []
        discounted = 0
        for reward, is_terminal in zip(reversed(memory.rewards), reversed(memory.ends), strict=True):
            if is_terminal:
                discounted = 0
            discounted = reward + (0.9 * discounted)
            rewards.insert(0, discounted)
        rewards = torch.tensor(rewards, dtype=torch.float32)
        rewards = (rewards - rewards.mean()) / (rewards.std() + 1e-7)
        old_states = torch.squeeze(torch.stack(memory.states, dim=0)).detach()
        old_actions = torch.squeeze(torch.stack(memory.actions, dim=0)).detach()
        old_logprobs = torch.squeeze(torch.stack(memory.logprobs, dim=0)).detach()
        old_values = torch.squeeze(torch.stack(memory.worths, dim=0)).detach()
        advantages = rewards.detach() - old_values.detach()
        for _ in range(self.k_epochs):
            logprobs, state_values, dist_entropy = self.policy.evaluate(old_states, old_actions)
            state_values = torch.squeeze(state_values)
            ratios = torch.exp(logprobs - old_logprobs.detach())
            surr1 = ratios * advantages
            surr2 = torch.clamp(ratios, 1 - self.eps_clip, 1 + self.eps_clip) * advantages
            loss = -torch.min(surr1, surr2) + 0.5 * self.MseLoss(state_values, rewards) - 0.01 * dist_entropy
            self.optimizer.zero_grad()
            loss.mean().backward()
            self.optimizer.step()
        self.policy_old.load_state_dict(self.policy.state_dict())


def main():
    torch.manual_seed(6)
    env = gym.make("CartPole-v1")
    memory, ppo = Memory(), PPO(k_epochs=4, eps_clip=0.3)
    state, _ = env.reset(seed=6)
    for step in range(1, 61):
        state = torch.as_tensor(state)
        action, logprob, worth = ppo.policy_old.act(state)
        memory.states.append(state)
        memory.actions.append(action)
        memory.logprobs.append(logprob)
        memory.worths.append(worth)
        state, reward, dead, late, _ = env.step(action.item())
        memory.rewards.append(reward)
        memory.ends.append(dead or late)
        if dead or late:
            state, _ = env.reset()
        if step % 20 == 0:
            ppo.update(memory)
            memory.clear()
    return [one.detach() for one in ppo.policy.parameters()]


if __name__ == "__main__":
    weights = main()
