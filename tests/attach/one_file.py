"""A PPO in one file, its variables called as in CleanRL's, and nothing of ours in it; it prints what it computed.

python tests/attach/one_file.py [--iterations 4] [--continuous] [--lstm] [--target-kl X] [--strange] [--auxiliary]
    [--apart terms|values|steps|gathered] [--raw]

A line a minibatch, [policy loss, ½ value loss, entropy, loss], then the digest of its weights. `--lstm`: a policy
that remembers, and minibatches of whole environments. `--strange`: a loss that is no PPO's. `--auxiliary`: after each
update two steps of the critic alone, as in PPG. `--apart`: what the critic learns from is differentiated by itself,
after the policy's part (`terms`) or before (`values`), or each is followed by a step of an optimizer of its own
(`steps`); or a step is made of every two minibatches (`gathered`). `--raw`: advantages are not normalised.
Begun by torchrun each process plays for itself, and all make their steps with the mean of their gradients; the last
line has rank and ε, too.
"""

import argparse
import hashlib
import json
import os
import time

import gymnasium as gym
import numpy as np
import torch
from torch import distributed, nn
from torch.distributions import Categorical, Normal


class Agent(nn.Module):
    def __init__(self, width, outputs, continuous):
        super().__init__()
        self.continuous = continuous
        self.critic = nn.Sequential(nn.Linear(width, 16), nn.Tanh(), nn.Linear(16, 1))
        self.actor = nn.Sequential(nn.Linear(width, 16), nn.Tanh(), nn.Linear(16, outputs))
        self.actor_logstd = nn.Parameter(torch.zeros(1, outputs)) if continuous else None

    def get_value(self, x):
        return self.critic(x)

    def get_action_and_value(self, x, action=None):
        put_out = self.actor(x)
        if self.continuous:
            probs = Normal(put_out, self.actor_logstd.expand_as(put_out).exp())
            action = probs.sample() if action is None else action
            return action, probs.log_prob(action).sum(1), probs.entropy().sum(1), self.critic(x)
        probs = Categorical(logits=put_out)
        action = probs.sample() if action is None else action
        return action, probs.log_prob(action), probs.entropy(), self.critic(x)


class Remembering(Agent):
    def __init__(self, width, outputs, continuous):
        super().__init__(16, outputs, continuous)
        self.network, self.lstm = nn.Linear(width, 16), nn.LSTM(16, 16)

    def get_states(self, x, lstm_state, done):
        rows = lstm_state[0].shape[1]
        found = []
        for seen, start in zip(self.network(x).reshape(-1, rows, 16), done.reshape(-1, rows), strict=True):
            kept = tuple((1.0 - start).view(1, -1, 1) * one for one in lstm_state)
            put_out, lstm_state = self.lstm(seen.unsqueeze(0), kept)
            found.append(put_out)
        return torch.cat(found).flatten(0, 1), lstm_state

    def get_value(self, x, lstm_state, done):
        return self.critic(self.get_states(x, lstm_state, done)[0])

    def get_action_and_value(self, x, lstm_state, done, action=None):
        hidden, lstm_state = self.get_states(x, lstm_state, done)
        return *super().get_action_and_value(hidden, action), lstm_state


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--iterations", type=int, default=4)
    parser.add_argument("--continuous", action="store_true")
    parser.add_argument("--lstm", action="store_true")
    parser.add_argument("--strange", action="store_true")
    parser.add_argument("--auxiliary", action="store_true")
    parser.add_argument("--apart", choices=["terms", "values", "steps", "gathered"])
    parser.add_argument("--raw", action="store_true")
    parser.add_argument("--target-kl", type=float, default=None)
    args = parser.parse_args()
    args.env_id = "Pendulum-v1" if args.continuous else "CartPole-v1"
    for name, value in {"seed": 1, "num_envs": 2, "num_steps": 64, "num_minibatches": 4, "update_epochs": 3}.items():
        setattr(args, name, value)
    for name, value in {"gamma": 0.99, "gae_lambda": 0.95, "clip_coef": 0.2, "vf_coef": 0.5, "ent_coef": 0.01}.items():
        setattr(args, name, value)
    args.num_envs = 4 if args.lstm else 2
    args.max_grad_norm, args.learning_rate, args.anneal_lr, args.norm_adv, args.clip_vloss = 0.5, 0.01, True, True, True
    args.norm_adv = not args.raw
    return args


if __name__ == "__main__":
    args = arguments()
    torch.set_num_threads(1)
    together = "RANK" in os.environ
    rank = int(os.environ["RANK"]) if together else 0
    if together:
        distributed.init_process_group("gloo")
    np.random.seed(args.seed + rank)
    torch.manual_seed(args.seed)
    making = [lambda: gym.wrappers.RecordEpisodeStatistics(gym.make(args.env_id)) for _ in range(args.num_envs)]
    envs = gym.vector.SyncVectorEnv(making)
    space, shape = envs.single_action_space, envs.single_action_space.shape
    outputs = shape[0] if args.continuous else space.n
    agent = (Remembering if args.lstm else Agent)(envs.single_observation_space.shape[0], outputs, args.continuous)
    if rank:
        torch.manual_seed(args.seed + rank)
    critics = list(agent.critic.parameters())
    actors = [one for one in agent.parameters() if not any(one is other for other in critics)]
    if args.apart == "steps":
        critic_optimizer = torch.optim.Adam(critics, lr=3 * args.learning_rate, eps=1e-5)
        optimizer = torch.optim.Adam(actors, lr=args.learning_rate, eps=1e-5)
    else:
        optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
    layout = args.num_steps, args.num_envs
    obs, actions = torch.zeros(*layout, *envs.single_observation_space.shape), torch.zeros(*layout, *shape)
    logprobs, rewards, dones, values = (torch.zeros(layout) for _ in range(4))
    next_obs, next_done = torch.Tensor(envs.reset(seed=args.seed + 10 * rank)[0]), torch.zeros(args.num_envs)
    next_lstm_state = (torch.zeros(1, args.num_envs, 16), torch.zeros(1, args.num_envs, 16))
    for iteration in range(args.iterations):
        initial_lstm_state = tuple(one.clone() for one in next_lstm_state)
        optimizer.param_groups[0]["lr"] = (1.0 - iteration / args.iterations) * args.learning_rate
        for step in range(args.num_steps):
            obs[step], dones[step] = next_obs, next_done
            with torch.no_grad():
                memory = (next_lstm_state, next_done) if args.lstm else ()
                action, logprobs[step], _, value, *after = agent.get_action_and_value(next_obs, *memory)
                next_lstm_state = after[0] if args.lstm else next_lstm_state
            actions[step], values[step] = action, value.flatten()
            seen, reward, terminations, truncations, infos = envs.step(action.numpy())
            rewards[step] = torch.tensor(reward)
            next_obs, next_done = torch.Tensor(seen), torch.Tensor(terminations | truncations)
        with torch.no_grad():
            memory = (next_lstm_state, next_done) if args.lstm else ()
            advantages, after, lastgaelam = torch.zeros_like(rewards), agent.get_value(next_obs, *memory).flatten(), 0
            for t in reversed(range(args.num_steps)):
                goes_on = 1.0 - (next_done if t == args.num_steps - 1 else dones[t + 1])
                delta = rewards[t] + args.gamma * after * goes_on - values[t]
                advantages[t] = lastgaelam = delta + args.gamma * args.gae_lambda * goes_on * lastgaelam
                after = values[t]
        b_obs, b_actions = obs.flatten(0, 1), actions.flatten(0, 1)
        b_logprobs, b_advantages, b_values = logprobs.flatten(), advantages.flatten(), values.flatten()
        b_returns, b_dones = b_advantages + b_values, dones.flatten()
        flatinds = np.arange(len(b_obs)).reshape(layout)
        b_inds, envinds, minibatch = flatinds.flatten(), np.arange(args.num_envs), 0
        for _ in range(args.update_epochs):
            np.random.shuffle(envinds if args.lstm else b_inds)
            for chosen in np.split(envinds if args.lstm else b_inds, args.num_minibatches):
                mb_inds = flatinds[:, chosen].ravel() if args.lstm else chosen
                memory = ()
                if args.lstm:
                    memory = tuple(one[:, chosen] for one in initial_lstm_state), b_dones[mb_inds]
                found = agent.get_action_and_value(b_obs[mb_inds], *memory, b_actions[mb_inds])
                _, newlogprob, entropy, newvalue = found[:4]
                logratio = newlogprob - b_logprobs[mb_inds]
                ratio = logratio.exp()
                approx_kl = ((ratio - 1) - logratio).mean().detach()
                mb_advantages = b_advantages[mb_inds]
                if args.norm_adv:
                    mb_advantages = (mb_advantages - mb_advantages.mean()) / (mb_advantages.std() + 1e-8)
                clipped = torch.clamp(ratio, 1 - args.clip_coef, 1 + args.clip_coef)
                pg_loss = torch.max(-mb_advantages * ratio, -mb_advantages * clipped).mean()
                newvalue, old = newvalue.view(-1), b_values[mb_inds]
                near = old + torch.clamp(newvalue - old, -args.clip_coef, args.clip_coef)
                off = torch.max((newvalue - b_returns[mb_inds]) ** 2, (near - b_returns[mb_inds]) ** 2)
                v_loss = 0.5 * off.mean()
                loss = pg_loss - args.ent_coef * entropy.mean() + args.vf_coef * v_loss
                if args.strange:
                    loss = loss + ratio.square().mean()
                terms = [pg_loss - args.ent_coef * entropy.mean(), args.vf_coef * v_loss]
                if args.apart == "steps":
                    each = zip((optimizer, critic_optimizer), terms, (actors, critics), strict=True)
                    for one, term, weights in each:
                        one.zero_grad()
                        term.backward()
                        nn.utils.clip_grad_norm_(weights, args.max_grad_norm)
                        one.step()
                    print(json.dumps([one.item() for one in (pg_loss, v_loss, entropy.mean(), loss)]))
                    continue
                minibatch += 1
                if args.apart != "gathered" or minibatch % 2:
                    optimizer.zero_grad()
                if args.apart in ("terms", "values"):
                    for term in terms if args.apart == "terms" else terms[::-1]:
                        term.backward()
                else:
                    loss.backward()
                for one in agent.parameters() if together else ():
                    distributed.all_reduce(one.grad)
                    one.grad /= distributed.get_world_size()
                if args.apart != "gathered" or minibatch % 2 == 0:
                    nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
                    optimizer.step()
                print(json.dumps([one.item() for one in (pg_loss, v_loss, entropy.mean(), loss)]))
            if args.target_kl is not None and approx_kl > args.target_kl:
                break
        for _ in range(2 if args.auxiliary else 0):
            agent.zero_grad()
            (agent.critic(b_obs).flatten() - b_returns).square().mean().backward()
            nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
            optimizer.step()
    digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in agent.parameters())).hexdigest()
    print(f"{rank} {digest} {args.clip_coef}\n" if together else f"{digest}\n", end="", flush=True)
    if together:
        distributed.barrier()
        time.sleep(1)  # gloo aborts a process whose neighbour closes the line before it has read all of the barrier
        distributed.destroy_process_group()
