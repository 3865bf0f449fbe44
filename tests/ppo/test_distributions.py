"""Every distribution against torch's own, and its samples against its probabilities."""

import math

import numpy as np
import pytest
import torch
from torch import distributions as reference

from ppo_scope.ppo.distributions import Bernoulli, Categorical, DiagonalGaussian, KLFrom, MultiCategorical

LOW, HIGH = np.full((2, 2), -1, np.float32), np.full((2, 2), 1, np.float32)
COUNTS = [2, 3, 4]


def multi(outputs):
    return [reference.Categorical(logits=part) for part in torch.split(outputs, COUNTS, dim=-1)]


CASES = {
    "categorical": (Categorical(5), lambda o: [reference.Categorical(logits=o)]),
    "multi": (MultiCategorical(COUNTS, np.array([0, 1, 0]), (3,)), multi),
    "bernoulli": (Bernoulli((4,)), lambda o: [reference.Independent(reference.Bernoulli(logits=o), 1)]),
    "gaussian": (
        DiagonalGaussian(LOW, HIGH),
        lambda o: [reference.Independent(reference.Normal(o[..., :4], o[..., 4:].exp()), 1)],
    ),
}


def outputs_of(ours, rows, seed=0):
    outputs = torch.randn((rows, ours.outputs), generator=torch.Generator().manual_seed(seed))
    if ours.free:
        outputs[:, -ours.free :] = outputs[:1, -ours.free :]
    return outputs


def sample(ours, outputs, seed=3):
    noise = ours.noise(np.random.default_rng(seed), (len(outputs),))
    assert noise.shape == (len(outputs), ours.noise_size) and noise.dtype == np.float32
    actions = ours.act(outputs.numpy(), noise)
    assert actions.shape == (len(outputs), *ours.action_shape) and actions.dtype == ours.action_dtype
    return actions


@pytest.mark.parametrize("name", CASES)
def test_log_probability_entropy_and_kl_equal_torchs(name):
    ours, theirs = CASES[name]
    outputs, new = outputs_of(ours, 50), outputs_of(ours, 50, seed=1)
    actions = torch.from_numpy(sample(ours, outputs))
    log_prob, entropy = ours.evaluate(outputs, actions)
    columns = actions.unbind(-1) if name == "multi" else [actions.float() if name == "bernoulli" else actions]
    parts = theirs(outputs)
    expected = sum(part.log_prob(column) for part, column in zip(parts, columns, strict=True))
    assert torch.allclose(log_prob, expected, atol=1e-5)
    assert torch.allclose(entropy, sum(part.entropy() for part in parts), atol=1e-5)
    kl = sum(reference.kl_divergence(p, q) for p, q in zip(parts, theirs(new), strict=True))
    assert torch.allclose(ours.kl(outputs, new), kl, atol=1e-4)
    assert (ours.kl(outputs, new) > 0).all()
    assert torch.allclose(ours.kl(outputs, outputs), torch.zeros(50), atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_what_kl_finds_of_the_old_policy_once_makes_no_bit_of_it_another(name):
    """Whatever samples stand beside: 37 of them fill no vector of the processor's."""
    ours, _ = CASES[name]
    old, new = outputs_of(ours, 37), outputs_of(ours, 500, seed=1)
    samples = torch.from_numpy(np.random.default_rng(2).integers(0, 37, 500))
    kl_from_old = KLFrom(ours, old)
    assert torch.equal(kl_from_old(new[:37]), ours.kl(old, new[:37]))
    assert torch.equal(kl_from_old(new, samples), ours.kl(old[samples], new))


@pytest.mark.parametrize("name", CASES)
def test_no_kl_is_negative_however_near_the_policies_are(name):
    """Nearly deterministic ones, moved by less than their numbers can tell: rounding alone would go below 0."""
    ours, _ = CASES[name]
    outputs = outputs_of(ours, 5000) * 20
    moved = outputs * (1 + 1e-7 * torch.randn(outputs.shape, generator=torch.Generator().manual_seed(5)))
    assert (ours.kl(outputs, moved) >= 0).all()


@pytest.mark.parametrize("name", ["categorical", "multi", "bernoulli"])
def test_samples_occur_as_often_as_their_probability_says(name):
    ours, _ = CASES[name]
    outputs = outputs_of(ours, 1).expand(100_000, -1)
    actions = sample(ours, outputs).reshape(100_000, -1)
    kinds, counts = np.unique(actions, axis=0, return_counts=True)
    kinds = torch.from_numpy(kinds if ours.action_shape else kinds[:, 0])
    probability = ours.evaluate(outputs[: len(kinds)], kinds)[0].exp().numpy()
    assert probability.sum() == pytest.approx(1.0, abs=1e-3), "all that can happen has happened"
    assert counts / 100_000 == pytest.approx(probability, abs=5 * math.sqrt(0.25 / 100_000))


def test_samples_of_the_gaussian_have_its_mean_and_deviation():
    ours, _ = CASES["gaussian"]
    outputs = outputs_of(ours, 1).expand(100_000, -1)
    actions = sample(ours, outputs)
    assert actions.mean(0) == pytest.approx(outputs[0, :4].numpy(), abs=0.05)
    assert actions.std(0) == pytest.approx(outputs[0, 4:].exp().numpy(), rel=0.02)


def test_the_largest_entropy_is_reached_by_equal_outputs():
    for name in ("categorical", "multi", "bernoulli"):
        ours, _ = CASES[name]
        equal = torch.zeros((1, ours.outputs))
        actions = torch.from_numpy(sample(ours, equal))
        assert ours.evaluate(equal, actions)[1].item() == pytest.approx(ours.max_entropy, abs=1e-5)
    assert CASES["gaussian"][0].max_entropy is None


def test_actions_reach_the_environment_in_its_own_terms():
    assert Categorical(3, start=5).to_environment(np.array([0, 2])).tolist() == [5, 7]
    multi = CASES["multi"][0]
    assert multi.to_environment(np.array([[1, 2, 3]])).tolist() == [[1, 3, 3]]
    gaussian = CASES["gaussian"][0]
    assert gaussian.to_environment(np.array([[-2, 0.5, 7, 0]], np.float32)).tolist() == [[[-1, 0.5], [1, 0]]]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("scale", [30.0, 300.0])
def test_extreme_outputs_stay_finite_where_the_mathematics_does(name, scale):
    ours, _ = CASES[name]
    outputs = outputs_of(ours, 20) * scale
    if ours.free:
        outputs[:, -ours.free :] = 0.5
    outputs.requires_grad_()
    actions = torch.from_numpy(sample(ours, outputs.detach()))
    log_prob, entropy = ours.evaluate(outputs, actions)
    (gradient,) = torch.autograd.grad((log_prob + entropy).sum(), outputs)
    for quantity in (log_prob, entropy, gradient, ours.kl(outputs, outputs * 0.5)):
        assert torch.isfinite(quantity).all()
