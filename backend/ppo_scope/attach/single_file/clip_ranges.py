"""ε and ε⁺ of a script: as its `args` have them, and as its loss clips r.

While r is 1 no sample tells one clip from another, but autograd notes with every `clamp` between which numbers it is.
That is where ε⁺ is read; whether the loss is what it makes of it is seen as ever, by the loss (`checking.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import Any, TypeGuard

import numpy as np
from torch import Tensor

from ppo_scope.attach.called import SETTINGS
from ppo_scope.attach.single_file.graph import between, nodes_of
from ppo_scope.attach.single_file.named import V_CLIP, Found, Settings, Unlike
from ppo_scope.ppo.losses import Edges, edges_of
from ppo_scope.probes.record import Bools, Floats

SAME = 1e-6
"""By which a range may be off another one: single precision of 1 + ε⁺."""
DECIMALS = 6
CLIP = "clip_range", "clip_range_high"
SYMBOLS = dict(zip(CLIP, ("ε", "ε⁺"), strict=True))
MOVED = (
    "args says that {symbol} is {value:.6g} ({called}), and its loss clips r between {low:.6g} and {high:.6g}: it is "
    "known here, and moved, where it is read from args wherever r is clipped"
)
LATE = (
    "its loss clips r at 1 + {high:.6g}, which is found where the term that has r in it comes first: put ε⁺ into args, "
    "as {name}"
)
OWN_UPPER = (
    "its loss has an upper clip range of its own, and not {high:.6g}, as its gradient by newlogprob says at the "
    "samples with Â > 0: ε⁺ is known here by a torch.clamp of ratio at the first minibatch of an update, or by args, "
    "as {name}"
)
UPPER = SETTINGS["clip_range_high"][0]

Clamp = tuple[float | None, float | None]
"""Between what r is held; None: on this side it is not."""


class ClipRanges:
    """Of one script."""

    def __init__(self) -> None:
        self.told: dict[str, float | None] = {}
        """By the loss, where that is otherwise than `args` say."""
        self._by_args: bool | None = None  # whether ε⁺ is a number of theirs; None: no clamp has told
        self._named: float | None = None  # ε⁺ as they had it then
        self._seen = False  # a clamp that begins at 1 − ε

    @property
    def movable(self) -> bool:
        """Whether ε⁺ of `args`, if they have one, is what r is clipped at, as far as that is known."""
        return self._by_args is not False

    def read(self, found: Found, loss: Tensor) -> None:
        """What the loss of a minibatch tells of them, or the one of its terms that has r in it.

        Raises:
            Unlike: it clips r no more where `args` say, as it did.
        """
        clamps, settings = clamps_in(found, loss), found.settings
        low, named = (settings[name] for name in CLIP)
        # Where V is clipped ε is its limit as well, and has to be told.
        own: dict[str, float | None] = {} if low is not None or settings.limits_values else lower_of(clamps)
        low = own.get("clip_range", low)
        if not clamps or low is None:
            return
        doubtful = self._seen or settings.called("clip_range") != V_CLIP  # else it ends with samples that tell another
        if doubtful and not any(_begins_at(low, one) for one in clamps):
            raise Unlike(_moved("clip_range", settings, clamps[0]))
        high = upper_of(clamps, float(low))
        if high is None:
            return
        as_args_say = _is_same(high, low if named is None else named)
        if self._by_args and not as_args_say:
            if named != self._named:
                raise Unlike(_moved("clip_range_high", settings, (1.0 - low, 1.0 + high)))
            self._by_args = False  # nobody has moved it there: the script lets it fall by itself
        if self._by_args is None:
            self._by_args = named is not None and as_args_say
        self._named = named
        self._seen = True
        self.told = own if as_args_say else {**own, "clip_range_high": None if _is_same(high, low) else high}

    def read_late(self, found: Found, loss: Tensor) -> None:
        """The same of a term that is not the first of its minibatch: the update has begun without it.

        Raises:
            Unlike: it tells something else than is known.
        """
        before = self.told
        self.read(found, loss)
        if self.told != before:
            raise Unlike(LATE.format(high=self.edges(found).high - 1.0, name=UPPER))

    def edges(self, found: Found) -> Edges:
        """Where r is held at the moment."""
        return edges_told(found, self.told)

    def unnamed(self, settings: Settings) -> list[str]:
        """Of both: those that the script has by another name than CleanRL's, or none."""
        others = [name for name in CLIP if settings.called(name) != SETTINGS[name][0]]
        return others if self.movable else [*others, "clip_range_high"]


def edges_in(found: Found, loss: Tensor) -> Edges | None:
    """Where r is held by a loss that is seen for the first time; None: nothing tells ε."""
    clip = ClipRanges()
    clip.read(found, loss)
    return None if found.settings["clip_range"] is None and not clip.told else clip.edges(found)


def edges_told(found: Found, told: Mapping[str, float | None]) -> Edges:
    """By `args`, where nothing else is told."""
    low, high = ({name: found.settings[name], **told}[name] for name in CLIP)
    return edges_of(float(low), None if high is None else float(high))


def clamps_in(found: Found, loss: Tensor) -> list[Clamp]:
    """Those of r between a loss and what it is made of."""
    ratio = set(nodes_of(found["ratio"]))
    found_here = [node for node in between(found, loss) if node.name().startswith("Clamp")]
    each = [node for node in found_here if node.next_functions[0][0] in ratio]
    return [(_number(getattr(node, "_saved_min", None)), _number(getattr(node, "_saved_max", None))) for node in each]


def _number(edge: Any) -> float | None:
    one = not isinstance(edge, Tensor) or edge.numel() == 1
    return None if edge is None or not one else float(edge)


def lower_of(clamps: list[Clamp]) -> dict[str, float | None]:
    """ε of the one clip around 1; empty: there is none, or more than one."""
    lows = {least for least, high in clamps if least is not None and 0 < least < 1 and high is not None and high > 1}
    return {"clip_range": -_above_one(lows.pop())} if len(lows) == 1 else {}


def upper_of(clamps: list[Clamp], low: float) -> float | None:
    """ε⁺ of the clip whose ε is this, or of the clips of each side; None: there is none, or more than one."""
    begin = [one for one in clamps if _begins_at(low, one)]
    highs = {high for _, high in begin if _is_edge(high)}
    if begin and not highs:
        highs = {high for least, high in clamps if least is None and _is_edge(high)}
    return _above_one(highs.pop()) if len(highs) == 1 else None


def _begins_at(low: float, clamp: Clamp) -> bool:
    return clamp[0] is not None and _is_same(1.0 - clamp[0], float(low))


def _is_edge(high: float | None) -> TypeGuard[float]:
    return high is not None and isfinite(high)


def _is_same(one: float, other: float) -> bool:
    return abs(one - other) <= SAME


def _above_one(edge: float) -> float:
    """By how much, as somebody has written it: 0.28 for 1.28 − 1."""
    short = round(edge - 1.0, DECIMALS)
    return short if abs(short - (edge - 1.0)) < SAME / 10 else edge - 1.0


def _moved(name: str, settings: Settings, clamp: Clamp) -> str:
    low, high = (side if one is None else one for one, side in zip(clamp, (-inf, inf), strict=True))
    return MOVED.format(symbol=SYMBOLS[name], value=settings[name], called=settings.called(name), low=low, high=high)


def both_of(wanted: Mapping[str, Any], low: float) -> dict[str, Any]:
    """What is set on the page, for a script that computes with ε⁺: where that is off, it is ε. `low`: that of now."""
    if "clip_range_high" not in wanted or wanted["clip_range_high"] is not None:
        return dict(wanted)
    return {**wanted, "clip_range_high": wanted.get("clip_range", low)}


def own_upper(rest: Floats, pushed: Floats, ratio: Floats, sure: Bools, size: Floats, edges: Edges) -> str | None:
    """Why a loss has another ε⁺, where that explains all that is left of its gradient; None: it does not.

    Args:
        rest: [B] B·dL/d log π of each sample, without what it is taken for.
        pushed: [B] Â·r.
        ratio: [B].
        sure: [B], whether no rounding decides about a sample.
        size: [B], by which it may be off.
        edges: where r is taken to be held.
    """
    off = sure & (np.abs(rest) > size)
    flows = np.where(ratio > edges.high, -pushed, pushed)  # beyond the edge it does all the same, or it does not below
    explained = (pushed > 0) & (ratio > 1) & (np.abs(rest - flows) <= size)
    if not off.any() or not explained[off].all():
        return None
    return OWN_UPPER.format(high=edges.high - 1.0, name=UPPER)
