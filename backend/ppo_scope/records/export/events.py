"""Series and episodes as events that TensorBoard shows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from ppo_scope.records.extras import needed
from ppo_scope.records.loading import LoadedRun

TEXT = "text"
"""TensorBoard's name of its plugin for texts."""


def write_tensorboard(run: LoadedRun, folder: Path) -> list[Path]:
    """A folder with one file of events: a scalar for each column of docs/metrics.md and for each episode, over the
    steps of the run, in single precision as TensorBoard has it; settings and changes as texts.

    Raises:
        Missing: tensorboard is not installed.
        OSError: it cannot be written.
    """
    protos, written = needed("tensorboard.compat.proto.event_pb2"), needed("tensorboard.compat.proto.summary_pb2")
    writing = needed("tensorboard.summary.writer.event_file_writer")
    began = _began(run)
    writer = writing.EventFileWriter(str(folder))

    def add(values: dict[str, float], step: int, seconds: float) -> None:
        parts = [written.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        summary = written.Summary(value=parts)
        writer.add_event(protos.Event(wall_time=began + seconds, step=step, summary=summary))

    try:
        for name, value in _texts(run):
            writer.add_event(protos.Event(wall_time=began, step=0, summary=_text(name, value)))
        elapsed: dict[int, float] = {}  # at the end of each update: nothing says when in it an episode has ended
        for values, step, seconds in _rows(run):
            add(values, step, seconds)
            elapsed[int(values["update"])] = seconds
        for update, step, returned, length in run.episode_rows.tolist():
            seconds = elapsed.get(int(update), max(elapsed.values(), default=0.0))
            add({"episodic_return": returned, "episodic_length": length}, int(step), seconds)
    finally:
        writer.close()
    return sorted(folder.glob("events.out.tfevents.*"))


def _rows(run: LoadedRun) -> Iterator[tuple[dict[str, float], int, float]]:
    """(what is defined, steps, seconds since the beginning) of each update."""
    seconds = 0.0
    whole = ("seconds_environment", "seconds_inference", "seconds_advantages", "seconds_optimise")
    for update, row in zip(run.updates.tolist(), run.rows.tolist(), strict=True):
        values = {name: value for name, value in zip(run.columns, row, strict=True) if math.isfinite(value)}
        seconds += sum(values.get(name, 0.0) for name in whole)
        step = values.get("steps", update)
        yield {"update": float(update), **values}, int(step), seconds


def _texts(run: LoadedRun) -> Iterator[tuple[str, str]]:
    yield "settings", f"```json\n{json.dumps(run.about.get('settings', {}), indent=2)}\n```"
    if run.changes:
        lines = [f"| {c['update']} | {c['name']} | {c['old']} | {c['new']} |" for c in run.changes]
        yield "changes", "\n".join(["| update | setting | old | new |", "|---|---|---|---|", *lines])


def _text(name: str, value: str) -> Any:
    """A summary that TensorBoard shows as a text."""
    written, tensors = needed("tensorboard.compat.proto.summary_pb2"), needed("tensorboard.util.tensor_util")
    about = written.SummaryMetadata(plugin_data=written.SummaryMetadata.PluginData(plugin_name=TEXT))
    return written.Summary(
        value=[written.Summary.Value(tag=name, metadata=about, tensor=tensors.make_tensor_proto([value.encode()]))]
    )


def _began(run: LoadedRun) -> float:
    try:
        return datetime.fromisoformat(str(run.about.get("created"))).timestamp()
    except ValueError:
        return 0.0
