"""Everything that is an array, in one NPZ file: series, episodes, and the states that are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.records.loading import LoadedRun

Arrays = dict[str, NDArray[Any]]


def write_npz(run: LoadedRun, path: Path) -> list[Path]:
    """All arrays of a run by their names.

    `series` [R, C] with `series.columns` and `series.update`, `episodes` [E, 4] with `episodes.columns`, `about` as
    JSON; and for each kept state, by the update that it is before, `state.12.theta`, `state.12.adam.mean` and so on,
    and in `state.12` what is no array of it, as JSON.

    Raises:
        OSError: it cannot be written.
        CannotRead: a state is damaged.
    """
    about = {"run": run.id, **run.about, "changes": run.changes, "events": run.events}
    arrays: Arrays = {
        "about": np.array(json.dumps(about)),
        "series": run.rows,
        "series.columns": np.array(run.columns, dtype=np.str_),
        "series.update": run.updates,
        "episodes": run.episode_rows,
        "episodes.columns": np.array(list(run.episode_table())),
        "states": np.array(run.kept, np.int64),
        "samples": np.array(run.collected, np.int64),
    }
    for update in run.kept:
        name = f"state.{update}"
        rest = _taken_apart(run.state_before(update)[1], name, arrays)
        arrays[name] = np.array(json.dumps(rest))
    for update in run.collected:
        arrays |= {f"samples.{update}.{name}": array for name, array in run.samples(update).items()}
    with path.open("wb") as opened:
        np.savez_compressed(opened, **arrays)  # type: ignore[arg-type]
    return [path]


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
