"""A grid world as MiniGrid has them: a map of small codes, a direction, and a mission in words."""

import gymnasium as gym
import numpy as np

MAP = gym.spaces.Box(0, 255, (7, 7, 3), np.uint8)
PARTS = {"direction": gym.spaces.Discrete(4), "image": MAP, "mission": gym.spaces.Text(20)}


class Grid(gym.Env):
    """Observes everything, or the map alone."""

    action_space = gym.spaces.Discrete(3)

    def __init__(self, map_only=False, empty=False):
        self.map_only = map_only
        self.observation_space = MAP if map_only else gym.spaces.Dict(PARTS)
        if empty:
            self.observation_space = gym.spaces.Box(-1, 1, (0,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self._seen(), {}

    def step(self, action):
        self.count += 1
        return self._seen(), 1.0, False, self.count == 9, {}

    def _seen(self):
        codes = np.full((7, 7, 3), self.count, np.uint8)
        return codes if self.map_only else {"direction": self.count % 4, "image": codes, "mission": "get to the goal"}


class NoAction(Grid):
    """Has a space of actions in which there are none."""

    action_space = gym.spaces.Box(-1, 1, (0,))


class MapAlone(gym.ObservationWrapper):
    """As minigrid's ImgObsWrapper."""

    def __init__(self, environment):
        super().__init__(environment)
        self.observation_space = MAP

    def observation(self, observation):
        return observation["image"]


def wrapped(**given):
    """A factory that wraps what it gives."""
    return gym.wrappers.TransformReward(MapAlone(gym.make("Grid-v0", max_episode_steps=30, **given)), lambda r: 2 * r)


gym.register("Grid-v0", Grid)
gym.register("Wrapped-v0", wrapped, max_episode_steps=20)
gym.register("NoAction-v0", NoAction)
