"""Evaluations in the training process: made when they are due, and told; their best weights are kept.

The training waits meanwhile, and so nothing of it depends on how long they take. Commands do not wait: a run that is
told to pause stands still at once, while its evaluation goes on to the end.
"""

from __future__ import annotations

import math
import time
from collections import deque

from ppo_scope.ppo.evaluation import Best, Evaluator
from ppo_scope.ppo.evaluation import Evaluation as Found
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.wire.activity import EVALUATING
from ppo_scope.wire.codes import RunState
from ppo_scope.wire.run import Evaluation
from ppo_scope.worker.between import Between
from ppo_scope.worker.going import Going
from ppo_scope.worker.reporter import Reporter

TOLD_SECONDS = 0.25
"""Least time between two tellings: pages have a queue for them, and episodes may be short."""
KEPT = 1000
"""Evaluations that are kept after they were told, for a server that has not got them."""


class Evaluating:
    """Of one run."""

    def __init__(
        self, trainer: Trainer, report: Reporter, going: Going, between: Between, highest: float | None = None
    ) -> None:
        """`highest`: mean return of all evaluations before, of a run that goes on."""
        self._trainer, self._report, self._going, self._between = trainer, report, going, between
        self._evaluator = Evaluator(trainer, self._after_step, highest=-math.inf if highest is None else highest)
        self._kept: deque[Evaluation] = deque(maxlen=KEPT)
        self._untold: list[Evaluation] = []
        self._next_told = 0.0  # not before that time

    @property
    def best(self) -> Best | None:
        """The weights with the highest mean return so far."""
        return self._evaluator.best

    def catch_up(self) -> None:
        """Evaluate the policy where that is due.

        Raises:
            Stopped: the run was told to end.
        """
        if self._evaluator.due:
            with self._between.inside(EVALUATING, self._trainer.settings.eval_episodes):
                evaluation = as_told(self._evaluator.evaluate())
            self._kept.append(evaluation)
            self._untold.append(evaluation)
        if self._untold and time.monotonic() >= self._next_told:
            self.tell()

    def tell(self) -> None:
        """Tell at once what has not been told yet."""
        if self._untold:
            told, self._untold = self._untold, []
            self._report.evaluated(told)
            self._next_told = time.monotonic() + TOLD_SECONDS

    def again(self, first: int) -> None:
        """Tell anew what was found from that update on."""
        if owed := [one for one in self._kept if one["update"] >= first]:
            self._report.evaluated(owed)

    def _after_step(self, ended: int) -> None:
        self._report.activity.advance(ended)
        self._report.progress()
        self._between.hear()
        if self._going.pausing:
            self._going.stand_still(RunState.PAUSED)


def as_told(found: Found) -> Evaluation:
    """As the protocol has it."""
    return {
        "update": found.update,
        "steps": found.steps,
        "mean": None if math.isnan(found.mean) else found.mean,
        "lowest": min(found.returns, default=None),
        "highest": max(found.returns, default=None),
        "episodes": len(found.returns),
        "unfinished": found.unfinished,
        "fault": found.fault or None,
        "best": found.best,
    }
