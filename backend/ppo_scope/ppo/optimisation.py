"""How a rollout moves the weights: epochs of minibatches, each a loss, a gradient and a step of Adam."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.ppo import finite, leashes, losses
from ppo_scope.ppo.adam import Adam
from ppo_scope.ppo.engine import Engine, Loss, Rule, packed
from ppo_scope.ppo.losses import Scalar
from ppo_scope.ppo.networks import ActorCritic
from ppo_scope.ppo.outcome import OptimisationPosition
from ppo_scope.ppo.phases import Batch, Minibatch, Pass, Phase, PhaseKind, Update
from ppo_scope.ppo.settings import KL_MARGIN, Settings


@dataclass
class Coefficients:
    """The live numbers that enter the arithmetic of a step.

    On the CPU they are plain numbers. On another device they are tensors there that change in place, so that neither a
    kernel nor a captured graph has to be told anew.
    """

    learning_rate: Scalar
    clip_range: Scalar
    clip_range_high: Scalar
    value_coef: Scalar
    entropy_coef: Scalar
    kl_coef: Scalar

    @classmethod
    def on(cls, device: torch.device, *, as_tensors: bool) -> Coefficients:
        """Zeros to begin with."""
        if not as_tensors:
            return cls(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        # MPS knows no double precision, and Adam's kernel takes none for α but on the CPU.
        others = torch.float32 if device.type == "mps" else torch.float64
        rate = torch.float64 if device.type == "cpu" else torch.float32
        return cls(*(torch.zeros((), dtype=dtype, device=device) for dtype in (rate, *[others] * 5)))

    def take(self, settings: Settings, learning_rate: float) -> None:
        """Become what the settings say."""
        self.learning_rate = _taken_over(self.learning_rate, learning_rate)
        above = settings.clip_range if settings.clip_range_high is None else settings.clip_range_high
        self.clip_range = _taken_over(self.clip_range, settings.clip_range)
        self.clip_range_high = _taken_over(self.clip_range_high, above)
        self.value_coef = _taken_over(self.value_coef, settings.value_coef)
        self.entropy_coef = _taken_over(self.entropy_coef, settings.entropy_coef)
        self.kl_coef = _taken_over(self.kl_coef, settings.kl_coef)

    def step_by(self, learning_rate: float) -> None:
        """Take over another α alone."""
        self.learning_rate = _taken_over(self.learning_rate, learning_rate)

    def rule(self, settings: Settings) -> Rule:
        """How the loss is formed."""
        return Rule(
            settings.objective,
            self.clip_range,
            self.clip_range_high,
            settings.ratio_cap,
            self.value_coef,
            self.entropy_coef,
            settings.value_clip_range,
            self.kl_coef,
        )


def _taken_over(scalar: Scalar, value: float) -> Scalar:
    """The value: in the tensor that is there, or as a number."""
    return scalar.fill_(value) if isinstance(scalar, Tensor) else value


class Optimisation:
    """One optimizer over all of θ.

    With `asynchronous`, nothing in an epoch waits for the device, but for the KL that `target_kl` or `desired_kl` acts
    on: a step whose gradient is not finite undoes itself and all that follow, and is reported at the update's end.
    Without, it is noticed before the step. Both give the same bits.
    """

    def __init__(
        self,
        network: ActorCritic,
        engine: Engine,
        generator: np.random.Generator,
        *,
        asynchronous: bool,
    ) -> None:
        self._network = network
        self.engine = engine
        self._shuffling = generator
        self._device = network.device
        on_cpu = network.device.type == "cpu"
        self.coefficients = Coefficients.on(network.device, as_tensors=asynchronous or not on_cpu)
        self._adam = Adam(network.theta)
        self._parts = network.parts()
        # Adam leaves everything as it is where this is not 0.
        self._not_finite = torch.zeros((), device=network.device) if asynchronous else None

    def position(self) -> OptimisationPosition:
        """A copy of all that its steps move."""
        return OptimisationPosition(
            self._network.theta.detach().clone(),
            self._adam.state(),
            dict(self._shuffling.bit_generator.state),
        )

    def return_to(self, position: OptimisationPosition) -> None:
        """Become what it was there. θ stays in its place: others hold views of it."""
        with torch.no_grad():
            self._network.theta.copy_(position.theta)
        self._adam.return_to(position.adam)
        self._shuffling.bit_generator.state = position.shuffling

    def moving(self) -> dict[str, Tensor]:
        """θ and what Adam remembers, themselves: whoever wants to keep them copies them."""
        return {"theta": self._network.theta.detach(), **self._adam.parts()}

    def typical_gradient(self) -> NDArray[np.float32]:
        """[P], for each weight the size of its gradients of late, after the norm limit: Adam's √v̂."""
        found: NDArray[np.float32] = self._adam.typical_gradient().cpu().numpy()
        return found

    def begin(self, update: Update) -> None:
        """Take over the settings of an update."""
        self.coefficients.take(update.settings, update.learning_rate)
        if self._not_finite is not None:
            self._not_finite.zero_()

    def end(self, update: Update) -> None:
        """Look back on the steps that were not looked at as they were made.

        Raises:
            NotFiniteError: one of them had a gradient that is not finite.
        """
        fault = finite.first_at_fault(update.minibatches) if self._not_finite is not None else None
        if fault is not None:
            raise finite.explain(fault)

    def epoch(self, update: Update, batch: Batch, epoch: int) -> Iterator[Phase]:
        """Pass once over the batch, in a new order: loss, gradient and step of each minibatch, a phase each.

        The gradient's norm is limited as torch's `clip_grad_norm_` does it. Ends early where the KL exceeds target_kl.

        Raises:
            NotFiniteError: a gradient is not finite; its step is not made.
        """
        start = time.perf_counter()
        settings = update.settings
        permutation = self._shuffling.permutation(settings.batch_size)
        trained_rows = update.rollout.trained.reshape(-1)[permutation].reshape(settings.minibatches, -1)
        populated: list[bool] = np.any(trained_rows, axis=1).tolist()
        order = self._uploaded(permutation)
        trained = batch.trained[order].view(settings.minibatches, -1)
        weights = losses.mean_weights(trained)
        advantages = _advantages_used(batch, order, trained, settings)
        rule = self.coefficients.rule(settings)
        with_kl = rule.penalises or settings.desired_kl is not None
        find = self.engine.losses(packed(batch, order, advantages, weights.view(-1), with_kl=with_kl), rule)
        if self._device.type == "cpu":
            update.passes.append(Pass(permutation, trained_rows, advantages.numpy()))
        update.seconds_shuffle += time.perf_counter() - start

        for index in range(settings.minibatches):
            start = time.perf_counter()
            part = slice(index * settings.minibatch_size, (index + 1) * settings.minibatch_size)
            about = order[part], trained[index], advantages[part]
            minibatch = _minibatch(find(part), epoch, index + 1, *about)
            if settings.desired_kl is not None and populated[index]:
                self._adapt_rate(update, minibatch)
            update.minibatches.append(minibatch)
            update.seconds_forward += time.perf_counter() - start
            yield Phase(PhaseKind.LOSS, update, epoch, index + 1)
            if not populated[index]:
                minibatch.differentiate = taken
                continue  # nothing but autoreset rows: nothing to learn, and Adam must not coast on its moments
            if exceeds_target_kl(minibatch, weights[index], settings):
                update.stopped_by_kl = True
                return

            start = time.perf_counter()
            gradient = minibatch.differentiate()
            minibatch.differentiate = taken
            minibatch.gradient_norm = norm_of(gradient)
            if self._not_finite is None:
                finite.check_gradient(minibatch, gradient, self._parts)
            update.seconds_backward += time.perf_counter() - start
            yield Phase(PhaseKind.GRADIENT, update, epoch, index + 1)

            start = time.perf_counter()
            self._step(gradient, minibatch.gradient_norm, settings.max_grad_norm)
            update.seconds_step += time.perf_counter() - start
            yield Phase(PhaseKind.STEP, update, epoch, index + 1)

    def _adapt_rate(self, update: Update, minibatch: Minibatch) -> None:
        """Move α as the minibatch's KL asks, before its step; not before the first step, when π is π_old."""
        if minibatch.kl is None or all(earlier.gradient_norm is None for earlier in update.minibatches):
            return
        rate, asked = leashes.next_learning_rate(update.learning_rate, minibatch.kl.item(), update.settings)
        update.learning_rate_raised += rate > update.learning_rate
        update.learning_rate_lowered += rate < update.learning_rate
        update.learning_rate_pinned += asked != 0 and rate == update.learning_rate
        update.learning_rate = rate
        self.coefficients.step_by(rate)

    def _uploaded(self, permutation: NDArray[np.int64]) -> Tensor:
        order = torch.from_numpy(permutation)
        if self._device.type == "cuda":
            return order.pin_memory().to(self._device, non_blocking=True)
        return order.to(self._device)

    def _step(self, gradient: Tensor, norm: Tensor, limit: float | None) -> None:
        if self._not_finite is None:
            if limit is not None and (scale := _scale(norm.item(), limit)) < 1:
                gradient.mul_(scale)
        else:
            torch.maximum(self._not_finite, (~torch.isfinite(norm)).float(), out=self._not_finite)
            if limit is not None:
                gradient.mul_((limit / (norm + 1e-6)).clamp(max=1.0))
        self._adam.step(gradient, self.coefficients.learning_rate, self._not_finite)


PIECE = 2**18
"""Of a gradient's norm: torch adds up squares in single precision, and of two million the fourth digit is wrong."""


def norm_of(gradient: Tensor) -> Tensor:
    """‖g‖₂ [] of g [P]."""
    if gradient.device.type != "cpu" or len(gradient) <= PIECE:  # a GPU adds them up in a tree
        return _norm(gradient)
    return _norm(torch.stack([_norm(piece) for piece in torch.split(gradient, PIECE)]))


def _norm(vector: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(vector)
    return norm


def _scale(norm: float, limit: float) -> float:
    """limit/(norm + 1e-6) as torch calculates it of a tensor in single precision, which takes three calls of it."""
    return float(np.float32(limit) * (np.float32(1) / (np.float32(norm) + np.float32(1e-6))))


def _minibatch(loss: Loss, epoch: int, index: int, samples: Tensor, trained: Tensor, advantages: Tensor) -> Minibatch:
    """The record of a minibatch, which alone holds what its gradient is to be made from."""
    return Minibatch(
        epoch=epoch,
        index=index,
        samples=samples,
        trained=trained,
        advantages=advantages,
        logratio=loss.logratio,
        outputs=loss.outputs,
        values=loss.values,
        policy_loss=loss.policy_loss,
        value_loss=loss.value_loss,
        entropy=loss.entropy,
        loss=loss.loss,
        kl=loss.kl,
        differentiate=loss.differentiate,
        arrays=loss.arrays,
    )


def taken() -> Tensor:
    """In place of a gradient that has been taken, so that what it was made from need not be kept.

    Raises:
        RuntimeError: always.
    """
    raise RuntimeError("the gradient of this minibatch has been taken already")


def exceeds_target_kl(minibatch: Minibatch, weights: Tensor, settings: Settings) -> bool:
    """Whether k3 over the minibatch, by `weights` [B], is above `KL_MARGIN` × target_kl.

    Source: k3 = r − 1 − log r is the estimator of KL(π_old‖π) of Schulman 2020, "Approximating KL divergence".
    """
    if settings.target_kl is None:
        return False
    logratio = minibatch.logratio.clamp(max=losses.LARGEST_LOGRATIO)
    k3 = (logratio.expm1() - logratio) @ weights
    return bool(k3 > KL_MARGIN * settings.target_kl)


def _advantages_used(batch: Batch, order: Tensor, trained: Tensor, settings: Settings) -> Tensor:
    """Advantages as the loss takes them, in this order [S]; `trained` [minibatches, B] is in it."""
    advantages = batch.advantages[order]
    if settings.normalize_advantages == "off":
        return advantages
    # Rounding is that of the values which the advantages are differences of.
    scale = batch.values.abs().amax()
    if settings.normalize_advantages == "minibatch":
        return losses.normalize(advantages.view_as(trained), trained, scale).view(-1)
    return losses.normalize(advantages, trained.view(-1), scale)
