"""Vector environments that begin the next episode in the step that ended one, and use the same room again."""

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

SEEN, ACTIONS, LENGTH = gym.spaces.Box(-100, 100, (1,), np.float32), gym.spaces.Discrete(2), 3


class Reusing(VectorEnv):
    """Observes the step within its episode, which is cut off after the third; the last observation lies in a buffer
    that the next step writes over. With `tells` off it is not given at all; `fault` breaks a promise.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012 (as Gymnasium's are)

    def __init__(self, num_envs, tells=True, terminates=False, fault=""):
        self.num_envs, self.tells, self.terminates, self.fault = num_envs, tells, terminates, fault
        self.single_observation_space, self.single_action_space = SEEN, ACTIONS
        self.observation_space, self.action_space = batch_space(SEEN, num_envs), batch_space(ACTIONS, num_envs)
        self.final = np.zeros((num_envs, 1), np.float32)

    def reset(self, *, seed=None, options=None):
        self.count = 0
        return np.zeros((self.num_envs, 1), np.float32), {}

    def step(self, actions):
        self.count += 1
        self.final[:] = self.count
        ended = np.full(self.num_envs, self.count == LENGTH)
        self.count %= LENGTH
        info = {"final_obs": self.final, "_final_obs": ended} if self.tells and ended.all() else {}
        flags = (ended, ~ended & False) if self.terminates else (~ended & False, ended)
        seen = np.full((self.num_envs, 1), self.count, np.float32)
        rewards = np.ones(self.num_envs)
        if self.fault == "raises":
            raise KeyError("lost")
        if self.fault == "reward":
            rewards = np.ones((self.num_envs, 2))
        if self.fault == "huge":
            rewards[1] = 1e300
        if self.fault == "observation":
            seen = np.zeros((self.num_envs, 2), np.float32)
        return seen, rewards, *flags, info


gym.register("Reusing-v0", vector_entry_point=Reusing)
