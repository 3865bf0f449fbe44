"""Fully connected networks forward and backward in NumPy.

At PPO's usual sizes torch spends most of its time on dispatching small operations. What its own layers give is the same
to float tolerance (a test compares them).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
ONE = np.float32(1)


@dataclass(frozen=True)
class Activation:
    """A nonlinearity, and its derivative in terms of its result."""

    apply: Callable[[Floats], None]
    """In place."""
    derivative: Callable[[Floats], Floats]


def _tanh(x: Floats) -> None:
    np.tanh(x, out=x)


def _tanh_derivative(y: Floats) -> Floats:
    slope = np.square(y)
    return np.subtract(ONE, slope, out=slope)


def _relu(x: Floats) -> None:
    np.maximum(x, 0, out=x)


def _relu_derivative(y: Floats) -> Floats:
    return (y > 0).astype(np.float32)


ACTIVATIONS = {"tanh": Activation(_tanh, _tanh_derivative), "relu": Activation(_relu, _relu_derivative)}


@functools.lru_cache(4)
def _ones(count: int) -> Floats:
    """[count], not to be written to."""
    return np.ones(count, np.float32)


@dataclass(frozen=True)
class Linear:
    """x·Wᵀ + b, and where its parameters lie in θ."""

    weight: Floats
    """[outputs, inputs]"""
    bias: Floats
    """[outputs]"""
    weight_part: slice
    bias_part: slice

    def forward(self, x: Floats) -> Floats:
        """[B, inputs] → [B, outputs]"""
        y: Floats = x @ self.weight.T
        y += self.bias
        return y

    def at(self, theta: Floats) -> Linear:
        """The same layer in other weights θ [P]."""
        weight = theta[self.weight_part].reshape(self.weight.shape)
        return replace(self, weight=weight, bias=theta[self.bias_part])

    def backward(self, x: Floats, slope: Floats, gradient: Floats) -> None:
        """Write this layer's part of dL/dθ, given its input [B, inputs] and dL/dy [B, outputs]."""
        np.matmul(slope.T, x, out=gradient[self.weight_part].reshape(self.weight.shape))
        np.matmul(_ones(len(slope)), slope, out=gradient[self.bias_part])  # a sum, but quicker


@dataclass(frozen=True)
class Dense:
    """The layers of an actor and a critic as NumPy sees them; on the CPU the arrays are the very memory of θ."""

    activation: Activation
    policy_trunk: list[Linear]
    policy_head: Linear
    policy_free: Floats | None
    """[F], outputs that do not depend on the observation."""
    free_part: slice
    value_trunk: list[Linear] | None
    """None: the critic's head sits on the policy's trunk."""
    value_head: Linear
    parameters: int
    """P, the length of θ."""

    def at(self, theta: Floats) -> Dense:
        """The same networks under other weights θ [P], which are used where they lie."""
        return replace(
            self,
            policy_trunk=[layer.at(theta) for layer in self.policy_trunk],
            policy_head=self.policy_head.at(theta),
            policy_free=None if self.policy_free is None else theta[self.free_part],
            value_trunk=None if self.value_trunk is None else [layer.at(theta) for layer in self.value_trunk],
            value_head=self.value_head.at(theta),
        )

    def outputs(self, observations: Floats) -> Floats:
        """Policy outputs [B, O] of observations [B, D]."""
        return self._outputs(self._hidden(self.policy_trunk, observations)[-1])

    def _hidden(self, trunk: list[Linear], x: Floats) -> list[Floats]:
        """The input and what each layer makes of it."""
        hidden = [x]
        for layer in trunk:
            y = layer.forward(hidden[-1])
            self.activation.apply(y)
            hidden.append(y)
        return hidden

    def _outputs(self, hidden: Floats) -> Floats:
        outputs = self.policy_head.forward(hidden)
        if self.policy_free is None:
            return outputs
        given = outputs.shape[1]
        whole = np.empty((len(outputs), given + len(self.policy_free)), np.float32)
        whole[:, :given], whole[:, given:] = outputs, self.policy_free
        return whole

    def forward(self, observations: Floats) -> tuple[Floats, Floats, list[Floats], list[Floats]]:
        """(policy outputs [B, O], V [B], hidden layers of the policy, and of the critic) of observations [B, D]."""
        policy = self._hidden(self.policy_trunk, observations)
        value = policy if self.value_trunk is None else self._hidden(self.value_trunk, observations)
        return self._outputs(policy[-1]), self.value_head.forward(value[-1])[:, 0], policy, value

    def backward(self, policy: list[Floats], value: list[Floats], d_outputs: Floats, d_values: Floats) -> Floats:
        """dL/dθ [P] from the hidden layers and dL/d outputs [B, O], dL/dV [B]."""
        gradient = np.empty(self.parameters, np.float32)
        if self.policy_free is not None:
            d_outputs[:, len(self.policy_head.bias) :].sum(0, out=gradient[self.free_part])
        for layer, x, slope in self._slopes(policy, value, d_outputs, d_values):
            layer.backward(x, slope, gradient)
        return gradient

    def norms(self, policy: list[Floats], value: list[Floats], d_outputs: Floats, d_values: Floats) -> Floats:
        """[B], ‖dL_i/dθ‖ of each sample by itself; arguments as for `backward`.

        A layer's gradient is the outer product of its slope and its input (and 1 for the bias), so its norm is the
        product of theirs: one pass serves all samples (Goodfellow 2015).
        """
        squares = np.square(d_outputs[:, len(self.policy_head.bias) :]).sum(1)  # of the free outputs, if there are any
        for _, x, slope in self._slopes(policy, value, d_outputs, d_values):
            squares += np.square(slope).sum(1) * (np.square(x).sum(1) + 1)
        norms: Floats = np.sqrt(squares)
        return norms

    def _slopes(
        self, policy: list[Floats], value: list[Floats], d_outputs: Floats, d_values: Floats
    ) -> Iterator[tuple[Linear, Floats, Floats]]:
        """(layer, its input [B, inputs], dL/d its result [B, outputs]) of every layer, the heads first."""
        d_outputs, d_values = d_outputs[:, : len(self.policy_head.bias)], d_values[:, None]
        yield self.policy_head, policy[-1], d_outputs
        yield self.value_head, value[-1], d_values
        d_policy, d_value = d_outputs @ self.policy_head.weight, d_values @ self.value_head.weight
        if self.value_trunk is None:
            yield from self._trunk_slopes(self.policy_trunk, policy, d_policy + d_value)
        else:
            yield from self._trunk_slopes(self.policy_trunk, policy, d_policy)
            yield from self._trunk_slopes(self.value_trunk, value, d_value)

    def _trunk_slopes(
        self, trunk: list[Linear], hidden: list[Floats], slope: Floats
    ) -> Iterator[tuple[Linear, Floats, Floats]]:
        for index in reversed(range(len(trunk))):
            derivative = self.activation.derivative(hidden[index + 1])
            slope = np.multiply(slope, derivative, out=derivative)
            yield trunk[index], hidden[index], slope
            if index:
                slope = slope @ trunk[index].weight
