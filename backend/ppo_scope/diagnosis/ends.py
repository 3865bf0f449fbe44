"""How long no episode has ended, in steps of each environment, over as many rollouts as that takes; how many steps end
one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ppo_scope.diagnosis.judging import Row
from ppo_scope.probes.record import Rollout


@dataclass
class Ends:
    """What is remembered of all rollouts; a shallow copy is one."""

    without: int = 0
    """Steps of each environment since the latest end in any of them."""
    longest: int = 0
    """Steps of the longest episode so far."""

    def take_in(self, rollout: Rollout) -> Row:
        """Look at where episodes ended: where the loop says so, or tells of one."""
        steps, rows = rollout.trained.shape
        ends = np.flatnonzero(rollout.terminated | rollout.truncated)
        after = rollout.trained
        if len(ends) or len(rollout.episodes):
            self.without = 0
            after = after[ends[-1] // rows + 1 if len(ends) else steps :]
        if len(after):  # of a row that waits for its environment the fewest
            self.without += int(np.add.reduce(after.T.copy(), axis=1, dtype=np.int64).min())
        cut, over = (float((one & rollout.trained).sum()) for one in (rollout.truncated, rollout.terminated))
        whole = max(1.0, float(rollout.trained.sum()))
        self.longest = max(self.longest, *(one.length for one in rollout.episodes), 0)
        return {
            "steps_without_end": float(self.without),
            "longest_episode": float(self.longest),
            "environments": float(rows),
            "share_of_ends": (cut + over) / whole,
            "share_of_cuts": cut / whole,
        }
