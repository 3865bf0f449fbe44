"""When the acting policy is shown: in motion, and never at more than a small share of the training's time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.acting import MIME, ActingPolicy, CannotRender

SHARE = 0.025
"""Of the time, while training runs."""
PICTURES_PER_SECOND = 25


class Show:
    """Pictures of the acting policy, made when they are due."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._acting: ActingPolicy | None = None
        self._reason: str | None = None
        self._last = 0.0
        self._due = 0.0

    def seconds_until_due(self, longest: float) -> float:
        """How long the next picture is away while nothing trains, `longest` at most."""
        if self._reason is not None:
            return longest
        return min(longest, max(0.0, self._last + 1 / PICTURES_PER_SECOND - time.monotonic()))

    def look(self, free: bool) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """(arrays, header) of the next picture, or None where none is due.

        `free`: nothing is being trained, so pictures cost nobody anything.
        """
        now = time.monotonic()
        if self._reason is not None or now < (self._last + 1 / PICTURES_PER_SECOND if free else self._due):
            return None
        start = time.perf_counter()
        try:
            if self._acting is None:
                self._acting = ActingPolicy(self._trainer)
            elapsed = min(now - self._last, 0.25)
            picture = self._acting.advance(max(1, round(elapsed * self._acting.fps)))
        except CannotRender as error:
            self._reason = str(error)
            return {}, {"reason": self._reason, "mime": None}
        cost = time.perf_counter() - start
        self._last = now
        self._due = now + max(1 / PICTURES_PER_SECOND, cost / SHARE)
        scalars = {"episode_step": picture.episode_step, "episode_return": picture.episode_return}
        return {"image": np.frombuffer(picture.image, np.uint8)}, {"mime": MIME, "scalars": scalars}

    def close(self) -> None:
        """Release the environment on show."""
        if self._acting is not None:
            self._acting.close()
