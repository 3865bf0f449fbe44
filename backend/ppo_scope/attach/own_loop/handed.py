"""What a loop of one's own hands over, checked, and in the shapes of the record."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ppo_scope.attach.arrays import NONE, Misshapen, number_of, rows_of, samples_of, taken_of
from ppo_scope.attach.record import Batch, Noted, Rollout
from ppo_scope.probes.record import Bools, Floats

OUT_OF_ROLLOUT = "samples holds {index}, and the rollout has samples 0 to {last}: t·N + n is environment n at step t."
MASK = (
    "samples holds True and False, and the places of B samples are wanted, in the order of the other arrays: "
    "numpy.flatnonzero(samples)."
)
FRACTIONS = "samples holds numbers with a fraction, and the places of samples are whole."
EPOCH = "epoch is {epoch}, and epochs are counted 1, 2, 3, …: leave it out where each passes over the whole rollout."
OUTPUTS = "outputs has the shape {got}, and {want} is wanted: {meaning} of each step and environment."
MEANING = "logits, or means followed by log σ,"
MAY_BE_TOLD = "values", "entropy", "old_log_prob", "returns", "penalty"
"""Of each minibatch."""
NOT_ALIKE = (
    "{name} was told of some minibatches of this update, and not of others: their means would not be of the same. "
    "Tell it of all of them, or of none."
)
REWARDS_APART = (
    "rewards has the shape {got}, and log_probs and advantages have {want}: there are rewards of other steps among "
    "them, as of an evaluation, or some are missing."
)
GIVEN = "what the environment gave"
OTHER_TEXT = "text has {got} sequences, and the rollout {want}: one list of tokens for each sequence."
NO_TEXT = "text holds {got}, and a list of tokens, each as text, is wanted for each of {want} sequences."


class Kept(NamedTuple):
    """How tensors are."""

    device: torch.device
    dtype: torch.dtype


@dataclass(frozen=True)
class Handed:
    """A rollout, as it is recorded."""

    rollout: Rollout
    """Without its episodes."""
    batch: Batch
    """Without outputs, where the loop does not tell them."""
    deltas: Floats | None
    ends: Bools
    """[M, N], of episodes, in whichever way; padding may have some as well."""
    tells_ends: bool
    """Whether the loop has said anything of them."""
    kept: Kept | None = None
    """How its observations are kept there; None: not as tensors."""

    def acted(self, actions: NDArray[Any]) -> None:
        """Its actions [M, N, …] in another form."""
        self.rollout.actions, self.batch.actions = actions, flattened(actions.shape[:2])(actions)


def layout_of(rewards: Any) -> tuple[int, int]:
    """(M, N) of a rollout.

    Raises:
        Misshapen: it has no such layout.
    """
    if rewards is None:
        raise Misshapen(NONE.format(name="rewards", meaning=GIVEN))
    layout = tuple(rewards.shape) if isinstance(rewards, Tensor) else taken_of(rewards, "rewards").shape
    if len(layout) != 2:
        raise Misshapen(f"rewards has the shape {layout}, and [M, N] is wanted: steps first, then environments.")
    return layout[0], layout[1]


def handed(
    layout: tuple[int, int],
    *,
    actions: Any,
    rewards: Any,
    log_probs: Any,
    values: Any,
    advantages: Any,
    returns: Any,
    dones: Any,
    truncated: Any,
    observations: Any,
    outputs: Any,
    mask: Any,
    deltas: Any,
    text: Sequence[Sequence[str]] | None,
) -> Handed:
    """The arguments of `Scope.rollout`.

    Raises:
        Misshapen: a shape does not fit.
    """

    def rows(found: Any, name: str, meaning: str, dtype: Any = np.float32) -> NDArray[Any]:
        return rows_of(found, name, meaning, layout, dtype)

    others = {tuple(found.shape) for found in (log_probs, advantages) if hasattr(found, "shape")}
    if len(others) == 1 and len(want := others.pop()) == 2 and want != layout:
        raise Misshapen(REWARDS_APART.format(got=layout, want=want))
    reward = rows(rewards, "rewards", GIVEN)
    raw = rows(advantages, "advantages", "Â before it is normalised")
    unknown = np.full(layout, np.nan, np.float32)
    old_values = unknown if values is None else rows(values, "values", "V of the critic that collected")
    targets = raw + old_values if returns is None else rows(returns, "returns", "V_targ")
    none = np.zeros(layout, np.bool_)
    cut = none if truncated is None else rows(truncated, "truncated", "episodes that were cut", np.bool_)
    ended = none if dones is None else rows(dones, "dones", "ends of episodes", np.bool_)
    trained = ~none if mask is None else rows(mask, "mask", "steps that are trained on", np.bool_)
    acted = taken_of(actions, "actions")
    seen = np.zeros((*layout, 0), np.float32) if observations is None else taken_of(observations, "observations")
    put_out = None if outputs is None else taken_of(outputs, "outputs", np.float32)
    if put_out is not None and (put_out.ndim != 3 or put_out.shape[:2] != layout):
        raise Misshapen(OUTPUTS.format(got=put_out.shape, want=f"({layout[0]}, {layout[1]}, O)", meaning=MEANING))
    for found, name in ((acted, "actions"), (seen, "observations")):
        if found.shape[:2] != layout:
            rows_of(found[..., 0] if found.ndim > 2 else found, name, "[M, N, …]", layout, None)
    flat = flattened(layout)
    batch = Batch(
        observations=flat(seen),
        actions=flat(acted),
        told_outputs=None if put_out is None else flat(put_out),
        log_probs=flat(rows(log_probs, "log_probs", "log π of the policy that collected")),
        values=flat(old_values),
        advantages=flat(raw),
        targets=flat(targets),
    )
    over, left = (told_while(trained, one) for one in (ended, cut))
    words = None if text is None else words_of(text, layout[1])
    rollout = Rollout(seen, acted, reward, over & ~left, left, trained, text=words)
    kept = Kept(observations.device, observations.dtype) if isinstance(observations, Tensor) else None
    known_deltas = None if deltas is None else rows(deltas, "deltas", "δ")
    return Handed(rollout, batch, known_deltas, ended | cut, dones is not None or truncated is not None, kept)


def words_of(text: Any, count: int) -> list[list[str]]:
    """The tokens of so many sequences.

    Raises:
        Misshapen: they are none.
    """
    if not isinstance(text, Sequence):
        raise Misshapen(NO_TEXT.format(got=f"something of type {type(text).__name__}", want=count))
    if len(text) != count:
        raise Misshapen(OTHER_TEXT.format(got=len(text), want=count))
    for one in text:
        if not isinstance(one, Sequence) or not all(isinstance(token, str) for token in one[:1]):
            raise Misshapen(NO_TEXT.format(got=reprlib.repr(one), want=count))
    return [list(one) for one in text]


def told_while(trained: Bools, ends: Bools) -> Bools:
    """Ends of episodes [M, N] at steps that are trained on: one told in padding is that of the last step before."""
    if trained.all():
        return ends
    rows = np.arange(len(ends))[:, None]
    last = np.maximum.accumulate(np.where(trained, rows, -1))  # of those so far
    found, (steps, columns) = np.zeros_like(ends), np.nonzero(ends & (last >= 0))
    found[last[steps, columns], columns] = True
    return found


def flattened(layout: tuple[int, ...]) -> Callable[[NDArray[Any]], Tensor]:
    """[M, N, …] → [S, …]."""
    return lambda found: torch.from_numpy(np.ascontiguousarray(found.reshape(layout[0] * layout[1], *found.shape[2:])))


def places_of(samples: Any, count: int) -> NDArray[np.int64]:
    """[B], which samples of a rollout of `count` a minibatch holds; there may be none.

    Raises:
        Misshapen: they are none of the rollout's.
    """
    found = taken_of(samples, "samples")
    if found.dtype.kind == "b":
        raise Misshapen(MASK)
    which = found.astype(np.int64, copy=False)
    if found.dtype.kind == "f" and not np.array_equal(which, found):
        raise Misshapen(FRACTIONS)
    if which.ndim != 1:
        raise Misshapen(f"samples has the shape {which.shape}, and [B] is wanted: the places of B samples.")
    if len(which) and which.view(np.uint64).max() >= count:  # a negative one is a very large one there
        apart = which[which.view(np.uint64).argmax()]
        raise Misshapen(OUT_OF_ROLLOUT.format(index=apart, last=count - 1))
    return which


def epoch_of(told: Any) -> int:
    """Which pass over the rollout a minibatch is of, from 1 on.

    Raises:
        Misshapen: it is no such number.
    """
    number = told if type(told) is int else number_of(told, "epoch")
    if not (number >= 1 and number % 1 == 0):
        raise Misshapen(EPOCH.format(epoch=f"{number:g}"))
    return int(number)


def noted(
    epoch: int,
    which: NDArray[np.int64],
    *,
    log_prob: Any,
    advantages: Any,
    values: Any,
    entropy: Any,
    old_log_prob: Any,
    returns: Any,
    penalty: Any,
) -> Noted:
    """The arguments of `Scope.minibatch`. What is left out is the rollout's.

    Raises:
        Misshapen: a shape does not fit.
    """
    size = len(which)

    def told(found: Any, name: str) -> Tensor:
        if isinstance(found, Tensor) and found.shape == (size,):
            return found.detach().to("cpu", torch.float32, copy=True)
        return torch.from_numpy(samples_of(found, name, "one for each sample", size))

    def if_told(found: Any, name: str) -> Tensor | None:
        return None if found is None else told(found, name)

    return Noted(
        epoch,
        which,
        told(log_prob, "log_prob"),
        told(advantages, "advantages"),
        if_told(values, "values"),
        if_told(entropy, "entropy"),
        if_told(old_log_prob, "old_log_prob"),
        if_told(returns, "returns"),
        if_told(penalty, "penalty"),
    )


def leaks_in(advantages: Any, old_log_prob: Any, returns: Any) -> dict[str, float]:
    """Which of what was measured before the loss has a gradient in it, for Health: of what is told in tensors."""
    told = {"advantages": advantages, "log_probs": old_log_prob, "targets": returns}
    return {f"{name}_with_gradient": float(one.requires_grad) for name, one in told.items() if isinstance(one, Tensor)}


def not_alike(told: Sequence[bool], first: Sequence[bool]) -> Misshapen:
    """What is wrong where a minibatch tells others of `MAY_BE_TOLD` than the first one of its update."""
    apart = next(name for name, one, other in zip(MAY_BE_TOLD, told, first, strict=True) if one != other)
    return Misshapen(NOT_ALIKE.format(name=apart))


def norm_of(told: Any) -> Tensor:
    """[], the norm of a minibatch's gradient, as single precision has it.

    Raises:
        Misshapen: it is no number.
    """
    if isinstance(told, Tensor) and told.numel() == 1:
        return told.detach().clone().float().reshape(())
    return torch.tensor(number_of(told, "the norm of the gradient"))
