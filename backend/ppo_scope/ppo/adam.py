"""Adam over one vector, by the kernel of `torch.optim.Adam(fused=True)`: to the same bits.

That class brings in torch's compiler as soon as it is made, which takes as long as all of torch does, and nothing is
compiled here. For one vector there is also nothing to group. The kernel is none of torch's public functions: where a
torch lacks it, the same is done by those that are, slower and equal but for rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ppo_scope.ppo.losses import Scalar

BETAS = 0.9, 0.999
EPS = 1e-5
"""As in CleanRL and Stable-Baselines3; torch's own default is 1e-8."""
KERNEL = "_fused_adam_"
"""Private to torch, hence the way without."""


class Adam:
    """What moves θ [P]; its moments and its count of steps are tensors on θ's device.

    Source: Kingma & Ba 2015.
    """

    def __init__(self, theta: Tensor) -> None:
        self._theta = theta.detach()  # the same memory; it knows of no gradient, so a step need not switch that off
        self._mean = torch.zeros_like(theta, requires_grad=False)
        self._square = torch.zeros_like(theta, requires_grad=False)
        self._steps = torch.zeros((), device=theta.device)

    def step(self, gradient: Tensor, learning_rate: Scalar, not_finite: Tensor | None) -> None:
        """θ ← θ − α·m̂/(√v̂ + ε), in place, by a gradient [P]; where `not_finite` [] is not 0, all stays as it is."""
        self._steps.add_(1)
        moved = self._theta, gradient, self._mean, self._square, self._steps
        (_by_kernel if hasattr(torch, KERNEL) else _by_public_functions)(*moved, learning_rate, not_finite)
        if not_finite is not None:
            self._steps.sub_(not_finite)

    def typical_gradient(self) -> Tensor:
        """√v̂ [P]: what a step takes for the size of each weight's gradient; where it is below `EPS`, ε rules."""
        return (self._square / (1 - torch.pow(BETAS[1], self._steps.clamp(min=1)))).sqrt()

    def state(self) -> dict[str, Tensor]:
        """A copy of all that a step moves beside θ."""
        return {name: tensor.clone() for name, tensor in self.parts().items()}

    def return_to(self, state: dict[str, Tensor]) -> None:
        """Become what it was then."""
        for name, tensor in self.parts().items():
            tensor.copy_(state[name])

    def parts(self) -> dict[str, Tensor]:
        """All that a step moves beside θ, itself: whoever wants to keep it copies it."""
        return {"mean": self._mean, "square": self._square, "steps": self._steps}


def _by_kernel(
    theta: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    steps: Tensor,
    learning_rate: Scalar,
    not_finite: Tensor | None,
) -> None:
    torch._fused_adam_(
        [theta],
        [gradient],
        [mean],
        [square],
        [],
        [steps],
        lr=learning_rate,
        beta1=BETAS[0],
        beta2=BETAS[1],
        weight_decay=0.0,
        eps=EPS,
        amsgrad=False,
        maximize=False,
        found_inf=not_finite,
    )


def _by_public_functions(
    theta: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    steps: Tensor,
    learning_rate: Scalar,
    not_finite: Tensor | None,
) -> None:
    new_mean = torch.lerp(mean, gradient, 1 - BETAS[0])
    new_square = (BETAS[1] * square).addcmul(gradient, gradient, value=1 - BETAS[1])
    rate = learning_rate / (1 - BETAS[0] ** steps)
    new_theta = theta - rate * new_mean / ((new_square / (1 - BETAS[1] ** steps)).sqrt() + EPS)
    for place, new in ((theta, new_theta), (mean, new_mean), (square, new_square)):
        place.copy_(new if not_finite is None else torch.where(not_finite > 0, place, new))
