"""Every finding, brought about by a real run that deserves it; none in a healthy one; and it ends with its cause."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.classic_control import CartPoleEnv
from gymnasium.envs.registration import register

from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.checks import CHECKS, NOT_FINITE
from ppo_scope.probes.health import Health
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import row_values

SMALL = {"num_envs": 4, "rollout_steps": 64}


class Scaled(CartPoleEnv):
    """The same cart, told in thousandths."""

    def __init__(self, **options):
        super().__init__(**options)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (4,), np.float32)

    def reset(self, **options):
        observation, info = super().reset(**options)
        return 1000 * observation, info

    def step(self, action):
        observation, *rest = super().step(action)
        return 1000 * observation, *rest


gym.register("ppo_scope_tests/Scaled-v0", entry_point=Scaled, max_episode_steps=500)


class Stillness(gym.Env):
    """Pays for doing nothing, and for nothing else."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self._steps += 1
        return np.zeros(1, np.float32), -float(np.square(action).sum()), self._steps == 8, False, {}


gym.register("ppo_scope_tests/Stillness-v0", entry_point=Stillness)


def run(updates, *, tamper=None, changes=(), **settings):
    """Names of findings after each update, and the health itself."""
    trainer, health, seen = Trainer(Settings.parse({**SMALL, **settings})), Health(), []
    for phase in trainer.phases():
        if phase.kind is PhaseKind.ADVANTAGES and tamper:
            tamper(trainer, phase.update.index)
        if phase.kind is PhaseKind.UPDATE:
            moment = Moment(trainer, phase)
            health.take_in(moment, row_values(moment))
            seen.append({finding["name"] for finding in health.findings()})
            for at, name, value in changes:
                if at == phase.update.index:
                    trainer.change(name, value)
            if phase.update.index == updates:
                return seen, health
    raise AssertionError


def test_a_healthy_run_has_no_findings():
    seen, _ = run(60, num_envs=8, rollout_steps=128)
    notes = {check.name for check in CHECKS if check.severity == "note"}
    # CartPole's critic really knows next to nothing for a while; nothing else is said of the run.
    assert set().union(*seen) <= {*notes, "useless_critic"}


@pytest.mark.parametrize(
    ("name", "updates", "settings"),
    [
        ("kl_spike", 3, {"learning_rate": 0.1}),
        ("entropy_collapse", 20, {"entropy_coef": 0.0, "learning_rate": 0.1, "epochs": 10}),
        ("entropy_collapse", 80, {"env": "ppo_scope_tests/Stillness-v0", "learning_rate": 0.02, "entropy_coef": 0.0}),
        ("useless_critic", 12, {"value_coef": 0.0}),
        ("dead_clip_factor", 12, {"max_grad_norm": 0.001}),
        ("saturated_activations", 4, {"env": "ppo_scope_tests/Scaled-v0"}),
        ("saturated_activations", 6, {"activation": "relu", "learning_rate": 1.0}),
    ],
)
def test_a_run_that_deserves_it_is_found_out(name, updates, settings):
    seen, health = run(updates, **settings)
    assert any(name in found for found in seen), health.values()


@pytest.mark.parametrize(
    ("explained", "told"),
    [(-0.12, "−12.0 % of the variance on average: worse"), (-0.004, "−0.4 % of"), (-0.0004, "0.0 % of"), (0.021, "")],
)
def test_what_a_critic_explains_is_told_as_it_is(explained, told):
    (check,) = (check for check in CHECKS if check.name == "useless_critic")
    said = check.found([{"explained_variance": explained}] * 10)
    assert f" has explained {told}" in said if told else said is None


def test_a_policy_that_collects_is_not_the_one_that_is_judged():
    """What a faulty implementation does: the weights move between the rollout and the first minibatch."""

    def tamper(trainer, update):
        if update == 2:
            with torch.no_grad():
                trainer.network.theta += 0.01

    seen, _ = run(3, tamper=tamper)
    assert ["ratio_not_one" in found for found in seen] == [False, True, False]


MANY = {
    "multi_discrete": gym.spaces.MultiDiscrete([10] * 200),
    "multi_binary": gym.spaces.MultiBinary(1000),
    "box": gym.spaces.Box(-1, 1, (400,)),
}


class Many(gym.Env):
    """Actions of hundreds of components, whose log π is in the hundreds."""

    observation_space = gym.spaces.Box(-1, 1, (3,))

    def __init__(self, action):
        self.action_space = MANY[action]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), float(np.mean(action)), False, False, {}


register("ppo_scope_tests/Many-v0", entry_point=Many, disable_env_checker=True)


@pytest.mark.parametrize("action", MANY)
def test_rounding_of_a_large_log_probability_is_no_fault_but_another_policy_is(action):
    def tamper(trainer, update):
        if update == 3:
            with torch.no_grad():
                trainer.network.theta += 0.01

    env = {"env": "ppo_scope_tests/Many-v0", "env_kwargs": {"action": action}, "num_envs": 4, "rollout_steps": 32}
    seen, health = run(4, tamper=tamper, **env)
    assert ["ratio_not_one" in found for found in seen] == [False, False, True, False], health.values()


@pytest.mark.parametrize(
    ("error", "limit", "wrong"), [(9e-5, None, False), (2e-4, None, True), (2e-4, 8e-4, False), (9e-4, 8e-4, True)]
)
def test_the_limit_of_the_first_ratio_is_the_one_that_is_measured(error, limit, wrong):
    (check,) = (check for check in CHECKS if check.name == "ratio_not_one")
    row = {"first_ratio_error": error, **({"first_ratio_limit": limit} if limit else {})}
    assert (check.found([row]) is not None) == wrong


def test_what_is_not_finite_is_found_where_the_run_halts():
    trainer = Trainer(Settings.parse({**SMALL, "env": "ppo_scope_tests/Scaled-v0"}))
    health = Health()
    trainer.environments.vector.envs[0].unwrapped.state = np.full(4, np.nan)
    trainer.environments.observations[0] = np.nan
    with pytest.raises(NotFiniteError) as caught:
        next(trainer.phases())
    health.halted(caught.value, 1)
    (finding,) = health.findings()
    assert (finding["name"], finding["severity"], finding["since"]) == (NOT_FINITE.name, "error", 1)
    assert "observation" in finding["summary"]
    assert "environment" in finding["remedy"] and finding["setting"] is None, "no learning rate would help"
    health.halted(NotFiniteError("the gradient is not finite"), 1)
    assert health.findings()[0]["setting"] == "learning_rate"


def test_a_finding_ends_with_its_cause_and_says_since_when():
    changes = [(14, "max_grad_norm", None)]
    trainer_seen, health = run(16, max_grad_norm=0.001, changes=changes)
    first = next(index for index, found in enumerate(trainer_seen, 1) if "dead_clip_factor" in found)
    assert first == 10
    assert "dead_clip_factor" in trainer_seen[13] and "dead_clip_factor" not in trainer_seen[15]
    _, going_on = run(13, max_grad_norm=0.001)
    (finding,) = (f for f in going_on.findings() if f["name"] == "dead_clip_factor")
    assert finding["since"] == 10
    assert not [f for f in health.findings() if f["name"] == "dead_clip_factor"]


def test_every_check_names_cause_and_remedy():
    names = set(Settings.model_fields)
    for check in (*CHECKS, NOT_FINITE):
        assert check.cause and check.remedy and check.threshold
        assert check.setting is None or check.setting in names
