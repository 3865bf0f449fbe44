"""What the environments of a script tell while it collects: which episodes were cut, and what they brought."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from ppo_scope.attach.episodes import Episodes
from ppo_scope.attach.record import Episode
from ppo_scope.probes.record import Bools, Floats

TELLER = "RecordEpisodeStatistics"
"""Gymnasium's and Gym's; theirs of vectors is called the same, and so is CleanRL's over EnvPool."""
OF_ENVPOOL = ("reward_clip", "episodic_life")
"""In the `config` of its Atari games: a reward is cut to its sign, and a life is an episode."""


class Acting:
    """Listens to `step` of somebody's vector environment."""

    def __init__(self, envs: Any) -> None:
        """`envs`: None, or one that cannot be listened to: returns are then added up from rewards."""
        self._cut: dict[int, Bools] = {}  # which episodes, by the step of the rollout
        self._steps = 0
        self._told: list[tuple[int, float, int]] = []  # (step of the rollout, return, length)
        self._tells = _is_told(envs)  # from the second rollout on: the first is over before anybody listens
        self.ignored = 0
        """Cut episodes of the latest rollout, of which the loop's ends know nothing."""
        self._episodes = Episodes()
        spaces = [getattr(envs, name, None) for name in ("single_observation_space", "observation_space")]
        self.observation_space: gym.Space[Any] | None = next((s for s in spaces if isinstance(s, gym.Space)), None)
        self.resets_late = _resets_late(envs)
        """Whether the step after an episode's end does nothing but begin the next one, whatever the action; None: they
        do not say."""
        self._envs, self._step = envs, getattr(envs, "step", None)
        step = self._step
        if step is None:
            return

        def stepped(*arguments: Any, **named: Any) -> Any:
            found = step(*arguments, **named)
            if self._step is not None:
                try:
                    if len(found) != 5 or found[-1] or True in np.asarray(found[3]).tolist():
                        self._hear(found)  # an empty info has nothing to tell, and that is what most steps bring
                except Exception:  # whatever they say, it is for the script: what is not known here is not listened to
                    self.leave()
                self._steps += 1
            return found

        self._stepped = envs.step = stepped

    def leave(self) -> None:
        """Listen no more; another one may have begun to listen to the same environments since."""
        if self._step is not None:
            if vars(self._envs).get("step") is self._stepped:
                self._envs.step = self._step
            self._envs = self._step = None

    def rollout(self, rewards: Floats, starts: Bools, ends: Bools, step: int) -> tuple[Bools, list[Episode]]:
        """Which ends of a rollout [M, N] that began at this step of the run were cut, and the episodes that ended.

        `starts`: the steps after an end.
        """
        rows, cut = rewards.shape[1], np.zeros_like(ends)
        self.ignored = 0
        if self._steps == len(ends) and all(one.shape == (rows,) for one in self._cut.values()):
            for t, one in self._cut.items():
                cut[t] = one & ends[t]
                self.ignored += int(np.count_nonzero(one & ~ends[t]))
        if self._tells:  # rewards may be scaled, and what the environments say of an episode is not
            before = max(0, self._steps - len(ends))  # of another agent's rollout, where two play in the same ones
            told = [one for one in self._told if one[0] >= before]
            added = [Episode(step + (t - before + 1) * rows, found, length) for t, found, length in told]
        else:
            played = ~starts if self.resets_late else np.ones_like(ends)
            added = self._episodes.take(rewards, ends, step, np.ones_like(ends), played)
        self._cut, self._told, self._steps = {}, [], 0
        return cut, added

    def _hear(self, found: Any) -> None:
        infos = found[-1]
        if infos:
            for episodic_return, length in _episodes_in(infos) or _lives_lost_in(infos, found[2]):
                self._tells = True
                self._told.append((self._steps, episodic_return, length))
        cut = found[3] if len(found) == 5 else _cut_in(infos, len(found[2]))
        if True in np.asarray(cut).tolist():
            self._cut[self._steps] = np.array(cut, np.bool_)


def _is_told(envs: Any) -> bool:
    """Whether rewards are not what the environment gave, or episodes are parts of one, and a wrapper tells what that
    was; by those of a copy, too.
    """
    names, changed = [], False
    for one in (envs, *(getattr(envs, "envs", None) or ())[:1]):
        while one is not None:
            names.append(type(one).__name__)
            config = getattr(one, "config", None)
            changed |= isinstance(config, dict) and any(config.get(name) for name in OF_ENVPOOL)
            one = getattr(one, "env", None)
    return TELLER in names and (changed or any("Reward" in name for name in names))


def _resets_late(envs: Any) -> bool | None:
    """As vector environments of Gymnasium say it, from 1.1 on."""
    mode = (getattr(envs, "metadata", None) or {}).get("autoreset_mode")
    return None if mode is None else getattr(mode, "name", None) == "NEXT_STEP"


def _episodes_in(infos: Any) -> list[tuple[float, int]]:
    """(return, length) of those that ended, as Gymnasium's `RecordEpisodeStatistics` says it, then and now."""
    if isinstance(infos, dict):
        if "final_info" in infos and "episode" not in infos:
            return _episodes_in(infos["final_info"])
        if "episode" not in infos:
            return []
        told, which = infos["episode"], infos.get("_episode")
        if which is None:
            return [(float(np.squeeze(told["r"])), int(np.squeeze(told["l"])))]
        return [(float(told["r"][row]), int(told["l"][row])) for row in np.flatnonzero(which)]
    return [one for info in infos if info for one in _episodes_in(info)]


def _lives_lost_in(infos: Any, ended: Any) -> list[tuple[float, int]]:
    """(return, length) of games that are over, as CleanRL counts them over EnvPool: a lost life ends none."""
    if not isinstance(infos, dict) or not {"r", "l", "lives"} <= infos.keys():
        return []
    over = np.asarray(ended, np.bool_) & (np.asarray(infos["lives"]) == 0)
    return [(float(infos["r"][row]), int(infos["l"][row])) for row in np.flatnonzero(over)]


def _cut_in(infos: Any, rows: int) -> Bools:
    """As the older interface says it: one dictionary for each row, or one of arrays."""
    if isinstance(infos, dict) and np.shape(infos.get("TimeLimit.truncated", ())) == (rows,):
        return np.array(infos["TimeLimit.truncated"], np.bool_)
    if isinstance(infos, dict) or len(infos) != rows:
        return np.zeros(rows, np.bool_)
    return np.array([bool(info.get("TimeLimit.truncated", False)) for info in infos], np.bool_)
