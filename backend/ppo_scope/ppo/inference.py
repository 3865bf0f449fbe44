"""The networks without gradients, for acting and for judging a rollout."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from ppo_scope.ppo.networks import ActorCritic
from ppo_scope.ppo.normalization import CLIP

Floats = NDArray[np.float32]
Observations = NDArray[Any]
"""[N, …]: single or double precision, or the bytes of images."""
IMAGES_AT_ONCE = 256
VECTORS_AT_ONCE = 2**16
WORTH_THE_WAY = 2**23
"""Observations × weights from which a GPU answers sooner than NumPy, the way there and back included: half a
millisecond was measured for it, see docs/benchmarks/engine.md."""


class Inference(Protocol):
    """A policy and a value function to ask."""

    def refresh(self) -> None:
        """Take over the weights and the observation statistics as they are now."""
        ...

    def normalized(self, observations: Observations) -> Observations:
        """Observations [N, …] as the networks want them, in single precision or the bytes of images.

        Unchanged but for that unless there are statistics to normalise by.
        """
        ...

    def outputs(self, observations: Observations) -> Floats:
        """Policy outputs [N, O] of normalised observations."""
        ...

    def judge(self, observations: Observations) -> tuple[Floats, Floats]:
        """(policy outputs [N, O], V [N]) of normalised observations."""
        ...


def inference_of(network: ActorCritic) -> Inference:
    """The quickest way: torch for images; NumPy for dense layers, but for many observations of weights on a GPU."""
    if network.dense() is None:
        return TorchInference(network)
    return NumpyInference(network) if network.device.type == "cpu" else DeviceInference(network)


class NumpyInference:
    """On the CPU the weights are the very memory of θ; from another device `refresh` copies them."""

    def __init__(self, network: ActorCritic) -> None:
        self._network = network
        self.refresh()

    def refresh(self) -> None:
        """See `Inference`."""
        network = self._network
        dense = network.dense()
        assert dense is not None, "images are for torch"
        self._dense = dense
        self._statistics = network.observation_mean, network.observation_deviation

    def normalized(self, observations: Observations) -> Observations:
        """See `Inference`."""
        mean, deviation = self._statistics
        if mean is None or deviation is None:
            return observations.astype(np.float32, copy=False)
        # In the precision of the observations: what is left after the mean is subtracted may be small beside it.
        normalized: Observations = np.clip((observations - mean) / deviation, -CLIP, CLIP)
        return normalized.astype(np.float32, copy=False)

    def outputs(self, observations: Observations) -> Floats:
        """See `Inference`."""
        return self._dense.outputs(observations)

    def judge(self, observations: Observations) -> tuple[Floats, Floats]:
        """See `Inference`."""
        return self._dense.forward(observations)[:2]


class TorchInference:
    """Where the weights are, so many observations at once."""

    def __init__(self, network: ActorCritic, at_once: int = IMAGES_AT_ONCE) -> None:
        self._network, self._at_once = network, at_once

    def refresh(self) -> None:
        """See `Inference`."""

    def normalized(self, observations: Observations) -> Observations:
        """See `Inference`."""
        return observations

    def outputs(self, observations: Observations) -> Floats:
        """See `Inference`."""
        return self.judge(observations)[0]

    @torch.no_grad()
    def judge(self, observations: Observations) -> tuple[Floats, Floats]:
        """See `Inference`."""
        network = self._network
        given = torch.split(torch.from_numpy(observations), self._at_once)
        parts = [network.layers(some.to(network.device)) for some in given]
        outputs, values = (torch.cat(pieces).cpu().numpy() for pieces in zip(*parts, strict=True))
        return outputs, values


class DeviceInference(NumpyInference):
    """Few observations are asked of a copy of the weights, many where the weights are."""

    def __init__(self, network: ActorCritic) -> None:
        super().__init__(network)
        self._there = TorchInference(network, VECTORS_AT_ONCE)

    def outputs(self, observations: Observations) -> Floats:
        """See `Inference`."""
        if self._worth_the_way(observations):
            return self._there.outputs(observations)
        return super().outputs(observations)

    def judge(self, observations: Observations) -> tuple[Floats, Floats]:
        """See `Inference`."""
        return self._there.judge(observations) if self._worth_the_way(observations) else super().judge(observations)

    def _worth_the_way(self, observations: Observations) -> bool:
        return len(observations) * self._network.theta.numel() >= WORTH_THE_WAY
