"""Steps that take their time, as simulators' do."""

import time
from pathlib import Path

import gymnasium as gym
import numpy as np


class Slow(gym.Env):
    """`seconds` a step, as long as there is no file at `gate`; from the step `stuck_at` on, `stuck` seconds."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012
    observation_space, action_space = gym.spaces.Box(-1, 1, (3,)), gym.spaces.Discrete(2)

    def __init__(self, render_mode=None, seconds=0.06, stuck_at=10**9, stuck=0.0, gate=""):
        self.render_mode = render_mode
        self.seconds, self.stuck_at, self.stuck = seconds, stuck_at, stuck
        self.gate = gate and Path(gate)
        self.total = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.total += 1
        opened = self.gate and self.gate.exists()
        time.sleep(self.stuck if self.total >= self.stuck_at else 0.0 if opened else self.seconds)
        self.t += 1
        return np.zeros(3, np.float32), float(action), self.t >= 20, False, {}

    def render(self):
        return np.full((60, 80, 3), self.t * 12, np.uint8)


gym.register("Slow-v0", Slow)
