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
    """The quicker way: NumPy for dense layers, wherever they are trained, and torch for images."""
    return TorchInference(network) if network.dense() is None else NumpyInference(network)


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
    """The images go to the device of the weights, some at a time."""

    def __init__(self, network: ActorCritic) -> None:
        self._network = network

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
        images = torch.from_numpy(observations)
        parts = [self._network.layers(some.to(self._network.device)) for some in torch.split(images, IMAGES_AT_ONCE)]
        outputs, values = (torch.cat(pieces).cpu().numpy() for pieces in zip(*parts, strict=True))
        return outputs, values
