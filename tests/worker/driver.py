"""The other end of a worker's two functions: commands go in, frames come out, all in one process."""

from collections import deque

import numpy as np

from ppo_scope.ppo.settings import Settings
from ppo_scope.probes.probes import PROBES
from ppo_scope.wire import frame
from ppo_scope.worker.worker import Worker

SETTINGS = {"num_envs": 4, "rollout_steps": 32}
EVERYTHING = {"type": "watch", "probes": [*PROBES, "picture"]}
ACTED = {"type": "weights", "wanted": True}
"""Somebody acts with the weights."""


def step(size="update", **fields):
    return {"type": "step", "size": size, **fields}


class Driver:
    """Plays the server: hands out the next command whenever the worker asks while it stands still."""

    def __init__(self, commands, **settings):
        self.commands = deque(commands)
        self.frames = []
        self.worker = Worker(self.send, self.receive, "run", paused=True)
        self.worker.train(Settings.parse({**SETTINGS, **settings}))

    def send(self, message):
        self.frames.append(frame.decode(message))

    def receive(self, timeout):
        """Commands come one at a time; `timeout` 0 is asked between phases, where none arrives."""
        standing_still = timeout > 0
        if self.commands and (standing_still or self.commands[0].get("at_once")):
            return self.commands.popleft()
        return {"type": "stop"} if standing_still and not self.commands else None

    def of(self, kind):
        return [(header, arrays) for header, arrays in self.frames if header["kind"] == kind]

    def events(self, name):
        return [header for header, _ in self.of("event") if header["event"] == name]

    @property
    def weights(self):
        return self.worker.trainer.weights_sha256()


def rows_of(driver):
    return np.concatenate([arrays["rows"] for header, arrays in driver.of("series") if not header.get("amends")])
