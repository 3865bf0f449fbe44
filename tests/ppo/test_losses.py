"""The loss against a slow loop over samples, and the table of regions against autograd."""

import math

import pytest
import torch

from ppo_scope.ppo import losses
from ppo_scope.ppo.losses import Region

EPSILON, EPSILON_HIGH, CAP = 0.2, 0.3, 1.5
EDGES = losses.edges_of(EPSILON, EPSILON_HIGH, CAP)


def scene(count=400, seed=1):
    generator = torch.Generator().manual_seed(seed)
    logratio = torch.randn(count, generator=generator) * 0.3
    advantages = torch.randn(count, generator=generator)
    trained = torch.rand(count, generator=generator) > 0.1
    return logratio, advantages, trained


def naive_region(r, advantage, trained):
    if not trained:
        return Region.NOT_TRAINED
    if 1 - EPSILON <= r <= 1 + EPSILON_HIGH:
        return Region.INSIDE
    if (advantage > 0 and r > 1 + EPSILON_HIGH) or (advantage < 0 and r < 1 - EPSILON):
        return Region.HELD
    if advantage < 0 and r > CAP:
        return Region.HELD
    return Region.PULLED_BACK


def test_policy_loss_equals_a_loop_over_samples():
    logratio, advantages, trained = scene()
    total, count = 0.0, 0
    for lr, a, t in zip(logratio.tolist(), advantages.tolist(), trained.tolist(), strict=True):
        if t:
            r = math.exp(lr)
            clipped = max(-r * a, -min(max(r, 1 - EPSILON), 1 + EPSILON_HIGH) * a)
            total += min(clipped, -CAP * a) if a < 0 else clipped  # as the paper of dual clip has it
            count += 1
    loss = losses.clipped_policy_loss(logratio.exp(), advantages, EDGES).dot(losses.mean_weights(trained))
    assert loss.item() == pytest.approx(total / count, abs=1e-6)


def test_value_loss_equals_a_loop_over_samples():
    values, targets, old = (torch.randn(50, generator=torch.Generator().manual_seed(s)) for s in (1, 2, 3))
    plain = losses.value_loss(values, targets, old, None)
    clipped = losses.value_loss(values, targets, old, 0.5)
    for i in range(50):
        v, target, v_old = values[i].item(), targets[i].item(), old[i].item()
        within = v_old + min(max(v - v_old, -0.5), 0.5)
        assert plain[i].item() == pytest.approx((v - target) ** 2, abs=1e-5)
        assert clipped[i].item() == pytest.approx(max((v - target) ** 2, (within - target) ** 2), abs=1e-5)


def test_regions_equal_a_loop_over_samples():
    logratio, advantages, trained = scene()
    codes = losses.regions(logratio.exp(), advantages, trained, EDGES)
    expected = [
        naive_region(r, a, t)
        for r, a, t in zip(logratio.exp().tolist(), advantages.tolist(), trained.tolist(), strict=True)
    ]
    assert codes.tolist() == expected
    assert codes.dtype == torch.uint8
    assert set(expected) == set(Region) - {Region.UNHELD, Region.UNKNOWN}, "the scene must hold every region"
    bare = losses.regions(logratio.exp(), advantages, trained, losses.edges_of(EPSILON, EPSILON_HIGH)).tolist()
    assert bare.count(Region.HELD) < expected.count(Region.HELD), "some must be held by the cap alone"
    unheld = [Region.UNHELD if code == Region.HELD else code for code in bare]
    for objective in ("reinforce", "actor_critic", "unclipped"):
        assert losses.regions(logratio.exp(), advantages, trained, EDGES, objective).tolist() == unheld


def test_the_gradient_of_a_sample_is_zero_exactly_where_it_is_held():
    logratio, advantages, _ = scene()
    everyone = torch.ones(len(logratio), dtype=torch.bool)
    logratio.requires_grad_()
    losses.clipped_policy_loss(logratio.exp(), advantages, EDGES).sum().backward()
    held = losses.regions(logratio.detach().exp(), advantages, everyone, EDGES) == Region.HELD
    assert held.any() and not held.all()
    assert torch.equal(logratio.grad == 0, held)


def test_the_gradient_of_a_sample_that_is_pulled_back_has_full_size():
    logratio, advantages, _ = scene()
    everyone = torch.ones(len(logratio), dtype=torch.bool)
    logratio.requires_grad_()
    losses.clipped_policy_loss(logratio.exp(), advantages, EDGES).sum().backward()
    ratio = logratio.detach().exp()
    pulled = losses.regions(ratio, advantages, everyone, EDGES) == Region.PULLED_BACK
    assert pulled.any()
    assert torch.allclose(logratio.grad[pulled], (-ratio * advantages)[pulled])


def test_means_leave_out_what_is_not_trained():
    x = torch.tensor([1.0, 2.0, 100.0, 3.0])
    trained = torch.tensor([True, True, False, True])
    assert x.dot(losses.mean_weights(trained)).item() == pytest.approx(2.0)
    assert losses.mean_weights(torch.zeros(4, dtype=torch.bool)).tolist() == [0.0] * 4


def test_normalisation_equals_torch_on_the_samples_that_are_trained():
    _, advantages, trained = scene()
    kept = advantages[trained]
    expected = (kept - kept.mean()) / (kept.std() + 1e-8)
    assert torch.allclose(losses.normalize(advantages, trained)[trained], expected, atol=1e-6)


def test_normalisation_of_a_single_sample_is_zero_and_finite():
    only = losses.normalize(torch.tensor([3.0, 5.0]), torch.tensor([True, False]))
    assert only[0].item() == 0.0
    assert torch.isfinite(only).all()


def test_the_gradient_of_a_held_sample_is_zero_however_far_it_has_moved():
    logratio = torch.tensor([90.0, 300.0], requires_grad=True)
    losses.clipped_policy_loss(losses.ratio_of(logratio), torch.tensor([1.0, 1.0]), EDGES).sum().backward()
    assert logratio.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("high", [None, 0.0, 0.28, 3.0])
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.2, 0.3, 1.0])
def test_the_edges_of_the_range_belong_to_the_inside(epsilon, high):
    below, above = (max(one, losses.SMALLEST_CLIP_RANGE) for one in (epsilon, epsilon if high is None else high))
    edges = torch.tensor([1.0 - below, 1.0 + above])
    made = losses.edges_of(epsilon, high)
    beyond = torch.tensor([torch.nextafter(edges[0], torch.tensor(-1.0)), torch.nextafter(edges[1], torch.tensor(9.0))])
    everyone = torch.ones(2, dtype=torch.bool)
    for advantages in (torch.tensor([1.0, -1.0]), torch.tensor([-1.0, 1.0])):
        assert losses.regions(edges, advantages, everyone, made).tolist() == [Region.INSIDE] * 2
        expected = Region.HELD if advantages[1] > 0 else Region.PULLED_BACK
        assert losses.regions(beyond, advantages, everyone, made).tolist() == [expected] * 2


def test_an_advantage_of_zero_is_inside_wherever_its_ratio_is():
    everyone = torch.ones(3, dtype=torch.bool)
    codes = losses.regions(torch.tensor([0.1, 1.0, 9.0]), torch.zeros(3), everyone, EDGES)
    assert codes.tolist() == [Region.INSIDE] * 3
