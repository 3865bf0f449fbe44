"""The current policy, acting for whoever watches, in an environment of its own.

Nothing of it reaches the training: its process, its environment, its random numbers and its episodes are separate.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from ppo_scope.pictures.images import CannotRender, Pixels, encode, pixels_of
from ppo_scope.ppo.inference import inference_of
from ppo_scope.ppo.making import make_one
from ppo_scope.ppo.masks import KEY, forbid
from ppo_scope.ppo.networks import ActorCritic
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.spaces import describe

FPS = 30.0
"""Steps a second where the environment names no pace of its own."""
ACTING_SECONDS = 0.25
"""Longest time between two pictures that is spent acting, so that slow environments are seen to move, too."""

HOW = (
    'to be drawn it needs __init__(self, render_mode=None) that keeps it, "rgb_array" in metadata["render_modes"], and '
    "a render() that gives an array of H × W × 3 bytes"
)
"""What an environment of one's own lacks that has no picture."""

Weights = Mapping[str, NDArray[Any]]
"""As `pictures.weights` sends them."""


@dataclass(frozen=True)
class Picture:
    """One picture and where in its episode it was taken."""

    image: bytes
    episode_step: int
    episode_return: float


class ActingPolicy:
    """Acts with the weights that it was given last.

    Whatever the environment's own code raises passes through every method.

    Raises:
        CannotRender: the environment has no picture; the message says why.
    """

    step: int
    """Of the episode; so of the next two."""
    sum: float
    """Of the rewards so far."""
    done: bool
    """Whether it has ended."""

    def __init__(self, settings: Settings) -> None:
        self._environment = drawable(settings)
        self._spaces = describe(self._environment.observation_space, self._environment.action_space)
        self._distribution = self._spaces.distribution
        self._network = ActorCritic(self._spaces, settings, settings.seed, torch.device("cpu"))
        self._inference = inference_of(self._network)
        self._generator = np.random.default_rng(settings.seed)
        self._observation: Any = None
        self._mask: NDArray[np.bool_] | None = None
        self.begin(settings.seed)
        fps = self._environment.metadata.get("render_fps")
        self.fps: float = float(fps) if isinstance(fps, int | float) and fps > 0 else FPS

    def take(self, weights: Weights) -> None:
        """Act with these from now on.

        Raises:
            CannotRender: they belong to other networks.
        """
        theta = torch.from_numpy(weights["theta"].copy())
        if theta.shape != self._network.theta.shape:
            raise CannotRender("with pictures its spaces are others than those that are trained on")
        with torch.no_grad():
            self._network.theta.copy_(theta)
        self._network.observation_mean = weights.get("observation_mean")
        self._network.observation_deviation = weights.get("observation_deviation")
        self._inference.refresh()

    def advance(self, steps: int) -> Picture:
        """Act for so many steps, fewer where they take long, beginning anew where an episode has ended, and look.

        Raises:
            CannotRender: `render()` gave no picture.
        """
        end = time.monotonic() + ACTING_SECONDS
        for _ in range(steps):
            self.act()
            if time.monotonic() > end:
                break
        return self.look()

    def look(self) -> Picture:
        """The environment as it is.

        Raises:
            CannotRender: `render()` gave no picture.
        """
        return Picture(encode(self._environment.render()), self.step, self.sum)

    def pixels(self) -> Pixels:
        """The same as bytes [H, W, 3].

        Raises:
            CannotRender: `render()` gave no picture.
        """
        return pixels_of(self._environment.render())

    def close(self) -> None:
        """Release the environment."""
        self._environment.close()

    def act(self) -> None:
        """One step; or the beginning of the next episode where one has ended."""
        if self.done:
            self.begin(None)
            return
        observation = self._inference.normalized(self._spaces.prepare_one(self._observation))
        noise = self._distribution.noise(self._generator, (1,))
        outputs = forbid(self._inference.outputs(observation), self._mask)
        drawn = self._distribution.act(outputs, noise)
        action = self._distribution.to_environment(drawn)[0]
        self._observation, reward, terminated, truncated, info = self._environment.step(action)
        self._mask = info.get(KEY)
        self.step += 1
        self.sum += float(reward)
        self.done = bool(terminated or truncated)

    def begin(self, seed: int | None) -> None:
        """An episode; `seed` None: the next one."""
        self._observation, info = self._environment.reset(seed=seed)
        self._mask = info.get(KEY)
        self.step, self.sum, self.done = 0, 0.0, False


def drawable(settings: Settings) -> gym.Env[Any, Any]:
    """One copy of the environment that draws itself.

    Raises:
        CannotRender: it offers no pictures.
    """
    try:
        environment = make_one(settings, "rgb_array")
    except (TypeError, ValueError) as error:
        try:
            make_one(settings, None).close()
        except Exception:
            raise error from None  # it is not for the pictures that it cannot be made
        raise CannotRender(f"its __init__ takes no render_mode; {HOW}") from error
    if environment.render_mode != "rgb_array":
        modes = ", ".join(map(str, environment.metadata.get("render_modes") or ())) or "none"
        raise CannotRender(f"it does not draw in the mode rgb_array (its render_modes: {modes}); {HOW}")
    return environment
