"""The states of the environments, noted while a run is stepped; another process draws them for who asks.

Of an environment whose observations are images, what the policy sees is noted.

Drawing every step of every environment would take seconds; a state is a handful of numbers. It is noted as the bytes
in which it travels, so that what an environment changes later does not change the note.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict

from ppo_scope.pictures.states import look_of, seen
from ppo_scope.ppo.trainer import Trainer

ROLLOUTS = 8
"""Whose states are remembered."""
LARGEST = 256 * 1024
"""Bytes of one state: an environment whose state is larger is not noted."""
ROOM = 64 * 1024 * 1024
"""Bytes of all of them."""
NOTHING = b""


class NotNoted(LookupError):
    """There is no note of that; the message says why."""


class Looks:
    """The states of the latest rollouts that were collected while somebody stepped."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        self._rollouts: OrderedDict[int, list[list[bytes]]] = OrderedDict()
        self.noting: list[list[bytes]] | None = None
        """Those of the rollout under way, if they are."""
        self._held = 0
        self.off: str | None = None
        """Why nothing is noted any more."""

    def holds(self, update: int) -> bool:
        """Whether something is remembered of that update's rollout, from which it may be drawn."""
        return any(look for looks in self._rollouts.get(update, ()) for look in looks)

    def begin(self) -> None:
        """The next rollout is about to begin: note the states before its first step. Never raises."""
        if self.off is not None:
            return
        self.noting = []
        self._rollouts[self._trainer.updates + 1] = self.noting
        while len(self._rollouts) > ROLLOUTS:
            self._forget_the_oldest()
        self.after_step()

    def forget(self, update: int) -> None:
        """Its rollout was given up: another one takes its number."""
        self.noting = None
        self._held -= _size(self._rollouts.pop(update, []))

    def _forget_the_oldest(self) -> None:
        _, looks = self._rollouts.popitem(last=False)
        self._held -= _size(looks)

    def after_step(self) -> None:
        """Note the states that a step has led to; does nothing where nobody steps. Never raises."""
        if self.noting is None:
            return
        if len(self.noting) > self._trainer.settings.rollout_steps:
            self.noting = None
            return
        try:
            noted = [self._note(n) for n in range(self._trainer.settings.num_envs)]
        except Exception as error:  # somebody's code: a property that fails, a state that cannot be copied
            self._switch_off(f"{type(error).__name__}: {error}".splitlines()[0][:200])
            return
        self.noting.append(noted)
        self._held += sum(map(len, noted))
        while self._held > ROOM and len(self._rollouts) > 1:
            self._forget_the_oldest()
        if self._held > ROOM:
            self._switch_off(f"the states of one rollout take more than {ROOM >> 20} MB")

    def find(self, update: int, environment: int, step: int) -> bytes:
        """The state of one environment before that step, pickled.

        Raises:
            NotNoted: there is none.
        """
        rollout = self._rollouts.get(update)
        if rollout is None:
            raise NotNoted(
                self.off or "No picture was recorded: that is done while the run is stepped or in slow motion."
            )
        if not (0 <= step < len(rollout) and 0 <= environment < len(rollout[step])):
            raise NotNoted("There is no such sample.")
        if not rollout[step][environment]:
            raise NotNoted(
                "This environment cannot be drawn from a state that it was in: where it keeps it is not known."
            )
        return rollout[step][environment]

    def _note(self, number: int) -> bytes:
        environments = self._trainer.environments
        if environments.spaces.is_image:
            look = seen(environments.observations[number], environments.vector.single_observation_space)
        else:
            look = look_of(environments.vector, number)
        if not look:
            return NOTHING
        noted = pickle.dumps(look, pickle.HIGHEST_PROTOCOL)
        if len(noted) > LARGEST:
            raise ValueError(f"a state takes {len(noted):,} bytes, and at most {LARGEST:,} are noted")
        return noted

    def _switch_off(self, why: str) -> None:
        self.noting = None
        self._rollouts.clear()
        self._held = 0
        self.off = f"No pictures of samples: the states of {self._trainer.settings.env} cannot be noted ({why})."


def _size(rollout: list[list[bytes]]) -> int:
    return sum(len(look) for looks in rollout for look in looks)
