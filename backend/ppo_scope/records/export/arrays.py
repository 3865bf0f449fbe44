"""Everything that is an array, in one NPZ file: series, episodes, and the states that are kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.records.library import is_run
from ppo_scope.records.loading import LoadedRun
from ppo_scope.records.store import CannotRead

Arrays = dict[str, NDArray[Any]]


def write_npz(run: LoadedRun, path: Path) -> tuple[list[Path], list[str]]:
    """All arrays of a run by their names; and why what is damaged is not among them, a sentence for each.

    `series` [R, C] with `series.columns` and `series.update`, `episodes` [E, 4] with `episodes.columns`, `about` as
    JSON; and for each kept state, by the update that it is before, `state.12.theta`, `state.12.adam.mean` and so on,
    and in `state.12` what is no array of it, as JSON.

    Raises:
        OSError: it cannot be written.
        CannotRead: it has been deleted meanwhile.
    """
    states, damaged = _those_whole(run, run.kept, lambda update: run.state_before(update)[1])
    samples, others = _those_whole(run, run.collected, run.samples)
    about = {"run": run.id, **run.about, "changes": run.changes, "events": run.events}
    arrays: Arrays = {
        "about": np.array(json.dumps(about)),
        "series": run.rows,
        "series.columns": np.array(run.columns, dtype=np.str_),
        "series.update": run.updates,
        "episodes": run.episode_rows,
        "episodes.columns": np.array(list(run.episode_table())),
        "states": np.array(list(states), np.int64),
        "samples": np.array(list(samples), np.int64),
    }
    for update, state in states.items():
        name = f"state.{update}"
        rest = _taken_apart(state, name, arrays)
        arrays[name] = np.array(json.dumps(rest))
    for update, collected in samples.items():
        arrays |= {f"samples.{update}.{name}": array for name, array in collected.items()}
    with path.open("wb") as opened:
        np.savez_compressed(opened, **arrays)  # type: ignore[arg-type]
    return [path], damaged + others


def _those_whole(
    run: LoadedRun, updates: Iterable[int], read: Callable[[int], Any]
) -> tuple[dict[int, Any], list[str]]:
    """What is read of each update, and why some of it cannot be: the rest of a run is worth having without it."""
    found: dict[int, Any] = {}
    damaged: list[str] = []
    for update in updates:
        try:
            found[update] = read(update)
        except CannotRead as error:
            if not is_run(run.folder):
                raise
            damaged.append(str(error))
    return found, damaged


def _taken_apart(tree: Any, name: str, arrays: Arrays) -> Any:
    """The tree with names in place of its arrays, which are put among the others."""
    if isinstance(tree, np.ndarray):
        arrays[name] = tree
        return {"array": name}
    if isinstance(tree, dict):
        return {key: _taken_apart(part, f"{name}.{key}", arrays) for key, part in tree.items()}
    if isinstance(tree, list):
        return [_taken_apart(part, f"{name}.{n}", arrays) for n, part in enumerate(tree)]
    return tree
