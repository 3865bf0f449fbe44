"""Environments that say which actions a state allows, and object to any other."""

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

LENGTH = 6
SPACES = {
    "discrete": gym.spaces.Discrete(4, start=-1),
    "multi_discrete": gym.spaces.MultiDiscrete([2, 3, 4]),
    "box": gym.spaces.Box(-1, 1, (4,), np.float32),
}


def counts_of(space):
    """How many actions each choice has."""
    return [int(space.n)] if isinstance(space, gym.spaces.Discrete) else space.nvec.reshape(-1).tolist()


class Masked(gym.Env):
    """Observes which actions are allowed, which is drawn anew each step, and pays for the last of them.

    `by`: it tells by info, by a method, or by both, where info is wrong. `parts`: an array for each choice. In the last
    state of an episode nothing is allowed. `fault`, from step 2 of an episode on, breaks a promise.
    """

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (as Gymnasium's are)

    def __init__(self, action="discrete", by="info", parts=False, fault="", ends="terminated", render_mode=None):
        self.render_mode = render_mode
        self.action_space, self.by, self.parts, self.fault, self.ends = SPACES[action], by, parts, fault, ends
        self.counts = counts_of(SPACES["discrete"] if action == "box" else self.action_space)
        self.observation_space = gym.spaces.Box(0, 1, (sum(self.counts),), np.float32)
        if by != "info":
            self.action_masks = self._told

    def _draw(self):
        masks = [self.np_random.random(count) < 0.5 for count in self.counts]
        for mask in masks:
            mask[self.np_random.integers(len(mask))] = True
        self.masks = masks if self.count < LENGTH else [mask & False for mask in masks]
        return np.concatenate(masks).astype(np.float32)

    def _told(self):
        mask = np.concatenate(self.masks).astype(np.int8)
        if self.count >= 2:
            if self.fault == "nothing":
                mask[:] = 0
            if self.fault == "shape":
                mask = mask[1:]
            if self.fault == "number":
                mask[0] = 2
            if self.fault == "raises":
                raise KeyError("lost")
        return tuple(part.astype(np.int8) for part in self.masks) if self.parts else mask

    def _info(self):
        if self.by == "method" or (self.fault == "missing" and self.count >= 2):
            return {}
        if self.fault == "late" and self.count < 2:
            return {}
        return {"action_mask": self._told() if self.by == "info" else 1 - self._told(), "a text": "or a number"}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 0
        return self._draw(), self._info()

    def render(self):
        return np.zeros((8, 8, 3), np.uint8)

    def step(self, action):
        if self.action_space is not SPACES["box"]:
            chosen = np.reshape(action, -1) - np.reshape(self.action_space.start, -1)
            assert all(mask[one] for mask, one in zip(self.masks, chosen, strict=True)), f"{action} is forbidden"
            paid = float(sum(one == np.flatnonzero(mask)[-1] for mask, one in zip(self.masks, chosen, strict=True)))
        else:
            paid = 0.0
        self.count += 1
        ended = self.count == LENGTH
        seen = self._draw()
        return seen, paid, ended and self.ends == "terminated", ended and self.ends == "truncated", self._info()


class Several(VectorEnv):
    """A vector environment alone. The only action that is allowed is the number of its last one, plus 1."""

    def __init__(self, num_envs, fault="", same_step=False):
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP if same_step else AutoresetMode.NEXT_STEP}
        self.num_envs, self.fault, self.same_step = num_envs, fault, same_step
        self.single_observation_space, self.single_action_space = gym.spaces.Box(0, 9, (1,)), gym.spaces.Discrete(3)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def _info(self):
        masks = np.eye(3, dtype=np.int8)[np.full(self.num_envs, self.count % 3)]
        if self.count == 3 and self.fault == "nothing":
            masks[1] = 0
        if self.count == 3 and self.fault == "missing":
            return {}
        return {"action_mask": masks, "_action_mask": np.ones(self.num_envs, np.bool_)}

    def reset(self, *, seed=None, options=None):
        self.count = 0
        return np.zeros((self.num_envs, 1), np.float32), self._info()

    def step(self, actions):
        assert (actions == self.count % 3).all(), f"{actions} are forbidden"
        self.count += 1
        never = np.zeros(self.num_envs, np.bool_)
        return np.zeros((self.num_envs, 1), np.float32), np.ones(self.num_envs), never, never.copy(), self._info()


gym.register("Masked-v0", entry_point=Masked)
gym.register("Several-v0", vector_entry_point=Several)
