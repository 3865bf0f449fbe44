"""An environment that breaks a promise: what it gives is not what Gymnasium or its own spaces say."""

import gymnasium as gym
import numpy as np

DICT = gym.spaces.Dict({"place": gym.spaces.Box(-1, 1, (2,), np.float32), "room": gym.spaces.Discrete(4)})
SPACES = {
    "box": (gym.spaces.Box(-1, 1, (2,), np.float32), np.zeros(2, np.float32)),
    "double": (gym.spaces.Box(-1, 1, (2,), np.float64), np.zeros(2)),
    "bytes": (gym.spaces.Box(0, 255, (2,), np.uint8), np.zeros(2, np.uint8)),
    "small": (gym.spaces.Box(-128, 127, (2,), np.int8), np.zeros(2, np.int8)),
    "discrete": (gym.spaces.Discrete(5), 0),
    "from_three": (gym.spaces.Discrete(2, start=3), 3),
    "multi_discrete": (gym.spaces.MultiDiscrete([2, 3]), np.zeros(2, np.int64)),
    "multi_binary": (gym.spaces.MultiBinary(3), np.zeros(3, np.int8)),
    "dict": (DICT, {"place": np.zeros(2, np.float32), "room": 0}),
    "tuple": (gym.spaces.Tuple((gym.spaces.Discrete(2), DICT)), (0, {"place": np.zeros(2, np.float32), "room": 0})),
}
ANYTHING = {
    "array": np.array([1.0]),
    "vector": np.array([1.0, 2.0]),
    "none": None,
    "no_number": np.nan,
    "no_numbers": np.full(2, np.nan, np.float32),
    "text": "win",
    "huge": 1e300,
    "whole": 10**400,
    "complex": 1j,
    "list": [1.0],
    "minus_one": -1,
    "seven": 7,
    "twos": np.array([0, 2, 1]),
    "beyond": np.array([1, 3]),
    "huge_doubles": np.array([0.0, -1e300]),
    "doubles": np.array([0.25, -0.25]),
    "ragged": [1.0, [2.0]],
    "floats": np.array([0.5, 0.5]),
    "wide": np.array([300, 0]),
    "no_room": {"place": np.zeros(2, np.float32)},
    "wrong_room": {"place": np.zeros(2, np.float32), "room": 4},
    "wrong_inside": (0, {"place": np.zeros(3, np.float32), "room": 0}),
    "short": (0,),
}


class Broken(gym.Env):
    """Gives one of ANYTHING in a field, at a step of its first episode, 0 being the reset."""

    action_space = gym.spaces.Discrete(2)

    def __init__(self, space="box", field="reward", gives="array", at=3):
        self.observation_space, self.good = SPACES[space]
        self.field, self.gives, self.at = field, gives, at

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self._whole("reset", (self._given("observation", self.good), self._given("info", {})))

    def step(self, action):
        self.count += 1
        return self._whole(
            "step",
            (
                self._given("observation", self.good),
                self._given("reward", 1.0),
                self._given("terminated", False),
                self._given("truncated", False),
                self._given("info", {}),
            ),
        )

    def _given(self, field, good):
        return ANYTHING[self.gives] if self.field == field and self.count == self.at else good

    def _whole(self, method, given):
        """Of the old gym: the observation alone, and four things."""
        if self.field != method or self.count != self.at:
            return given
        return given[0] if method == "reset" else (*given[:3], given[4])


class Mixed(gym.Env):
    """Its info holds what each copy likes; nobody is forbidden to."""

    observation_space, action_space = gym.spaces.Box(-1, 1, (1,)), gym.spaces.Discrete(2)
    copies = 0

    def __init__(self):
        Mixed.copies += 1
        self.note = 1 if Mixed.copies % 2 else "a text"

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {"note": self.note}

    def step(self, action):
        return np.zeros(1, np.float32), 0.0, False, False, {"note": self.note}


class Seedless(Broken):
    """Its reset is the old gym's."""

    def reset(self):
        return self.good


gym.register("Broken-v0", Broken)
gym.register("Seedless-v0", Seedless)
gym.register("Arr-v0", Broken)
gym.register("Mixed-v0", Mixed)
