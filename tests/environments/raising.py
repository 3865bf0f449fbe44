"""Environments whose own code fails: where it is told to, in the way that it is told."""

import sys

import gymnasium as gym
import numpy as np


class Odd(BaseException):
    """Such as bindings to other languages raise."""


class Wordless(Exception):
    """Cannot even say what it is."""

    def __str__(self):
        raise RuntimeError


class Raising(gym.Env):
    """Fails in one of its methods; in `step` at the third step of an episode."""

    observation_space, action_space = gym.spaces.Box(-1, 1, (3,)), gym.spaces.Discrete(2)

    def __init__(self, where="reset", how="value"):
        self.where, self.how, self.count = where, how, 0
        self._fail("__init__")

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._fail("reset")
        return np.zeros(3, np.float32), {}

    def step(self, action):
        self.count += 1
        if self.count == 3:
            self._fail("step")
        return np.zeros(3, np.float32), 1.0, False, False, {}

    def close(self):
        self._fail("close")

    def _fail(self, where):
        if where == self.where:
            WAYS[self.how]()


def value():
    raise ValueError("x and y must have same first dimension")


def bare():
    assert not WAYS


def key():
    return WAYS["no such way"]


def leave():
    sys.exit("gone")


def odd():
    raise Odd("a panic")


def wordless():
    raise Wordless


def within_numpy():
    return np.concatenate([np.zeros((2, 2)), np.zeros(3)])


def two_lines():
    raise RuntimeError("one\ntwo")


def mistaken_call():
    return value(1)


WAYS = {way.__name__: way for way in (value, bare, key, leave, odd, wordless, within_numpy, two_lines, mistaken_call)}

gym.register("Res-v0", Raising)
