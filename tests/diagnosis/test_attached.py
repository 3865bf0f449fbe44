"""What Health says of runs of Stable-Baselines3: nothing of sound ones, and what was done wrong of others."""

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

import tests.environments.sick  # noqa: F401 - registers environments
from ppo_scope.attach.sb3.stable_baselines import Watched
from tests.attach.elsewhere import nowhere


def made(env, **settings):
    """(a model of four environments, what these hold)"""
    wrapper, scaled = settings.pop("wrapper", None), settings.pop("scaled", False)
    several = make_vec_env(env, 4, seed=1, env_kwargs=settings.pop("env_kwargs", None), wrapper_class=wrapper)
    several = VecNormalize(several, norm_obs=False, gamma=settings["gamma"]) if scaled else several
    return PPO("MlpPolicy", several, device="cpu", seed=3, **{"n_steps": 128, **settings})


def health_of(model, updates, callback=None):
    watched = Watched(model, nowhere(), False)
    report = watched.watcher._report
    model.learn(updates * model.n_steps * model.n_envs, callback)
    watched.watcher.close()
    assert report._budget.failed == {}
    return report._health


def graver(health):
    return {row["name"] for row in health.history() if row["severity"] != "note"}


@pytest.mark.parametrize(
    "settings",
    [
        {"env": "CartPole-v1"},
        {"env": "Pendulum-v1", "gamma": 0.9, "learning_rate": 1e-3},
        {"env": "CartPole-v1", "n_epochs": 1, "batch_size": 512},
    ],
    ids=["cart", "pendulum, whose episodes are cut", "one step an update"],
)
def test_a_sound_run_is_told_of_nothing_that_keeps_it_from_learning(settings):
    health = health_of(made(**settings), 14)
    assert graver(health) == set()
    assert not {row["name"] for row in health.history()} & {"forgetful_optimizer", "other_rewards", "endless_return"}
    assert "wrong_bootstrap" not in health.unknown() or settings["env"] == "CartPole-v1"
    if "n_epochs" in settings:
        assert health.values()["steps_taken"] == 1 and health.values()["kl_k3"] < 1e-6
        assert "still_policy" not in health.unknown(), "what the step did is asked of the policy"


def test_rewards_that_are_far_too_large_and_what_they_do_to_the_policy():
    health = health_of(made("ppo_scope_tests/PaidCart-v0", n_epochs=4), 12)
    found = {finding["name"]: finding for finding in health.findings()}
    assert next(iter(found)) == "wild_rewards"
    starved = found.get("starved_policy") or found["still_policy"]
    assert "times as long as the policy's" in starved["cause"] and starved["explained_by"] == "wild_rewards"
    assert "beside Adam's ε of 1×10⁻⁵ the policy's steps keep" in starved["cause"]


def test_how_much_of_its_steps_a_policy_keeps_depends_on_the_epsilon_of_its_optimizer():
    policy = {"optimizer_kwargs": {"eps": 1e-8}}
    health = health_of(made("ppo_scope_tests/PaidCart-v0", n_epochs=4, policy_kwargs=policy), 12)
    row = health.values()
    assert row["gradient_clip_factor"] < 1e-4 and row["kl_k3"] > 1e-5, "it is limited, and moves all the same"
    assert row["policy_step_share"] > 0.1
    assert not {finding["name"] for finding in health.findings()} & {"starved_policy", "still_policy"}


def test_actions_that_are_mostly_out_of_bounds():
    health = health_of(made("ppo_scope_tests/Range-v0", env_kwargs={"low": -0.01, "high": 0.01}, n_epochs=2), 11)
    found = {finding["name"]: finding for finding in health.findings()}
    assert {"wide_deviation", "actions_cut_off"} <= found.keys()
    assert found["actions_cut_off"]["severity"] == "warning"
    assert "RescaleAction" in found["wide_deviation"]["remedy"]


@pytest.mark.parametrize(("coefficient", "words"), [(0.5, "σ has grown in each"), (-0.05, "σ has shrunk in each")])
def test_a_deviation_that_runs_away_either_way(coefficient, words):
    settings = {"env_kwargs": {"low": -1.0, "high": 1.0}, "n_steps": 64, "learning_rate": 0.01}
    health = health_of(made("ppo_scope_tests/Range-v0", ent_coef=coefficient, **settings), 21)
    found = {finding["name"]: finding for finding in health.findings()}
    assert words in found["runaway_deviation"]["summary"]
    if coefficient > 0:
        assert found["wide_deviation"]["explained_by"] == "runaway_deviation"
        assert found["runaway_deviation"]["setting"] == "entropy_coef"
    else:
        assert "c₂ is −0.05" in found["runaway_deviation"]["cause"]


@pytest.mark.parametrize("kept", [True, False])
def test_statistics_that_were_not_loaded_with_the_model(kept, tmp_path):
    envs = [make_vec_env("CartPole-v1", 4, seed=seed) for seed in (1, 2)]
    first = VecNormalize(envs[0])
    model = PPO("MlpPolicy", first, n_steps=128, seed=3, device="cpu", n_epochs=4)
    model.learn(512 * 4)
    model.save(tmp_path / "model.zip")
    first.save(str(tmp_path / "statistics.pkl"))
    second = VecNormalize.load(str(tmp_path / "statistics.pkl"), envs[1]) if kept else VecNormalize(envs[1])
    health = health_of(PPO.load(tmp_path / "model.zip", env=second, device="cpu"), 3)
    assert ("normalisation_lost" in graver(health)) is not kept
    if not kept:
        (row,) = (row for row in health.history() if row["name"] == "normalisation_lost")
        assert row["since"] == 1 and row["severity"] == "error"


class Large(gym.ObservationWrapper):
    """A cart whose place and speed are told in numbers far from 0, as a price or a time would be."""

    def observation(self, seen):
        return seen + np.float32([400, 40, 0, 0])


@pytest.mark.parametrize("how", ["held", "moving", "learned", "small"])
def test_observations_that_a_normaliser_holds_at_its_bound_are_found(how):
    """Only where its statistics stand still before they have seen what they are to normalise."""
    several = make_vec_env("CartPole-v1", 4, seed=1, wrapper_class=None if how == "small" else Large)
    normalizer = VecNormalize(several, training=how in ("moving", "learned"))
    model = PPO("MlpPolicy", normalizer, n_steps=64, seed=3, device="cpu", n_epochs=2)
    if how == "learned":
        model.learn(64 * 4)
        normalizer.training = False
    health = health_of(model, 4)
    found = {finding["name"]: finding for finding in health.findings()}
    assert ("wild_observations" in found) == (how == "held")
    why = health.unknown().get("normalisation_lost", {}).get("why", "")
    assert ("stand still: training is False" in why) == (how != "moving")
    if how == "held":
        one = found["wild_observations"]
        assert one["summary"].startswith("2 of 4 parts of what the networks see stand at the bound of ±10 in most")
        assert "training=True" in one["remedy"] and one["setting"] is None


class Restless(BaseFeaturesExtractor):
    """Layers before policy and critic, with something in them that does not hold still while they are trained."""

    def __init__(self, space, kind):
        super().__init__(space, 32)
        self.last = {"dropout": nn.Dropout(0.1), "batch": nn.BatchNorm1d(32), "by hand": nn.Identity()}[kind]
        self.kind, self.first = kind, nn.Linear(space.shape[0], 32)

    def forward(self, seen):
        made = self.last(self.first(seen).tanh())
        return nn.functional.dropout(made, 0.1, self.training) if self.kind == "by hand" else made


@pytest.mark.parametrize(
    ("kind", "words"),
    [("dropout", "1 layer of dropout"), ("batch", "1 layer of batch normalisation"), ("by hand", "Asked twice")],
)
def test_layers_that_answer_the_same_question_differently_are_named_from_the_first_update_on(kind, words):
    about = {"features_extractor_class": Restless, "features_extractor_kwargs": {"kind": kind}}
    health = health_of(made("CartPole-v1", n_epochs=1, policy_kwargs=about), 1)
    found = health.findings()[0]
    assert (found["name"], found["severity"], found["since"]) == ("ratio_not_one", "error", 1)
    assert words in found["summary"] and "eval" in found["remedy"]


class Sign(gym.RewardWrapper):
    """Rewards as games of Atari are mostly trained on."""

    def reward(self, reward):
        return float(np.sign(reward))


@pytest.mark.parametrize("how", [{"wrapper": Sign}, {"scaled": True}], ids=["by their sign", "scaled"])
def test_rewards_that_do_not_say_which_episode_was_better(how):
    model = made("Pendulum-v1", gamma=0.9, n_epochs=1, n_steps=200, **how)
    health = health_of(model, 6)
    assert health.values()["paid_episodes"] == 24
    found = {finding["name"]: finding for finding in health.findings()}
    assert ("other_rewards" in found) is ("wrapper" in how)
    if "wrapper" in how:
        assert found["other_rewards"]["severity"] == "note"
        assert "sum up to −200 ± 0" in found["other_rewards"]["summary"]


class Anew(BaseCallback):
    """Makes the optimizer anew before each update."""

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        policy = self.model.policy
        policy.optimizer = policy.optimizer_class(policy.parameters(), self.model.learning_rate, eps=1e-5)


def test_an_optimizer_that_is_made_anew_before_each_update():
    (found,) = health_of(made("CartPole-v1", n_epochs=2), 5, Anew()).findings()
    assert (found["name"], found["severity"], found["since"]) == ("forgetful_optimizer", "note", 2)
    assert "Each of the latest 4 updates" in found["summary"] and "made 16 steps" in found["summary"]


@pytest.mark.parametrize(
    ("schedule", "ends"),
    [(lambda left: max(0.0, 2 * left - 1), True), (lambda left: left**8, True), (lambda left: left, False)],
    ids=["0 from the middle on", "nearly 0 long before the end", "to the end"],
)
def test_an_alpha_that_comes_to_its_end_before_the_run_does(schedule, ends):
    """The return stays where it is, so it is at its best: no excuse."""
    health = health_of(made("CartPole-v1", n_epochs=2, learning_rate=lambda left: 1e-3 * schedule(left)), 16)
    spans = [row for row in health.history() if row["name"] == "spent_learning_rate"]
    assert [span["severity"] for span in spans] == ["warning"] * ends
    assert not ends or (spans[0]["since"] < 14 and spans[0]["until"] is None)


def test_a_value_clip_that_holds_v_back_is_the_cause_of_a_critic_that_knows_nothing():
    health = health_of(made("CartPole-v1", n_epochs=4, clip_range_vf=0.01), 11)
    found = {finding["name"]: finding for finding in health.findings()}
    assert next(iter(found)) == "tight_value_clip" == found["useless_critic"]["explained_by"]
    assert "the value clip of 0.01 or more off V_targ" in found["tight_value_clip"]["summary"]
    assert found["tight_value_clip"]["tries"] == [{"setting": "value_clip_range", "to": None}]


class Alive(gym.RewardWrapper):
    """Pays for every step."""

    def reward(self, reward):
        return 1 + reward / 100


@pytest.mark.parametrize(
    ("about", "severity"),
    [
        ({"env": "Pendulum-v1", "n_epochs": 1, "batch_size": 256}, "note"),
        ({"env": "Pendulum-v1", "wrapper": Alive, "n_epochs": 4, "learning_rate": 1e-3}, "warning"),
        ({"env": "CartPole-v1", "n_epochs": 1, "batch_size": 256}, None),
    ],
    ids=["nothing ends", "and V grows", "episodes end"],
)
def test_a_gamma_of_1_is_told_of_where_no_episode_ends_by_itself(about, severity):
    health = health_of(made(gamma=1.0, **about), 20)
    found = {finding["name"]: finding for finding in health.findings()}
    assert ("endless_return" in found) is (severity is not None)
    if severity is not None:
        summary = found["endless_return"]["summary"]
        assert found["endless_return"]["severity"] == severity and "were cut, and bootstrapped by V" in summary
        assert ("V_targ has grown from" in summary) is (severity == "warning")


class Thousandth(BaseFeaturesExtractor):
    """Scales by itself what it is given."""

    def __init__(self, space):
        super().__init__(space, int(np.prod(space.shape)))

    def forward(self, seen):
        return seen.flatten(1) / 1000


class Folded(gym.ObservationWrapper):
    """Observations in two rows."""

    def __init__(self, env):
        super().__init__(env)
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (2, 2), np.float32)

    def observation(self, observation):
        return observation.reshape(2, 2)


@pytest.mark.parametrize("inside", [True, False])
def test_observations_are_of_a_wild_scale_where_they_are_so_to_the_first_layer(inside):
    about = {"features_extractor_class": Thousandth} if inside else {}
    health = health_of(made("ppo_scope_tests/ScaledCart-v0", n_epochs=1, policy_kwargs=about, wrapper=Folded), 3)
    assert ("wild_observations" in {row["name"] for row in health.history()}) is not inside


def test_rsl_rl_is_told_of_what_it_does_knowingly_and_of_nothing_else(monkeypatch):
    """It takes V(s_t) where a time limit cuts, and draws its minibatches once an update."""
    pytest.importorskip("rsl_rl", reason="rsl_rl (rsl-rl-lib) is not installed")
    from tests.attach import rsl_loop

    monkeypatch.setenv("PPO_SCOPE_URL", nowhere())
    runner = rsl_loop.made(rsl_loop.WATCHED)
    runner.learn(25)
    runner.alg._loop.watcher.close()
    health = runner.alg._loop.watcher._report._health
    found = {finding["name"]: finding for finding in health.findings()}
    assert {row["name"] for row in health.history()} == found.keys() == {"wrong_bootstrap", "same_minibatches"}
    assert {finding["severity"] for finding in found.values()} == {"note"}
    told = found["wrong_bootstrap"]
    assert "rsl_rl does so knowingly" in told["cause"] and "may stay" in told["remedy"]


class Switches(gym.Env):
    """Three switches, each of which should be on where its number is above 0."""

    observation_space = gym.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gym.spaces.MultiBinary(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seen, self.left = self.np_random.uniform(-1, 1, 3).astype(np.float32), 25
        return self.seen, {}

    def step(self, action):
        paid, self.left = float(((self.seen > 0) == action).sum()), self.left - 1
        self.seen = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        return self.seen, paid, False, self.left == 0, {}


@pytest.mark.parametrize(
    ("env", "settings"),
    [
        (Switches, {}),
        ("CartPole-v1", {"n_steps": 16, "n_epochs": 1, "batch_size": 64}),
        ("CartPole-v1", {"n_steps": 4}),
    ],
    ids=["switches", "one step of 64 samples", "16 samples"],
)
def test_updates_that_are_small_and_actions_that_are_switches_are_no_fault(env, settings):
    updates = 8 if env is Switches else 40
    assert health_of(made(env, **{"batch_size": 16, **settings} if settings else {}), updates).history() == []
