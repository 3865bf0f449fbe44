"""Somebody's own PPO in NumPy and torch, with the lines that show it by `ppo_scope.Scope`; run as a program.

    python -m tests.attach.own_loop UPDATES [--plain]

Prints the digest of its weights. `--plain`: without the lines.
"""

import hashlib
import os
import sys
import time

import torch
from torch.distributions import Categorical

import ppo_scope
from tests.probes.plain_loop import MADE_WITH, M, N, PlainLoop

SLOWLY = float(os.environ.get("SLOWLY", "0"))
"""Seconds at each phase, for who wants to watch."""


def main(updates, *, plain=False, **options):
    loop = PlainLoop()
    scope = None
    if not plain:
        scope = ppo_scope.Scope(
            env="somebody's",
            clip_range=MADE_WITH.clip_range,
            value_coef=0.5,
            entropy_coef=0.01,
            epochs=2,
            minibatches=3,
            learning_rate=0.05,
            max_grad_norm=0.5,
            policy="discrete",
            judge=lambda seen: judge(loop, seen),
            **options,
        )
    for phase in loop.phases():
        time.sleep(SLOWLY)
        update = phase.update
        if scope is not None:
            show(scope, phase.kind.value, update)
        if phase.kind.value == "update":
            if scope is not None and not scope.update():
                break
            if update.index == updates:
                break
    if scope is not None:
        scope.close()
    return loop, hashlib.sha256(b"".join(w.detach().numpy().tobytes() for w in loop.weights)).hexdigest()


@torch.no_grad()
def judge(loop, seen):
    seen = torch.as_tensor(seen)
    return loop.policy(seen), loop.critic(seen).squeeze(-1)


def show(scope, kind, update):
    rollout, batch = update.rollout, update.batch
    if kind == "advantages":
        by_step = {name: getattr(batch, name).reshape(M, N) for name in ("log_probs", "values", "advantages")}
        scope.rollout(
            observations=rollout.observations[:M],
            actions=rollout.actions,
            rewards=rollout.rewards,
            returns=batch.targets.reshape(M, N),
            dones=rollout.terminated,
            outputs=batch.outputs.reshape(M, N, -1),
            deltas=update.deltas,
            **by_step,
        )
    elif kind == "loss":
        one = update.minibatches[-1]
        log_prob = batch.log_probs[one.samples] + one.logratio
        entropy = Categorical(logits=one.outputs).entropy()
        scope.minibatch(
            samples=one.samples, log_prob=log_prob, advantages=one.advantages, values=one.values, entropy=entropy
        )


if __name__ == "__main__":
    print(main(int(sys.argv[1]), plain="--plain" in sys.argv)[1])
