"""A policy of somebody else's as probes ask it: nothing that they ask moves a weight, a generator or a gradient.

What a library's policy is called by is said by a subclass in three methods; everything else follows from them.
"""

from __future__ import annotations

import contextlib
import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ppo_scope.attach.entering import entering
from ppo_scope.attach.kl_estimates import ESTIMATES
from ppo_scope.attach.record import Habits, value_losses
from ppo_scope.attach.refusing import is_of_nan
from ppo_scope.attach.restless import ASKED, Layers, twice
from ppo_scope.ppo import losses
from ppo_scope.ppo.engine import clip_edges
from ppo_scope.probes.record import Batch, Floats, Minibatch, Update
from ppo_scope.probes.subject import Abilities, Distribution

AT_ONCE = 1024
"""Samples that are judged together: pictures take their room."""


class Policy(ABC):
    """Of one loop."""

    habits = Habits()
    names: Mapping[str, str] = {}
    """Of its layers, as we call ours: by how their names begin."""
    hooks: Sequence[str] = ()
    """Attributes of the module that are hooks of ours, which a copy does without."""

    def __init__(self, module: nn.Module, distribution: Distribution | None) -> None:
        """`distribution`: what its outputs mean; None: that is not known here, and it is not asked for them."""
        self._module = module
        self._copy: Any = None  # for weights that the policy does not have
        self._apart: dict[str, float] | None = None  # its answers, to one question
        self._layers: Layers | None = None
        self.distribution = distribution
        self._parameters = [one for one in module.parameters() if one.requires_grad]
        self._gathering = _buffers_of(module)
        self._flat: tuple[list[int], list[Any]] = [], []  # where its weights lie, and each as a vector

    @abstractmethod
    def _put_out(self, module: Any, batch: Any, which: Tensor | None = None) -> Tensor:
        """[S, O] of a batch's states, or [B, O] of these samples, by this module."""

    @abstractmethod
    def _values(self, module: Any, batch: Any) -> Tensor:
        """V [S] of a batch's states."""

    @abstractmethod
    def _evaluated(self, update: Update, minibatch: Minibatch) -> tuple[Tensor, Tensor, Tensor | None]:
        """(V, log π(a|s), entropy or None) [B] of a minibatch's trained samples, to be differentiated."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self._parameters[0].device

    def __getstate__(self) -> dict[str, Any]:
        """Without the copy, which can be made again, and what lies elsewhere then or is asked in the loop alone."""
        return {**vars(self), "_copy": None, "_layers": None, "_flat": ([], [])}

    def abilities(self) -> Abilities:
        """What it can be asked."""
        known = self.distribution is not None
        return Abilities(
            judge=self.judge if known else None,
            judge_between=self.judge_between if known else None,
            theta=self.theta,
            parts=self.parts,
            enters=self.enters if known else None,
            differentiate=self.differentiate if known else None,
        )

    def judge(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(outputs [S, O], V [S]) under the present weights."""
        with self._as_it_is(), torch.no_grad():
            return self._told(self._module, batch), self._values(self._module, batch).float()

    def enters(self, batch: Batch, samples: NDArray[np.int64]) -> Floats | None:
        """What its first layer of weights is given of these samples, [B, D]: it may scale observations before that."""
        with self._as_it_is(), torch.no_grad(), entering(self._module) as seen:
            self._put_out(self._module, batch, torch.from_numpy(samples))
        return seen[0] if seen and seen[0].ndim == 2 else None

    def restless(self, update: Update) -> dict[str, float]:
        """What of it is drawn anew each time that it is asked, as it is trained; it is asked twice once a run."""
        if self._apart is None or self._layers is None:
            self._layers = Layers(self._module)
            batch: Any = update.batch
            samples = torch.arange(min(ASKED, len(batch.values)))
            self._apart = twice(self._module, lambda one: self._put_out(one, batch, samples), self._without_graph())
        return {**self._layers.told(), **self._apart}

    def outputs_at(self, batch: Any, theta: Tensor) -> Tensor:
        """[S, O] of a batch's states under other weights, by a copy of the policy."""
        module = self._other(theta)
        with torch.random.fork_rng(), torch.no_grad():
            return self._told(module, batch)

    def judge_between(self, update: Update, samples: Tensor, factors: Sequence[float]) -> Tensor:
        """[F·B, O] at θ_old + f·(θ − θ_old), by a copy of the policy."""
        assert update.batch is not None and update.theta_before is not None
        now, found = self.theta(), []
        with torch.random.fork_rng(), torch.no_grad():
            for factor in factors:
                module = self._other(torch.lerp(update.theta_before, now, factor))
                found.append(self._told(module, update.batch, samples))
        return torch.cat(found)

    def besides(self, update: Any, probes: frozenset[str]) -> list[Tensor]:
        """See `task.Weighed`: its copy can be asked for everything else."""
        return self.buffers()

    def after(self, task: Any, update: Any, theta: Tensor, besides: Sequence[Tensor]) -> None:
        """See `desk.Measured`."""
        batch = update.batch
        if self.distribution is not None and batch.told_outputs is None:
            self.become(update.theta_before, besides)
            with self._as_it_is(), torch.no_grad():
                batch.told_outputs = self._told(self._module, batch)
        self.become(theta, besides)

    def become(self, theta: Tensor, buffers: Sequence[Tensor]) -> None:
        """Take over these weights."""
        with torch.no_grad():
            _write(theta, self._parameters)
            for (part, name), other in zip(self._gathering, buffers, strict=True):
                getattr(part, name).copy_(other)

    def buffers(self) -> list[Tensor]:
        """What its layers gather beside the weights."""
        return [getattr(part, name).detach().cpu() for part, name in self._gathering]

    def losses(self) -> list[dict[str, float]] | None:
        """A library's own are not known."""
        return None

    def theta(self) -> Tensor:
        """[P], a copy."""
        places = [one.data_ptr() for one in self._parameters]
        if places != self._flat[0]:
            parts = [one.detach() for one in self._parameters]
            if not all(one.is_contiguous() for one in parts):
                return torch.cat([one.reshape(-1) for one in parts]).cpu()
            plain = all(one.device.type == "cpu" and one.dtype is torch.float32 for one in parts)
            self._flat = places, [one.view(-1).numpy() if plain else one.view(-1) for one in parts]
        if isinstance(self._flat[1][0], Tensor):
            return torch.cat(self._flat[1]).cpu()
        return torch.from_numpy(np.concatenate(self._flat[1]))  # takes two thirds of the time

    def parts(self) -> dict[str, slice]:
        """Which part of θ is which parameter."""
        found, start = {}, 0
        for name, one in self._module.named_parameters():
            if one.requires_grad:
                theirs = next((theirs for theirs in self.names if name.startswith(theirs)), None)
                ours = name if theirs is None else self.names[theirs] + name.removeprefix(theirs)
                found[ours] = slice(start, start + one.numel())
                start += one.numel()
        return found

    def differentiate(self, update: Update, minibatch: Minibatch) -> Sequence[Floats]:
        """dL_PG/dθ, dL_VF/dθ and dS/dθ [P], and that of β·KL where it is a term that r tells: of a forward pass of its
        own, so that nothing of the loop's is touched.
        """
        batch, settings, device = update.batch, update.settings, self.device
        assert batch is not None
        which = minibatch.samples[minibatch.trained]
        used = minibatch.advantages[minibatch.trained].to(device)
        with self._as_it_is(), torch.enable_grad():
            values, log_prob, entropy = self._evaluated(update, minibatch)
            ratio = torch.exp(log_prob - batch.log_probs[which].to(device))
            policy = losses.clipped_policy_loss(ratio, used, clip_edges(settings)).mean()
            targets, old = batch.targets[which].to(device), batch.values[which].to(device)
            value = self._value_losses(values.flatten(), targets, old, settings.value_clip_range).mean()
            spread = -log_prob.mean() if entropy is None else entropy.mean()
            terms = [policy, value, spread, *_price(settings, ratio, log_prob)]
            return [self._gradient(term) for term in terms]

    def _told(self, module: Any, batch: Batch, which: Tensor | None = None) -> Tensor:
        """What it puts out; NaN where its distribution refuses that."""
        try:
            return self._put_out(module, batch, which).float()
        except ValueError as error:
            if not is_of_nan(error):
                raise
            known: Any = self.distribution
            return torch.full((len(batch.values if which is None else which), known.outputs), torch.nan)

    def _value_losses(self, values: Tensor, targets: Tensor, old: Tensor, limit: float | None) -> Tensor:
        """Per sample, as it is trained on them."""
        return value_losses(values, targets, old, limit, self.habits)

    def _gradient(self, term: Tensor) -> Floats:
        found: Sequence[Tensor | None] = [None] * len(self._parameters)
        if term.requires_grad:  # a spread that is a number of the code has an entropy without one
            found = torch.autograd.grad(term, self._parameters, retain_graph=True, allow_unused=True)
        parts = [
            torch.zeros_like(one) if gradient is None else gradient  # of what a term does not reach
            for one, gradient in zip(self._parameters, found, strict=True)
        ]
        gradient: Floats = torch.cat([part.reshape(-1) for part in parts]).float().cpu().numpy()
        return gradient

    def _without_graph(self) -> dict[int, Any]:
        """What hangs on the loss cannot be copied: a bare one for each such part of the module, by its `id`."""
        return {}

    def _other(self, theta: Tensor) -> Any:
        """A copy of the policy that has these weights."""
        if self._copy is None:
            self._copy = copy.deepcopy(self._module, self._without_graph())
            for name in self.hooks:
                vars(self._copy).pop(name, None)
            self._copy.train(False)
        with torch.no_grad():
            mine = [one for one in self._copy.parameters() if one.requires_grad]
            _write(theta.to(self.device), mine)
            for own, other in zip(self._copy.buffers(), self._module.buffers(), strict=True):
                own.copy_(other)
        return self._copy

    @contextlib.contextmanager
    def _as_it_is(self) -> Iterator[None]:
        """Without dropout, without moving what normalisation has gathered; the generators stay where they are."""
        modes = [(part, part.training) for part in self._module.modules()]
        self._module.train(False)
        try:
            with torch.random.fork_rng():
                yield
        finally:
            for part, mode in modes:
                part.training = mode


def _price(settings: Any, ratio: Tensor, log_prob: Tensor) -> list[Tensor]:
    """What has the gradient of β·KL, where that is a term of the loss that r tells."""
    if settings.kl_estimate not in ESTIMATES:
        return []
    slope_of = ESTIMATES[settings.kl_estimate][1]
    slopes = torch.from_numpy(slope_of(ratio.detach().double().log().cpu().numpy())).to(log_prob)
    return [settings.kl_coef * (slopes * log_prob).mean()]


def _buffers_of(module: nn.Module) -> list[tuple[nn.Module, str]]:
    """Where they are, each once: the parts of a module are walked through but once."""
    found = {id(one): (part, name) for part in module.modules() for name, one in part.named_buffers(recurse=False)}
    return list(found.values())


def _write(theta: Tensor, parameters: Sequence[Tensor]) -> None:
    """θ [P] into these: `vector_to_parameters` would make them parts of θ itself, which the next step then moves."""
    parts = torch.split(theta, [one.numel() for one in parameters])
    for one, part in zip(parameters, parts, strict=True):
        one.data.copy_(part.view_as(one))
