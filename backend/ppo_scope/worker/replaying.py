"""A recording of a run that is kept: its whole series, and moments of it, measured again from what is kept of them.

What is kept is shown as it is to a page, by the same reader; here all is asked for that goes into the file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ppo_scope.ppo.settings import Settings
from ppo_scope.probes.probes import PROBES
from ppo_scope.records.loading import LoadedRun
from ppo_scope.records.store import Store
from ppo_scope.wire import frame
from ppo_scope.wire.codes import Kind
from ppo_scope.wire.metrics import EPISODE_COLUMNS
from ppo_scope.worker.reading import Reader
from ppo_scope.worker.recording import FACTS, packed, picture_of

MOMENTS = 20
"""Updates of which the end is shown, or as many as are kept."""
PHASES = 40
"""Of an update that is shown from within; where there are more, as many spread over it."""
END = "update"
"""The phase at which an update is over."""


class NothingToShow(ValueError):
    """No moment of the run can be measured; one readable line."""


def recorded(run: LoadedRun, moments: int = MOMENTS) -> tuple[bytes, str]:
    """(a recording, what it holds in sentences).

    Updates are spread over those that are kept; of the first and the last of them their phases are there, too.

    Raises:
        NothingToShow: no update is kept with all that is needed, or the environment cannot be made.
    """
    shown = _Asked(run, moments)
    if shown.why is not None:
        raise NothingToShow(f"Run {run.id} cannot be shown. {shown.why}")
    frames = [*_series(run), *_numbered(shown, run.id)]
    if (picture := picture_of(Settings.parse(run.settings), shown.weights, run.id)) is not None:
        frames.append(picture)
    return packed(_description(run, shown), frames, note := _in_words(run, shown)), note


class _Asked:
    """Plays the server for a reader: asks for moments, keeps what would reach a page."""

    def __init__(self, run: LoadedRun, moments: int) -> None:
        self.facts: dict[str, Any] = {}
        self.frames: dict[int, bytes] = {}
        """By the numbers under which they were announced."""
        self.weights: bytes | None = None
        """Those that are sent first: of the newest update."""
        self.why: str | None = None
        """Why there is nothing to look into."""
        self.updates: list[int] = []
        """That are shown."""
        self.differing: set[int] = set()
        """Those that did not come to the numbers of their rows."""
        self._announced: dict[int, tuple[int, str]] = {}  # by number: update and phase
        self._newest = 0
        self._coming = self._orders(moments)
        with contextlib.closing(Store(run.folder)) as store:
            Reader(self._take, run.id, store, PROBES.keys()).show(lambda timeout: next(self._coming))

    def _take(self, message: bytes) -> None:
        header = frame.header(message)
        if header["kind"] == Kind.PASSED:
            self._announced |= {row[0]: (row[1], row[2]) for row in header["passed"]}
        elif header["kind"] in (Kind.SNAPSHOT, Kind.PASSING):
            self._keep(header, message)
        elif header["kind"] == Kind.WEIGHTS:
            self.weights = self.weights or message
        elif header["kind"] == Kind.EVENT and header["event"] == "started":
            self.facts = {name: header[name] for name in FACTS}
        elif header["kind"] == Kind.EVENT and header["event"] == "state" and header["cause"] is not None:
            self.why = header["cause"]["summary"]

    def _keep(self, header: dict[str, Any], message: bytes) -> None:
        self.frames[header["sequence"]] = message
        if header["phase"] == END:
            self._newest = max(self._newest, header["update"])
            self.updates = sorted({*self.updates, header["update"]})
            if header.get("made_again", {}).get("same") is False:
                self.differing.add(header["update"])

    def _orders(self, moments: int) -> Iterator[dict[str, Any]]:
        if self.why is None:
            yield {"type": "weights", "wanted": True}  # of the newest update, which has been made again and measured
            ends = {update: number for number, (update, phase) in self._announced.items() if phase == END}
            chosen = _spread([*sorted(ends), self._newest], moments)
            yield from self._within(self._newest)
            for update in chosen[:-1]:
                yield {"type": "measure", "sequence": ends[update]}
                if update == chosen[0]:
                    yield from self._within(update)
        yield {"type": "stop"}

    def _within(self, update: int) -> Iterator[dict[str, Any]]:
        """The phases of the update that has just been made again."""
        numbers = [number for number, (of, phase) in self._announced.items() if of == update and phase != END]
        for number in _spread(numbers, PHASES):
            yield {"type": "measure", "sequence": number}


def _spread(some: Sequence[int], count: int) -> list[int]:
    """So many of them at most, spread evenly, the first and the last among them."""
    if len(some) <= count:
        return list(some)
    return [some[at] for at in np.linspace(0, len(some) - 1, count).round().astype(int)]


def _series(run: LoadedRun) -> Iterator[bytes]:
    """The rows, a frame for each stretch of consecutive updates."""
    stretches = np.split(np.arange(len(run.updates)), np.flatnonzero(np.diff(run.updates) != 1) + 1)
    for stretch in stretches:
        first, last = int(run.updates[stretch[0]]), int(run.updates[stretch[-1]])
        episodes = run.episode_rows[(run.episode_rows[:, 0] >= first) & (run.episode_rows[:, 0] <= last)]
        header = {"kind": Kind.SERIES, "run": run.id, "sequence": 0, "first": first, "update": last, "scalars": {}}
        names = {"columns": list(run.columns), "episode_columns": list(EPISODE_COLUMNS)}
        yield frame.encode({**header, **names}, {"rows": run.rows[stretch], "episodes": episodes})


def _numbered(shown: _Asked, run: str) -> Iterator[bytes]:
    """The moments in the order of the run, numbered through."""
    found = [(frame.header(message), message) for message in shown.frames.values()]
    found.sort(key=lambda one: (one[0]["update"], one[0]["phase"] == END, one[0]["sequence"]))
    for number, (_, message) in enumerate(found, 1):
        header, arrays = frame.decode(message)
        header.pop("arrays")
        yield frame.encode({**header, "kind": Kind.SNAPSHOT, "run": run, "sequence": number}, arrays)


def _description(run: LoadedRun, shown: _Asked) -> dict[str, Any]:
    """The run object of the protocol."""
    settings = run.settings
    return {
        "id": run.id,
        "environment": settings["env"],
        "seed": settings["seed"],
        "state": "paused",
        "update": shown.updates[-1],
        "settings": settings,
        "changes": run.changes,
        "pending": {},
        "cause": None,
        "created": str(run.about.get("created", "")),
        **shown.facts,
    }


def _in_words(run: LoadedRun, shown: _Asked) -> str:
    updates = shown.updates
    count = f"{len(updates)} of its updates" if len(updates) > 1 else f"its update {updates[0]:,}"
    walked = f", {updates[0]:,} and {updates[-1]:,} with the phases on their way" if len(updates) > 1 else ""
    held = f"This is run {run.id}, kept and taken along: the whole series, and {count} in every panel{walked}."
    if shown.differing:
        held += " They were measured again on a machine that rounds otherwise: they are not its rows to the last digit."
    return f"{held} Step, Back and Play go through them, and nothing is trained."
