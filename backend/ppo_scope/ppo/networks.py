"""The actor and the critic, and all their weights as one vector θ."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from ppo_scope.ppo import dense
from ppo_scope.ppo.normalization import RunningStatistics
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.spaces import Spaces

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}
NATURE_CONVOLUTIONS = ((32, 8, 4), (64, 4, 2), (64, 3, 1))
"""(channels, side of the kernel, stride) of each layer."""
NATURE_HIDDEN = 512

L = TypeVar("L", nn.Linear, nn.Conv2d)


class Layers(nn.Module):
    """The modules of both networks.

    Source: orthogonal initialisation with gain √2, policy head 0.01, value head 1, biases 0 (Huang et al. 2022); for
    images the network of Mnih et al. 2015.
    """

    def __init__(self, spaces: Spaces, settings: Settings, generator: torch.Generator) -> None:
        super().__init__()
        distribution = spaces.distribution
        self.policy_trunk, width = _trunk(spaces, settings, generator)
        self.value_trunk = None if settings.shared_network else _trunk(spaces, settings, generator)[0]
        self.policy_head = _linear(width, distribution.outputs - distribution.free, 0.01, generator)
        self.policy_free = nn.Parameter(torch.zeros(distribution.free)) if distribution.free else None
        self.value_head = _linear(width, 1, 1.0, generator)

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """(policy outputs [B, O], values [B]) of observations [B, …]; bytes of an image become shares of 255."""
        if observations.dtype == torch.uint8:
            observations = observations.float() / 255.0
        hidden = self.policy_trunk(observations)
        value_hidden = hidden if self.value_trunk is None else self.value_trunk(observations)
        outputs = self.policy_head(hidden)
        if self.policy_free is not None:
            outputs = torch.cat([outputs, self.policy_free.expand(len(outputs), -1)], dim=-1)
        return outputs, self.value_head(value_hidden).squeeze(-1)


class ActorCritic:
    """A policy and a value function: two networks, or one trunk with two heads (`shared_network`).

    Every parameter is a view of `theta` [P], so that the optimizer, the norms and the copies of "the weights" are one
    operation each, as they are in the formulas; gradients are taken with respect to it.
    """

    def __init__(self, spaces: Spaces, settings: Settings, seed: int, device: torch.device) -> None:
        # torch's own initialisation, which is replaced at once, draws from its global generator.
        with torch.random.fork_rng(devices=()):
            self.layers = Layers(spaces, settings, torch.Generator().manual_seed(seed)).to(device)
        self.device = device
        self.activation = settings.activation
        self.observation_mean: NDArray[np.floating] | None = None
        self.observation_deviation: NDArray[np.floating] | None = None
        self._observation_dtype = spaces.dtype
        self._shapes = {name: parameter.shape for name, parameter in self.layers.named_parameters()}
        flat = torch.cat([parameter.detach().reshape(-1) for parameter in self.layers.parameters()])
        for parameter, part in zip(self.layers.parameters(), self._parts(flat).values(), strict=True):
            parameter.data = part
            parameter.requires_grad_(False)
        self.theta = flat.requires_grad_()
        self._is_image = spaces.is_image
        self._dense = None if spaces.is_image or device.type != "cpu" else as_dense(self)

    def __call__(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """(policy outputs [B, O], values [B]) of normalised observations [B, …], differentiable with respect to θ."""
        return self.at(self.theta, observations)

    def at(self, theta: Tensor, observations: Tensor) -> tuple[Tensor, Tensor]:
        """The same under other weights `theta` [P]."""
        found: tuple[Tensor, Tensor] = functional_call(self.layers, self._parts(theta), (observations,))
        return found

    def dense(self) -> dense.Dense | None:
        """The networks for NumPy under the weights as they are, wherever they are trained; None for images.

        On the CPU it is always the same one, and follows θ by itself.
        """
        return self._dense or (None if self._is_image else as_dense(self))

    def normalize_by(self, statistics: RunningStatistics) -> None:
        """Normalise observations by these statistics from now on; not at all where they are of nothing yet."""
        if not statistics.count:
            self.observation_mean = self.observation_deviation = None
            return
        self.observation_mean = statistics.mean.astype(self._observation_dtype)
        self.observation_deviation = statistics.deviation.astype(self._observation_dtype)

    def gradient(self, loss: Tensor) -> Tensor:
        """dL/dθ as one vector [P]; nothing is accumulated anywhere."""
        (gradient,) = torch.autograd.grad(loss, self.theta)
        return gradient

    def weights(self) -> dict[str, NDArray[np.floating]]:
        """A copy of every parameter by its name, and of the statistics that observations are normalised by."""
        theta = self.theta.detach().cpu().numpy()
        parts = self.parts().items()
        found = {name: theta[part].reshape(tuple(self._shapes[name])).copy() for name, part in parts}
        if self.observation_mean is not None and self.observation_deviation is not None:
            found["observation_mean"] = self.observation_mean.copy()
            found["observation_deviation"] = self.observation_deviation.copy()
        return found

    def parts(self) -> dict[str, slice]:
        """Which part of θ (and of its gradient) belongs to which parameter."""
        start, found = 0, {}
        for name, shape in self._shapes.items():
            found[name] = slice(start, start + shape.numel())
            start += shape.numel()
        return found

    def _parts(self, flat: Tensor) -> dict[str, Tensor]:
        sizes = [shape.numel() for shape in self._shapes.values()]
        pieces = zip(self._shapes.items(), torch.split(flat, sizes), strict=True)
        return {name: piece.view(shape) for (name, shape), piece in pieces}


def as_dense(network: ActorCritic) -> dense.Dense:
    """The networks for NumPy, as their weights are now; on the CPU they follow θ by themselves."""
    layers, places = network.layers, network.parts()

    def linear(name: str, layer: nn.Module) -> dense.Linear:
        assert isinstance(layer, nn.Linear)
        weight, bias = layer.weight.detach().cpu().numpy(), layer.bias.detach().cpu().numpy()
        return dense.Linear(weight, bias, places[f"{name}.weight"], places[f"{name}.bias"])

    def trunk(name: str, modules: nn.Sequential) -> list[dense.Linear]:
        return [linear(f"{name}.{index}", m) for index, m in enumerate(modules) if isinstance(m, nn.Linear)]

    return dense.Dense(
        activation=dense.ACTIVATIONS[network.activation],
        policy_trunk=trunk("policy_trunk", layers.policy_trunk),
        policy_head=linear("policy_head", layers.policy_head),
        policy_free=None if layers.policy_free is None else layers.policy_free.detach().cpu().numpy(),
        free_part=places.get("policy_free", slice(0, 0)),
        value_trunk=None if layers.value_trunk is None else trunk("value_trunk", layers.value_trunk),
        value_head=linear("value_head", layers.value_head),
        parameters=network.theta.numel(),
    )


def _trunk(spaces: Spaces, settings: Settings, generator: torch.Generator) -> tuple[nn.Sequential, int]:
    """(the layers before the heads, their width)."""
    if spaces.is_image:
        return _nature(spaces.observation_shape, generator)
    sizes = (*spaces.observation_shape, *settings.hidden_sizes)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [_linear(inputs, outputs, np.sqrt(2), generator), ACTIVATIONS[settings.activation]()]
    return nn.Sequential(*layers), sizes[-1]


def _nature(shape: tuple[int, ...], generator: torch.Generator) -> tuple[nn.Sequential, int]:
    channels, height, width = shape
    layers: list[nn.Module] = []
    for filters, kernel, stride in NATURE_CONVOLUTIONS:
        convolution = nn.Conv2d(channels, filters, kernel, stride)
        layers += [_initialised(convolution, np.sqrt(2), generator), nn.ReLU()]
        channels, height, width = filters, (height - kernel) // stride + 1, (width - kernel) // stride + 1
    dense_layer = _linear(channels * height * width, NATURE_HIDDEN, np.sqrt(2), generator)
    return nn.Sequential(*layers, nn.Flatten(), dense_layer, nn.ReLU()), NATURE_HIDDEN


def _linear(inputs: int, outputs: int, gain: float, generator: torch.Generator) -> nn.Linear:
    return _initialised(nn.Linear(inputs, outputs), gain, generator)


def _initialised(layer: L, gain: float, generator: torch.Generator) -> L:
    nn.init.orthogonal_(layer.weight, gain, generator=generator)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
