"""Environments that behave in a process that was started for them alone, and not where training is."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import gymnasium as gym

from tests.environments.mine import Mine


class Elsewhere(Mine):
    """In its third step it does what it is told to, in another process only; `sign` is a file for the process's id."""

    def __init__(self, how="", sign=None):
        self.how, self.away = how, multiprocessing.parent_process() is not None
        if sign is not None and self.away:
            Path(sign).write_text(str(os.getpid()))

    def step(self, action):
        observation, reward, *ends = super().step(action)
        if self.away and self.count == 3:
            if self.how == "raises":
                raise ValueError("far away")
            if self.how == "is killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "hangs":
                time.sleep(3600)
            if self.how == "pays words":
                reward = "much"
        return observation, reward, *ends


class Apart(Mine):
    """Copies that are not alike."""

    def __init__(self):
        if multiprocessing.parent_process() is not None:
            self.observation_space = gym.spaces.Box(-1, 1, (3,))


gym.register("FarAway-v0", Elsewhere)
gym.register("Apart-v0", Apart)
