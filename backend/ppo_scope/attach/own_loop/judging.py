"""How a loop of one's own says what its policy puts out, and how it is asked."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.attach.arrays import Misshapen, samples_of, taken_of
from ppo_scope.attach.own_loop.handed import Handed, Kept
from ppo_scope.attach.refusing import is_of_nan
from ppo_scope.attach.watcher import say
from ppo_scope.ppo.distributions import Categorical, DiagonalGaussian
from ppo_scope.probes.record import Batch, Bools
from ppo_scope.probes.subject import Distribution, Lacking

Judge = Callable[[Any], tuple[Any, Any]]
"""(policy outputs [S, O], V [S]) of observations [S, …] under the weights as they are."""

KINDS = ("discrete", "gaussian")
OTHER_OUTPUTS = "outputs of judge has the shape {got}, and {want} is wanted: one row for each observation."
WIDTH = (
    "The policy puts out {got} numbers for each state, and policy='gaussian' with actions of {width} wants {want}: "
    "means, followed by log σ."
)
OTHER_WIDTH = "The policy puts out {got} numbers for each state, and at the first rollout there were {want}."
KIND = f"policy= is {' or '.join(map(repr, KINDS))}: what the outputs mean, logits or means followed by log σ."
NO_FUNCTION = (
    "judge is {got!r}, and a function is wanted: of observations [S, …], that gives (outputs [S, O], values [S])."
)
NO_PAIR = "judge gives {got}, and a pair is wanted: (outputs [S, O], values [S])."
NO_OBSERVATIONS = "observations is missing: judge= is asked of them. Tell them to rollout too, or leave judge= out."
FAILED = "judge= has failed, and is not asked any more; the training goes on without the panels that need it: {why}"
NO_CHOICE = (
    "actions has the shape {got}, and policy='discrete' wants {want}: which of the O choices was taken. Where they are "
    "rows of zeros and a one, hand over actions.argmax(-1)."
)
OUTSIDE = "actions holds {got:g}, and policy='discrete' wants whole numbers {want}: which of the choices was taken."


class Judging:
    """Of one loop."""

    def __init__(self, kind: str | None, judge: Judge | None) -> None:
        """`kind`: of `KINDS`, or not known yet. `judge`: None: the loop cannot be asked.

        Raises:
            ValueError: there is no such kind, or the loop cannot be asked by that.
        """
        if kind is not None and kind not in KINDS:
            raise ValueError(KIND)
        if judge is not None and not callable(judge):
            raise ValueError(NO_FUNCTION.format(got=judge))
        self.kind = kind
        self.distribution: Distribution | None = None
        """What the outputs mean; None: that is not known."""
        self._judge = judge
        self._count: int | None = None  # O, where the kind or a rollout has said it
        self._kept: Kept | None = None

    @property
    def asks(self) -> bool:
        """Whether the loop can be asked: until it has failed to answer."""
        return self._judge is not None

    def hears(self, found: Handed, *, first: bool) -> None:
        """A rollout: what its policy put out is asked for where it is not told, and its actions are put into the shape
        that their kind has. The `first` one says what outputs mean.

        Raises:
            Misshapen: actions, or outputs that were handed over, are none of this kind; or there is nothing to ask of.
        """
        rollout, batch, self._kept = found.rollout, found.batch, found.kept
        if self.asks and not rollout.observations.size:
            raise Misshapen(NO_OBSERVATIONS)
        if first:
            self._count = None
        if self.kind == "gaussian":
            found.acted(densities(rollout.actions))
            width = rollout.actions.shape[-1]
            self._count = self._count or 2 * width
            if self._count != 2 * width:
                raise Misshapen(WIDTH.format(got=self._count, width=width, want=2 * width))
        if batch.told_outputs is not None:
            self._look_at(batch.told_outputs)
        elif (answer := self.asked(batch)) is not None:
            batch.told_outputs = answer[0]
        if first and self.kind is not None and batch.told_outputs is not None:
            self._count = batch.told_outputs.shape[-1]
        if self.kind == "discrete":
            found.acted(choices(rollout.actions, rollout.trained, self._count))
        if first and self._count is not None:
            self.distribution = self._meaning(self._count)

    def asked(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        """(outputs [S, O], V [S]) of the rollout at hand under the weights as they are. None: it has failed, which was
        said: nobody's training ends by what is only looked at.
        """
        if self._judge is None:
            return None
        try:
            with unmoved(), torch.no_grad():
                return self._answer(self._judge(seen_as(batch.observations, self._kept)), len(batch.values))
        except Exception as error:
            if isinstance(error, ValueError) and is_of_nan(error) and batch.outputs is not None:
                return torch.full_like(batch.outputs, torch.nan), torch.full_like(batch.values, torch.nan)
            self._judge = None
            say(FAILED.format(why=error if isinstance(error, Misshapen) else _named(error)))
            return None

    def after(self, batch: Any) -> tuple[Tensor, Tensor]:
        """The same of what an update has led to, found once.

        Raises:
            Lacking: it fails.
        """
        found: tuple[Tensor, Tensor] | None = batch.told_after or self.asked(batch)
        if found is None:
            raise Lacking("judge")
        return found

    def _answer(self, found: Any, size: int) -> tuple[Tensor, Tensor]:
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise Misshapen(NO_PAIR.format(got=type(found).__name__))
        values = samples_of(found[1], "values of judge", "one for each observation", size)
        outputs = taken_of(found[0], "outputs of judge", np.float32)
        if outputs.ndim != 2 or len(outputs) != size:
            raise Misshapen(OTHER_OUTPUTS.format(got=outputs.shape, want=f"({size}, O)"))
        self._look_at(outputs)
        return torch.from_numpy(outputs), torch.from_numpy(values)

    def _look_at(self, outputs: Any) -> None:
        """At how many numbers [S, O] there are of each state."""
        got, want = outputs.shape[-1], self._count
        if want is None or got == want or self.kind is None:
            return
        if self.kind == "gaussian":
            raise Misshapen(WIDTH.format(got=got, width=want // 2, want=want))
        raise Misshapen(OTHER_WIDTH.format(got=got, want=want))

    def _meaning(self, count: int) -> Distribution:
        """Of so many outputs."""
        if self.kind == "discrete":
            return Categorical(count)
        return DiagonalGaussian(np.full(count // 2, -np.inf), np.full(count // 2, np.inf))


def choices(actions: NDArray[Any], trained: Bools, count: int | None) -> NDArray[np.int64]:
    """[M, N], which of O = `count` choices each action [M, N] or [M, N, 1] is, whatever kind of numbers they are told
    in. Padding may hold anything, and has 0.

    Raises:
        Misshapen: one that is trained on is none of them.
    """
    told = actions[..., 0] if actions.shape[2:] == (1,) else actions
    if told.shape != trained.shape:
        raise Misshapen(NO_CHOICE.format(got=actions.shape, want=trained.shape))
    with np.errstate(invalid="ignore"):  # of NaN no whole number is made
        found: NDArray[np.int64] = told.astype(np.int64)
    known = (found == told) & (found >= 0) & (found < (np.iinfo(np.int64).max if count is None else count))
    if (apart := told[trained & ~known]).size:
        want = "from 0 on" if count is None else f"from 0 to {count - 1}, of {count} outputs"
        raise Misshapen(OUTSIDE.format(got=apart[0], want=want))
    return np.where(known, found, 0)


def densities(actions: NDArray[Any]) -> NDArray[Any]:
    """[M, N, D] of actions [M, N, …], in numbers with a fraction: of [S] and means [S, 1] arithmetic makes a table."""
    flat = actions.reshape(*actions.shape[:2], -1)
    return flat if flat.dtype.kind == "f" else flat.astype(np.float32)


def _named(error: Exception) -> str:
    """What was raised, and at which line of the function that was called here."""
    last = error.__traceback__
    assert last is not None
    theirs = last.tb_next or last
    place = f"{Path(theirs.tb_frame.f_code.co_filename).name}, line {theirs.tb_lineno}"
    return f"{type(error).__name__}: {' '.join(str(error).split())} ({place})."


def seen_as(observations: Tensor, kept: Kept | None) -> Any:
    """A copy of observations as the loop has told them: a tensor of that kind in that place, or an array."""
    if kept is None:
        return observations.numpy().copy()
    return observations.to(kept.device, kept.dtype, copy=True)


@contextlib.contextmanager
def unmoved() -> Iterator[None]:
    """The generators that everybody draws from stay where they are, whatever is drawn from them."""
    plain, numbers = random.getstate(), np.random.get_state()  # theirs, not ours
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(plain)
        np.random.set_state(numbers)
