"""An environment as somebody writes it in a file of his own."""

import gymnasium as gym
import numpy as np


class Mine(gym.Env):
    """Pays for action 1; an episode takes twenty steps."""

    observation_space, action_space = gym.spaces.Box(-1, 1, (2,)), gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.count += 1
        return np.zeros(2, np.float32), float(action), self.count >= 20, False, {}


class Demanding(Mine):
    """Cannot be made without an argument."""

    def __init__(self, size, colour):
        self.size, self.colour = size, colour


class Drawn(Mine):
    """Cannot be made without a render_mode."""

    def __init__(self, render_mode):
        self.render_mode = render_mode


gym.register("Mine-v0", Mine)
gym.register("Demanding-v0", Demanding)
gym.register("Drawn-v0", Drawn)
