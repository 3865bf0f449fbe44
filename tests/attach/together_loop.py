"""Two processes that train one policy together, as torchrun starts them, shown by `ppo_scope.Scope`.

    torchrun --nproc-per-node 2 tests/attach/together_loop.py UPDATES healthy|apart [--plain | --paused]

healthy: with the mean of both gradients. apart: each steps with its own. Each prints its rank, the digest of its
weights and its last ε.
"""

import hashlib
import sys
import time

import torch
from torch import distributed, nn
from torch.distributions import Categorical

import ppo_scope

M, N, SIZE, CLIP = 16, 4, 32, 0.2


def main(updates, how, *, plain=False, paused=False):
    clip = CLIP

    def clip_at(value):
        nonlocal clip
        clip = value

    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    torch.manual_seed(7)
    policy = nn.Linear(3, 4)
    torch.manual_seed(100 + rank)
    adam = torch.optim.Adam(policy.parameters(), 0.02)
    options = {"weights": policy, "value_coef": 0.0, "learning_rate": 0.02, "paused": paused}
    options["change"] = {"clip_range": clip_at}
    scope = None if plain else ppo_scope.Scope(env="together", clip_range=CLIP, **options)
    for _ in range(updates):
        seen = torch.randn(M, N, 3)
        with torch.no_grad():
            logits = policy(seen)
            actions = Categorical(logits=logits).sample()
            log_probs = Categorical(logits=logits).log_prob(actions)
        advantages = (actions == 1) * 2.0 - 1.0 + 0.1 * torch.randn(M, N)
        if scope is not None:
            scope.rollout(
                actions=actions, rewards=advantages, log_probs=log_probs, advantages=advantages, observations=seen
            )
        order = torch.randperm(M * N)
        for start in range(0, M * N, SIZE):
            samples = order[start : start + SIZE]
            flat = (one.reshape(M * N, *one.shape[2:])[samples] for one in (seen, actions, log_probs, advantages))
            states, taken, old, used = flat
            found = Categorical(logits=policy(states))
            new = found.log_prob(taken)
            ratio = torch.exp(new - old)
            loss = -torch.minimum(ratio * used, ratio.clamp(1 - clip, 1 + clip) * used).mean()
            if scope is not None:
                scope.minibatch(samples=samples, log_prob=new, advantages=used, entropy=found.entropy())
            adam.zero_grad()
            loss.backward()
            for one in policy.parameters():
                if how == "apart":
                    one.grad *= rank
                else:
                    distributed.all_reduce(one.grad)
                    one.grad /= distributed.get_world_size()
            adam.step()
        if scope is not None and not scope.update():
            break
    if scope is not None:
        scope.close()
    weights = b"".join(one.detach().numpy().tobytes() for one in policy.parameters())
    line = f"{rank} {hashlib.sha256(weights).hexdigest()} {clip}\n"
    print(line, end="", flush=True)  # at once: the other writes to the same pipe
    distributed.barrier()
    time.sleep(1)  # gloo aborts a process whose neighbour closes the line before it has read all of the barrier
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], plain="--plain" in sys.argv, paused="--paused" in sys.argv)
