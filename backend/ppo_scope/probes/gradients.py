"""Where the loss flows: the gradient of each of its terms, layer by layer."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ppo_scope.ppo import by_hand, losses
from ppo_scope.ppo.phases import Batch, Minibatch
from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.moment import Moment

Floats = NDArray[np.float32]
PAIRS = ((0, 1), (0, 2), (1, 2))
"""Of the terms L_PG, c₁·L_VF and −c₂·S."""


def gradients(moment: Moment) -> Measurement:
    """Of the minibatch at hand under the weights as they are; at the phases loss and gradient, what is really used."""
    batch, update = moment.batch, moment.update
    if batch is None or not update.minibatches or not bool(update.minibatches[-1].trained.any()):
        return Measurement()
    network, settings = moment.trainer.network, update.settings
    find = _by_torch if network.in_numpy is None else _by_hand
    raw = find(moment, batch, update.minibatches[-1])
    signs = (1.0, settings.value_coef, -settings.entropy_coef)
    weighted = [np.float32(sign) * gradient for sign, gradient in zip(signs, raw, strict=True)]
    total = weighted[0] + weighted[1] + weighted[2]
    layers = layers_of(network.parts())
    # Each layer's part of each gradient, in double precision: angles between nearly parallel gradients need it.
    raw_parts = [[_part(gradient, parts) for gradient in raw] for parts in layers.values()]
    totals = [_part(total, parts) for parts in layers.values()]
    norms = [[_norm(part) for part in (*three, whole)] for three, whole in zip(raw_parts, totals, strict=True)]
    cosines = [[_cosine(signs[a] * three[a], signs[b] * three[b]) for three in raw_parts] for a, b in PAIRS]
    shared = [bool(policy.any() and value.any()) for policy, value, _ in raw_parts]
    return Measurement(
        arrays={
            "gradient_norms": np.array(norms, np.float32).T.copy(),
            "gradient_cosines": np.array(cosines, np.float32),
            "gradient_shared": np.array(shared, np.uint8),
        },
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


def _by_hand(moment: Moment, batch: Batch, minibatch: Minibatch) -> list[Floats]:
    """dL_PG/dθ, dL_VF/dθ and dS/dθ, by the code that trains."""
    dense, settings, samples = moment.trainer.network.in_numpy, moment.update.settings, minibatch.samples
    assert dense is not None
    known = by_hand.Samples(
        observations=batch.observations[samples].numpy(),
        actions=batch.actions[samples].numpy(),
        log_probs=batch.log_probs[samples].numpy(),
        values=batch.values[samples].numpy(),
        advantages=minibatch.advantages.numpy(),
        targets=batch.targets[samples].numpy(),
        weights=losses.mean_weights(minibatch.trained).numpy(),
    )
    # c₁ = 1 and c₂ = −1: the slopes are those of L_VF and S themselves.
    rule = by_hand.Rule(settings.objective, settings.clip_range, 1.0, -1.0, settings.value_clip_range)
    terms = by_hand.forward(dense, moment.trainer.distribution, known, rule)
    nothing = np.zeros_like(terms.d_values)
    hidden = terms.policy_hidden, terms.value_hidden
    return [
        dense.backward(*hidden, terms.pullback(d_log_probs, d_entropies), d_values)
        for d_log_probs, d_values, d_entropies in (
            (terms.d_log_probs, nothing, nothing),
            (nothing, terms.d_values, nothing),
            (nothing, nothing, terms.d_entropies),
        )
    ]


def _by_torch(moment: Moment, batch: Batch, minibatch: Minibatch) -> list[Floats]:
    """The same by autograd: images, and other devices than the CPU."""
    trainer, settings, samples = moment.trainer, moment.update.settings, minibatch.samples
    weights = losses.mean_weights(minibatch.trained)
    outputs, values = trainer.network(batch.observations[samples])
    log_probs, entropies = trainer.distribution.evaluate(outputs, batch.actions[samples])
    ratio = losses.ratio_of(log_probs - batch.log_probs[samples])
    policy = losses.policy_loss(settings.objective, log_probs, ratio, minibatch.advantages, settings.clip_range)
    value = losses.value_loss(values, batch.targets[samples], batch.values[samples], settings.value_clip_range)
    theta = trainer.network.theta
    terms = policy @ weights, value @ weights, entropies @ weights
    return [torch.autograd.grad(term, theta, retain_graph=True)[0].cpu().numpy() for term in terms]


def _part(gradient: Floats, parts: list[slice]) -> NDArray[np.float64]:
    return np.concatenate([gradient[part] for part in parts]).astype(np.float64)


def _norm(part: NDArray[np.float64]) -> float:
    return float(np.sqrt(part @ part))


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """NaN where one of the two does not reach the layer: there is no angle to nothing."""
    lengths = _norm(one) * _norm(other)
    return float(one @ other) / lengths if lengths > 0 else float("nan")
