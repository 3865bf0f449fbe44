"""A PPO of Stable-Baselines3 as its manual writes it, watched or not; run as a program, it prints its weights' digest.

python -m tests.attach.sb3_loop STEPS [--plain]
"""

import hashlib
import sys

import torch
from sb3_contrib import MaskablePPO, RecurrentPPO
from sb3_contrib.common.envs import InvalidActionEnvDiscrete
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env

import ppo_scope


def made(env="CartPole-v1", *, masked=False, recurrent=False, several=False, **settings):
    torch.set_num_threads(1)  # beside busy cores more of them wait for each other, a hundred times as long
    usual = {"n_steps": 128, "batch_size": 48, "n_epochs": 3, "seed": 3, "device": "cpu"}
    policy = "Mlp"
    if several:
        from tests.environments.several import Several  # here: run as a program, it is in no package

        policy, env = "MultiInput", Several
    if masked:
        env = InvalidActionEnvDiscrete(dim=8, n_invalid_actions=5)
        return MaskablePPO("MlpPolicy", env, **{**usual, **settings})
    if recurrent:
        kwargs = {"lstm_hidden_size": 8, "net_arch": [16]}
        usual |= {"n_steps": 64, "policy_kwargs": kwargs}
        return RecurrentPPO(f"{policy}LstmPolicy", make_vec_env(env, 2, seed=3), **{**usual, **settings})
    return PPO(f"{policy}Policy", make_vec_env(env, 1, seed=3) if several else env, **{**usual, **settings})


def main(steps, *, plain=False, **settings):
    model = made(**settings)
    if not plain:
        ppo_scope.watch(model)
    model.learn(steps)
    return model, digest(model)


def digest(model):
    return hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.policy.parameters())).hexdigest()


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(main(int(sys.argv[1]), plain="--plain" in sys.argv)[1])
