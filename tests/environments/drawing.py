"""Environments whose drawing code does what it should not; trained on, they are CartPole."""

import os
import signal
import sys
import time
from typing import ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.envs.classic_control import CartPoleEnv

GOOD = 2
"""Pictures before the fault."""
PICTURE = np.full((40, 60, 3), 120, np.uint8)


def _fork(_):
    """The child goes on as if it were the one that draws."""
    os.fork()
    return PICTURE


def _print(_):
    while True:
        print("noise " * 100)


def _hang(_):
    while True:
        time.sleep(1)


def _hold(_):
    """Never lets another thread run."""
    sys.setswitchinterval(1e6)
    while True:
        pass


def _crash(_):
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(10)


def _raise(_):
    raise RuntimeError("there is nothing to see")


def _without_a_back_end(_):
    if os.environ.get("MUJOCO_GL") != "osmesa":
        raise RuntimeError("an OpenGL platform library has not been loaded into this process")
    return PICTURE


def _without_any_back_end(_):
    raise RuntimeError("an OpenGL platform library has not been loaded into this process")


FAULTS = {
    "Raises": _raise,
    "Exits": lambda _: sys.exit(3),
    "Leaves": lambda _: os._exit(4),
    "Crashes": _crash,
    "Hangs": _hang,
    "Holds": _hold,
    "Prints": _print,
    "Forks": _fork,
    "Nothing": lambda _: None,
    "NeedsOsmesa": _without_a_back_end,
    "NeedsADisplay": _without_any_back_end,
}
AT_ONCE = frozenset({"Nothing", "NeedsOsmesa", "NeedsADisplay"})


class Drawn(CartPoleEnv):
    """Draws well for a while, and then its fault shows."""

    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 50}

    def __init__(self, fault, render_mode=None):
        super().__init__(render_mode=render_mode)
        self._fault, self._drawn = fault, 0

    def render(self):
        self._drawn += 1
        if self._fault in AT_ONCE or self._drawn > GOOD:
            return FAULTS[self._fault](self)
        return PICTURE


class HangsInItsStep(Drawn):
    """Only the copy that is drawn."""

    def step(self, action):
        if self.render_mode is not None:
            _hang(self)
        return super().step(action)


class WithoutRenderMode(gym.Env):
    """Takes no render_mode, as environments that were never drawn."""

    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return np.zeros(2, np.float32), 0.0, False, False, {}


class OnScreenOnly(WithoutRenderMode):
    """Opens a window, and gives no array."""

    metadata: ClassVar = {"render_modes": ["human"]}

    def __init__(self, render_mode=None):
        self.render_mode = None


class OddState(CartPoleEnv):
    """Keeps something in `state` that cannot be copied, or too much."""

    def __init__(self, fails=True, **options):
        self._fails = fails
        super().__init__(**options)

    @property
    def state(self):
        if self._fails:
            raise RuntimeError("the state is a secret")
        return np.zeros(1_000_000)

    @state.setter
    def state(self, value):
        self._state = value

    def step(self, action):
        return np.zeros(4, np.float32), 1.0, False, False, {}

    def reset(self, *, seed=None, options=None):
        return np.zeros(4, np.float32), {}


for fault in FAULTS:
    gym.register(f"{fault}-v0", Drawn, kwargs={"fault": fault})
gym.register("HangsInItsStep-v0", HangsInItsStep, kwargs={"fault": "Raises"})
gym.register("WithoutRenderMode-v0", WithoutRenderMode)
gym.register("OnScreenOnly-v0", OnScreenOnly)
gym.register("SecretState-v0", OddState)
gym.register("HugeState-v0", OddState, kwargs={"fails": False})
