"""A run in a file: what pages get of it, to be looked at without training."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ppo_scope.pictures import graphics
from ppo_scope.pictures.acting import ActingPolicy
from ppo_scope.pictures.drawing import described
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.probes.probes import PROBES
from ppo_scope.records.recorded import LENGTH_BYTES
from ppo_scope.wire import frame
from ppo_scope.wire.headers import POSITION
from ppo_scope.worker.worker import Worker

KINDS = frozenset({"snapshot", "series", "comparison"})
FACTS = ("device", "observation", "action", "wrappers", "reward_threshold", "max_entropy")
"""That a trainer tells of its run when it has begun."""
STEPS_ACTED = 25
"""Before the picture is taken, or fewer where they take long."""


class Recorder:
    """Plays the server for a worker: hands out commands, keeps what would reach a page."""

    def __init__(
        self,
        settings: Settings,
        sizes: Iterable[str],
        *,
        name: str = "recorded",
        trials: Sequence[dict[str, Any]] = (),
    ) -> None:
        """Step through a run.

        Args:
            settings: of the run.
            sizes: of the steps, one after the other. One update is walked phase by phase, and each is measured in full.
            name: of the run; pages tell recordings apart by it.
            trials: live settings with each of which the last update is made a second time, and then left as it was.
        """
        self.name = name
        self._commands = self._script(sizes, trials)
        self._phase = PhaseKind.READY.value  # that the run is at
        self._facts: dict[str, Any] = {}
        self.halted: str | None = None
        """Why the run has not gone on, in a sentence, where something has halted it: the recording ends there."""
        self.frames: list[bytes] = []
        self._weights: bytes | None = None  # the newest
        self._worker = Worker(self._keep, self._next, name, paused=True)
        self._worker.train(settings)
        self._picture = picture_of(settings, self._weights, name)

    def write(self, path: Path) -> None:
        """Write the recording, compressed: length and frame, one after the other, the first one describing the run.

        Raises:
            OSError: the file cannot be written; what was there before stays.
        """
        unfinished = path.with_name(f".{path.name}.unfinished")
        try:
            unfinished.write_bytes(packed(self._run(), [*self.frames, *([self._picture] if self._picture else [])]))
            unfinished.replace(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def _run(self) -> dict[str, Any]:
        trainer = self._worker.trainer
        settings = json.loads(trainer.settings.model_dump_json())
        return {
            "id": self.name,
            "environment": settings["env"],
            "seed": settings["seed"],
            "state": "paused",
            "update": trainer.updates,
            "settings": settings,
            "changes": [],
            "pending": {},
            "cause": None,
            "created": time.strftime("%Y-%m-%d"),
            **self._facts,
        }

    def _keep(self, message: bytes) -> None:
        header = frame.header(message)
        if header["kind"] == "weights":
            self._weights = message
        elif header["kind"] in KINDS and header.get("open", True):
            self.frames.append(message)
            self._phase = header["phase"]
        elif header["kind"] == "event" and header["event"] == "started":
            self._facts = {name: header[name] for name in FACTS}
        elif header["kind"] == "event" and header["event"] == "state" and header["cause"]:
            self.halted = header["cause"]["summary"]

    def _next(self, timeout: float) -> dict[str, Any] | None:
        if timeout == 0.0:
            return None  # in the middle of a step
        return next(self._commands)

    def _script(self, sizes: Iterable[str], trials: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        yield {"type": "weights", "wanted": True}
        yield {"type": "watch", "probes": sorted(PROBES)}
        for size in sizes:
            if self.halted is None:
                yield {"type": "step", "size": "phase" if size == "update" else size}
            while self._phase != PhaseKind.UPDATE and self.halted is None:
                yield {"type": "step", "size": "phase"}
        for values in trials:
            yield {"type": "redo", "settings": values}
            yield {"type": "keep", "which": "old"}
        yield {"type": "stop"}


def packed(run: dict[str, Any], frames: Iterable[bytes], note: str | None = None) -> bytes:
    """A recording: length and frame, one after the other, the first one describing the run; compressed.

    `note`: what a page says of it in place of what it says of every recording.
    """
    described = frame.encode({"kind": "run", "run": run, **({"note": note} if note else {})})
    whole = b"".join(len(message).to_bytes(LENGTH_BYTES, "little") + message for message in [described, *frames])
    return gzip.compress(whole, mtime=0)


def picture_of(settings: Settings, weights: bytes | None, run: str) -> bytes | None:
    """The policy acting with its last weights; nothing where its environment cannot be drawn."""
    if weights is None:
        return None
    try:
        graphics.prepare(graphics.backends()[0])
        of, theta = frame.decode(weights)
        acting = ActingPolicy(settings)
        acting.take(theta)
        arrays, header = described(acting.advance(STEPS_ACTED))
        acting.close()
    except Exception:  # a recording without a picture is a recording
        return None
    position = {name: of[name] for name in POSITION}
    return frame.encode({"kind": "picture", "run": run, "sequence": 0, **position, **header}, arrays)
