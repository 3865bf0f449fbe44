"""PPO of TorchRL on CartPole, written as its tutorial is; run as a program.

    python -m tests.attach.libraries.torchrl_loop UPDATES [--plain] [--own OWN.json]

Prints the digest of its weights. `--plain`: without the line that shows it. `--own`: where to
write what the loss has told, a line a call.
"""

import hashlib
import json
import os
import sys
from functools import partial
from pathlib import Path

import torch
from tensordict.nn import TensorDictModule
from torch import nn
from torchrl.collectors import Collector
from torchrl.data import LazyTensorStorage, ReplayBuffer, SamplerWithoutReplacement
from torchrl.envs import GymEnv, StepCounter, TransformedEnv
from torchrl.modules import OneHotCategorical, ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE

import ppo_scope

FRAMES, SIZE, EPOCHS = 128, 32, 2


def made(*, width=16, **changed):
    """(the environment, its actor, its loss, its advantages)"""
    torch.set_num_threads(1)  # beside busy cores more of them wait for each other
    torch.manual_seed(0)
    env = TransformedEnv(GymEnv("CartPole-v1"), StepCounter())
    env.set_seed(0)
    body = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 2))
    actor = ProbabilisticActor(
        TensorDictModule(body, in_keys=["observation"], out_keys=["logits"]),
        in_keys=["logits"],
        spec=env.action_spec,
        distribution_class=OneHotCategorical,
        return_log_prob=True,
    )
    critic = ValueOperator(nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 1)), in_keys=["observation"])
    advantage = GAE(gamma=0.99, lmbda=0.95, value_network=critic, average_gae=False)
    given = {"clip_epsilon": 0.2, "entropy_coeff": 0.01, "critic_coeff": 0.5, "loss_critic_type": "l2"}
    loss = ClipPPOLoss(actor, critic, normalize_advantage=True, **{**given, **changed})
    return env, actor, loss, advantage


def parts(**changed):
    """(a rollout, the loss, its advantages)"""
    env, actor, loss, advantage = made(**changed)
    with torch.no_grad():
        return env.rollout(64, actor, break_when_any_done=False), loss, advantage


def learn(data, loss, advantage, buffer, optimizer, epochs, told):
    """An update by this rollout; `told`: of each minibatch, what the loss has told, what it is, and its norm."""
    for _ in range(epochs):
        with torch.no_grad():
            advantage(data)
        buffer.extend(data.reshape(-1))
        for _ in range(data.numel() // buffer.batch_size):
            found = loss(buffer.sample())
            total = found["loss_objective"] + found["loss_critic"] + found["loss_entropy"]
            total.backward()
            norm = torch.nn.utils.clip_grad_norm_(loss.parameters(), 0.5)
            optimizer.step()
            optimizer.zero_grad()
            told(found, total, norm)


def fall(loss, share):
    """Lower what the loss clips at to this share of it, as loops do whose clip range falls."""
    for name in ("clip_epsilon", "clip_epsilon_low", "clip_epsilon_high"):
        if (one := getattr(loss, name, None)) is not None:
            one.mul_(share)


def main(updates, *, plain=False, note=lambda told: None, falls_by=1.0, **changed):
    """(the digest of the weights, what each call of the loss has told)"""
    env, actor, loss, advantage = made(**changed)
    collector = Collector(env, actor, frames_per_batch=FRAMES, total_frames=FRAMES * updates)
    buffer = ReplayBuffer(storage=LazyTensorStorage(FRAMES), sampler=SamplerWithoutReplacement(), batch_size=SIZE)
    optimizer = torch.optim.Adam(loss.parameters(), 3e-3)
    if not plain:
        ppo_scope.watch(loss, advantage=advantage, env="CartPole-v1")
    own = []

    def told(found, total, norm):
        numbers = {name: float(found[name]) for name in ("loss_objective", "entropy", "clip_fraction", "ESS")}
        own.append({**numbers, "total": float(total), "norm": float(norm)})
        note(own[-1])

    for data in collector:
        learn(data, loss, advantage, buffer, optimizer, EPOCHS, told)
        fall(loss, falls_by)
    collector.shutdown()
    weights = b"".join(one.detach().numpy().tobytes() for one in loss.parameters())
    return hashlib.sha256(weights).hexdigest(), own


if __name__ == "__main__":
    place = sys.argv[sys.argv.index("--own") + 1] if "--own" in sys.argv else os.devnull
    with Path(place).open("w", buffering=1) as file:
        note = partial(print, file=file)
        print(main(int(sys.argv[1]), plain="--plain" in sys.argv, note=lambda told: note(json.dumps(told)))[0])
