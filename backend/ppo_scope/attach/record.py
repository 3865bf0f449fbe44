"""The record of a foreign loop's update, in the shapes that the probes read: `probes/record.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.attach.facts import Facts
from ppo_scope.attach.kl_estimates import ESTIMATES
from ppo_scope.ppo import by_hand, losses
from ppo_scope.ppo.engine import clip_edges
from ppo_scope.probes.record import Bools, Floats, PhaseKind


@dataclass(frozen=True)
class Episode:
    """An episode that ended."""

    step: int
    episodic_return: float
    length: int


@dataclass
class Rollout:
    """M steps of N rows, time first."""

    observations: NDArray[Any]
    actions: NDArray[Any]
    rewards: Floats
    terminated: Bools
    truncated: Bools
    trained: Bools
    episodes: Sequence[Episode] = ()
    text: Sequence[Sequence[str]] | None = None
    """Of a language model's tokens, N sequences."""


@dataclass
class Batch:
    """A rollout as samples, time first. S = M·N."""

    observations: Tensor
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    targets: Tensor
    action_masks: Tensor | None = None
    judged: Callable[[Batch], Tensor] | None = None
    """How to find its outputs, where the loop does not hand them over."""
    told_outputs: Tensor | None = None
    groups: dict[str, Tensor] | None = None
    """[S, …] of what the networks see by name, where that is not `observations`."""
    told_after: tuple[Tensor, Tensor] | None = None
    """(outputs [S, O], V [S]) by the weights that the update has led to, where the loop has told them."""

    @property
    def outputs(self) -> Tensor | None:
        """[S, O] of the policy that collected; found when somebody asks."""
        if self.told_outputs is None and self.judged is not None:
            self.told_outputs = self.judged(self)
        return self.told_outputs


@dataclass
class Minibatch:
    """Of an update, before its step. A smaller one than others is filled up with rows that are not trained."""

    epoch: int
    samples: Tensor
    trained: Tensor
    advantages: Tensor
    logratio: Tensor
    values: Tensor
    policy_loss: Tensor
    value_loss: Tensor
    entropy: Tensor
    loss: Tensor
    penalty: Tensor | None = None
    outputs: Tensor | None = None
    gradient_norm: Tensor | None = None


@dataclass
class Update:
    """As far as it has come."""

    index: int
    settings: Facts
    learning_rate: float
    rollout: Rollout
    batch: Batch | None
    theta_before: Tensor | None = None
    rewards: Floats | None = None
    deltas: Floats | None = None
    told: list[Seen | Told | Noted] = field(default_factory=list)
    """Its minibatches as the loop has told them; what else is known of them is computed when it is asked for."""
    gradient_norms: dict[int, Tensor] = field(default_factory=dict)
    """[] by the minibatch's place, before they are cut off."""
    size: int = 0
    """Samples of the largest minibatch."""
    known: dict[str, float] = field(default_factory=dict)
    """What only the loop can tell of it, for Health."""
    habits: Habits = field(default_factory=lambda: Habits())
    counted: tuple[float, float] | None = None
    """See `Abilities.observations_counted`."""
    _seen: list[Seen] = field(default_factory=list)
    _minibatches: list[Minibatch] = field(default_factory=list)
    stopped_by_kl: bool = False
    seconds_optimise: float = 0.0
    learning_rate_raised: int = 0
    learning_rate_lowered: int = 0
    learning_rate_pinned: int = 0

    @property
    def episodes(self) -> Sequence[Episode]:
        """Those that ended in it."""
        return self.rollout.episodes

    @property
    def set_to(self) -> Facts:
        """As they were set; nothing moves them that we know of."""
        return self.settings

    @property
    def seen(self) -> list[Seen]:
        """Its minibatches so far, as tensors of ours."""
        new = self.told[len(self._seen) :]
        self._seen += [self._seen_of(one) for one in new]
        return self._seen

    def _seen_of(self, one: Seen | Told | Noted) -> Seen:
        if isinstance(one, Noted):
            return noted_of(one, self.batch, self.rollout.trained)
        return seen_of(one, self.batch) if isinstance(one, Told) else one

    @property
    def minibatches(self) -> list[Minibatch]:
        """So far; those that have come since somebody asked are made at once, which takes a tenth of the time."""
        if self._minibatches and len(self._minibatches[0].samples) < self.size:
            self._minibatches.clear()  # a larger one has come, and all of them are filled up to that
        if len(self._minibatches) < len(self.told):
            self._minibatches += minibatches_of(
                self.seen[len(self._minibatches) :], self.settings, self.size, self.habits
            )
        for place, norm in self.gradient_norms.items():
            self._minibatches[place].gradient_norm = norm.cpu()
        return self._minibatches

    def turns_out(self, settings: Facts) -> None:
        """It is made with these: what has been made of its minibatches by others is made anew."""
        self.settings = settings
        self._minibatches.clear()

    def seconds(self) -> dict[str, float]:
        """Nobody has measured them."""
        return {}


@dataclass(frozen=True)
class Phase:
    """A moment between two operations of the loop."""

    kind: PhaseKind
    update: Update | None
    epoch: int = 0
    minibatch: int = 0

    @property
    def lengths(self) -> tuple[int, int]:
        """Epochs of the update, and minibatches of an epoch; 0: that is not told, and none has come to its end yet."""
        if self.update is None:
            return 0, 0
        settings, first = self.update.settings, self.update.index == 1
        over = self.kind is PhaseKind.UPDATE or not first
        whole = over or self.kind is PhaseKind.EPOCH or self.epoch > 1
        return (
            settings.epochs if over or "epochs" in settings.told else 0,
            settings.minibatches if whole or "minibatches" in settings.told else 0,
        )


@dataclass(frozen=True)
class Seen:
    """What a minibatch brings, [B] each; None: the loop does not tell it. All minibatches of a run tell the same."""

    epoch: int
    samples: NDArray[np.int64]
    log_prob: Tensor
    old_log_prob: Tensor
    advantages: Tensor
    """As the loss uses them; raw where it normalises them by a habit that is known."""
    old_values: Tensor
    targets: Tensor
    values: Tensor | None = None
    entropy: Tensor | None = None
    penalty: Tensor | None = None
    """What the loss adds for the KL to a reference policy, or for the exact one to π_old, β in it."""
    trained: Tensor | None = None
    """bool; None: all are."""


class Told(NamedTuple):
    """A minibatch of Stable-Baselines3 as it came by: to take note of it costs the loop next to nothing."""

    epoch: int
    samples: NDArray[np.int64]
    data: Any
    """Its `RolloutBufferSamples`; None: what the batch has of these samples."""
    found: tuple[Tensor, Tensor, Tensor | None]
    """(V, log π(a|s), entropy) of its policy, as they hang on the loss."""


class Noted(NamedTuple):
    """A minibatch as a loop of one's own hands it over, [B] each."""

    epoch: int
    samples: NDArray[np.int64]
    log_prob: Tensor
    advantages: Tensor
    """See `Seen`; so the next two."""
    values: Tensor | None
    entropy: Tensor | None
    old_log_prob: Tensor | None
    """None: what the rollout has of these samples; so the next one."""
    targets: Tensor | None
    penalty: Tensor | None
    """See `Seen`."""


def noted_of(noted: Noted, batch: Batch | None, trained: Bools) -> Seen:
    """The same, with what the rollout has; `trained`: of its steps."""
    assert batch is not None
    which = noted.samples
    places, counted = torch.from_numpy(which), trained.reshape(-1)[which]
    return Seen(
        epoch=noted.epoch,
        samples=which,
        log_prob=noted.log_prob,
        old_log_prob=batch.log_probs[places] if noted.old_log_prob is None else noted.old_log_prob,
        advantages=noted.advantages,
        old_values=batch.values[places],
        targets=batch.targets[places] if noted.targets is None else noted.targets,
        values=noted.values,
        entropy=noted.entropy,
        penalty=noted.penalty,
        trained=None if counted.all() else torch.from_numpy(counted),
    )


def seen_of(told: Told, batch: Batch | None = None) -> Seen:
    """The same, in shapes of ours."""
    data = told.data
    values, log_prob, entropy = (None if one is None else one.detach().flatten().cpu() for one in told.found)
    assert values is not None and log_prob is not None
    names = ("old_log_prob", "advantages", "old_values", "returns")
    columns: list[Any] = [None if data is None else getattr(data, name) for name in names]
    if any(one is None for one in columns):
        held = of_batch(batch, torch.from_numpy(told.samples))
        columns = [has if one is None else one for one, has in zip(columns, held, strict=True)]
    old, advantages, old_values, targets = (one.flatten().cpu() for one in columns)
    return Seen(
        epoch=told.epoch,
        samples=told.samples,
        log_prob=log_prob,
        old_log_prob=old,
        advantages=advantages,
        old_values=old_values,
        targets=targets,
        values=values,
        entropy=-log_prob if entropy is None else entropy,
        penalty=getattr(data, "penalty", None),
    )


def of_batch(batch: Batch | None, samples: Tensor) -> tuple[Tensor, ...]:
    """log π_old, Â, V_old and V_targ of these samples, as a minibatch has them."""
    assert batch is not None
    return tuple(column[samples] for column in (batch.log_probs, batch.advantages, batch.values, batch.targets))


@dataclass(frozen=True)
class Habits:
    """What a library does otherwise than we do."""

    normalizes: bool = False
    """The advantages of `Seen` are raw; its loss normalises them over the minibatch."""
    clips_values_alone: bool = False
    """With a clip range of V, L_VF is of V kept within it; ours takes the worse of both."""


def minibatches_of(seen: Sequence[Seen], facts: Facts, size: int, habits: Habits) -> list[Minibatch]:
    """The records of minibatches, with their losses by our definitions; filled up to `size` rows."""
    made: list[Minibatch] = []
    for count, group in groupby(seen, lambda one: len(one.samples)):
        made += _alike(list(group), count, facts, size, habits)
    return made


def _alike(seen: Sequence[Seen], count: int, facts: Facts, size: int, habits: Habits) -> list[Minibatch]:
    """J minibatches of `count` samples each, all at once."""

    def stacked(name: str) -> Tensor:
        return torch.stack([getattr(one, name) for one in seen])

    samples = torch.from_numpy(np.stack([one.samples for one in seen]))
    log_prob, old, advantages = stacked("log_prob"), stacked("old_log_prob"), stacked("advantages")
    old_values, targets = stacked("old_values"), stacked("targets")
    if habits.normalizes and count > 1:
        spread = advantages.std(1, keepdim=True) + 1e-8
        advantages = (advantages - advantages.mean(1, keepdim=True)) / spread
    logratio = log_prob - old
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite shows as such
        policy, _ = by_hand.policy_loss(
            facts.objective, log_prob.numpy(), logratio.numpy(), advantages.numpy(), clip_edges(facts)
        )
    unknown = torch.full((len(seen),), torch.nan, dtype=torch.float64)
    counted = torch.ones_like(samples, dtype=torch.bool)
    if any(one.trained is not None for one in seen):
        counted = torch.stack([counted[0] if one.trained is None else one.trained for one in seen])

    def mean(found: Tensor) -> Tensor:
        return torch.where(counted, found, 0).sum(1, dtype=torch.float64) / counted.sum(1)

    l_pg = mean(torch.from_numpy(policy))
    l_vf, entropy, values = unknown, unknown, old_values
    if seen[0].values is not None:
        values = stacked("values")
        l_vf = mean(value_losses(values, targets, old_values, facts.value_clip_range, habits))
    if seen[0].entropy is not None:
        entropy = mean(stacked("entropy"))
    _, value_weight, entropy_weight = losses.term_weights(facts.value_coef, facts.entropy_coef)
    loss = l_pg.clone()
    for weight, term in ((value_weight, l_vf), (entropy_weight, entropy)):
        if weight:  # a term whose coefficient is nothing adds nothing, known or not
            loss += weight * term
    penalties: Sequence[Tensor | None] = [None] * len(seen)
    penalty: Tensor | None = None
    if seen[0].penalty is not None:
        penalty = mean(stacked("penalty"))
    elif facts.kl_estimate in ESTIMATES:
        with np.errstate(over="ignore", invalid="ignore"):
            estimates = ESTIMATES[facts.kl_estimate][0](logratio.double().numpy())
        penalty = facts.kl_coef * mean(torch.from_numpy(estimates))
    if penalty is not None:
        loss, penalties = loss + penalty, penalty.unbind()

    def filled(found: Tensor) -> Tensor:
        return torch.cat([found, found[:, :1].expand(-1, size - count)], 1) if count < size else found

    trained = filled(counted) & (torch.arange(size) < count)
    columns = [filled(one) for one in (samples, *(one.float() for one in (advantages, logratio, values)))]
    columns.insert(1, trained)
    each = zip(seen, *(one.unbind() for one in (*columns, l_pg, l_vf, entropy, loss)), penalties, strict=True)
    return [Minibatch(one.epoch, *rest) for one, *rest in each]


def text_of(update: Any, rows: NDArray[Any]) -> list[list[str]]:
    """Of the tokens of these sequences."""
    return [list(update.rollout.text[row]) for row in rows]


def value_losses(values: Tensor, targets: Tensor, old: Tensor, clip_range: float | None, habits: Habits) -> Tensor:
    """Per sample, in whatever shape."""
    if clip_range is not None and habits.clips_values_alone:
        return (targets - (old + torch.clamp(values - old, -clip_range, clip_range))).square()
    return losses.value_loss(values, targets, old, clip_range)
