"""Where the loss flows: the gradient of each of its terms, layer by layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ppo_scope.ppo import losses
from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.record import Floats
from ppo_scope.probes.subject import needed

PAIRS = ((0, 1), (0, 2), (1, 2))
"""Of the terms L_PG, c₁·L_VF and −c₂·S."""


def gradients(moment: Moment) -> Measurement:
    """Of the minibatch at hand under the weights as they are; at the phases loss and gradient, what is really used."""
    batch, update = moment.batch, moment.update
    if batch is None or not update.minibatches or not bool(update.minibatches[-1].trained.any()):
        return Measurement()
    abilities, settings = moment.subject.abilities, update.settings
    parts_of, differentiate = needed(abilities.parts, "parts"), needed(abilities.differentiate, "differentiate")
    made = differentiate(update, update.minibatches[-1])
    raw, price = made[:3], made[3:]
    signs = losses.term_weights(settings.value_coef, settings.entropy_coef)
    weighted = [np.float32(sign) * gradient for sign, gradient in zip(signs, raw, strict=True)]
    total = weighted[0] + weighted[1] + weighted[2]
    for one in price:
        total = total + one
    layers = layers_of(parts_of())
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


def _part(gradient: Floats, parts: list[slice]) -> NDArray[np.float64]:
    return np.concatenate([gradient[part] for part in parts]).astype(np.float64)


def _norm(part: NDArray[np.float64]) -> float:
    return float(np.sqrt(part @ part))


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """NaN where one of the two does not reach the layer: there is no angle to nothing."""
    lengths = _norm(one) * _norm(other)
    return float(one @ other) / lengths if lengths > 0 else float("nan")
