"""Numbers and action spaces of every size, as other people's environments have them."""

import gymnasium as gym
import numpy as np


class Sized(gym.Env):
    """A state that drifts; every step pays `scale` times how far it is from the origin, or what it is in `signed`."""

    def __init__(self, space, scale=1.0, signed=False, size=4, horizon=100):
        self.action_space = space
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.scale, self.signed, self.size, self.horizon = scale, signed, size, horizon

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        self.x = self.np_random.normal(size=self.size).astype(np.float32)
        return self.x, {}

    def step(self, action):
        push = np.resize(np.asarray(action, np.float32).reshape(-1) - 0.5, self.size)
        noise = 0.05 * self.np_random.normal(size=self.size)
        self.x = (0.95 * self.x + 0.1 * np.clip(push, -1, 1) + noise).astype(np.float32)
        self.t += 1
        paid = np.sum(self.x) if self.signed else np.sum(self.x**2)
        return self.x, float(self.scale * paid), False, self.t >= self.horizon, {}


def arm():
    """Seventeen joints; returns of about −3·10⁶."""
    return Sized(gym.spaces.Box(-1, 1, (17,)), scale=-1e4, size=17)


def one():
    """A single joint, paid in millionths."""
    return Sized(gym.spaces.Box(-1, 1, (1,)), scale=1e-6, signed=True)


def forty():
    """Forty actions; returns of both signs, of millions."""
    return Sized(gym.spaces.Discrete(40), scale=1e5, signed=True)


def two_hundred():
    """Two hundred actions."""
    return Sized(gym.spaces.Discrete(200))


def several():
    """Several choices at once, some of many options."""
    return Sized(gym.spaces.MultiDiscrete([3, 11, 2, 7, 5, 4]), scale=1e9, signed=True)


for name, make in (("Arm", arm), ("One", one), ("Forty", forty), ("TwoHundred", two_hundred), ("Several", several)):
    gym.register(f"{name}-v0", make)
