"""The whole loss and its gradient, against Stable-Baselines3 on the same weights and the same batch."""

import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer

EPSILON, C1, C2 = 0.2, 0.5, 0.01


def as_stable_baselines(trainer, settings):
    """Their policy with our weights."""
    policy = ActorCriticPolicy(
        spaces.Box(-10, 10, (4,)),
        spaces.Discrete(2),
        lr_schedule=lambda _: settings.learning_rate,
        net_arch={"pi": list(settings.hidden_sizes), "vf": list(settings.hidden_sizes)},
        activation_fn=torch.nn.Tanh,
        ortho_init=False,
    )
    network = trainer.network.layers
    pairs = [
        (policy.mlp_extractor.policy_net, network.policy_trunk),
        (policy.mlp_extractor.value_net, network.value_trunk),
        (policy.action_net, network.policy_head),
        (policy.value_net, network.value_head),
    ]
    with torch.no_grad():
        for theirs, ours in pairs:
            for target, source in zip(theirs.parameters(), ours.parameters(), strict=True):
                target.copy_(source)
    return policy, [p for theirs, _ in pairs for p in theirs.parameters()]


def their_loss(policy, batch, rows, value_clip_range):
    """What `stable_baselines3.PPO.train` minimises, on the given rows of our batch."""
    values, log_prob, entropy = policy.evaluate_actions(batch.observations[rows], batch.actions[rows])
    advantages = batch.advantages[rows]
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ratio = torch.exp(log_prob - batch.log_probs[rows])
    policy_loss = -torch.min(advantages * ratio, advantages * torch.clamp(ratio, 1 - EPSILON, 1 + EPSILON)).mean()
    values = values.flatten()
    if value_clip_range is not None:
        old = batch.values[rows]
        values = old + torch.clamp(values - old, -value_clip_range, value_clip_range)
    value_loss = torch.nn.functional.mse_loss(batch.targets[rows], values)
    return policy_loss, value_loss, -entropy.mean(), policy_loss + C1 * value_loss - C2 * entropy.mean()


@pytest.fixture
def moment():
    """Everything about one minibatch late in the first update, where ratios have left 1."""
    settings = Settings.parse(
        {"num_envs": 4, "rollout_steps": 64, "learning_rate": 0.01, "clip_range": EPSILON, "value_coef": C1}
    )
    trainer = Trainer(settings)
    phase = next(p for p in trainer.phases() if p.kind is PhaseKind.LOSS and p.epoch == 3 and p.minibatch == 2)
    yield trainer, phase.update, phase.update.minibatches[-1]
    trainer.close()


def test_loss_terms_and_gradients_equal_stable_baselines3(moment):
    trainer, update, minibatch = moment
    policy, parameters = as_stable_baselines(trainer, update.settings)
    rows = minibatch.samples[minibatch.trained]
    policy_loss, value_loss, entropy_loss, loss = their_loss(policy, update.batch, rows, None)
    theirs = torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, parameters)])
    gradient = minibatch.differentiate()
    order = ("policy_trunk", "value_trunk", "policy_head", "value_head")
    parts = trainer.network.parts().items()
    ours = torch.cat([gradient[part] for start in order for name, part in parts if name.startswith(start)])

    assert minibatch.logratio.abs().max() > 0.05, "the ratios must have moved for this to mean anything"
    assert minibatch.policy_loss.item() == pytest.approx(policy_loss.item(), abs=1e-6)
    assert minibatch.value_loss.item() == pytest.approx(value_loss.item(), rel=1e-6)
    assert minibatch.entropy.item() == pytest.approx(-entropy_loss.item(), abs=1e-6)
    assert minibatch.loss.item() == pytest.approx(loss.item(), rel=1e-6)
    assert (ours - theirs).norm() / theirs.norm() < 1e-6
