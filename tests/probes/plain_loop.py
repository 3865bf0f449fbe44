"""A small PPO in plain torch, as somebody might have written it, and how it shows itself to the probes.

It knows nothing of our trainer: its records are namespaces, its policy is `torch.distributions`, its world a few lines.
"""

from types import SimpleNamespace as Record

import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical, kl_divergence

from ppo_scope.probes.record import PhaseKind
from ppo_scope.probes.subject import Abilities

N, M, ACTIONS, DISCOUNT, LAMBDA = 3, 16, 4, 0.9, 0.8
LIVE = {"clip_range": 0.1, "value_coef": 0.5, "entropy_coef": 0.01}
LAYOUT = {"num_envs": N, "rollout_steps": M, "epochs": 2, "minibatches": 3, "seed": 1}
USED = {"objective": "clip", "max_grad_norm": 0.5, "activation": "tanh", "normalize_advantages": "minibatch"}
NONE = dict.fromkeys(
    ("clip_range_high", "ratio_cap", "value_clip_range", "target_kl", "desired_kl", "discount", "gae_lambda")
)
OFF = ("shared_network", "anneal_learning_rate", "anneal_clip_range", "normalize_rewards", "normalize_observations")
MADE_WITH = Record(**LIVE, **LAYOUT, **USED, **NONE, **dict.fromkeys(OFF, False), live=lambda: LIVE)


class Choices:
    """What the policy's outputs mean."""

    max_entropy = float(np.log(ACTIONS))

    def evaluate(self, outputs, actions):
        policy = Categorical(logits=outputs)
        return policy.log_prob(actions), policy.entropy()

    def kl(self, old, new):
        return kl_divergence(Categorical(logits=old), Categorical(logits=new))


class PlainLoop:
    """N walkers see two numbers and are paid for the action that these ask for; an episode takes 5 steps."""

    env, observation_space, observation, is_image = "somebody's", None, "two numbers", False
    reward_threshold = time_limit = None
    distribution = Choices()

    def __init__(self, *, judges=True):
        torch.manual_seed(0)
        self.policy = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, ACTIONS))
        self.critic = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        self.weights = [*self.policy.parameters(), *self.critic.parameters()]
        self.adam = torch.optim.Adam(self.weights, lr=0.05)
        self.abilities = Abilities(judge=self._judge) if judges else Abilities()
        self.steps, self.episodes = 0, []

    @torch.no_grad()
    def _judge(self, batch):
        return self.policy(batch.observations), self.critic(batch.observations).squeeze(-1)

    @torch.no_grad()
    def _collect(self):
        """(rollout, batch), time first; every fifth step ends an episode."""
        seen = torch.rand(M + 1, N, 2)
        outputs, values = self.policy(seen[:M]), self.critic(seen).squeeze(-1)
        actions = Categorical(logits=outputs).sample()
        log_probs, _ = self.distribution.evaluate(outputs, actions)
        asked = (seen[:M] > 0.5).long() @ torch.tensor([1, 2])
        rewards, ends = (actions == asked).float(), (torch.arange(M) % 5 == 4).expand(N, M).T
        self.episodes += [Record(step=self.steps + t * N, episodic_return=1.0, length=5) for t in range(4, M, 5)]
        deltas = rewards + DISCOUNT * values[1:] * ~ends - values[:M]
        advantages = torch.zeros(M + 1, N)
        for t in reversed(range(M)):
            advantages[t] = deltas[t] + DISCOUNT * LAMBDA * advantages[t + 1] * ~ends[t]
        self.steps += M * N
        flat = {"observations": seen[:M], "actions": actions, "outputs": outputs, "log_probs": log_probs}
        flat |= {"values": values[:M], "advantages": advantages[:M], "targets": advantages[:M] + values[:M]}
        batch = Record(**{name: tensor.flatten(0, 1) for name, tensor in flat.items()}, action_masks=None)
        yes = np.ones((M, N), np.bool_)
        rollout = Record(observations=seen.numpy(), actions=actions.numpy(), rewards=rewards.numpy(), trained=yes)
        rollout.terminated, rollout.truncated, rollout.episodes = ends.numpy(), ~yes, []
        return rollout, batch, deltas.numpy()

    def _loss(self, batch, samples, epoch):
        """A minibatch, and its loss to be differentiated."""
        outputs, values = self.policy(batch.observations[samples]), self.critic(batch.observations[samples]).squeeze(-1)
        log_probs, entropies = self.distribution.evaluate(outputs, batch.actions[samples])
        raw = batch.advantages[samples]
        advantages, logratio = (raw - raw.mean()) / (raw.std() + 1e-8), log_probs - batch.log_probs[samples]
        ratio = logratio.exp()
        clipped = ratio.clamp(1 - MADE_WITH.clip_range, 1 + MADE_WITH.clip_range)
        policy_loss = torch.maximum(-advantages * ratio, -advantages * clipped).mean()
        value_loss, entropy = (values - batch.targets[samples]).square().mean(), entropies.mean()
        loss = policy_loss + MADE_WITH.value_coef * value_loss - MADE_WITH.entropy_coef * entropy
        kept = {"outputs": outputs, "values": values, "logratio": logratio, "policy_loss": policy_loss}
        kept |= {"value_loss": value_loss, "entropy": entropy, "loss": loss}
        kept = {name: tensor.detach() for name, tensor in kept.items()}
        trained = torch.ones(len(samples), dtype=torch.bool)
        about = {"epoch": epoch, "samples": samples, "trained": trained, "advantages": advantages}
        return Record(**about, **kept, gradient_norm=None, penalty=None), loss

    def phases(self):
        """The run, phase by phase."""
        for index in range(1, 100):
            rollout, batch, deltas = self._collect()
            update = Record(index=index, settings=MADE_WITH, learning_rate=0.05, rollout=rollout, theta_before=None)
            update.batch, update.deltas, update.rewards, update.minibatches = batch, deltas, rollout.rewards, []
            update.set_to = MADE_WITH
            update.stopped_by_kl, update.seconds_optimise, update.seconds = False, 0.0, dict
            yield Record(kind=PhaseKind.ADVANTAGES, update=update, epoch=0, minibatch=0)
            for epoch in range(1, MADE_WITH.epochs + 1):
                for number, samples in enumerate(torch.randperm(M * N).chunk(MADE_WITH.minibatches), 1):
                    minibatch, loss = self._loss(batch, samples, epoch)
                    update.minibatches.append(minibatch)
                    yield Record(kind=PhaseKind.LOSS, update=update, epoch=epoch, minibatch=number)
                    self.adam.zero_grad()
                    loss.backward()
                    minibatch.gradient_norm = nn.utils.clip_grad_norm_(self.weights, MADE_WITH.max_grad_norm)
                    self.adam.step()
            yield Record(kind=PhaseKind.UPDATE, update=update, epoch=epoch, minibatch=number)
