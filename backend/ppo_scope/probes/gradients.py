"""Where the loss flows: the gradient of each of its terms, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.ppo import losses
from ppo_scope.ppo.phases import Batch, Minibatch
from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.moment import Moment

PAIRS = ((0, 1), (0, 2), (1, 2))
"""Of the terms L_PG, c₁·L_VF and −c₂·S."""


def gradients(moment: Moment) -> Measurement:
    """Of the minibatch at hand under the weights as they are; at the phases loss and gradient, what is really used."""
    batch, update = moment.batch, moment.update
    if batch is None or not update.minibatches or not bool(update.minibatches[-1].trained.any()):
        return Measurement()
    network, settings = moment.trainer.network, update.settings
    terms = _terms(moment, batch, update.minibatches[-1])
    raw = [torch.autograd.grad(term, network.theta, retain_graph=True)[0] for term in terms]
    signs = (1.0, settings.value_coef, -settings.entropy_coef)
    weighted = [sign * gradient for sign, gradient in zip(signs, raw, strict=True)]
    total = weighted[0] + weighted[1] + weighted[2]
    layers = layers_of(network.parts())
    norms = np.array([[_norm(g, parts) for parts in layers.values()] for g in (*raw, total)], np.float32)
    cosines = np.array(
        [[_cosine(weighted[a], weighted[b], parts) for parts in layers.values()] for a, b in PAIRS], np.float32
    )
    shared = np.array([_flows(raw[0], parts) and _flows(raw[1], parts) for parts in layers.values()], np.uint8)
    return Measurement(
        arrays={"gradient_norms": norms, "gradient_cosines": cosines, "gradient_shared": shared},
        notes={"gradients": {"layers": list(layers), "shared_network": settings.shared_network}},
    )


def layers_of(parts: dict[str, slice]) -> dict[str, list[slice]]:
    """Name → parts of θ, weight and bias together, in the order of the network; named as one would say it."""
    found: dict[str, list[slice]] = {}
    numbers: dict[str, int] = {}
    for name, part in parts.items():
        layer = name.removesuffix(".weight").removesuffix(".bias")
        trunk, _, index = layer.partition(".")
        if index and layer not in numbers:
            numbers[layer] = 1 + sum(other.startswith(f"{trunk}.") for other in numbers)
        words = {"policy_trunk": "policy", "value_trunk": "value", "policy_free": "log σ"}.get(trunk, trunk)
        found.setdefault(f"{words} {numbers[layer]}" if index else words.replace("_", " "), []).append(part)
    if not any(name.startswith("value_trunk") for name in parts):
        found = {name.replace("policy", "trunk") if name[-1].isdigit() else name: of for name, of in found.items()}
    return found


def _terms(moment: Moment, batch: Batch, minibatch: Minibatch) -> tuple[Tensor, Tensor, Tensor]:
    """L_PG, L_VF and S of a minibatch, differentiable by θ."""
    trainer, settings, samples = moment.trainer, moment.update.settings, minibatch.samples
    weights = losses.mean_weights(minibatch.trained)
    outputs, values = trainer.network(batch.observations[samples])
    log_probs, entropies = trainer.distribution.evaluate(outputs, batch.actions[samples])
    ratio = losses.ratio_of(log_probs - batch.log_probs[samples])
    policy = losses.policy_loss(settings.objective, log_probs, ratio, minibatch.advantages, settings.clip_range)
    value = losses.value_loss(values, batch.targets[samples], batch.values[samples], settings.value_clip_range)
    return policy @ weights, value @ weights, entropies @ weights


def _part(gradient: Tensor, parts: list[slice]) -> NDArray[Any]:
    return torch.cat([gradient[part] for part in parts]).cpu().numpy().astype(np.float64)


def _norm(gradient: Tensor, parts: list[slice]) -> float:
    return float(np.linalg.norm(_part(gradient, parts)))


def _flows(gradient: Tensor, parts: list[slice]) -> bool:
    return bool(np.any(_part(gradient, parts)))


def _cosine(one: Tensor, other: Tensor, parts: list[slice]) -> float:
    """NaN where one of the two does not reach the layer: there is no angle to nothing."""
    a, b = _part(one, parts), _part(other, parts)
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / lengths if lengths > 0 else float("nan")
