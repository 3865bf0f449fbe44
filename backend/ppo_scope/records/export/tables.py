"""Series and episodes as tables: CSV, which everything reads, and Parquet, which keeps types."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ppo_scope.records.extras import needed
from ppo_scope.records.loading import LoadedRun

Table = Mapping[str, Any]
"""Columns by their names, all of one length."""


def beside(path: Path, what: str) -> Path:
    """`run.csv` → `run.episodes.csv`."""
    return path.with_name(f"{path.stem}.{what}{path.suffix}")


def write_csv(run: LoadedRun, path: Path) -> list[Path]:
    """Both tables, each number in as many digits as give it back exactly; an empty cell where it is not defined.

    Raises:
        OSError: they cannot be written.
    """
    files: dict[Path, Table] = {path: run.table(), beside(path, "episodes"): run.episode_table()}
    for file, table in files.items():
        with file.open("w", encoding="utf-8", newline="") as opened:
            lines = csv.writer(opened)
            lines.writerow(table)
            lines.writerows(zip(*(map(_cell, _plain(column)) for column in table.values()), strict=True))
    return list(files)


def write_parquet(run: LoadedRun, path: Path) -> list[Path]:
    """Both tables; what else is known of the run is in the metadata, as JSON under `ppo_scope`.

    Raises:
        Missing: pyarrow is not installed.
        OSError: they cannot be written.
    """
    arrow, parquet = needed("pyarrow"), needed("pyarrow.parquet")
    about = json.dumps({"run": run.id, **run.about, "changes": run.changes})
    files: dict[Path, Table] = {path: run.table(), beside(path, "episodes"): run.episode_table()}
    for file, columns in files.items():
        arrays = {name: arrow.array(_typed(_plain(column))) for name, column in columns.items()}
        parquet.write_table(arrow.table(arrays).replace_schema_metadata({"ppo_scope": about}), file)
    return list(files)


def _plain(column: Any) -> list[Any]:
    return column.tolist() if isinstance(column, np.ndarray) else list(column)


def _cell(value: Any) -> Any:
    """As the page writes it: lists and objects as JSON."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else _as_json(value)


def _typed(column: list[Any]) -> list[Any]:
    """A column of one type: lists and objects as JSON, and all as numbers where some are."""
    plain = [_as_json(value) if isinstance(value, list | dict) else value for value in column]
    if any(type(value) is float for value in plain) and all(isinstance(value, int | float | None) for value in plain):
        return [float(value) if value is not None else None for value in plain]
    if len({type(value) for value in plain if value is not None}) > 1:
        return [None if value is None else str(value) for value in plain]
    return plain


def _as_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
