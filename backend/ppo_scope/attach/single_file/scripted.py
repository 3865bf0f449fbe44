"""A rollout as the variables of a script hold it, copied as it is, and put into our shapes when somebody asks for it.

In the loop hardly anybody does: see `late.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ppo_scope.attach.arrays import deltas_of, taken
from ppo_scope.attach.record import Batch, Episode, Rollout
from ppo_scope.attach.single_file.named import CLOSE, Found
from ppo_scope.attach.single_file.remembering import STARTS, STATES, RememberedBatch
from ppo_scope.probes.record import Bools, Floats

NUMBERS = ("log_probs", "values", "advantages", "targets", "rewards")


class ScriptForm(NamedTuple):
    """What it takes to read the arrays."""

    choices: bool
    """Actions are kept as numbers with a fraction, and are choices."""
    decay: float
    """γ·λ; NaN: one of them is not told."""

    @property
    def arrays(self) -> int:
        """How many there are."""
        return len(Scripted.__annotations__)

    def read(self, arrays: Sequence[Any]) -> Scripted:
        """As they went into another process."""
        return Scripted(*arrays)


class Scripted(NamedTuple):
    """Arrays of M steps of N environments, S = M·N samples, time first."""

    numbers: Floats
    """[5, S], `NUMBERS`: at once, as it takes as long to copy one of them."""
    observations: NDArray[Any]
    """[S, …]; so the next."""
    actions: NDArray[Any]
    ends: Bools
    """[M, N], of episodes, in whichever way."""
    cut: Bools
    """[M, N]"""
    hidden: Floats | None = None
    """[layers, N, width], of what remembers, before the first step; so the next."""
    cell: Floats | None = None
    starts: Floats | None = None
    """[S]: 1 where an episode begins."""

    @classmethod
    def of(cls, found: Found, ends: Bools, cut: Bools, *, remembers: bool = False) -> Scripted:
        """What is written over in the next rollout."""
        device = found["log_probs"].device
        columns = [torch.as_tensor(found[name], dtype=torch.float32, device=device).reshape(-1) for name in NUMBERS]
        numbers = torch.stack(columns).detach().cpu().numpy()
        memory: list[Any] = []
        if remembers:
            memory = [taken(one) for one in (*found.variables[STATES], found.variables[STARTS])]
        return cls(numbers, taken(found["observations"]), taken(found["actions"]), ends, cut, *memory)

    @property
    def rewards(self) -> Floats:
        """[M, N], that advantages were made of."""
        rewards: Floats = self.numbers[4].reshape(self.ends.shape)
        return rewards

    def rollout(self, _: ScriptForm, episodes: Sequence[Episode]) -> Rollout:
        """In our shapes."""
        layout, ends = self.ends.shape, self.ends
        seen, actions = (of.reshape(*layout, *of.shape[1:]) for of in (self.observations, self.actions))
        trained = np.ones(layout, np.bool_)
        return Rollout(seen, actions, self.rewards, ends & ~self.cut, self.cut, trained, tuple(episodes))

    def batch(self, form: ScriptForm, _: Rollout) -> Batch:
        """The same as samples."""
        log_probs, values, advantages, targets = torch.from_numpy(self.numbers[:4])
        actions = torch.from_numpy(self.actions)
        told: dict[str, Any] = {
            "observations": torch.from_numpy(self.observations),
            "actions": actions.long() if form.choices else actions,
            "log_probs": log_probs,
            "values": values,
            "advantages": advantages,
            "targets": targets,
        }
        if self.hidden is None:
            return Batch(**told)
        hidden, cell, starts = (torch.from_numpy(one) for one in self[-3:])
        return RememberedBatch(**told, states=(hidden, cell), starts=starts)

    def deltas(self, form: ScriptForm) -> Floats:
        """δ, NaN where it is not known."""
        _, values, advantages, targets, _ = self.numbers
        added = as_added(advantages, targets - values, float(np.abs(targets).max(initial=0.0))).reshape(self.ends.shape)
        return np.where(self.ends, added, deltas_of(added, self.ends, form.decay))


def as_added(advantages: Floats, raw: Floats, size: float) -> Floats:
    """Â [S] as it was added up of δ: over a whole rollout it may be normalised since, while V_targ − V, `raw`, is not.
    NaN: it is neither. `size`: of V_targ, whose last digits `raw` has lost.
    """
    if np.allclose(advantages, raw, rtol=CLOSE, atol=CLOSE * size):
        return advantages
    spread = raw - raw.mean()
    slope = float(spread @ advantages) / max(float(spread @ spread), 1e-30)
    off = advantages - advantages.mean() - slope * spread
    scaled = slope > 0 and np.abs(off).max() <= CLOSE * (np.abs(advantages).max() + slope * size)
    return raw if scaled else np.full_like(advantages, np.nan)
