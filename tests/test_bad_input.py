"""A user's mistake on the command line is one line that names what is wrong, and exit code 2."""

import json

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import register

from ppo_scope.cli import main


class Faulty(gym.Env):
    """Goes wrong at a step of its first episode, 0 being the reset, in the way that it is told."""

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def __init__(self, fault, step):
        self.fault, self.fault_step = fault, step

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self._seen(), {}

    def step(self, action):
        self.count += 1
        return self._seen(), np.nan if self._wrong("reward") else 0.0, False, False, {}

    def _seen(self):
        size, value = 5 if self._wrong("shape") else 2, np.nan if self._wrong("observation") else 0.0
        return np.full(size, value, np.float32)

    def _wrong(self, what):
        return self.fault == what and self.count == self.fault_step


register("ppo_scope_tests/Faulty-v0", entry_point=Faulty, disable_env_checker=True)


def faulty(fault, step):
    kwargs = json.dumps({"fault": fault, "step": step})
    return ["--env", f"{__name__}:ppo_scope_tests/Faulty-v0", "--env-kwargs", kwargs]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--clip-range", "1.5"], "clip_range: input should be less than or equal to 1"),
        (["--discount", "nan"], "discount: "),
        (["--minibatches", "3", "--num-envs", "4"], "minibatches: 3 does not divide the batch"),
        (["--minibatches", "64", "--num-envs", "1", "--rollout-steps", "32"], "minibatches: 64 does not divide"),
        (["--env-kwargs", '{"no_such_argument": 1}'], "env_kwargs: CartPole-v1 does not take them"),
        (["--env-kwargs", '{"num_envs": 3}'], "env_kwargs: num_envs is set by this program"),
        (["--env", "CartPol-v1"], "did you mean CartPole-v1"),
        (["--grayscale"], "grayscale: only for images"),
        (["--anneal-learning-rate", "--total-steps", "off"], "anneal_learning_rate: needs total_steps"),
        (["--total-steps", "off"], "total_steps: train needs to know when to stop"),
        (["--preset", "no-such-preset"], "no-such-preset"),
        (faulty("shape", step=0), "environment 0: expected shape (2,) of float32, got shape (5,) of float32"),
    ],
)
def test_what_cannot_begin_is_one_line_and_exit_code_2(capsys, options, words):
    assert main(["train", "--total-steps", "64", *options]) == 2
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 1 and printed.out == ""
    assert printed.err.startswith("ppo-scope: ") and words in printed.err


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("shape", "observation of environment 0: expected shape (2,) of float32, got shape (5,) of float32"),
        ("observation", "observation is not finite: environment 0, step 3"),
        ("reward", "reward is not finite: environment 0, step 2"),
    ],
)
def test_what_the_environment_gets_wrong_later_is_one_line_beside_the_progress(capsys, fault, words):
    assert main(["train", "--total-steps", "64", *faulty(fault, step=3)]) == 2
    error = capsys.readouterr().err
    said = [line for line in error.splitlines() if line.startswith("ppo-scope: ")]
    assert len(said) == 1 and words in said[0] and "Traceback" not in error


@pytest.mark.parametrize("options", [["--clip-range", "wide"], ["--env-kwargs", "[1]"], ["--no-such-setting", "1"]])
def test_what_cannot_even_be_read_is_refused_with_the_usage(capsys, options):
    with pytest.raises(SystemExit) as caught:
        main(["train", *options])
    assert caught.value.code == 2
    assert options[0] in capsys.readouterr().err
