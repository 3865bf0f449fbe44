"""The current policy, acting for whoever watches, in an environment of its own.

Nothing of it reaches the training: its environment, its random numbers and its episodes are separate.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image

from ppo_scope.ppo.environments import make_one
from ppo_scope.ppo.trainer import Trainer

MIME = "image/jpeg"
LARGEST_SIDE = 800
"""Pixels; larger pictures are scaled down before they travel."""


class CannotRender(Exception):
    """The environment has no picture to show; the message says why."""


@dataclass(frozen=True)
class Picture:
    """One picture and where in its episode it was taken."""

    image: bytes
    episode_step: int
    episode_return: float


class ActingPolicy:
    """Acts with the trainer's weights as they are at each step.

    Raises:
        CannotRender: the environment does not offer `rgb_array`, or what it needs for that is not installed.
    """

    def __init__(self, trainer: Trainer) -> None:
        # Some environments draw with SDL, which looks for a screen unless it is told that there is none.
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
        settings = trainer.settings
        self._networks = trainer.inference()
        self._spaces = trainer.spaces
        self._distribution = trainer.distribution
        self._generator = np.random.default_rng(settings.seed)
        self._observation: Any = None
        self._step, self._return, self._done = 0, 0.0, False
        try:
            self._environment: gym.Env[Any, Any] = make_one(settings, "rgb_array")
            self._reset(settings.seed)
            self._environment.render()
        except Exception as error:
            # Whatever goes wrong in somebody's drawing code must not end a training run.
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise CannotRender(f"{settings.env} cannot be drawn: {reason}") from error
        self.fps: float = float(self._environment.metadata.get("render_fps") or 30.0)

    def advance(self, steps: int) -> Picture:
        """Act for so many steps, beginning anew where an episode has ended, and look.

        Raises:
            CannotRender: the environment failed.
        """
        try:
            self._networks.refresh()
            for _ in range(steps):
                self._act()
            return Picture(encode(self._environment.render()), self._step, self._return)
        except Exception as error:
            raise CannotRender(f"The environment on show failed: {type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Release the environment."""
        self._environment.close()

    def _act(self) -> None:
        if self._done:
            self._reset(None)
            return
        observation = self._networks.normalized(self._spaces.prepare_one(self._observation))
        noise = self._distribution.noise(self._generator, (1,))
        drawn = self._distribution.act(self._networks.outputs(observation), noise)
        action = self._distribution.to_environment(drawn)[0]
        self._observation, reward, terminated, truncated, _ = self._environment.step(action)
        self._step += 1
        self._return += float(reward)
        self._done = terminated or truncated

    def _reset(self, seed: int | None) -> None:
        self._observation, _ = self._environment.reset(seed=seed)
        self._step, self._return, self._done = 0, 0.0, False


def encode(pixels: Any) -> bytes:
    """An H × W × 3 picture as JPEG: a fifth of the time of PNG, which matters beside a training loop."""
    picture = Image.fromarray(np.asarray(pixels, np.uint8))
    factor = -(-max(picture.size) // LARGEST_SIDE)
    if factor > 1:
        picture = picture.reduce(factor)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90, subsampling=0)
    return buffer.getvalue()
