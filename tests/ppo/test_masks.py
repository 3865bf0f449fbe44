"""Action masks: what is forbidden has probability 0 everywhere, as sb3-contrib's MaskablePPO has it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy

from ppo_scope.ppo import masks
from ppo_scope.ppo.distributions import Categorical, MultiCategorical
from ppo_scope.ppo.evaluation import Evaluator
from ppo_scope.ppo.failures import EnvironmentFault, EnvironmentRaised
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.ppo.trial import prove
from tests.environments import masked
from tests.ppo.test_by_hand import by_torch, late_minibatch, loss_of
from tests.ppo.test_parity import C1, C2, EPSILON, as_stable_baselines
from tests.ppo.test_properties import QUICK

MASKED, SEVERAL = (f"{masked.__name__}:{name}-v0" for name in ("Masked", "Several"))
COUNTS = [2, 3, 4]


def make(env=MASKED, settings=None, **kwargs):
    given = {"num_envs": 4, "rollout_steps": 32, "learning_rate": 0.02, "entropy_coef": 0.05}
    return Trainer(Settings.parse({"env": env, "env_kwargs": kwargs, **given, **(settings or {})}))


def updates(trainer, count):
    found = [p.update for p, _ in zip(by_updates(trainer), range(count), strict=False)]
    trainer.close()
    return found


def by_updates(trainer):
    return (phase for phase in trainer.phases() if phase.kind is PhaseKind.UPDATE)


@pytest.mark.parametrize("by", ["info", "method", "both"])
@pytest.mark.parametrize("action", ["discrete", "multi_discrete"])
def test_only_what_is_allowed_is_done(action, by):
    """The environment objects to anything else; what the batch says is what it allowed."""
    trainer = make(action=action, by=by)
    choices = masks.choices_of(trainer.environments.vector.single_action_space)
    for phase, _ in zip(by_updates(trainer), range(3), strict=False):
        rollout, batch = phase.update.rollout, phase.update.batch
        trained = rollout.trained
        assert (~rollout.action_masks[trained]).any()
        assert np.array_equal(rollout.action_masks[trained], rollout.observations[:-1][trained] == 1)
        assert np.array_equal(batch.action_masks.numpy(), rollout.action_masks.reshape(len(batch.actions), -1))
        assert not masks.forbidden_taken(batch.action_masks.numpy(), batch.actions.numpy(), choices).any()
        assert (batch.outputs.numpy()[~batch.action_masks.numpy()] == np.float32(masks.FORBIDDEN)).all()
        assert torch.isfinite(batch.log_probs).all()
    trainer.close()
    assert trainer.episodes[-1].episodic_return > 0


def test_a_mask_in_parts_is_the_same_mask():
    whole, parts = (make(action="multi_discrete", parts=parts) for parts in (False, True))
    for one, other in zip(updates(whole, 2), updates(parts, 2), strict=True):
        assert one.rollout.action_masks.tobytes() == other.rollout.action_masks.tobytes()
    assert whole.weights_sha256() == parts.weights_sha256()


def test_without_the_mask_anything_may_be_done():
    trainer = make(settings={"use_action_mask": False})
    assert trainer.environments.masks is None
    with pytest.raises(EnvironmentRaised, match="is forbidden"):
        updates(trainer, 3)


@pytest.mark.parametrize("objective", ["clip", "kl_penalty"])
@pytest.mark.parametrize("action", ["discrete", "multi_discrete"])
def test_by_hand_and_by_torch_agree(action, objective):
    trainer = make(action=action, settings={"objective": objective})
    masked_batch, ours = late_minibatch(trainer)
    assert ours.logratio.abs().max() > 0.05, "the ratios must have moved for this to mean anything"
    gradient = ours.differentiate()
    by_torch(trainer)
    theirs = loss_of(trainer, *masked_batch)
    for name in ("policy_loss", "value_loss", "entropy", "loss"):
        assert getattr(ours, name).item() == pytest.approx(getattr(theirs, name).item(), rel=1e-5, abs=1e-6), name
    assert torch.allclose(ours.logratio, theirs.logratio, atol=2e-6)
    expected = theirs.differentiate()
    assert (gradient - expected).norm() <= 2e-6 * expected.norm()
    trainer.close()


def their_maskable(trainer):
    """(their policy with our weights, its parameters in the order of ours)."""
    return as_stable_baselines(trainer, MaskableActorCriticPolicy)


@pytest.mark.parametrize("action", ["discrete", "multi_discrete"])
def test_loss_terms_and_gradients_equal_those_of_maskable_ppo(action):
    trainer = make(action=action)
    phase = next(p for p in trainer.phases() if p.kind is PhaseKind.LOSS and p.epoch == 3 and p.minibatch == 2)
    batch, minibatch = phase.update.batch, phase.update.minibatches[-1]
    policy, parameters = their_maskable(trainer)
    rows = minibatch.samples[minibatch.trained]
    # As in sb3_contrib.MaskablePPO.train.
    values, log_prob, entropy = policy.evaluate_actions(
        batch.observations[rows], batch.actions[rows], batch.action_masks[rows].numpy()
    )
    advantages = batch.advantages[rows]
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ratio = torch.exp(log_prob - batch.log_probs[rows])
    policy_loss = -torch.min(advantages * ratio, advantages * torch.clamp(ratio, 1 - EPSILON, 1 + EPSILON)).mean()
    value_loss = torch.nn.functional.mse_loss(batch.targets[rows], values.flatten())
    loss = policy_loss + C1 * value_loss - 0.05 * entropy.mean()
    theirs = torch.cat([gradient.reshape(-1) for gradient in torch.autograd.grad(loss, parameters)])
    ours = minibatch.differentiate()
    with torch.no_grad():
        outputs, _ = trainer.network(batch.observations[rows])
        log_probs, entropies = trainer.distribution.evaluate(
            masks.forbid(outputs, batch.action_masks[rows]), batch.actions[rows]
        )
    trainer.close()

    assert C2 != 0.05
    assert minibatch.logratio.abs().max() > 0.05, "the ratios must have moved for this to mean anything"
    assert torch.allclose(log_probs, log_prob, atol=1e-6)
    assert torch.allclose(entropies, entropy, atol=1e-6)
    assert minibatch.policy_loss.item() == pytest.approx(policy_loss.item(), rel=1e-5, abs=1e-6)
    assert minibatch.value_loss.item() == pytest.approx(value_loss.item(), rel=1e-6)
    assert minibatch.entropy.item() == pytest.approx(entropy.mean().item(), rel=1e-6, abs=1e-6)
    assert minibatch.loss.item() == pytest.approx(loss.item(), rel=1e-6, abs=1e-6)
    assert (ours - theirs).norm() / theirs.norm() < 1e-6


@st.composite
def policies(draw):
    """(logits [B, O] before and after, a mask [B, O] that leaves something of each choice, actions [B, K] of it)."""
    numbers = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, scale = draw(st.integers(1, 6)), draw(st.sampled_from([0.1, 1.0, 30.0, 1e4]))
    before, after = (numbers.normal(0, scale, (rows, sum(COUNTS))).astype(np.float32) for _ in range(2))
    allowed = numbers.random(before.shape) < draw(st.sampled_from([0.0, 0.3, 0.7, 1.0]))
    starts = np.cumsum([0, *COUNTS[:-1]])
    actions = np.stack([numbers.integers(count, size=rows) for count in COUNTS], 1)
    np.put_along_axis(allowed, actions + starts, True, 1)
    return before, after, allowed, actions


@QUICK
@given(policies())
def test_what_is_forbidden_has_no_probability_no_gradient_and_no_part_in_anything(drawn):
    """As if the choices that are forbidden were not there at all; by hand and by torch."""
    before, after, allowed, actions = drawn
    ours = MultiCategorical(COUNTS, np.zeros(3, np.int64), (3,))
    outputs = masks.forbid(after, allowed)
    log_probs, entropies, pullback = ours.differentiable(outputs, actions)
    slopes = pullback(np.ones(len(after), np.float32), np.full(len(after), 0.5, np.float32))
    assert (slopes[~allowed] == 0).all()
    assert np.isfinite(slopes).all()

    logits = torch.from_numpy(after).requires_grad_()
    of_torch = masks.forbid(logits, torch.from_numpy(allowed))
    log_prob, entropy = ours.evaluate(of_torch, torch.from_numpy(actions))
    (log_prob + 0.5 * entropy).sum().backward()
    assert (logits.grad.numpy()[~allowed] == 0).all()
    assert np.allclose(logits.grad.numpy(), slopes, atol=1e-4)
    assert np.allclose(log_prob.detach().numpy(), log_probs, atol=1e-4 * max(1, np.abs(after).max()))
    old = masks.forbid(before, allowed)
    _, pulled = ours.divergence_in_numpy(old, outputs)
    assert (pulled[~allowed] == 0).all()
    kl = ours.kl(masks.forbid(torch.from_numpy(before), torch.from_numpy(allowed)), of_torch).detach().numpy()
    assert np.isfinite(kl).all()

    edges = np.cumsum(COUNTS)[:-1]
    largest = masks.largest_entropies(allowed, COUNTS)
    for row in range(len(after)):
        parts = zip(
            np.split(before[row], edges), np.split(after[row], edges), np.split(allowed[row], edges), strict=True
        )
        found_entropy, found_kl, found_largest = 0.0, 0.0, 0.0
        for old, new, mask in parts:
            few = Categorical(int(mask.sum()))
            left = [torch.from_numpy(part[mask])[None] for part in (old, new)]
            found_entropy += few.evaluate(left[1], torch.zeros(1, dtype=torch.int64))[1].item()
            found_kl += few.kl(*left).item()
            found_largest += few.max_entropy
        assert entropies[row] == pytest.approx(found_entropy, rel=1e-4, abs=1e-4)
        assert kl[row] == pytest.approx(found_kl, rel=1e-4, abs=1e-4)
        assert largest[row] == pytest.approx(found_largest, rel=1e-5, abs=1e-6)
        assert entropies[row] <= largest[row] + 1e-4


FAULTS = [
    ({"fault": "nothing"}, "environment 0, after step 2 of its episode: it forbids everything"),
    (
        {"fault": "shape"},
        r"after step 2 of its episode: expected 4 truth values, got shape \(3,\) of int8; --no-use",
    ),
    ({"fault": "shape", "action": "multi_discrete"}, "expected 9 truth values, of choices of 2, 3, 4, got shape"),
    ({"fault": "number"}, "after step 2 of its episode: expected truth values, got 2"),
    ({"fault": "missing"}, "after step 2 of its episode: it is missing from info, where earlier states had one"),
    ({"fault": "late"}, "environment 0: a step gives one, and reset gave none"),
    ({"action": "box"}, r"at the start of its episode: there is one, and the actions are Box.*--no-use-action-mask"),
    ({"fault": "nothing", "by": "method"}, "environment 0, after step 2 of its episode: it forbids everything"),
]


@pytest.mark.parametrize(("kwargs", "words"), FAULTS)
def test_a_mask_that_cannot_be_used_is_refused_with_environment_and_step(kwargs, words):
    with pytest.raises(EnvironmentFault, match=words) as refused:
        updates(make(**kwargs), 1)
    assert str(refused.value).startswith("action mask of environment 0")
    assert "\n" not in str(refused.value)


def test_what_its_own_method_raises_is_told_as_its_own():
    with pytest.raises(EnvironmentRaised, match=r"failed in action_masks \(masked\.py, line \d+\): KeyError: 'lost'"):
        updates(make(by="method", fault="raises"), 1)


@pytest.mark.parametrize("same_step", [False, True])
def test_a_vector_environment_alone_may_have_a_mask(same_step):
    [update] = updates(make(SEVERAL, same_step=same_step), 1)
    assert np.array_equal(update.rollout.actions, np.repeat(np.arange(32)[:, None] % 3, 4, 1))
    assert (update.batch.log_probs == 0).all(), "there was one thing to do"


@pytest.mark.parametrize(("fault", "words"), [("nothing", "it forbids everything"), ("missing", "it is missing")])
def test_one_that_fails_is_refused_too(fault, words):
    with pytest.raises(
        EnvironmentFault, match=f"action mask of environment {int(fault == 'nothing')} at step 3: {words}"
    ):
        updates(make(SEVERAL, fault=fault), 1)


def test_a_run_with_a_mask_is_proved_and_made_anew():
    prove(Settings.parse({"env": MASKED, "num_envs": 2, "rollout_steps": 8, "minibatches": 2}))
    trainer = make()
    next(by_updates(trainer))
    weights = trainer.weights_sha256()
    outcome = trainer.redo({})
    assert outcome.update.batch.action_masks is not None
    with trainer.visit(outcome):
        assert trainer.weights_sha256() == weights, "the same again"
    trainer.close()


def test_the_kl_that_beta_follows_is_between_policies_that_keep_to_the_mask():
    """Of a policy that hardly moves it is next to nothing, whatever its logits say of what is forbidden."""
    penalty = {"objective": "kl_penalty", "kl_coef": 1.0, "kl_coef_target": 0.01, "learning_rate": 1e-6}
    trainer = make(settings=penalty)
    next(by_updates(trainer))
    assert trainer.standing()["kl_coef"] == 0.5
    trainer.close()


def test_an_evaluation_keeps_to_the_mask_too():
    """The environment objects to anything else, which would be told as a fault."""
    trainer = make(settings={"eval_every": 1, "eval_episodes": 5})
    evaluator = Evaluator(trainer)
    next(by_updates(trainer))
    found = evaluator.evaluate()
    trainer.close()
    assert (found.fault, len(found.returns), found.lengths) == ("", 5, (masked.LENGTH,) * 5)
