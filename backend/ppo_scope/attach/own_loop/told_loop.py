"""A loop of one's own as the watcher and the probes see it: it is what it has told of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import gymnasium as gym

from ppo_scope.attach.beside.desk import Model
from ppo_scope.attach.connecting.server import server_of
from ppo_scope.attach.episodes import Episodes
from ppo_scope.attach.facts import Facts, changeable, finite, in_numbers
from ppo_scope.attach.inserting.guard import GUARD
from ppo_scope.attach.own_loop.judging import Judging
from ppo_scope.attach.own_loop.passing import PassingUpdate
from ppo_scope.attach.own_loop.told_policy import ToldPolicy
from ppo_scope.attach.ranks import Ranks, Weights, rank_here
from ppo_scope.attach.report import Beside
from ppo_scope.attach.watcher import Watcher, say
from ppo_scope.ppo.registry import time_limit_of
from ppo_scope.probes.record import Episode
from ppo_scope.probes.subject import Abilities, Distribution
from ppo_scope.wire.attaching import sendable
from ppo_scope.wire.run import Cause

NO_WORDS = "library is {got!r}, and whose loop it is, in words, is wanted."
NO_WEIGHTS = "weights is {got!r}, and a module of torch, or a function that gives the arrays, is wanted."
LONGEST = 100
"""Characters of whose loop it is."""


class ToldLoop(ABC):
    """A `Subject`. A subclass takes what the loop tells, and calls the watcher at each phase."""

    observation_space: gym.Space[Any] | None = None
    is_image = False
    abilities: Abilities

    def __init__(
        self,
        facts: Facts,
        judging: Judging,
        *,
        env: str,
        reward_threshold: float | None,
        seed: int | None,
        library: str,
        weights: Weights | None,
        change: Mapping[str, Callable[[Any], Any]],
        paused: bool,
        url: str | None,
    ) -> None:
        """See `Scope`, which reads `facts` and `judging` of its arguments.

        Raises:
            ValueError: a number is none that it can be, a name of `change` is no setting, the link is none, or another
                argument is of no use.
        """
        self._facts, self._judging = facts, judging
        self.env, self.time_limit = str(env), time_limit_of(str(env))
        self.reward_threshold = None if reward_threshold is None else finite("reward_threshold", reward_threshold)
        self.observation = "not told"
        self.steps = 0
        self._judges = judging.asks
        self._seed, self._paused = in_numbers({"seed": seed})["seed"], paused
        if not isinstance(library, str):
            raise ValueError(NO_WORDS.format(got=library))
        if weights is not None and not callable(weights):
            raise ValueError(NO_WEIGHTS.format(got=weights))
        self._library, self._ranks, self._change = sendable(library)[:LONGEST], Ranks(weights), changeable(change)
        self._quiet = rank_here() != 0  # another process reports
        self._address = None if self._quiet else server_of(url, say)
        self._weights = weights
        self._losses_told: list[dict[str, float]] = []  # of each minibatch of this update
        self.abilities = Abilities(
            judge=self._judging.after if self._judges else None, losses_told=lambda: self._losses_told
        )
        self._episodes = Episodes()
        self._update: PassingUpdate | None = None
        self._index = 0
        self._watcher: Watcher | None = None

    @property
    def episodes(self) -> Sequence[Episode]:
        """The latest, of which means are taken."""
        return self._episodes.latest

    @property
    def distribution(self) -> Distribution | None:
        """What the policy's outputs mean."""
        return self._judging.distribution

    @property
    def tells(self) -> bool:
        """Whether the run goes on; one that has not begun will."""
        return self._watcher is None or self._watcher.tells

    @property
    def watcher(self) -> Watcher:
        """From the first rollout on, whose layout it says."""
        if self._watcher is None:
            self._watcher = Watcher(
                self,
                self._facts,
                address=self._address,
                library=self._library,
                changeable=self._change,
                paused=self._paused,
                seed=self._seed,
                quiet=self._quiet,
                beside=Beside(self.as_it_is, "torch"),
                inserted=GUARD.lines,
            )
        return self._watcher

    def as_it_is(self) -> Model:
        """What a process beside the loop measures by: only what the loop has told."""
        return Model(self, ToldPolicy(self.distribution, self.abilities, lambda: self._losses_told))

    @abstractmethod
    def left(self) -> None:
        """See `watcher.Left`."""

    @property
    def rollout_layout(self) -> tuple[int, int] | None:
        """(M, N) of the rollout at hand."""
        return self._update.rollout.trained.shape if self._update is not None else None

    @property
    def first(self) -> bool:
        """Whether no update is done yet."""
        return self._index <= 1

    def becomes(self, policy: str) -> None:
        """What the policy's outputs mean, where that shows only at the first rollout."""
        self._judging.kind = policy

    def _asks_while_it_can(self) -> None:
        """Where the loop's `judge` has failed, panels that need it say that they have none."""
        if self._judges and not self._judging.asks:
            self._judges, self.abilities = False, replace(self.abilities, judge=None)

    def let_go(self, why: Cause) -> bool:
        """Nothing more is told of its run, while the loop goes on. False: there is none yet."""
        if self._watcher is not None:
            self._watcher.close(cause=why)
        return self._watcher is not None
