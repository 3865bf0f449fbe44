"""What a policy's outputs mean as a distribution over actions: log π, entropy, KL and samples.

Every distribution acts by mixing noise into its outputs, drawn for a whole rollout at once. The noise is all the
randomness of acting, so a run depends on one generator, whatever is watched meanwhile. Log-probabilities, entropies and
divergences are in nats.

Source: choices are sampled by the Gumbel-max trick (Maddison et al. 2014).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor
from torch.nn.functional import softplus

Floats = NDArray[np.float32]
Actions = NDArray[Any]
Pullback = Callable[[Floats, Floats], Floats]
"""From dL/d log π [B] and dL/d entropy [B] to dL/d outputs [B, O]."""


class Distribution(Protocol):
    """A family of distributions over one action space. The policy puts out O numbers; acting takes X of noise."""

    outputs: int
    """O, how many numbers the policy gives per observation."""
    free: int
    """How many of them are parameters of their own, the same for every observation; they are the last."""
    noise_size: int
    """X"""
    action_shape: tuple[int, ...]
    """Of one action as it is stored: () for a single number."""
    action_dtype: type[np.generic]
    max_entropy: float | None
    """The largest entropy there is, where there is one."""

    def noise(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """The randomness of acting: [*shape, X]."""
        ...

    def act(self, outputs: Floats, noise: Floats) -> Actions:
        """One action per row of outputs [N, O] and noise [N, X]: [N, *action_shape]."""
        ...

    def to_environment(self, actions: Actions) -> Actions:
        """Actions as stored → actions as the environment wants them, in the type of its space."""
        ...

    def evaluate(self, outputs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """(log π(a|s) [B], entropy [B]) of outputs [B, O] and actions [B, *action_shape]."""
        ...

    def differentiable(self, outputs: Floats, actions: Actions) -> tuple[Floats, Floats, Pullback]:
        """The same two in NumPy, and how a gradient gets back through them."""
        ...

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """Exact KL(π_old ‖ π_new) [...] of outputs [..., O]."""
        ...

    def divergence(self, old: Tensor, new: Tensor) -> Tensor:
        """The same, to be differentiated: its rounded terms may sum up to less than nothing."""
        ...

    def divergence_in_numpy(self, old: Floats, new: Floats) -> tuple[Floats, Floats]:
        """That [B] in NumPy, and its derivative by the new outputs [B, O]."""
        ...


class Categorical:
    """One of n actions; the outputs are logits."""

    free = 0
    action_shape: tuple[int, ...] = ()
    action_dtype: type[np.generic] = np.int64

    def __init__(self, n: int, start: int = 0, dtype: DTypeLike = np.int64) -> None:
        self.outputs = self.noise_size = n
        self._dtype = dtype
        self.max_entropy: float | None = math.log(n)
        self.start = start

    def noise(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Standard Gumbel noise: the argmax of logits plus it is a sample of softmax(logits)."""
        return _gumbel(generator, (*shape, self.noise_size))

    def act(self, outputs: Floats, noise: Floats) -> Actions:
        """Sample by the Gumbel-max trick."""
        actions: Actions = (outputs + noise).argmax(axis=-1)
        return actions

    def to_environment(self, actions: Actions) -> Actions:
        """Discrete spaces may count from another number than 0."""
        return (actions + self.start if self.start else actions).astype(self._dtype, copy=False)

    def evaluate(self, outputs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Both from one log-softmax."""
        return _categorical(outputs, actions)

    def differentiable(self, outputs: Floats, actions: Actions) -> tuple[Floats, Floats, Pullback]:
        """See `_categorical_in_numpy`."""
        return _categorical_in_numpy(outputs, actions)

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """See `divergence`."""
        return _no_less_than_nothing(self.divergence(old, new))

    def divergence(self, old: Tensor, new: Tensor) -> Tensor:
        """Σ_a π_old(a)·(log π_old(a) − log π_new(a))."""
        return _categorical_divergence(old, new)

    def divergence_in_numpy(self, old: Floats, new: Floats) -> tuple[Floats, Floats]:
        """See `_categorical_divergence_in_numpy`."""
        return _categorical_divergence_in_numpy(old, new)


class MultiCategorical:
    """Several choices at once, each independent of the others; the outputs are the logits of one after the other."""

    free = 0
    action_dtype: type[np.generic] = np.int64

    def __init__(
        self,
        counts: Sequence[int],
        starts: NDArray[np.int64],
        shape: tuple[int, ...],
        dtype: DTypeLike = np.int64,
    ) -> None:
        self.counts = list(counts)
        """How many actions each choice has."""
        self.starts: list[int] = starts.tolist()
        self._starts = starts
        self._shape, self._dtype = shape, dtype
        self._edges = np.cumsum(self.counts)[:-1]
        self.outputs = self.noise_size = sum(self.counts)
        self.action_shape: tuple[int, ...] = (len(self.counts),)
        self.max_entropy: float | None = sum(math.log(n) for n in self.counts)

    def noise(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Standard Gumbel noise."""
        return _gumbel(generator, (*shape, self.noise_size))

    def act(self, outputs: Floats, noise: Floats) -> Actions:
        """Sample each choice by the Gumbel-max trick."""
        parts = np.split(outputs + noise, self._edges, axis=-1)
        return np.stack([part.argmax(axis=-1) for part in parts], axis=-1)

    def to_environment(self, actions: Actions) -> Actions:
        """In the shape of the space, counted from where it counts."""
        return (actions + self._starts).reshape(len(actions), *self._shape).astype(self._dtype, copy=False)

    def evaluate(self, outputs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Sums over the choices."""
        parts = torch.split(outputs, self.counts, dim=-1)
        terms = [_categorical(part, action) for part, action in zip(parts, actions.unbind(-1), strict=True)]
        return _total([log_prob for log_prob, _ in terms]), _total([entropy for _, entropy in terms])

    def differentiable(self, outputs: Floats, actions: Actions) -> tuple[Floats, Floats, Pullback]:
        """Sums over the choices; the gradient reaches each by itself."""
        parts = np.split(outputs, self._edges, axis=-1)
        log_probs, entropies, pullbacks = zip(*map(_categorical_in_numpy, parts, actions.T), strict=True)

        def pullback(d_log_probs: Floats, d_entropies: Floats) -> Floats:
            return np.concatenate([back(d_log_probs, d_entropies) for back in pullbacks], axis=-1)

        return np.sum(log_probs, axis=0), np.sum(entropies, axis=0), pullback

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """Sum over the choices, none of which is negative."""
        return _total([_no_less_than_nothing(_categorical_divergence(o, n)) for o, n in self._pairs(old, new)])

    def divergence(self, old: Tensor, new: Tensor) -> Tensor:
        """Sum over the choices."""
        return _total([_categorical_divergence(o, n) for o, n in self._pairs(old, new)])

    def divergence_in_numpy(self, old: Floats, new: Floats) -> tuple[Floats, Floats]:
        """Sum over the choices; the slopes of each are its own."""
        pairs = zip(np.split(old, self._edges, axis=-1), np.split(new, self._edges, axis=-1), strict=True)
        kls, slopes = zip(*[_categorical_divergence_in_numpy(o, n) for o, n in pairs], strict=True)
        return np.sum(kls, axis=0), np.concatenate(slopes, axis=-1)

    def _pairs(self, old: Tensor, new: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(torch.split(old, self.counts, dim=-1), torch.split(new, self.counts, dim=-1), strict=True)


class Bernoulli:
    """K independent switches; the outputs are the logits of each being on."""

    free = 0
    action_dtype: type[np.generic] = np.int8

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self.outputs = self.noise_size = math.prod(shape)
        self.action_shape: tuple[int, ...] = (self.outputs,)
        self.max_entropy: float | None = self.outputs * math.log(2.0)

    def noise(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Standard logistic noise, the difference of two Gumbel variables."""
        size = (*shape, self.noise_size)
        return _gumbel(generator, size) - _gumbel(generator, size)

    def act(self, outputs: Floats, noise: Floats) -> Actions:
        """On where the logit exceeds the noise."""
        return (outputs + noise > 0).astype(np.int8)

    def to_environment(self, actions: Actions) -> Actions:
        """In the shape of the space."""
        return actions.reshape(len(actions), *self._shape)

    def evaluate(self, outputs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """log σ(±z) and its mean, summed over the switches."""
        log_prob = actions * outputs - softplus(outputs)
        entropy = softplus(outputs) - outputs * torch.sigmoid(outputs)
        return log_prob.sum(-1), entropy.sum(-1)

    def differentiable(self, outputs: Floats, actions: Actions) -> tuple[Floats, Floats, Pullback]:
        """d log π/dz = a − p and dH/dz = −z·p·(1 − p), with p = σ(z)."""
        on = 0.5 * (1 + np.tanh(0.5 * outputs))  # σ without overflow
        surprise = np.logaddexp(np.float32(0), outputs)
        taken = actions.astype(np.float32)

        def pullback(d_log_probs: Floats, d_entropies: Floats) -> Floats:
            slopes: Floats = d_log_probs[:, None] * (taken - on) - d_entropies[:, None] * (outputs * on * (1 - on))
            return slopes

        return (taken * outputs - surprise).sum(-1), (surprise - outputs * on).sum(-1), pullback

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """See `divergence`."""
        return _no_less_than_nothing(self.divergence(old, new))

    def divergence(self, old: Tensor, new: Tensor) -> Tensor:
        """Σ p·(z_old − z_new) − softplus(z_old) + softplus(z_new)."""
        return (torch.sigmoid(old) * (old - new) - softplus(old) + softplus(new)).sum(-1)

    def divergence_in_numpy(self, old: Floats, new: Floats) -> tuple[Floats, Floats]:
        """d KL/dz_new = p_new − p_old."""
        was_on, on = 0.5 * (1 + np.tanh(0.5 * old)), 0.5 * (1 + np.tanh(0.5 * new))
        surprises = np.logaddexp(np.float32(0), new) - np.logaddexp(np.float32(0), old)
        return (was_on * (old - new) + surprises).sum(-1), on - was_on


class DiagonalGaussian:
    """Real numbers, each normal around a mean of its own; the outputs are the means and, after them, log σ.

    log σ does not depend on the observation. What is sampled is stored and judged; what the environment gets is clipped
    to its bounds.
    """

    action_dtype: type[np.generic] = np.float32

    def __init__(self, low: NDArray[np.floating], high: NDArray[np.floating]) -> None:
        size = int(np.prod(low.shape, dtype=int))
        self.low, self.high = low, high
        """Bounds of each dimension, in the shape of the space; infinite where there is none."""
        self.outputs, self.free, self.noise_size = 2 * size, size, size
        self.action_shape: tuple[int, ...] = (size,)
        self.max_entropy: float | None = None

    def noise(self, generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Standard normal noise."""
        return generator.standard_normal((*shape, self.noise_size), dtype=np.float32)

    def act(self, outputs: Floats, noise: Floats) -> Actions:
        """Mean + σ·noise."""
        mean, log_std = self._parts(outputs)
        actions: Actions = np.exp(log_std)
        actions *= noise
        actions += mean
        return actions

    def to_environment(self, actions: Actions) -> Actions:
        """In the shape of the space and within its bounds."""
        # Clipped after the cast, which may round beyond a bound.
        shaped = actions.reshape(len(actions), *self.low.shape).astype(self.low.dtype, copy=False)
        # As np.clip, which takes twice as long for it.
        within: Actions = np.minimum(np.maximum(shaped, self.low), self.high)
        return within

    def evaluate(self, outputs: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Sums over the dimensions; the entropy of a density may be negative."""
        mean, log_std = outputs.chunk(2, dim=-1)
        standardised = (actions - mean) * torch.exp(-log_std)
        log_prob = -0.5 * standardised.square() - log_std - 0.5 * math.log(2 * math.pi)
        entropy = log_std + 0.5 * math.log(2 * math.pi * math.e)
        return log_prob.sum(-1), entropy.sum(-1)

    def differentiable(self, outputs: Floats, actions: Actions) -> tuple[Floats, Floats, Pullback]:
        """With x = (a − μ)/σ: d log π/dμ = x/σ, d log π/d log σ = x² − 1, dH/d log σ = 1."""
        mean, log_std = self._parts(outputs)
        precision = np.exp(-log_std)
        x = (actions - mean) * precision
        log_probs = (-0.5 * np.square(x) - log_std - np.float32(0.5 * math.log(2 * math.pi))).sum(-1)
        entropies = (log_std + np.float32(0.5 * math.log(2 * math.pi * math.e))).sum(-1)

        def pullback(d_log_probs: Floats, d_entropies: Floats) -> Floats:
            slopes = np.empty_like(outputs)
            d_mean, d_log_std = self._parts(slopes)
            np.multiply(d_log_probs[:, None], x * precision, out=d_mean)
            np.multiply(d_log_probs[:, None], np.square(x) - 1, out=d_log_std)
            d_log_std += d_entropies[:, None]
            return slopes

        return log_probs, entropies, pullback

    def _parts(self, outputs: Floats) -> tuple[Floats, Floats]:
        """(means, log σ) [B, size] each."""
        size = self.free
        return outputs[:, :size], outputs[:, size:]

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """See `divergence`."""
        return _no_less_than_nothing(self.divergence(old, new))

    def divergence(self, old: Tensor, new: Tensor) -> Tensor:
        """log(σ_new/σ_old) + (σ_old² + (μ_old − μ_new)²)/(2σ_new²) − ½, summed over the dimensions."""
        (mean, log_std), (new_mean, new_log_std) = old.chunk(2, dim=-1), new.chunk(2, dim=-1)
        spread = (2 * (log_std - new_log_std)).exp() + (mean - new_mean).square() * (-2 * new_log_std).exp()
        return (new_log_std - log_std + 0.5 * (spread - 1)).sum(-1)

    def divergence_in_numpy(self, old: Floats, new: Floats) -> tuple[Floats, Floats]:
        """d KL/dμ_new = (μ_new − μ_old)/σ_new², d KL/d log σ_new = 1 − (σ_old² + (μ_new − μ_old)²)/σ_new²."""
        (mean, log_std), (new_mean, new_log_std) = self._parts(old), self._parts(new)
        precision = np.exp(-2 * new_log_std)
        spread = np.exp(2 * (log_std - new_log_std)) + np.square(mean - new_mean) * precision
        slopes = np.concatenate([(new_mean - mean) * precision, 1 - spread], axis=-1)
        return (new_log_std - log_std + np.float32(0.5) * (spread - 1)).sum(-1), slopes


class Measures(Protocol):
    """What tells how far one policy is from another."""

    def kl(self, old: Tensor, new: Tensor) -> Tensor:
        """See `Distribution`."""
        ...


class KLFrom:
    """Exact KL(π_old ‖ π_new) of several new policies and one old one, of outputs [S, O].

    The same bits as `kl` gives; of a Categorical half the work is the old one's, and done once.
    """

    def __init__(self, distribution: Measures, old: Tensor) -> None:
        self._distribution, self._of_logs = distribution, isinstance(distribution, Categorical)
        self._old = torch.log_softmax(old, dim=-1) if self._of_logs else old

    def __call__(self, new: Tensor, samples: Tensor | None = None) -> Tensor:
        """[B] of new outputs [B, O], which are those of these samples [B] of the old ones, or of all."""
        old = self._old if samples is None else self._old.index_select(0, samples)
        if self._of_logs:
            return _no_less_than_nothing(_divergence_of_logs(old, torch.log_softmax(new, dim=-1)))
        return self._distribution.kl(old, new)


def choices_in(distribution: object) -> list[int] | None:
    """How many actions each choice has, of which masks may forbid some; None where actions are no such choices."""
    if isinstance(distribution, MultiCategorical):
        return distribution.counts
    return [distribution.outputs] if isinstance(distribution, Categorical) else None


def _gumbel(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    # −log of an exponential variable. Drawn in single precision, which generator.gumbel cannot do. It may come out as
    # 0: the smallest number that is not takes its place, so that all others stay as they are.
    drawn: Floats = generator.standard_exponential(shape, dtype=np.float32)
    return -np.log(np.maximum(drawn, np.finfo(np.float32).smallest_subnormal, out=drawn))


def _categorical(logits: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
    log_probs = torch.log_softmax(logits, dim=-1)
    entropy = -(log_probs.exp() * log_probs).sum(-1)
    return log_probs.gather(-1, actions.unsqueeze(-1)).squeeze(-1), entropy


def _categorical_in_numpy(logits: Floats, actions: Actions) -> tuple[Floats, Floats, Pullback]:
    """d log π(a)/dz = 1_a − p and dH/dz = −p·(log p + H), with p = softmax(z)."""
    rows = np.arange(len(logits))
    p, log_p = _softmax(logits)
    entropy = -np.einsum("ij,ij->i", p, log_p)

    def pullback(d_log_probs: Floats, d_entropies: Floats) -> Floats:
        slopes: Floats = -p * (d_log_probs[:, None] + d_entropies[:, None] * (log_p + entropy[:, None]))
        slopes[rows, actions] += d_log_probs
        return slopes

    return log_p[rows, actions], entropy, pullback


def _softmax(logits: Floats) -> tuple[Floats, Floats]:
    """(p, log p) [B, n]"""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    p = np.exp(shifted)
    total = p.sum(axis=-1, keepdims=True)
    return p / total, shifted - np.log(total)


def _categorical_divergence(old: Tensor, new: Tensor) -> Tensor:
    return _divergence_of_logs(torch.log_softmax(old, dim=-1), torch.log_softmax(new, dim=-1))


def _divergence_of_logs(log_old: Tensor, log_new: Tensor) -> Tensor:
    return (log_old.exp() * (log_old - log_new)).sum(-1)


def _categorical_divergence_in_numpy(old: Floats, new: Floats) -> tuple[Floats, Floats]:
    """d KL/dz_new = p_new − p_old."""
    (p_old, log_old), (p_new, log_new) = _softmax(old), _softmax(new)
    return np.einsum("ij,ij->i", p_old, log_old - log_new), p_new - p_old


def _no_less_than_nothing(kl: Tensor) -> Tensor:
    """A divergence is never negative, but its sum of rounded terms may be, where both policies are nearly the same."""
    return kl.clamp(min=0.0)


def _total(terms: list[Tensor]) -> Tensor:
    return torch.stack(terms).sum(0)
