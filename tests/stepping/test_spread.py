"""Environments stepped in several processes: the numbers of one process, the same words, and nothing left behind."""

import json
import os
import signal

import numpy as np
import pytest

from ppo_scope.ppo.environments import Environments
from ppo_scope.ppo.failures import EnvironmentFault, EnvironmentRaised, UnusableEnvironment
from ppo_scope.ppo.settings import Settings
from ppo_scope.processes import spawning
from ppo_scope.stepping import spread
from ppo_scope.stepping.spread import SpreadVectorEnv
from tests.environments import elsewhere
from tests.live import COMMAND
from tests.programs import begin, run
from tests.server.scope_page import alive, wait_for

ELSEWHERE = f"{elsewhere.__name__}:FarAway-v0"


@pytest.fixture
def forked(monkeypatch):
    """The other processes are forked from one that has imported what they need: to import it takes them seconds."""
    monkeypatch.setattr(spread, "CONTEXT", spawning.CONTEXT)


def made(processes, **settings):
    """The environments in so many processes; in one of them, as without any of this."""
    several = None if processes == 1 else lambda *given: SpreadVectorEnv(*given, processes)
    return Environments(Settings.parse(settings), several)


def walk(environments, steps):
    """All that they give, closed at the end; the actions are the same each time."""
    space, single = environments.vector.action_space, environments.vector.single_action_space
    space.seed(5)
    single.seed(5)
    found = [(environments.observations.copy(),)]
    for _ in range(steps):
        masks = environments.masks
        step = environments.step(
            space.sample() if masks is None else np.array([single.sample(mask.astype(np.int8)) for mask in masks])
        )
        given = [] if environments.masks is None else [environments.masks]
        found.append((step.observations.copy(), step.rewards, step.terminated, step.truncated, *given))
    environments.close()
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {"env": "Acrobot-v1", "num_envs": 5, "env_kwargs": {"max_episode_steps": 7}},  # truncated
        {"env": "Pendulum-v1", "num_envs": 2, "env_kwargs": {"max_episode_steps": 11}},  # a Box of actions
        {"env": "Blackjack-v1", "num_envs": 5},  # a tuple is seen; terminated
        {"env": "tests.environments.masked:Masked-v0", "num_envs": 4},  # not all actions are allowed
        {"env": "tests.environments.codes:Grid-v0", "num_envs": 3, "leave_out": "mission"},  # a dictionary
        {"env": "tests.environments.codes:Grid-v0", "num_envs": 2, "leave_out": "mission", "frame_stack": 1, "seed": 8},
    ],
    ids=lambda settings: settings["env"].split(":")[-1] + str(settings["num_envs"]),
)
def test_several_processes_give_the_numbers_of_one(settings, forked):
    alone, several = (walk(made(processes, **settings), 30) for processes in (1, 3))
    for expected, found in zip(alone, several, strict=True):
        for one, other in zip(expected, found, strict=True):
            assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if settings["env"] != "tests.environments.codes:Grid-v0":
        assert any(np.any(ends) for _, _, *ends in (row[:4] for row in alone[1:])), "episodes have ended and begun anew"


def test_what_was_given_stays_as_it_was(forked):
    """Whoever keeps a step's arrays does not see them change with the next one."""
    environments = made(2, env="Acrobot-v1", num_envs=2)
    before = environments.step(np.array([0, 2]))
    kept = before.observations.copy()
    environments.step(np.array([2, 0]))
    assert np.array_equal(before.observations, kept)
    environments.close()


def train(*options):
    command = [*COMMAND[1:], "train", "--env", "Acrobot-v1", "--num-envs", "4", "--rollout-steps", "16", "--json"]
    done = run(*command, "--total-steps", "190", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_training_gives_the_same_weights():
    one, several = train(), train("--vectorization", "async")
    assert one["weights_sha256"] == several["weights_sha256"]
    assert one["updates"] == several["updates"] > 1


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ("raises", EnvironmentRaised, r"failed in step \(elsewhere\.py, line \d+\): ValueError: far away"),
        ("pays words", EnvironmentFault, "reward of environment 2: expected a number, got 'much'"),
        ("is killed", EnvironmentFault, "the process that steps environments 2 to 3 has ended: SIGKILL"),
    ],
)
def test_what_fails_elsewhere_is_told_as_if_it_were_here(how, kind, words, forked):
    environments = made(2, env=ELSEWHERE, num_envs=4, env_kwargs={"how": how})
    actions = np.zeros(4, np.int64)
    for _ in range(2):
        environments.step(actions)
    with pytest.raises(kind, match=words) as caught:
        environments.step(actions)
    if how == "raises":
        lines = caught.value.detail.splitlines()
        assert "elsewhere.py" in lines[1] and lines[-1] == "ValueError: far away" and caught.value.stage == "step"
        with pytest.raises(EnvironmentRaised, match="far away"):
            environments.step(actions)  # environment 3, which has not been stepped before, as in one process
        assert environments.step(actions).rewards.tolist() == [0.0] * 4, "it can be gone on with"
    environments.close()


def test_copies_that_are_not_alike_are_refused(forked):
    with pytest.raises(UnusableEnvironment, match="its copies have different spaces: observation_space is Box"):
        made(2, env=f"{elsewhere.__name__}:Apart-v0", num_envs=2)


@pytest.fixture
def running(tmp_path):
    """Starts a training that steps in two processes: (it, the id of the other one)."""
    started = []

    def start(how):
        sign = tmp_path / "sign"
        kwargs = json.dumps({"how": how, "sign": str(sign)})
        script = (
            "import sys; from ppo_scope.stepping import spread; spread.cores = lambda: 2;"
            "from ppo_scope import cli; sys.exit(cli.main())"
        )
        options = ["train", "--env", ELSEWHERE, "--env-kwargs", kwargs, "--total-steps", "100000000", "--num-envs", "2"]
        started.append(begin("-c", script, *options, "--vectorization", "async", apart=True))
        wait_for(lambda: sign.exists() and sign.read_text(), 60)
        return started[0], int(sign.read_text())

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.mark.parametrize(
    ("number", "how"),
    [(signal.SIGKILL, ""), (signal.SIGKILL, "hangs"), (signal.SIGINT, ""), (signal.SIGINT, "hangs")],
    ids=lambda given: getattr(given, "name", given or "at work"),
)
def test_no_process_outlives_the_one_that_trains(running, number, how):
    process, other = running(how)
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    process.wait(60)
    wait_for(lambda: not alive(other), 30)
