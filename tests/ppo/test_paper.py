"""A minibatch of a real run against the paper's formulas, written out sample by sample in double precision."""

import math

import numpy as np
import pytest
import torch

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from tests.ppo.test_by_hand import OBJECTIVES
from tests.ppo.test_spaces import sampled


def probability_and_entropy(kind, outputs, action):
    """π(a|s), or its density, and the entropy of π(·|s)."""
    if kind == "discrete":
        weights = [math.exp(z - max(outputs)) for z in outputs]
        p = [weight / sum(weights) for weight in weights]
        return p[int(action)], -sum(q * math.log(q) for q in p)
    half = len(outputs) // 2
    density, entropy = 1.0, 0.0
    for mean, log_std, a in zip(outputs[:half], outputs[half:], action, strict=True):
        sigma = math.exp(log_std)
        density *= math.exp(-((a - mean) ** 2) / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
        entropy += 0.5 * math.log(2 * math.pi * math.e * sigma**2)
    return density, entropy


def kl_of(kind, old, new):
    """KL(π_old(·|s)‖π(·|s))"""
    if kind == "discrete":
        p, q = ([math.exp(z) for z in outputs] for outputs in (old, new))
        p, q = ([weight / sum(weights) for weight in weights] for weights in (p, q))
        return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    half, total = len(old) // 2, 0.0
    for mean, other, log_std, other_log_std in zip(old[:half], new[:half], old[half:], new[half:], strict=True):
        spread = math.exp(log_std) ** 2 + (mean - other) ** 2
        total += other_log_std - log_std + spread / (2 * math.exp(other_log_std) ** 2) - 0.5
    return total


def weights_of(rollout, values, next_values, settings):
    """Â (equations 11 and 12 as the explicit sum), or G for reinforce: [M, N]."""
    gamma, decay = settings.discount, settings.discount * settings.gae_lambda
    found = np.zeros(rollout.rewards.shape)
    targets = np.zeros(rollout.rewards.shape)
    for t, n in np.ndindex(found.shape):
        advantage = total = 0.0
        for u in range(t, len(found)):
            following = 0.0 if rollout.terminated[u, n] else next_values[u, n]
            delta = float(rollout.rewards[u, n]) + gamma * following - values[u, n]
            advantage += decay ** (u - t) * delta
            total += gamma ** (u - t) * float(rollout.rewards[u, n])
            if rollout.terminated[u, n] or rollout.truncated[u, n]:
                break
        targets[t, n] = advantage + values[t, n]
        found[t, n] = total if settings.objective == "reinforce" else advantage
    return found, targets


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("kind", ["discrete", "box"])
def test_a_minibatch_is_what_the_paper_says(kind, objective):
    given = {"env": sampled("box", kind), "num_envs": 3, "rollout_steps": 24, "minibatches": 2, "learning_rate": 0.02}
    settings = Settings.parse({**given, "objective": objective, "normalize_rewards": False})
    trainer = Trainer(settings)
    phase = next(p for p in trainer.phases() if p.kind is PhaseKind.LOSS and p.epoch == 3)
    rollout, batch, minibatch = phase.update.rollout, phase.update.batch, phase.update.minibatches[-1]
    with torch.no_grad():
        _, last = trainer.network(torch.from_numpy(rollout.observations[-1]))
        outputs, values = trainer.network(batch.observations)
    trainer.close()
    before = batch.values.double().view(rollout.rewards.shape).numpy()
    # V of the collecting critic at the state after the last step is not kept; where it matters an episode has ended.
    following = np.concatenate([before[1:], last.double().numpy()[None]])
    weights, targets = weights_of(rollout, before, following, settings)
    ends = rollout.terminated | rollout.truncated
    settled = np.zeros(ends.shape, bool)  # samples whose episode ends within the rollout
    settled[:] = np.flip(np.cumsum(np.flip(ends, 0), 0), 0) > 0
    if objective != "reinforce":
        assert batch.advantages.view(ends.shape).numpy()[settled] == pytest.approx(weights[settled], abs=1e-4)
    else:
        assert batch.advantages.view(ends.shape).numpy() == pytest.approx(weights, abs=1e-4)
    assert batch.targets.view(ends.shape).numpy()[settled] == pytest.approx(targets[settled], abs=1e-4)

    rows = minibatch.samples[minibatch.trained].tolist()
    raw = [batch.advantages[i].item() for i in rows]
    mean = sum(raw) / len(raw)
    deviation = math.sqrt(sum((a - mean) ** 2 for a in raw) / (len(raw) - 1))
    policy_loss = value_loss = entropy = 0.0
    for i, advantage in zip(rows, raw, strict=True):
        a = (advantage - mean) / (deviation + 1e-8)
        action = batch.actions[i].tolist()
        new, h = probability_and_entropy(kind, outputs[i].tolist(), action)
        old, _ = probability_and_entropy(kind, batch.outputs[i].tolist(), action)
        r = new / old
        policy_loss += {
            "clip": max(-r * a, -min(max(r, 0.8), 1.2) * a),
            "unclipped": -r * a,
            "kl_penalty": -r * a + settings.kl_coef * kl_of(kind, batch.outputs[i].tolist(), outputs[i].tolist()),
            "actor_critic": -math.log(new) * a,
            "reinforce": -math.log(new) * a,
        }[objective] / len(rows)
        value_loss += (values[i].item() - batch.targets[i].item()) ** 2 / len(rows)
        entropy += h / len(rows)
    assert minibatch.policy_loss.item() == pytest.approx(policy_loss, abs=1e-5)
    assert minibatch.value_loss.item() == pytest.approx(value_loss, rel=1e-5)
    assert minibatch.entropy.item() == pytest.approx(entropy, abs=1e-5)
    total = policy_loss + settings.value_coef * value_loss - settings.entropy_coef * entropy
    assert minibatch.loss.item() == pytest.approx(total, abs=2e-5)
