"""What Health says of runs of Stable-Baselines3: nothing of sound ones, and what was done wrong of others."""

import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

import tests.environments.sick  # noqa: F401 - registers environments
from ppo_scope.attach.stable_baselines import Watched
from tests.attach.elsewhere import nowhere


def made(env, **settings):
    """(a model of four environments, what these hold)"""
    kwargs = settings.pop("env_kwargs", None)
    several = make_vec_env(env, 4, seed=1, env_kwargs=kwargs)
    return PPO("MlpPolicy", several, device="cpu", seed=3, **{"n_steps": 128, **settings})


def health_of(model, updates):
    watched = Watched(model, nowhere(), False)
    report = watched.watcher._report
    report.close()  # the loop measures by itself
    model.learn(updates * model.n_steps * model.n_envs)
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
