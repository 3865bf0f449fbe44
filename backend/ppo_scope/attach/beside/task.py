"""A finished update as it is handed to another process: what is to be told of it, and its arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.attach.arrays import flat
from ppo_scope.attach.facts import Facts
from ppo_scope.attach.late import Brief, LateUpdate
from ppo_scope.attach.own_loop.passing import NOT_TOLD, PassingUpdate
from ppo_scope.attach.record import Batch, Episode, Habits, Noted, Phase, Rollout, Seen, Told, Update, of_batch
from ppo_scope.attach.sb3.buffered import Form
from ppo_scope.attach.single_file.scripted import ScriptForm
from ppo_scope.attach.stored import StorageForm

TENSORS = ("log_prob", "old_log_prob", "advantages", "old_values", "targets", "values", "entropy", "penalty")
"""Of `Seen`, [B] each; `Noted` has one less."""


BROUGHT = ("old_log_prob", "advantages", "old_values", "returns")
"""Of what a loop hands to a minibatch: the second to the fifth of them."""


SAMPLE_BYTES = 40
"""Of a sample in a minibatch."""


class Weighed(Protocol):
    """What is asked in the loop when an update is handed over."""

    def theta(self) -> Tensor | None:
        """[P], a copy; None: the loop does not hand out its weights."""
        ...

    def besides(self, update: Update, probes: frozenset[str]) -> list[Tensor]:
        """What else is to be known of it, where these probes look."""
        ...

    def losses(self) -> list[dict[str, float]] | None:
        """See `Abilities.losses_told`."""
        ...


class Wish(NamedTuple):
    """For a look."""

    probes: frozenset[str]
    environment: int | None
    failed: dict[str, str]
    """Probes that are switched off, and why."""


class Task(NamedTuple):
    """What there is to know of an update beside its arrays."""

    update: int
    made_with: tuple[Facts, Habits] | None
    """None: as before."""
    learning_rate: float
    steps: int
    seconds: float
    """That being watched has cost the loop since the update before."""
    seconds_optimise: float
    stopped_by_kl: bool
    adapted: tuple[int, int, int]
    """How often α was raised, lowered, and stayed at its bound."""
    within: tuple[int, int]
    episodes: list[tuple[int, float, int]]
    form: Form | ScriptForm | StorageForm | None
    """How the arrays of its rollout are to be read; None: they are in our shapes."""
    size: int
    counts: list[tuple[int, int]]
    """Of each minibatch: its epoch, and how many samples it has."""
    norms: list[int]
    """The minibatches whose gradient's norm is known."""
    counted: tuple[float, float] | None
    """See `Abilities.observations_counted`."""
    known: dict[str, float]
    """What only the loop can tell of it, for Health."""
    noted: bool
    """Its minibatches are those of a loop of one's own."""
    losses: list[dict[str, float]] | None
    """See `Abilities.losses_told`."""
    text: Sequence[Sequence[str]] | None
    """Of its tokens, for a look."""
    wish: Wish | None


def task_of(
    phase: Phase,
    policy: Weighed,
    steps: int,
    seconds: float,
    made_with: tuple[Facts, Habits] | None,
    wish: Wish | None,
) -> tuple[Task, list[NDArray[Any] | None]]:
    """An update that has just ended, as it is sent, and its arrays."""
    update = phase.update
    assert update is not None
    theta = policy.theta()
    form, collected = update.source if isinstance(update, LateUpdate) else (None, _collected(update))
    counts, samples, found = _minibatches_of(update)
    arrays: list[NDArray[Any] | None] = [
        *collected,
        *(None if one is None else one.numpy() for one in (update.theta_before, theta)),
        *(samples, _joined(list(update.gradient_norms.values()))),
        *found,
        *[None] * (len(TENSORS) - len(found)),
        *(one.numpy() for one in policy.besides(update, frozenset() if wish is None else wish.probes)),
    ]
    task = Task(
        update=update.index,
        made_with=made_with,
        learning_rate=update.learning_rate,
        steps=steps,
        seconds=seconds,
        seconds_optimise=update.seconds_optimise,
        stopped_by_kl=update.stopped_by_kl,
        adapted=(update.learning_rate_raised, update.learning_rate_lowered, update.learning_rate_pinned),
        within=(phase.epoch, phase.minibatch),
        episodes=[(one.step, one.episodic_return, one.length) for one in update.episodes],
        form=form,
        size=update.size,
        counts=counts,
        norms=list(update.gradient_norms),
        counted=update.counted,
        known=update.known,
        noted=_is_noted(update),
        losses=policy.losses(),
        text=None if wish is None or form is not None else update.rollout.text,
        wish=wish,
    )
    return task, arrays


def size_of(update: Update, theta: Tensor | None) -> int:
    """Bytes of its arrays, about."""
    collected = update.source[1] if isinstance(update, LateUpdate) else _collected(update)
    minibatches = update.settings.epochs * update.rollout.rewards.size * SAMPLE_BYTES
    weights = 0 if theta is None else 2 * theta.numel() * theta.itemsize
    return sum(one.nbytes for one in collected if one is not None) + minibatches + weights


def _collected(update: Update) -> list[NDArray[Any] | None]:
    """In our shapes."""
    rollout, batch = update.rollout, update.batch
    assert batch is not None
    outputs = batch.told_outputs if batch.judged is None else None  # else they are found there as well
    after = batch.told_after or (None, None)
    columns = batch.log_probs, batch.values, batch.advantages, batch.targets, batch.action_masks, None, outputs, *after
    return [
        *(rollout.observations, rollout.actions, rollout.rewards, rollout.terminated, rollout.truncated),
        *(rollout.trained, update.rewards, update.deltas),
        *(None if one is None else one.numpy() for one in columns),
    ]


COLLECTED = 17
"""Those of `_collected`."""


def _minibatches_of(
    update: Update,
) -> tuple[list[tuple[int, int]], NDArray[np.int64], list[NDArray[Any] | None]]:
    """(`Task.counts`, the samples, `TENSORS`) of all, one after the other; None: what the batch has of the samples."""
    if isinstance(update, PassingUpdate) and update.untouched:
        counts, samples, columns = update.together()
        return counts, samples, [None if one is None else one.numpy() for one in (*columns, *NOT_TOLD)]
    if _is_noted(update):
        return _noted_of([one for one in update.told if isinstance(one, Noted)])
    if isinstance(update, LateUpdate) and update.untouched:
        return _brief_of(update.brief)
    if isinstance(update, LateUpdate) and update.epochs:
        kept = [one for epoch in update.epochs for one in epoch.kept]
        counts = [one for epoch in update.epochs for one in epoch.counts()]
        samples = update.epochs[0].places[np.concatenate([epoch.drawn() for epoch in update.epochs])]
        brought: list[NDArray[Any] | None] = [None] * len(BROUGHT)
        penalty = None
    else:
        told = [one for one in update.told if isinstance(one, Told)]
        kept = [one.found for one in told]
        counts = [(one.epoch, len(one.samples)) for one in told]
        samples = np.concatenate([one.samples for one in told]) if told else np.zeros(0, np.int64)
        brought = [
            None if told and getattr(told[0].data, name) is None else _joined([getattr(one.data, name) for one in told])
            for name in BROUGHT
        ]
        penalty = _all_of([getattr(one.data, "penalty", None) for one in told])
    values, log_probs, entropies = zip(*kept, strict=True) if kept else ((), (), ())
    if any(one is None for one in entropies):
        log_prob = _joined(log_probs)
        entropy = -log_prob
    else:
        log_prob, entropy = _joined((*log_probs, *entropies)).reshape(2, -1)  # by one operation
    return counts, samples, [log_prob, *brought, _joined(values), entropy, penalty]


def _brief_of(brief: Sequence[Brief]) -> tuple[list[tuple[int, int]], NDArray[np.int64], list[NDArray[Any] | None]]:
    """The same of minibatches that bring Â alone."""
    epochs, places, *columns, penalties = zip(*brief, strict=True)
    counts = [(epoch, len(one)) for epoch, one in zip(epochs, places, strict=True)]
    used, values, log_prob, entropy = map(_joined, columns)
    found = [log_prob, None, used, None, None, values, entropy, _all_of(penalties)]
    return counts, np.concatenate(places), found


def _is_noted(update: Update) -> bool:
    if isinstance(update, PassingUpdate) and update.untouched:
        return True
    return not isinstance(update, LateUpdate) and bool(update.told) and isinstance(update.told[0], Noted)


def _noted_of(
    told: Sequence[Noted],
) -> tuple[list[tuple[int, int]], NDArray[np.int64], list[NDArray[Any] | None]]:
    """The same of a loop of one's own."""
    counts = [(one.epoch, len(one.samples)) for one in told]
    columns = zip(*(one[2:] for one in told), strict=True)
    found = [None if column[0] is None else _joined(column) for column in columns]
    return counts, np.concatenate([one.samples for one in told]), found


def _all_of(parts: Sequence[Tensor | None]) -> NDArray[Any] | None:
    """The same of what a minibatch may not have."""
    found = [one for one in parts if one is not None]
    return _joined(found) if found else None


def _joined(parts: Sequence[Tensor]) -> NDArray[Any]:
    """One after the other, flat."""
    if not parts:
        return np.zeros(0, np.float32)
    joined = torch.cat(tuple(parts)) if parts[0].ndim else torch.stack(tuple(parts))
    flat: NDArray[Any] = joined.detach().reshape(-1).cpu().numpy()
    return flat


def update_of(
    task: Task, arrays: Sequence[Any], settings: Facts, habits: Habits
) -> tuple[Update, Tensor | None, list[Tensor]]:
    """The update that `task_of` was given, with the weights that it led to, and what else was told of them."""
    count = COLLECTED if task.form is None else task.form.arrays
    tensors: list[Any] = [None if one is None else torch.from_numpy(one) for one in arrays[count:]]
    before, theta, samples, norms, *rest = tensors
    ended = tuple(Episode(*one) for one in task.episodes)
    about = task.update, settings, task.learning_rate
    update: Update
    if task.form is not None:
        update = LateUpdate(*about, before, (task.form, task.form.read(arrays[:count])), ended)
    else:
        observations, actions, given, terminated, truncated, trained, rewards, deltas, *columns = arrays[:count]
        rollout = Rollout(observations, actions, given, terminated, truncated, trained, ended, task.text)
        *known, outputs, values = [None if one is None else torch.from_numpy(one) for one in columns]
        batch = Batch(flat(observations), flat(actions), *known)  # type: ignore[arg-type]  # in their order
        batch.told_after = None if outputs is None or values is None else (outputs, values)
        update = Update(*about, rollout, batch, before, rewards, deltas)
    told = rest[: len(TENSORS)]
    update.told += _noted(task, samples, told[:-1]) if task.noted else _minibatches(task, update.batch, samples, told)
    update.gradient_norms = dict(zip(task.norms, norms.unbind(), strict=True))
    update.size, update.habits, update.known = task.size, habits, task.known
    update.learning_rate_raised, update.learning_rate_lowered, update.learning_rate_pinned = task.adapted
    update.stopped_by_kl, update.seconds_optimise = task.stopped_by_kl, task.seconds_optimise
    return update, theta, rest[len(TENSORS) :]


def _noted(task: Task, samples: Tensor, found: Sequence[Tensor | None]) -> list[Noted]:
    sizes = [count for _, count in task.counts]
    none = [None] * len(sizes)
    columns = [none if one is None else torch.split(one, sizes) for one in found]
    which = torch.split(samples, sizes)
    each = zip(task.counts, which, *columns, strict=True)
    return [Noted(epoch, samples.numpy(), *rest) for (epoch, _), samples, *rest in each]


def _minibatches(task: Task, batch: Batch | None, samples: Tensor, found: Sequence[Tensor | None]) -> list[Seen]:
    if not task.counts:
        return []
    sizes = [count for _, count in task.counts]
    log_prob, *brought, values, entropy, penalty = found
    if any(one is None for one in brought):
        held = of_batch(batch, samples)
        brought = [has if one is None else one for one, has in zip(brought, held, strict=True)]
    each = zip(TENSORS, (log_prob, *brought, values, entropy, penalty), strict=True)
    columns = {name: torch.split(one, sizes) for name, one in each if one is not None}
    which = torch.split(samples, sizes)
    return [
        Seen(epoch, which[place].numpy(), **{name: column[place] for name, column in columns.items()})
        for place, (epoch, _) in enumerate(task.counts)
    ]
