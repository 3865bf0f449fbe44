"""How good a policy is without chance: its likeliest actions, in environments of its own, that teach it nothing.

The training return is another number: there the policy draws its actions, changes from one rollout to the next, and
episodes end whenever they end. Nothing here reaches the training: no environment, no statistic and no generator of it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppo_scope.ppo.distributions import Actions, Distribution, Floats
from ppo_scope.ppo.environments import Environments
from ppo_scope.ppo.failures import EnvironmentFault, UnusableEnvironment
from ppo_scope.ppo.inference import Inference
from ppo_scope.ppo.masks import forbid
from ppo_scope.ppo.phases import Update
from ppo_scope.ppo.seeding import generators_of_spaces_kept, shared_generators_kept, stream
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer

MOST_STEPS = 10_000
"""Of an episode: a policy without chance may stand still for ever where nothing else ends an episode."""

Weights = dict[str, NDArray[np.floating]]
BetweenSteps = Callable[[int], None]
"""Called after every step with the number of episodes that have ended. It may raise, which gives the evaluation up."""


@dataclass(frozen=True)
class Evaluation:
    """What came of the weights that an update left. E episodes; none where the environment failed."""

    update: int
    steps: int
    """Of the training, up to there."""
    returns: tuple[float, ...]
    """E sums of rewards, as the environment gave them."""
    lengths: tuple[int, ...]
    """E, in steps."""
    unfinished: int = 0
    """How many of the episodes were cut after `MOST_STEPS`; their return is the sum so far."""
    fault: str = ""
    """Why there are no episodes, in one line."""
    best: bool = False
    """Its mean return is higher than that of all evaluations before it."""

    @property
    def mean(self) -> float:
        """Of the returns; NaN where there are none."""
        return float(np.mean(self.returns)) if self.returns else float("nan")


@dataclass(frozen=True)
class Best:
    """The weights with the highest mean return so far."""

    update: int
    mean: float
    weights: Weights
    """By the names of their parameters, as `ActorCritic.weights` gives them."""


class Evaluator:
    """Evaluates a trainer's policy where its settings ask for it, and keeps the best weights."""

    def __init__(
        self, trainer: Trainer, between_steps: BetweenSteps = lambda ended: None, *, highest: float = -np.inf
    ) -> None:
        """`highest`: mean return of all evaluations before, of a run that goes on."""
        self.best: Best | None = None
        self._highest = highest
        self._trainer, self._between_steps = trainer, between_steps
        self._judged: weakref.ref[Update] | None = None  # an update that is made anew is judged anew

    @property
    def due(self) -> bool:
        """Whether an update has just ended whose policy is to be evaluated: every so many, and the run's last."""
        trainer, every = self._trainer, self._trainer.settings.eval_every
        if every is None or trainer.last is None or trainer.under_way:
            return False
        asked = trainer.updates % every == 0 or trainer.finished
        return asked and (self._judged is None or self._judged() is not trainer.last)

    def evaluate(self) -> Evaluation:
        """Act with the weights as they are. An environment that fails here ends no training: see `Evaluation.fault`.

        Raises:
            whatever `between_steps` raises; then it is still due.
        """
        trainer = self._trainer
        assert trainer.last is not None, "no update has ended"
        update, fault = trainer.last, ""
        returns, lengths, unfinished = np.empty(0), np.empty(0, np.int64), 0
        try:
            with generators_of_spaces_kept(getattr(trainer.environments.vector, "envs", ())):
                returns, lengths, unfinished = episodes_of(trainer.inference(), trainer.settings, self._between_steps)
            if not np.isfinite(returns).all():
                returns, fault = np.empty(0), "a return is not finite"
        except (EnvironmentFault, UnusableEnvironment) as error:
            fault = str(error)
        self._judged = weakref.ref(update)
        mean = float(returns.mean()) if len(returns) else -np.inf
        best = mean > self._highest
        if best:
            self._highest = mean
            self.best = Best(update.index, mean, trainer.network.weights())
        return Evaluation(
            update.index, trainer.steps, tuple(returns.tolist()), tuple(lengths.tolist()), unfinished, fault, best
        )


def mode(distribution: Distribution, outputs: Floats) -> Actions:
    """The likeliest action of each row of outputs [N, O]: [N, *action_shape], as it is stored.

    What is drawn is the likeliest action and noise, so it is what is drawn without noise. Of equally likely ones the
    first; a switch that is on as often as not is off.
    """
    return distribution.act(outputs, np.zeros((len(outputs), distribution.noise_size), np.float32))


def episodes_of(
    policy: Inference, settings: Settings, between_steps: BetweenSteps = lambda ended: None
) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    """(returns [E], lengths [E], how many were cut) of one episode in each of E environments, side by side.

    They are made anew each time and begin with the same E seeds, so two evaluations differ by the policy alone.

    Raises:
        EnvironmentFault, UnusableEnvironment: an environment failed.
    """
    seed = int(stream(settings.seed, "evaluation").generate_state(1)[0] >> 1)  # Gymnasium adds each one's number
    wanted = settings.model_copy(update={"seed": seed, "num_envs": settings.eval_episodes})
    with shared_generators_kept():
        environments = Environments(wanted)
        try:
            return _first_episodes(environments, policy, between_steps)
        finally:
            environments.close()


def _first_episodes(
    environments: Environments, policy: Inference, between_steps: BetweenSteps
) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    distribution = environments.spaces.distribution
    returns, lengths = np.zeros(environments.num_envs), np.zeros(environments.num_envs, np.int64)
    going = np.ones(environments.num_envs, np.bool_)
    observations = environments.observations
    for _ in range(MOST_STEPS):
        outputs = forbid(policy.outputs(policy.normalized(observations)), environments.masks)
        step = environments.step(distribution.to_environment(mode(distribution, outputs)))
        returns[going] += step.rewards[going]
        lengths += going
        going &= ~(step.terminated | step.truncated)
        observations = step.observations
        between_steps(int((~going).sum()))
        if not going.any():
            break
    return returns, lengths, int(going.sum())
