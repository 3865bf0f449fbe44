"""A run of rsl_rl on a small vector environment, by its runner: with its own PPO, or with ours by a class path.

python -m tests.attach.rsl_loop OWN.json: with ours, until it is ended; what its own `update` returns, a line an update.
"""

import hashlib
import json
import sys
from pathlib import Path

import torch
from rsl_rl.env import VecEnv
from rsl_rl.runners import OnPolicyRunner
from tensordict import TensorDict

WATCHED, OWN = "ppo_scope.attach.rsl_rl:PPO", "rsl_rl.algorithms:PPO"


class Points(VecEnv):
    """Eight points on a line that are paid for being at 0; an episode is cut after 20 steps, and over far away."""

    num_envs, num_actions, max_episode_length, device, cfg = 8, 1, 20, "cpu", {}

    def __init__(self):
        self.episode_length_buf = torch.zeros(8, dtype=torch.long)
        self._generator = torch.Generator().manual_seed(5)
        self._places = torch.randn(8, generator=self._generator)

    def get_observations(self):
        seen = torch.stack([self._places, self._places.sign()], 1)
        return TensorDict({"policy": seen}, batch_size=[8])

    def step(self, actions):
        self._places = self._places + 0.3 * actions.flatten().clamp(-1, 1)
        self.episode_length_buf += 1
        cut, far = self.episode_length_buf >= self.max_episode_length, self._places.abs() > 3
        rewards, dones = 1 - self._places.abs(), cut | far
        anew = torch.randn(8, generator=self._generator)
        self._places = torch.where(dones, anew, self._places)
        self.episode_length_buf[dones] = 0
        return self.get_observations(), rewards, dones.long(), {"time_outs": cut & ~far}


def config(class_name, **changed):
    network = {"class_name": "MLPModel", "hidden_dims": [16], "activation": "elu"}
    algorithm = {
        "class_name": class_name,
        "num_learning_epochs": 3,
        "num_mini_batches": 4,
        "schedule": "adaptive",
        "desired_kl": 0.01,
        "learning_rate": 1e-3,
        "entropy_coef": 0.01,
        **changed,
    }
    spread = {"class_name": "GaussianDistribution", "init_std": 1.0}
    groups = {"actor": ["policy"], "critic": ["policy"]}
    about = {"num_steps_per_env": 16, "save_interval": 1000, "obs_groups": groups, "logger": "tensorboard"}
    return {**about, "algorithm": algorithm, "actor": {**network, "distribution_cfg": spread}, "critic": dict(network)}


def made(class_name, **changed):
    torch.set_num_threads(1)  # beside busy cores more of them wait for each other
    torch.manual_seed(1)
    return OnPolicyRunner(Points(), config(class_name, **changed), log_dir=None, device="cpu")


def digest(runner):
    weights = [*runner.alg.actor.parameters(), *runner.alg.critic.parameters()]
    return hashlib.sha256(b"".join(one.detach().numpy().tobytes() for one in weights)).hexdigest()


if __name__ == "__main__":
    with Path(sys.argv[1]).open("w", buffering=1) as file:
        runner = made(WATCHED)
        learn = runner.alg.update

        def noting():
            found = learn()
            print(json.dumps(found), file=file)
            return found

        runner.alg.update = noting
        runner.learn(1_000_000)
