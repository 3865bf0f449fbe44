"""Single transitions and the policy in every action space: names, ratios, regions and gradients that fit together."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import distributions

from ppo_scope.ppo import losses
from ppo_scope.ppo.losses import Region
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.names import observation_names
from ppo_scope.probes.probes import measure
from tests.moments import moment_at
from tests.ppo.test_spaces import ACTIONS, OBSERVATIONS, sampled

BOTH = frozenset({"policy", "transitions", "samples", "values"})
SETTINGS = {
    "num_envs": 3,
    "rollout_steps": 20,
    "minibatches": 2,
    "learning_rate": 0.01,
    "clip_range": 0.02,
}


def moment_of(env, kind, **settings):
    trainer = Trainer(Settings.parse({**SETTINGS, "env": env, **settings}))
    for phase in trainer.phases():
        if phase.update.index == 2 and phase.kind is kind and phase.epoch in (0, 2, 4):
            return moment_at(trainer, phase)
    raise AssertionError


@pytest.mark.parametrize("kind", [PhaseKind.LOSS, PhaseKind.STEP, PhaseKind.UPDATE])
@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_said_of_a_transition_fits_together_in_every_action_space(action, kind):
    moment = moment_of(sampled("box", action), kind)
    arrays = measure(moment, BOTH).arrays
    batch, network = moment.batch, moment.trainer.network
    outputs, _ = network(batch.observations)
    log_probs, _ = moment.trainer.distribution.evaluate(outputs.detach(), batch.actions)
    expected = (log_probs - batch.log_probs).exp().numpy().reshape(20, 3).T
    known = moment.trained.reshape(20, 3).T
    ratio = arrays["ratio_new"]
    assert np.allclose(ratio[known], expected[known], rtol=1e-4)
    assert np.isnan(ratio[~known]).all()
    assert np.allclose(np.exp(arrays["log_prob_new"] - arrays["log_prob_old"])[known], ratio[known], rtol=1e-4)
    used = arrays["advantage_used"]
    codes = losses.regions(*(torch.from_numpy(a.copy()) for a in (ratio, used, known)), losses.edges_of(0.02)).numpy()
    codes[(codes == Region.INSIDE) & np.isnan(used) & known & (np.abs(ratio - 1) > 0.02)] = 255
    assert np.array_equal(arrays["region_new"], codes)
    shown = ~np.isnan(arrays["gradient_policy"])
    assert shown.any()
    assert np.array_equal(arrays["gradient_policy"][shown] == 0, arrays["region_new"][shown] == Region.HELD)
    assert (arrays["region_new"] == Region.HELD).any()
    if kind is PhaseKind.UPDATE:
        assert np.array_equal(arrays["region_new"], arrays["region"])


@pytest.mark.parametrize("action", ACTIONS)
def test_the_policy_says_how_likely_the_action_was(action):
    """From the distribution that is sent, the action and nothing else one gets log π of the action."""
    arrays = measure(moment := moment_of(sampled("box", action), PhaseKind.UPDATE), BOTH).arrays
    note = measure(moment, BOTH).notes["transitions"]["policy"]
    for which in ("old", "new"):
        policy, taken = arrays[f"policy_{which}"].astype(np.float64), arrays["action"]
        if note["kind"] == "box":
            mean, deviation = np.split(policy, 2, axis=-1)
            density = -0.5 * ((taken - mean) / deviation) ** 2 - np.log(deviation) - 0.5 * np.log(2 * np.pi)
            found = density.sum(-1)
        elif note["kind"] == "multi_binary":
            found = np.log(np.where(taken > 0, policy, 1 - policy)).sum(-1)
        else:
            starts = np.cumsum([0, *note["groups"][:-1]])
            places = taken.astype(int) + starts
            found = np.log(np.take_along_axis(policy, places, -1)).sum(-1)
        assert np.allclose(found, arrays[f"log_prob_{which}"], atol=1e-4)


@pytest.mark.parametrize("action", ACTIONS)
def test_the_kl_in_the_state_of_a_transition_is_that_of_the_outputs(action):
    """Not of the probabilities that are sent: in single precision those are 1 and 0 where a policy has decided."""
    moment = moment_of(sampled("box", action), PhaseKind.STEP, objective="kl_penalty")
    outputs, _ = moment.trainer.network(moment.batch.observations)
    expected = theirs_kl(action, moment.batch.outputs.double(), outputs.detach().double()).numpy()
    assert expected.max() > 1e-4
    found = measure(moment, BOTH).arrays["exact_kl_new"]
    assert np.allclose(found, expected.reshape(20, 3).T, rtol=1e-3, atol=1e-6)


def theirs_kl(action, old, new):
    """KL(old‖new) [S] by torch.distributions."""

    def of(outputs):
        if action == "box":
            mean, log_std = outputs.chunk(2, dim=-1)
            return [distributions.Normal(mean, log_std.exp())]
        if action == "multi_binary":
            return [distributions.Bernoulli(logits=outputs)]
        counts = ACTIONS[action].nvec.reshape(-1).tolist() if action == "multi_discrete" else [outputs.shape[-1]]
        return [distributions.Categorical(logits=part) for part in torch.split(outputs, counts, dim=-1)]

    terms = [distributions.kl_divergence(p, q) for p, q in zip(of(old), of(new), strict=True)]
    return sum(term if term.ndim == 1 else term.sum(-1) for term in terms)


def test_columns_have_names():
    def columns(action):
        return measure(moment_of(sampled("box", action), PhaseKind.UPDATE), BOTH).notes["policy"]

    assert columns("discrete")["columns"] == ["a = 2", "a = 3", "a = 4"]
    assert columns("multi_discrete")["columns"][:5] == ["a₀ = 0", "a₀ = 1", "a₁ = 0", "a₁ = 1", "a₁ = 2"]
    assert columns("multi_binary")["columns"] == ["a₀ on", "a₁ on", "a₂ on", "a₃ on"]
    assert columns("box")["columns"] == ["μ₀", "μ₁", "σ₀", "σ₁"]
    known = measure(moment_of("CartPole-v1", PhaseKind.UPDATE), BOTH).notes["transitions"]
    assert known["policy"]["actions"] == ["push left", "push right"]
    assert known["observation"] == ["cart position", "cart velocity", "pole angle", "pole velocity"]


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_every_number_of_an_observation_has_a_name_of_its_own(name):
    names = observation_names(OBSERVATIONS[name], "unknown-v0", 64)
    assert len(names) == len(set(names)) == spaces.flatdim(OBSERVATIONS[name])
    moment = moment_of(sampled(name, "discrete"), PhaseKind.UPDATE)
    trainer_names = measure(moment, BOTH)
    if name == "discrete":  # of a numbered state it is its number that is told, counted as the environment does
        places = moment.update.rollout.observations[:-1].argmax(-1).T
        assert np.array_equal(trainer_names.arrays["observation"][..., 0], places + OBSERVATIONS[name].start)
        names = ["s"]
    assert trainer_names.notes["transitions"]["observation"] == names
    assert trainer_names.arrays["observation"].shape == (3, 20, len(names))


def test_the_names_of_a_dict_are_its_keys_and_those_of_a_choice_its_values():
    assert observation_names(OBSERVATIONS["dict"], "", 64) == ["a₀", "a₁", "b = 0", "b = 1", "b = 2", "c₀", "c₁"]
    assert observation_names(OBSERVATIONS["tuple"], "", 64) == ["s[0] = 0", "s[0] = 1", "s[1].x"]
    assert observation_names(OBSERVATIONS["discrete"], "", 2) == ["s = -1", "s = 0"]
    assert observation_names(OBSERVATIONS["box"], "", 64)[:2] == ["o₀", "o₁"]


def test_documented_names_fit_the_environments():
    for env in ("CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Acrobot-v1", "Pendulum-v1"):
        made = gym.make(env)
        names = observation_names(made.observation_space, env, 64)
        assert len(names) == spaces.flatdim(made.observation_space)
        assert "o₀" not in names
        made.close()


def test_v_now_is_that_of_the_minibatch_that_saw_the_sample_last():
    moment = moment_of("CartPole-v1", PhaseKind.LOSS)
    found = measure(moment, BOTH).arrays["value_now"].T.reshape(-1)
    latest = moment.batch.values.numpy().copy()
    for minibatch in moment.update.minibatches:
        latest[minibatch.samples.numpy()] = minibatch.values.numpy()
    assert np.array_equal(found, latest)
    assert not np.array_equal(found, moment.batch.values.numpy())
    last = moment.update.minibatches[-1]
    _, values = moment.trainer.network(moment.batch.observations[last.samples])
    assert np.allclose(last.values, values.detach(), atol=1e-5)


def test_v_now_after_the_last_step_is_that_of_the_final_weights():
    moment = moment_of("CartPole-v1", PhaseKind.UPDATE)
    _, values = moment.trainer.network(moment.batch.observations)
    assert np.allclose(measure(moment, BOTH).arrays["value_now"].T.reshape(-1), values.detach(), atol=1e-5)
