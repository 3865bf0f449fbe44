"""Adam over one vector is torch's own, to the last bit."""

import pytest
import torch

from ppo_scope.ppo import adam as adam_module
from ppo_scope.ppo.adam import EPS, KERNEL, Adam
from ppo_scope.ppo.optimisation import norm_of

SIZE = 1000
RATES = (0.01, 0.003, 0.0)


def gradients(count):
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(SIZE, generator=generator) * 10.0 ** (index % 5 - 3) for index in range(count)]


def theta():
    return torch.linspace(-1, 1, SIZE).requires_grad_()


@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize("guarded", [False, True])
def test_every_step_is_that_of_torch(as_tensor, guarded):
    ours, theirs = theta(), theta()
    adam = Adam(ours)
    torchs = torch.optim.Adam([theirs], eps=EPS, fused=True)
    not_finite = torch.zeros(()) if guarded else None
    if guarded:
        torchs.found_inf = not_finite
    for index, gradient in enumerate(gradients(30)):
        rate = RATES[index // 10]
        if guarded:
            not_finite.fill_(float(index % 7 == 5))
        adam.step(gradient, torch.tensor(rate, dtype=torch.float64) if as_tensor else rate, not_finite)
        torchs.param_groups[0]["lr"] = torch.tensor(rate, dtype=torch.float64) if as_tensor else rate
        theirs.grad = gradient.clone()
        torchs.step()
        assert torch.equal(ours, theirs), index
    (state,) = torchs.state.values()
    expected = {"mean": state["exp_avg"], "square": state["exp_avg_sq"], "steps": state["step"]}
    assert adam.state().keys() == expected.keys()
    assert all(torch.equal(part, expected[name]) for name, part in adam.state().items())
    assert float(state["step"]) == (26 if guarded else 30)


def test_from_where_it_has_been_it_goes_the_same_way():
    ours = theta()
    adam = Adam(ours)
    first, second, third = gradients(3)
    adam.step(first, 0.01, None)
    place, state = ours.detach().clone(), adam.state()
    ends = []
    for _ in range(2):
        adam.step(second, 0.01, None)
        adam.step(third, 0.01, None)
        ends.append(ours.detach().clone())
        with torch.no_grad():
            ours.copy_(place)
        adam.return_to(state)
    assert torch.equal(*ends)
    assert not torch.equal(ends[0], place)


def test_torch_still_has_its_private_kernel():
    """If this fails, a torch has dropped `torch._fused_adam_`: training goes on by public functions, but slower."""
    assert hasattr(torch, KERNEL)


@pytest.mark.parametrize("as_tensor", [False, True])
@pytest.mark.parametrize("guarded", [False, True])
def test_without_the_kernel_it_is_the_same_but_for_rounding(monkeypatch, as_tensor, guarded):
    ends = []
    for kernel in (KERNEL, "_no_such_kernel_"):
        monkeypatch.setattr(adam_module, "KERNEL", kernel)
        ours = theta()
        adam = Adam(ours)
        not_finite = torch.zeros(()) if guarded else None
        for index, gradient in enumerate(gradients(30)):
            if guarded and index % 7 == 5:
                gradient = torch.full_like(gradient, torch.nan)
                not_finite.fill_(1.0)
            elif guarded:
                not_finite.fill_(0.0)
            rate = RATES[index // 10]
            adam.step(gradient, torch.tensor(rate, dtype=torch.float64) if as_tensor else rate, not_finite)
        ends.append([ours.detach(), *adam.state().values()])
    for kernels, publics in zip(*ends, strict=True):
        assert torch.isfinite(publics).all()
        assert torch.allclose(kernels, publics, rtol=1e-4, atol=1e-6)


def test_the_norm_of_a_large_gradient_is_its_norm():
    """torch's own of as many is off in the fifth digit or the fourth."""
    gradient = torch.randn(2_000_000, generator=torch.Generator().manual_seed(1))
    assert norm_of(gradient).item() == pytest.approx(gradient.double().norm().item(), rel=1e-5)
    small = gradient[:9000]
    assert torch.equal(norm_of(small), torch.linalg.vector_norm(small))
