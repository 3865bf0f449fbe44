"""What is measured of a foreign loop's update that goes by at full speed: its row, how the run is, and at times a look.

Of a note of the update and by a policy of its own, so that it can be done in another process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.attach.episodes import LATEST
from ppo_scope.attach.policy import Policy
from ppo_scope.attach.record import Batch, Episode, Facts, Habits, Phase, Rollout, Seen, Told, Update, of_batch
from ppo_scope.diagnosis.health import Health
from ppo_scope.probes.cost import Noted
from ppo_scope.probes.faults import described
from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import measure
from ppo_scope.probes.record import PhaseKind
from ppo_scope.probes.subject import Abilities
from ppo_scope.worker.rows import named, row_of

TENSORS = ("log_prob", "old_log_prob", "advantages", "old_values", "targets", "values", "entropy")
"""Of `Seen`, [B] each."""


class Model:
    """A subject that is nothing but a policy and what is known of its run; it can be sent to another process."""

    reward_threshold = None

    def __init__(self, env: str, space: gym.Space[Any], policy: Policy) -> None:
        self.env, self.observation_space, self.observation = env, space, str(space)
        self.is_image = len(space.shape or ()) == 3
        self.policy, self.distribution = policy, policy.distribution
        self.steps = 0
        self.counted: tuple[float, float] | None = None
        self.latest: deque[Episode] = deque(maxlen=LATEST)

    @property
    def episodes(self) -> Sequence[Episode]:
        """The latest, of which means are taken."""
        return self.latest

    @property
    def abilities(self) -> Abilities:
        """Those of its policy."""
        return replace(self.policy.abilities(), observations_counted=lambda: self.counted)


@dataclass(frozen=True)
class Task:
    """What there is to know of an update beside its record. Pickled in no time: its arrays are few and lie together."""

    index: int
    settings: Facts | None
    """None: as before."""
    habits: Habits
    learning_rate: float
    steps: int
    seconds: float
    """That being watched has cost the loop since the update before."""
    seconds_optimise: float
    stopped_by_kl: bool
    within: tuple[int, int]
    episodes: list[tuple[int, float, int]]
    rollout: tuple[NDArray[Any], ...]
    """Those of `Rollout`, then the rewards that advantages were made of, and δ."""
    batch: tuple[NDArray[Any] | None, ...]
    """log π_old, V_old, Â, V_targ, action masks."""
    theta: tuple[NDArray[Any], NDArray[Any]]
    """Before and after."""
    buffers: list[NDArray[Any]]
    size: int
    counts: list[tuple[int, int]]
    """Of each minibatch: its epoch, and how many samples it has."""
    samples: NDArray[np.int64]
    seen: tuple[NDArray[Any] | None, ...]
    """`TENSORS` of all minibatches, one after the other; None: what the batch has of their samples."""
    norms: tuple[list[int], NDArray[Any]]
    """Of the gradients: which minibatch's, and what."""
    counted: tuple[float, float] | None
    """See `Abilities.observations_counted`."""
    known: dict[str, float]
    """What only the loop can tell of it, for Health."""
    wish: tuple[frozenset[str], int | None] | None
    """For a look: which probes, and which environment."""


@dataclass(frozen=True)
class Looked:
    """What a look tells."""

    found: Measurement
    spent: list[tuple[str, float, float]]
    """(probe, when it was measured, seconds)"""
    failed: dict[str, str]
    judged: dict[str, Any]
    """How the run is."""


@dataclass(frozen=True)
class Answer:
    """What was measured of one update."""

    row: list[float]
    complaints: list[tuple[str, str]]
    """What could not be measured, and why."""
    looked: Looked | None = None


@dataclass(frozen=True)
class Ended:
    """An update, and what is so only at its end."""

    phase: Phase
    steps: int
    seconds: float
    theta: Tensor
    buffers: list[Tensor]

    @classmethod
    def now(cls, phase: Phase, policy: Policy, steps: int, seconds: float) -> Ended:
        """It has just ended."""
        return cls(phase, steps, seconds, policy.theta(), [one.clone() for one in policy.buffers()])


@torch.no_grad()
def task_of(ended: Ended, settings: Facts | None, wish: tuple[frozenset[str], int | None] | None) -> Task:
    """A finished update, as it is sent."""
    update = ended.phase.update
    assert update is not None
    rollout, batch = update.rollout, update.batch
    assert batch is not None and update.theta_before is not None
    told = [one for one in update.told if isinstance(one, Told)]
    data, found = [one.data for one in told if one.data is not None], [one.found for one in told]
    log_prob = _joined([one[1] for one in found])
    entropies = [one[2] for one in found if one[2] is not None]
    columns = ("old_log_prob", "advantages", "old_values", "returns") if data or not told else ()
    brought = tuple(_joined([getattr(one, name) for one in data]) for name in columns) or (None,) * 4
    seen = (
        log_prob,
        *brought,
        _joined([one[0] for one in found]),
        _joined(entropies) if len(entropies) == len(found) else -log_prob,
    )
    steps_of = (rollout.observations, rollout.actions, rollout.rewards, rollout.terminated, rollout.truncated)
    masks = None if batch.action_masks is None else batch.action_masks.numpy()
    places = list(update.gradient_norms)
    return Task(
        index=update.index,
        settings=settings,
        habits=update.habits,
        learning_rate=update.learning_rate,
        steps=ended.steps,
        seconds=ended.seconds,
        seconds_optimise=update.seconds_optimise,
        stopped_by_kl=update.stopped_by_kl,
        within=(ended.phase.epoch, ended.phase.minibatch),
        episodes=[(one.step, one.episodic_return, one.length) for one in rollout.episodes],
        rollout=(*steps_of, rollout.trained, update.rewards, update.deltas),  # type: ignore[arg-type]  # both are there
        batch=(*(one.numpy() for one in (batch.log_probs, batch.values, batch.advantages, batch.targets)), masks),
        theta=(update.theta_before.numpy(), ended.theta.numpy()),
        buffers=[one.numpy() for one in ended.buffers],
        size=update.size,
        counts=[(one.epoch, len(one.samples)) for one in told],
        samples=np.concatenate([one.samples for one in told]) if told else np.zeros(0, np.int64),
        seen=seen,
        norms=(places, _joined([update.gradient_norms[place] for place in places])),
        counted=update.counted,
        known=update.known,
        wish=wish,
    )


def _joined(parts: list[Tensor]) -> NDArray[Any]:
    """One after the other, flat."""
    if not parts:
        return np.zeros(0, np.float32)
    joined = torch.cat(parts) if parts[0].ndim else torch.stack(parts)
    flat: NDArray[Any] = joined.detach().reshape(-1).cpu().numpy()
    return flat


class Desk:
    """Measures one update after the other."""

    def __init__(self, model: Model, health: Health, settings: Facts) -> None:
        """`health`, `model.latest`: how the run was before the first."""
        self._model, self._health, self._settings = model, health, settings

    def measure(self, task: Task) -> Answer:
        """Measure the update that follows."""
        model, policy = self._model, self._model.policy
        self._settings = task.settings or self._settings
        update = self._update_of(task)
        model.latest.extend(update.rollout.episodes)
        model.steps, model.counted = task.steps, task.counted
        buffers = [torch.from_numpy(one) for one in task.buffers]
        assert update.batch is not None
        if model.distribution is not None:
            policy.become(torch.from_numpy(task.theta[0]), buffers)
            update.batch.told_outputs = policy.judge(update.batch)[0]
        policy.become(torch.from_numpy(task.theta[1]), buffers)
        moment = Moment(model, Phase(PhaseKind.UPDATE, update, *task.within))
        complaints: list[tuple[str, str]] = []

        def complain(what: str, error: Exception) -> None:
            complaints.append((what, described(error)))

        row = row_of(moment, task.seconds, task.steps, complain)
        try:
            self._health.take_in(moment, {**named(row), **task.known})
        except Exception as error:
            complain("health", error)
        return Answer(row, complaints, None if task.wish is None else self._look(moment, *task.wish))

    def _look(self, moment: Moment, probes: frozenset[str], environment: int | None) -> Looked:
        moment.environment = environment
        budget = Noted()
        found = measure(moment, probes, budget)
        return Looked(found, budget.noted, budget.failed, self._health.told(budget.failed))

    def _update_of(self, task: Task) -> Update:
        observations, actions, given, terminated, truncated, trained, rewards, deltas = task.rollout
        ended = tuple(Episode(*values) for values in task.episodes)
        rollout = Rollout(observations, actions, given, terminated, truncated, trained, ended)
        log_probs, values, advantages, targets, masks = (
            None if one is None else torch.from_numpy(one) for one in task.batch
        )
        assert log_probs is not None and values is not None and advantages is not None and targets is not None

        def flat(found: NDArray[Any]) -> Tensor:
            return torch.from_numpy(found.reshape(-1, *found.shape[2:]))

        batch = Batch(
            observations=flat(rollout.observations),
            actions=flat(rollout.actions),
            log_probs=log_probs,
            values=values,
            advantages=advantages,
            targets=targets,
            action_masks=masks,
        )
        theta = torch.from_numpy(task.theta[0])
        update = Update(
            task.index, self._settings, task.learning_rate, rollout, batch, theta, rewards=rewards, deltas=deltas
        )
        update.told += _minibatches(task, batch)
        update.gradient_norms = dict(zip(task.norms[0], torch.from_numpy(task.norms[1]).unbind(), strict=True))
        update.size, update.habits = task.size, task.habits
        update.stopped_by_kl, update.seconds_optimise = task.stopped_by_kl, task.seconds_optimise
        return update


def _minibatches(task: Task, batch: Batch) -> list[Seen]:
    if not task.counts:
        return []
    sizes = [count for _, count in task.counts]
    samples = np.split(task.samples, np.cumsum(sizes)[:-1])
    log_prob, *brought, values, entropy = (None if one is None else torch.from_numpy(one) for one in task.seen)
    if brought[0] is None:
        brought = list(of_batch(batch, torch.from_numpy(task.samples)))
    columns = [torch.split(one, sizes) for one in (log_prob, *brought, values, entropy) if one is not None]
    return [
        Seen(epoch, which, **{name: column[place] for name, column in zip(TENSORS, columns, strict=True)})
        for place, ((epoch, _), which) in enumerate(zip(task.counts, samples, strict=True))
    ]
