"""Environments with which no run can begin, each in a way of its own. `note`: a file for the numbers of processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import gymnasium as gym
import numpy as np


class Sound(gym.Env):
    """Nothing is wrong with this one; the others are it, but for one thing."""

    observation_space, action_space = gym.spaces.Box(-1, 1, (3,)), gym.spaces.Discrete(2)

    def __init__(self, note=None, render_mode=None):
        self.note, self.render_mode = note, render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.t += 1
        return np.full(3, self.t / 20, np.float32), 1.0, self.t >= 20, False, {}


class InitRaises(Sound):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        raise KeyError("no_such_asset")


class ResetRaises(Sound):
    def reset(self, *, seed=None, options=None):
        raise ValueError("x and y must have same first dimension")


class StepRaises(Sound):
    def step(self, action):
        raise RuntimeError("the axle broke")


class StepLeaves(Sound):
    """Ends the process, as a native library may."""

    def step(self, action):
        os._exit(7)


class ResetHangs(Sound):
    def reset(self, *, seed=None, options=None):
        if self.note:
            Path(self.note).write_text(str(os.getpid()))
        time.sleep(600)


class Chatty(Sound):
    """Prints 100 MB, and then fails."""

    def reset(self, *, seed=None, options=None):
        for _ in range(100):
            print("x" * 1024 * 1024)
        raise RuntimeError("said enough")


class Forks(Sound):
    """Starts a child that nobody ends."""

    def reset(self, *, seed=None, options=None):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        Path(self.note).write_text(str(child.pid))
        raise RuntimeError("left a child behind")


class StepIsNaN(Sound):
    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return np.full_like(observation, np.nan), reward, terminated, truncated, info


for one in (Sound, InitRaises, ResetRaises, StepRaises, StepLeaves, ResetHangs, Chatty, Forks, StepIsNaN):
    gym.register(f"{one.__name__}-v0", one, disable_env_checker=True)
