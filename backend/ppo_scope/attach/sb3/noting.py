"""What the minibatches of an update of Stable-Baselines3 held and what its policy found in them, as it is noted."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.attach.late import Epoch, Kept, LateUpdate, without_graph
from ppo_scope.attach.loop import Loop
from ppo_scope.attach.record import Told
from ppo_scope.attach.sb3.buffered import is_of_a_library
from ppo_scope.attach.sb3.recurrent import answers_of, unpadded
from ppo_scope.attach.watcher import guarded, say
from ppo_scope.probes.record import PhaseKind

OTHER_ORDER = "the minibatches are not drawn as they were in the version of Stable-Baselines3 that this is written for"
OWN_BUFFER = (
    "Which samples a minibatch holds is not known: {kind} draws them otherwise than buffers of Stable-Baselines3 do. "
    "Nothing more is shown; the training goes on. A loop of one's own is shown by ppo_scope.Scope."
)
CHECKED = 16
"""At every so many updates it is checked again that minibatches are cut from a library's buffer as is known here."""


class NotingLoop(Loop):
    """A subclass says when an epoch begins (`_begin_epoch`), which minibatch is at hand (`_within`, `_data`), and what
    the policy has found in it (`_found`).
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = model
        self._recurrent = hasattr(model, "_last_lstm_states")
        self._order = np.zeros(0, np.int64)  # of an epoch, among the samples of its buffer
        self._places = np.zeros(0, np.int64)  # of the samples of its buffer, among ours
        self._size = 0  # samples of a whole minibatch
        self._data: Any = None  # of the minibatch at hand
        self._found: Kept | None = None  # of the minibatch at hand, until it is noted
        self._kept: list[Kept] = []  # of the minibatches of the epoch at hand
        self._count = 0  # of the update's
        self._as_collected = False  # minibatches of the update at hand bring what the rollout has
        self._sure = False  # of the order in which minibatches are cut

    @guarded
    def _begin_epoch(self, drawn: list[Any]) -> None:
        buffer = self._model.rollout_buffer
        count = buffer.buffer_size * buffer.n_envs
        if len(drawn) != 1 or np.shape(drawn[0]) != (() if self._recurrent else (count,)):
            self._draws_otherwise()
            return
        if len(self._places) != count:  # its samples are environment by environment, ours step by step
            self._places = np.ascontiguousarray(np.arange(count).reshape(buffer.buffer_size, buffer.n_envs).T).ravel()
        self._order = np.roll(np.arange(count), -drawn[0]) if self._recurrent else drawn[0]
        self._within = self._within[0] + 1, 0
        self._expect(self._within[0])

    @guarded
    def _judged(self) -> None:
        """The loss of a minibatch is about to be made of what was found, and somebody may look at it."""
        self._take_found()
        self._at(PhaseKind.LOSS)

    @guarded
    def _note(self) -> None:
        """What was found is to be noted by now."""
        self._take_found()

    def _take_found(self) -> None:
        """Values, log-probabilities and entropies of a minibatch become part of the record."""
        found, self._found = self._found, None
        if found is None:
            return
        self._count += 1
        kept = answers_of(self._data, found) if self._recurrent else without_graph(found)
        if self._as_collected:
            self._kept.append(kept)
        else:
            self._judged_at_first(kept)

    @guarded
    def _differentiated(self, norm: Tensor) -> None:
        """The gradient is there: at full speed its minibatch is noted now, so that there is but one hook for both."""
        self._take_found()
        if (update := self._update) is not None and self._count:
            update.gradient_norms.setdefault(self._count - 1, norm)
            if perf_counter() >= self.watcher.next_look:
                self._at(PhaseKind.GRADIENT)

    def _judged_at_first(self, kept: Kept) -> None:
        """An update's first minibatch, or any where they bring something else than the rollout has."""
        update = self._update
        assert isinstance(update, LateUpdate)
        if self._count == 1:
            self._about_to_step()
            update.learning_rate = float(self.optimizer.param_groups[0]["lr"])  # a schedule may be overridden
        data: Any = unpadded(self._data) if self._recurrent else self._data
        start = (self._within[1] - 1) * self._size
        samples = self._places[self._order[start : start + len(data.old_log_prob)]]
        if self._count == 1 and self._brings_what_it_has(update, data, samples):
            self._as_collected = True
            self._expect(self._within[0])
            self._kept.append(kept)
        else:
            update.told.append(Told(self._within[0], samples, data, kept))

    def _expect(self, epoch: int) -> None:
        """Minibatches that bring what the rollout has."""
        if self._as_collected and isinstance(self._update, LateUpdate):
            self._kept = []
            self._update.epochs.append(Epoch(epoch, self._order, self._places, self._size, self._kept))

    def _draws_otherwise(self) -> None:
        """It is not known which samples minibatches hold.

        Raises:
            RuntimeError: of a library's own buffer, which is for us to mend.
        """
        buffer = self._model.rollout_buffer
        if is_of_a_library(buffer):
            raise RuntimeError(OTHER_ORDER)
        why = OWN_BUFFER.format(kind=type(buffer).__name__)
        say(why)
        self.watcher.close(cause={"summary": why})

    def _brings_what_it_has(self, update: LateUpdate, data: Any, samples: NDArray[np.int64]) -> bool:
        """Whether an update's first minibatch holds these samples of the rollout, and nothing else than that has."""
        arrays, library = update.source[1], is_of_a_library(self._model.rollout_buffer)
        if library and self._sure and update.index % CHECKED:
            return True
        columns = [(arrays.log_probs, data.old_log_prob)]
        if not library:  # else they are taken by the same places
            columns += [(arrays.advantages, data.advantages), (arrays.values, data.old_values)]
            columns += [(arrays.returns, data.returns)]
        alike = [np.array_equal(held.reshape(-1)[samples], one.cpu().numpy()) for held, one in columns]
        if not alike[0]:
            self._draws_otherwise()
        self._sure = True
        return all(alike)
