"""The whole loss and its gradient, against Stable-Baselines3 on the same weights and the same batch."""

import pytest
import torch
from stable_baselines3.common.policies import ActorCriticPolicy

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from tests.ppo.test_spaces import sampled

EPSILON, C1, C2 = 0.2, 0.5, 0.01


def as_stable_baselines(trainer, kind=ActorCriticPolicy):
    """(their policy with our weights, its parameters in the order of ours)."""
    environment = trainer.environments.vector
    policy = kind(
        environment.single_observation_space,
        environment.single_action_space,
        lr_schedule=lambda _: 0.0,
        net_arch={"pi": [64, 64], "vf": [64, 64]},
        activation_fn=torch.nn.Tanh,
        ortho_init=False,
    )
    theirs = {
        "policy_trunk": policy.mlp_extractor.policy_net,
        "value_trunk": policy.mlp_extractor.value_net,
        "policy_head": policy.action_net,
        "value_head": policy.value_net,
    }
    found = {f"{name}.{suffix}": p for name, module in theirs.items() for suffix, p in module.named_parameters()}
    if hasattr(policy, "log_std"):
        found["policy_free"] = policy.log_std
    ours = dict(trainer.network.layers.named_parameters())
    assert found.keys() == ours.keys()
    with torch.no_grad():
        for name, parameter in found.items():
            parameter.copy_(ours[name])
    return policy, [found[name] for name in trainer.network.parts()]


def their_loss(policy, batch, rows, shape, normalised):
    """What `stable_baselines3.PPO.train` minimises, on the given rows of our batch."""
    observations = batch.observations[rows].reshape(len(rows), *shape)
    values, log_prob, entropy = policy.evaluate_actions(observations, batch.actions[rows])
    advantages = batch.advantages[rows]
    if normalised:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ratio = torch.exp(log_prob - batch.log_probs[rows])
    policy_loss = -torch.min(advantages * ratio, advantages * torch.clamp(ratio, 1 - EPSILON, 1 + EPSILON)).mean()
    value_loss = torch.nn.functional.mse_loss(batch.targets[rows], values.flatten())
    return policy_loss, value_loss, entropy.mean(), policy_loss + C1 * value_loss - C2 * entropy.mean()


@pytest.mark.parametrize("normalize_advantages", ["minibatch", "off"])
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1", "multi_discrete"])
def test_loss_terms_and_gradients_equal_stable_baselines3(env, normalize_advantages):
    """Discrete, Box and MultiDiscrete actions, late in an update, where ratios have left 1 and log σ has left 0."""
    settings = {"env": env, "num_envs": 4, "rollout_steps": 64, "learning_rate": 0.01}
    if env == "multi_discrete":
        settings["env"] = sampled("flat", "multi_discrete_flat")
    trainer = Trainer(Settings.parse({**settings, "normalize_advantages": normalize_advantages}))
    phase = next(p for p in trainer.phases() if p.kind is PhaseKind.LOSS and p.epoch == 3 and p.minibatch == 2)
    batch, minibatch = phase.update.batch, phase.update.minibatches[-1]
    policy, parameters = as_stable_baselines(trainer)
    rows = minibatch.samples[minibatch.trained]
    shape = trainer.environments.vector.single_observation_space.shape
    policy_loss, value_loss, entropy, loss = their_loss(policy, batch, rows, shape, normalize_advantages != "off")
    theirs = torch.cat([gradient.reshape(-1) for gradient in torch.autograd.grad(loss, parameters)])
    ours = minibatch.differentiate()
    trainer.close()

    assert minibatch.logratio.abs().max() > 0.05, "the ratios must have moved for this to mean anything"
    assert minibatch.policy_loss.item() == pytest.approx(policy_loss.item(), rel=1e-5, abs=1e-6)
    assert minibatch.value_loss.item() == pytest.approx(value_loss.item(), rel=1e-6)
    assert minibatch.entropy.item() == pytest.approx(entropy.item(), rel=1e-6, abs=1e-6)
    assert minibatch.loss.item() == pytest.approx(loss.item(), rel=1e-6, abs=1e-6)
    assert (ours - theirs).norm() / theirs.norm() < 1e-6


def test_value_clipping_takes_the_worse_of_their_term_and_the_plain_one():
    """Stable-Baselines3 minimises the clipped prediction's error alone, by which a value may stray unpunished."""
    limit = 0.01
    settings = {"num_envs": 4, "rollout_steps": 64, "learning_rate": 0.01, "value_clip_range": limit}
    trainer = Trainer(Settings.parse(settings))
    phase = next(p for p in trainer.phases() if p.kind is PhaseKind.LOSS and p.epoch == 3 and p.minibatch == 2)
    batch, minibatch = phase.update.batch, phase.update.minibatches[-1]
    rows = minibatch.samples[minibatch.trained]
    policy, _ = as_stable_baselines(trainer)
    values = policy.predict_values(batch.observations[rows]).flatten()
    targets, old = batch.targets[rows], batch.values[rows]
    theirs = (targets - (old + torch.clamp(values - old, -limit, limit))) ** 2
    plain = (targets - values) ** 2
    assert ((values - old).abs() > limit).any()
    assert minibatch.value_loss.item() == pytest.approx(torch.maximum(theirs, plain).mean().item(), rel=1e-5)
    trainer.close()
