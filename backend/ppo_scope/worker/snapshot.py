"""A snapshot as a frame, whoever measures it: the trainer, or the clerk, who does not know its number."""

from __future__ import annotations

from typing import Any

from ppo_scope.probes.cost import Budget
from ppo_scope.probes.measurement import Measurement
from ppo_scope.probes.moment import Moment
from ppo_scope.wire import frame
from ppo_scope.wire.metrics import MINIBATCH_COLUMNS

UNNUMBERED = 999_999_999_999
"""In place of a number: as wide as any of them."""
PLACE = b'"sequence":%d' % UNNUMBERED


def told_of(moment: Moment, found: Measurement, budget: Budget, standing: dict[str, Any]) -> dict[str, Any]:
    """What the header says of a moment, and of what was found in it; `standing`: the live settings between updates."""
    update = moment.phase.update
    settings = update.settings.live() if update else standing
    return {
        "scope": moment.scope,
        "settings": settings,
        "chosen": _otherwise(update.set_to.live(), settings) if update else {},
        "stopped_by_kl": update is not None and update.stopped_by_kl,
        "minibatch_columns": MINIBATCH_COLUMNS,
        "scalars": found.scalars,
        "notes": found.notes,
        "measured": found.measured,
        "failed": budget.failed,
        "lacks": found.lacks,
        "costs": budget.costs,
        "shares": budget.shares,
    }


def _otherwise(chosen: dict[str, Any], used: dict[str, Any]) -> dict[str, Any]:
    """What was set to something else than what was used."""
    return {name: value for name, value in chosen.items() if value != used[name]}


def unnumbered(header: dict[str, Any], arrays: dict[str, Any]) -> tuple[bytes, int]:
    """A frame that lacks its number, and where that belongs."""
    made = frame.encode({"sequence": UNNUMBERED, **header}, arrays)
    return made, made.index(PLACE) + len(PLACE) - len(str(UNNUMBERED))


def numbered(made: bytes | memoryview, place: int, number: int) -> bytes:
    """The same frame with its number."""
    whole = bytearray(made)
    width = len(str(UNNUMBERED))
    whole[place : place + width] = b"%*d" % (width, number)
    return bytes(whole)
