"""A user's mistake on the command line is one line that names what is wrong, and exit code 2."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import register

from ppo_scope.cli import main


class Faulty(gym.Env):
    """Goes wrong at its third step, in the way that it is told."""

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, fault):
        self.fault = fault

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.count += 1
        observation, reward = np.zeros(2, np.float32), 0.0
        if self.count == 3:
            observation = {"shape": np.zeros(5, np.float32), "observation": np.full(2, np.nan, np.float32)}.get(
                self.fault, observation
            )
            reward = np.nan if self.fault == "reward" else reward
        return observation, reward, False, False, {}


for fault in ("shape", "observation", "reward"):
    register(f"ppo_scope_tests/Faulty-{fault}-v0", entry_point=Faulty, kwargs={"fault": fault})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--clip-range", "1.5"], "clip_range: input should be less than or equal to 1"),
        (["--minibatches", "3", "--num-envs", "4"], "minibatches: 3 does not divide the batch"),
        (["--minibatches", "64", "--num-envs", "1", "--rollout-steps", "32"], "minibatches: 64 does not divide"),
        (["--env-kwargs", '{"no_such_argument": 1}'], "env_kwargs: CartPole-v1 does not take them"),
        (["--env-kwargs", '{"num_envs": 3}'], "env_kwargs: num_envs is set by this program"),
        (["--env", "CartPol-v1"], "did you mean CartPole-v1"),
        (["--anneal-learning-rate", "--total-steps", "off"], "anneal_learning_rate: needs total_steps"),
        (["--env", "ppo_scope_tests/Faulty-shape-v0"], "expected shape (2,) of float32, got shape (5,) of float32"),
        (["--env", "ppo_scope_tests/Faulty-observation-v0"], "observation is not finite: environment 0, step 3"),
        (["--env", "ppo_scope_tests/Faulty-reward-v0"], "reward is not finite: environment 0, step 2"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_one_line_and_exit_code_2(capsys, options, words):
    assert main(["train", "--total-steps", "64", *options]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ppo-scope:")]
    assert len(error) == 1 and words in error[0]


@pytest.mark.parametrize("options", [["--clip-range", "wide"], ["--env-kwargs", "[1]"], ["--no-such-setting", "1"]])
def test_what_cannot_even_be_read_is_refused_with_the_usage(capsys, options):
    with pytest.raises(SystemExit) as caught:
        main(["train", *options])
    assert caught.value.code == 2
    assert options[0] in capsys.readouterr().err
