"""What holds whatever the numbers are: any mask, any ε, ratios far beyond what single precision can hold."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ppo_scope.ppo import by_hand, losses
from ppo_scope.ppo.advantages import gae
from ppo_scope.ppo.losses import Region
from tests.ppo.test_advantages import naive
from tests.ppo.test_by_hand import OBJECTIVES

QUICK = settings(max_examples=60, deadline=None)


def floats(count, limit):
    return arrays(np.float32, count, elements=st.floats(-limit, limit, width=32))


def samples(limit):
    """(log r, Â, which are transitions) of 1 to 24 samples."""
    return st.integers(1, 24).flatmap(
        lambda n: st.tuples(floats(n, limit), floats(n, 100), arrays(np.bool_, n, elements=st.booleans()))
    )


CAPS = st.none() | st.floats(1.001, 20)
EDGES = st.builds(losses.edges_of, st.floats(0, 1), st.none() | st.floats(1e-6, 5), CAPS).filter(
    lambda edges: edges.cap > edges.high
)
OBJECTIVE = st.sampled_from(OBJECTIVES)


def slopes(objective, logratio, advantages, weights, edges):
    """(L_PG, dL_PG/d log r per sample) by autograd."""
    log_probs = torch.from_numpy(logratio).requires_grad_()
    terms = losses.policy_loss(objective, log_probs, losses.ratio_of(log_probs), torch.from_numpy(advantages), edges)
    loss = terms @ weights
    return loss.detach(), torch.autograd.grad(loss, log_probs)[0]


@QUICK
@given(samples(1e4), EDGES, OBJECTIVE)
def test_loss_and_gradient_are_finite(drawn, edges, objective):
    logratio, advantages, trained = drawn
    loss, gradient = slopes(objective, logratio, advantages, losses.mean_weights(torch.from_numpy(trained)), edges)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()
    assert (gradient[~torch.from_numpy(trained)] == 0).all()


@QUICK
@given(samples(3), EDGES, OBJECTIVE)
def test_a_gradient_is_held_back_exactly_where_the_region_says_so(drawn, edges, objective):
    logratio, advantages, trained = drawn
    ratio = losses.ratio_of(torch.from_numpy(logratio))
    tensors = ratio, torch.from_numpy(advantages), torch.from_numpy(trained)
    codes = losses.regions(*tensors, edges, objective)
    _, gradient = slopes(objective, logratio, advantages, losses.mean_weights(tensors[2]), edges)
    pushes = torch.from_numpy((np.abs(advantages) > 1e-30) & trained)
    held = codes == Region.HELD
    assert (gradient[held] == 0).all()
    assert (gradient[pushes & ~held] != 0).all()
    assert objective == "clip" or not held.any()
    assert objective != "clip" or not (codes == Region.UNHELD).any()
    assert ((codes == Region.NOT_TRAINED) == ~tensors[2]).all()
    low, high, _ = edges
    outside = (ratio > high) | (ratio < low)
    beyond = (codes == Region.HELD) | (codes == Region.PULLED_BACK) | (codes == Region.UNHELD)
    assert (beyond == (outside & (tensors[1] != 0) & tensors[2])).all()


@QUICK
@given(samples(200), EDGES, OBJECTIVE)
def test_by_hand_is_autograd(drawn, edges, objective):
    logratio, advantages, _ = drawn
    with np.errstate(over="ignore"):
        terms, ours = by_hand.policy_loss(objective, logratio, logratio, advantages, edges)
    weights = torch.ones(len(logratio))
    loss, theirs = slopes(objective, logratio, advantages, weights, edges)
    assert np.allclose(terms.sum(), loss, rtol=1e-4, atol=1e-3)
    assert np.allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@QUICK
@given(samples(1), st.none() | st.floats(0.001, 100))
def test_the_value_loss_by_hand_is_autograd(drawn, clip_range):
    values, targets, _ = drawn
    old = np.roll(values, 1)
    v = torch.from_numpy(values).requires_grad_()
    terms = losses.value_loss(v, torch.from_numpy(targets), torch.from_numpy(old), clip_range)
    found, ours = by_hand.value_loss(values, targets, old, clip_range)
    assert np.allclose(found, terms.detach(), rtol=1e-5)
    (theirs,) = torch.autograd.grad(terms.sum(), v)
    apart = np.abs(np.abs(values - old) - (clip_range or 1e9)) > 1e-5  # at the very edge either side will do
    assert np.allclose(ours[apart], theirs[torch.from_numpy(apart)], rtol=1e-4, atol=1e-4)


@QUICK
@given(samples(100))
def test_normalised_advantages_have_mean_0_and_deviation_1(drawn):
    _, advantages, trained = drawn
    found = losses.normalize(torch.from_numpy(advantages), torch.from_numpy(trained))
    assert torch.isfinite(found).all()
    kept = found[torch.from_numpy(trained)].double()
    if trained.sum() > 1 and advantages[trained].std() > 0.01:
        assert abs(kept.mean()) < 1e-3
        assert abs(kept.std() - 1) < 1e-3
    elif trained.sum() == 1:
        assert kept.item() == 0


@QUICK
@given(st.integers(1, 8), st.integers(1, 3), st.floats(0, 1), st.floats(0, 1), st.integers(0, 2**31))
def test_gae_is_the_explicit_sum(steps, envs, discount, gae_lambda, seed):
    generator = np.random.default_rng(seed)
    rewards = generator.normal(size=(steps, envs)).astype(np.float32)
    values = generator.normal(size=(steps + 1, envs)).astype(np.float32)
    terminated, truncated = generator.random((2, steps, envs)) < 0.2
    rest = (terminated, truncated & ~terminated, discount, gae_lambda)
    assert np.allclose(gae(rewards, values[:-1], values[1:], *rest), naive(rewards, values, *rest), atol=1e-4)
