"""The actor and the critic, and all their weights as one vector θ."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ppo_scope.ppo.normalization import CLIP, RunningStatistics
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.spaces import Spaces

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}
Floats = NDArray[np.float32]


def _tanh(x: Floats) -> None:
    np.tanh(x, out=x)


def _relu(x: Floats) -> None:
    np.maximum(x, 0, out=x)


Layer = tuple[Floats, Floats, Callable[[Floats], None] | None]
"""Weight [inputs, outputs], bias, and what follows in place."""
IN_PLACE: dict[type[nn.Module], Callable[[Floats], None]] = {nn.Tanh: _tanh, nn.ReLU: _relu}


class ActorCritic(nn.Module):
    """A policy and a value function: two networks, or one trunk with two heads (`shared_network`).

    Every parameter is a view of `theta` [P], so that the optimizer, the norms and the copies of "the weights" are one
    operation each, as they are in the formulas.

    Source: orthogonal initialisation with gain √2, policy head 0.01, value head 1, biases 0 (Huang et al. 2022).
    """

    observation_mean: Tensor | None
    observation_deviation: Tensor | None

    def __init__(self, spaces: Spaces, settings: Settings, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        sizes = (*spaces.observation_shape, *settings.hidden_sizes)
        distribution = spaces.distribution
        activation = ACTIVATIONS[settings.activation]
        self.shared = settings.shared_network
        self.policy_trunk = _trunk(sizes, activation, generator)
        self.value_trunk = self.policy_trunk if self.shared else _trunk(sizes, activation, generator)
        self.policy_head = _linear(sizes[-1], distribution.outputs - distribution.free, 0.01, generator)
        self.policy_free = nn.Parameter(torch.zeros(distribution.free)) if distribution.free else None
        self.value_head = _linear(sizes[-1], 1, 1.0, generator)
        self.register_buffer("observation_mean", None)
        self.register_buffer("observation_deviation", None)
        self.theta = torch.empty(0)
        self._flatten()

    def _flatten(self) -> None:
        parameters = list(self.parameters())
        self.theta = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
        for parameter, part in zip(parameters, torch.split(self.theta, [p.numel() for p in parameters]), strict=True):
            parameter.data = part.view_as(parameter)

    def to_device(self, device: torch.device) -> ActorCritic:
        """Move θ, and with it every parameter."""
        self.to(device)
        self._flatten()
        return self

    def normalize_by(self, statistics: RunningStatistics) -> None:
        """Normalise observations by these statistics from now on."""
        device = self.theta.device
        self.observation_mean = torch.tensor(statistics.mean, dtype=torch.float32, device=device)
        self.observation_deviation = torch.tensor(statistics.deviation, dtype=torch.float32, device=device)

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """(policy outputs [B, O], values [B]) of normalised observations [B, D]."""
        hidden = self.policy_trunk(observations)
        value_hidden = hidden if self.shared else self.value_trunk(observations)
        outputs = self.policy_head(hidden)
        if self.policy_free is not None:
            outputs = torch.cat([outputs, self.policy_free.expand_as(outputs)], dim=-1)
        return outputs, self.value_head(value_hidden).squeeze(-1)

    def gradient(self, loss: Tensor) -> Tensor:
        """dL/dθ as one vector [P]; nothing is accumulated anywhere."""
        gradients = torch.autograd.grad(loss, list(self.parameters()))
        return torch.cat([gradient.reshape(-1) for gradient in gradients])

    def names(self) -> list[tuple[str, slice]]:
        """Which part of θ (and of its gradient) belongs to which parameter."""
        start, parts = 0, []
        for name, parameter in self.named_parameters():
            parts.append((name, slice(start, start + parameter.numel())))
            start += parameter.numel()
        return parts


def _linear(inputs: int, outputs: int, gain: float, generator: torch.Generator) -> nn.Linear:
    # Made without storage first: the default initialisation would draw from torch's global generator.
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    nn.init.orthogonal_(layer.weight, gain, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def _trunk(sizes: tuple[int, ...], activation: type[nn.Module], generator: torch.Generator) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [_linear(inputs, outputs, np.sqrt(2), generator), activation()]
    return nn.Sequential(*layers)


class NumpyNetworks:
    """The same networks without gradients, in NumPy: at PPO's usual sizes several times faster than torch.

    On the CPU their weights are the very memory of θ; from another device `refresh` copies them.
    """

    def __init__(self, network: ActorCritic) -> None:
        self._network = network
        self._policy: list[Layer] = []
        self._value: list[Layer] = []
        self._free: Floats | None = None
        self._statistics: tuple[Floats, Floats] | None = None
        self.refresh()

    def refresh(self) -> None:
        """Take over the weights as they are now."""
        network = self._network
        self._policy = _layers([*network.policy_trunk, network.policy_head])
        self._value = _layers([*network.value_trunk, network.value_head])
        self._free = _array(network.policy_free)
        mean, deviation = _array(network.observation_mean), _array(network.observation_deviation)
        self._statistics = None if mean is None or deviation is None else (mean, deviation)

    def normalized(self, observations: Floats) -> Floats:
        """Observations [N, D] as the networks want them: unchanged unless there are statistics to normalise by."""
        if self._statistics is None:
            return observations
        mean, deviation = self._statistics
        normalized: Floats = np.clip((observations - mean) / deviation, -CLIP, CLIP)
        return normalized

    def outputs(self, observations: Floats) -> Floats:
        """Policy outputs [N, O] of normalised observations [N, D]."""
        outputs = _feed(self._policy, observations)
        if self._free is not None:
            outputs = np.concatenate([outputs, np.broadcast_to(self._free, outputs.shape)], axis=-1)
        return outputs

    def values(self, observations: Floats) -> Floats:
        """V [N] of normalised observations [N, D]."""
        return _feed(self._value, observations)[:, 0]


def _layers(modules: list[nn.Module]) -> list[Layer]:
    layers = []
    for module, after in zip(modules, [*modules[1:], None], strict=True):
        if isinstance(module, nn.Linear):
            weight, bias = module.weight.detach().cpu().numpy(), module.bias.detach().cpu().numpy()
            layers.append((weight.T, bias, None if after is None else IN_PLACE.get(type(after))))
    return layers


def _feed(layers: list[Layer], hidden: Floats) -> Floats:
    for weight, bias, activation in layers:
        hidden = hidden @ weight
        hidden += bias
        if activation is not None:
            activation(hidden)
    return hidden


def _array(tensor: Tensor | None) -> Floats | None:
    return None if tensor is None else tensor.detach().cpu().numpy()
