"""Stable-Baselines3 at the benchmark's settings, in a process of its own: prints its steps per second."""

from __future__ import annotations

import argparse
import time

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

from benchmarks.shared import ENVS, EPOCHS, HIDDEN, MINIBATCHES, STEPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--env", default="CartPole-v1")
    parser.add_argument("--envs", type=int, default=ENVS)
    parser.add_argument("--threads", type=int, help="torch's threads (default: what torch chooses)")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    model = PPO(
        "MlpPolicy",
        make_vec_env(options.env, options.envs),
        n_steps=STEPS,
        n_epochs=EPOCHS,
        batch_size=options.envs * STEPS // MINIBATCHES,
        policy_kwargs={"net_arch": list(HIDDEN), "activation_fn": torch.nn.Tanh},
        seed=options.seed,
        device="cpu",
    )
    start = time.perf_counter()
    model.learn(options.steps)
    print(model.num_timesteps / (time.perf_counter() - start))


if __name__ == "__main__":
    main()
