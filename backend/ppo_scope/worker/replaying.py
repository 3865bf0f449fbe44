"""A recording of a run that is kept: its whole series, and moments of it that are measured again from its states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.probes.probes import PROBES
from ppo_scope.records import trees
from ppo_scope.records.loading import LoadedRun
from ppo_scope.wire import frame
from ppo_scope.wire.codes import Kind
from ppo_scope.wire.metrics import EPISODE_COLUMNS
from ppo_scope.worker.recording import FACTS, packed, picture_of
from ppo_scope.worker.worker import Worker

MOMENTS = 20
"""Updates of which the end is shown, or as many as there are states."""
PHASES = 24
"""Of an update that is walked through; from then on by epochs, for one phase looks like the other."""
CLOCKS = "seconds_"
"""Columns that tell of time begin like that: no two updates have the same."""


@dataclass
class _Seen:
    """One update, made again from the state before it."""

    update: int
    frames: list[bytes] = field(default_factory=list)
    row: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    weights: bytes | None = None
    anew: str | None = None
    """Why its environments began new episodes, if they did."""


class NothingToShow(ValueError):
    """No moment of the run can be measured; one readable line."""


def recorded(run: LoadedRun, moments: int = MOMENTS) -> tuple[bytes, str]:
    """(a recording, what it holds in sentences).

    Updates are made again from the states before them, spread over the run; the first and the last of them phase by
    phase. Where that gives the same rows as those that were kept, these are the run's own moments. Where its
    environment's state could not be kept, they are of new episodes; either is said.

    Raises:
        NothingToShow: no state before a whole update is kept.
        CannotRead: a state is damaged.
        UnusableEnvironment, EnvironmentFault: the environment cannot be made, or its own code fails.
    """
    chosen = _chosen([update for update in run.kept if update in set(run.updates.tolist())], moments)
    if not chosen:
        raise NothingToShow(f"Run {run.id} cannot be shown: no state before a whole update of it is kept.")
    seen = [_made_again(run, update, whole=update in (chosen[0], chosen[-1])) for update in chosen]
    own = [one for one in seen if _is_own(run, one)]
    shown = own or seen
    note = _in_words(run, shown, own=bool(own))
    frames = [*_series(run), *_numbered(shown, run.id)]
    if (picture := picture_of(Settings.parse(run.settings), shown[-1].weights, run.id)) is not None:
        frames.append(picture)
    return packed(_description(run, shown[-1]), frames, note), note


def _chosen(updates: list[int], count: int) -> list[int]:
    """So many of them at most, spread evenly, the first and the last among them."""
    if len(updates) <= count:
        return updates
    return [updates[at] for at in np.linspace(0, len(updates) - 1, count).round().astype(int)]


def _made_again(run: LoadedRun, update: int, *, whole: bool) -> _Seen:
    before, state = run.state_before(update)
    seen = _Seen(before)
    phase = PhaseKind.READY.value

    def take(message: bytes) -> None:
        nonlocal phase
        header = frame.header(message)
        if header["kind"] == Kind.SNAPSHOT:
            phase = header["phase"]
            if header["update"] == update:
                seen.frames.append(message)
        elif header["kind"] == Kind.SERIES and header["first"] == update:
            header, arrays = frame.decode(message)
            seen.row = dict(zip(header["columns"], arrays["rows"][-1].tolist(), strict=True))
        elif header["kind"] == Kind.WEIGHTS:
            seen.weights = message
        elif header["kind"] == Kind.EVENT and header["event"] == "resumed":
            seen.anew = header["anew"]
        elif header["kind"] == Kind.EVENT and header["event"] == "started":
            seen.facts = {name: header[name] for name in FACTS}

    def orders() -> Iterator[dict[str, Any]]:
        yield {"type": "weights", "wanted": True}
        yield {"type": "watch", "probes": sorted(PROBES)}
        while phase != PhaseKind.UPDATE:
            yield {"type": "step", "size": "update" if not whole else "phase" if len(seen.frames) < PHASES else "epoch"}
        yield {"type": "stop"}

    coming = orders()
    worker = Worker(take, lambda timeout: None if timeout == 0.0 else next(coming), run.id, paused=True)
    worker.train(Settings.parse(state["settings"]), trees.encode(state))
    return seen


def _is_own(run: LoadedRun, seen: _Seen) -> bool:
    """Whether the update came out as it is kept, but for times."""
    kept = dict(zip(run.columns, run.rows[np.searchsorted(run.updates, seen.update)].tolist(), strict=True))
    names = [name for name in kept if name in seen.row and not name.startswith(CLOCKS)]
    return bool(names) and all(np.array_equal(kept[name], seen.row[name], equal_nan=True) for name in names)


def _series(run: LoadedRun) -> Iterator[bytes]:
    """The rows, a frame for each stretch of consecutive updates."""
    stretches = np.split(np.arange(len(run.updates)), np.flatnonzero(np.diff(run.updates) != 1) + 1)
    for stretch in stretches:
        first, last = int(run.updates[stretch[0]]), int(run.updates[stretch[-1]])
        episodes = run.episode_rows[(run.episode_rows[:, 0] >= first) & (run.episode_rows[:, 0] <= last)]
        header = {"kind": Kind.SERIES, "run": run.id, "sequence": 0, "first": first, "update": last, "scalars": {}}
        names = {"columns": list(run.columns), "episode_columns": list(EPISODE_COLUMNS)}
        yield frame.encode({**header, **names}, {"rows": run.rows[stretch], "episodes": episodes})


def _numbered(seen: list[_Seen], run: str) -> Iterator[bytes]:
    """Their frames, numbered through: each came from a process that began to count anew."""
    messages = (message for one in seen for message in one.frames)
    for number, message in enumerate(messages, 1):
        header, arrays = frame.decode(message)
        header.pop("arrays")
        yield frame.encode({**header, "run": run, "sequence": number}, arrays)


def _description(run: LoadedRun, last: _Seen) -> dict[str, Any]:
    """The run object of the protocol."""
    settings = run.settings
    return {
        "id": run.id,
        "environment": settings["env"],
        "seed": settings["seed"],
        "state": "paused",
        "update": last.update,
        "settings": settings,
        "changes": run.changes,
        "pending": {},
        "cause": None,
        "created": str(run.about.get("created", "")),
        **last.facts,
    }


def _in_words(run: LoadedRun, shown: list[_Seen], *, own: bool) -> str:
    updates = [one.update for one in shown]
    count = f"{len(updates)} of its updates" if len(updates) > 1 else f"its update {updates[0]:,}"
    walked = f", {updates[0]:,} and {updates[-1]:,} with the phases on their way" if len(updates) > 1 else ""
    held = f"This is run {run.id}, kept and taken along: the whole series, and {count} in every panel{walked}."
    if not own and any(one.anew for one in shown):
        held += (
            " Its environment could not be put back to where it was: these moments are of new episodes that the kept "
            "weights played, not of those that the run was trained on."
        )
    elif not own:
        held += " They were measured again on a machine that rounds otherwise: they are not its rows to the last digit."
    return f"{held} Step, Back and Play go through them, and nothing is trained."
