"""What it costs to keep runs: speed and processor time with and without, in turns, and bytes per 1,000 updates; and how
long a run of many updates takes to open from the disk.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.client import Client
from benchmarks.shared import SETTINGS, show
from benchmarks.throughput import steps_of
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.records import trees
from ppo_scope.records.library import Library
from ppo_scope.records.store import Store
from ppo_scope.wire import frame
from ppo_scope.wire.metrics import SERIES_COLUMNS
from ppo_scope.worker.keeping import EVERY, RATE, SHARE
from tests.live import ROOT, LiveServer
from tests.server.scope_page import leaders

IMAGES = (
    *("--env", "benchmarks.images:Images-v0", "--num-envs", "8", "--rollout-steps", "128", "--frame-stack", "4"),
    *("--epochs", "4", "--minibatches", "4"),
)
CASES = {"CartPole-v1 × 4": (SETTINGS, 102_400), "images 84 × 84 × 4, × 8": (IMAGES, 16 * 1024)}
"""Name → (options, steps of a run)."""
IN_WORDS: dict[str, dict[str, Any]] = {
    "CartPole-v1 × 4": {"hidden_sizes": (64, 64)},
    "images 84 × 84 × 4, × 8": {"env": "benchmarks.images:Images-v0", "num_envs": 8, "frame_stack": 4},
}
"""The same, as settings."""
MANY = 100_000
"""Updates of a run that is opened."""
TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Of one run."""

    rate: float
    """Steps a second, from Play to the end."""
    training: float
    """Processor seconds of the training process and its clerk."""
    server: float
    """And of the server."""
    size: int = 0
    """Bytes on the disk in the end."""
    updates: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--case", choices=["price", "cartpole", "images", "opening"], nargs="*")
    parser.add_argument("--scale", type=float, default=1.0, help="times the steps of a run")
    options = parser.parse_args()
    chosen = options.case or ["price", "cartpole", "images", "opening"]
    if "price" in chosen:
        columns = (
            "",
            "state, ms",
            "rollout, ms",
            "sealed by the server, ms",
            "MB",
            "on disk",
            "every, s",
            "share of time",
        )
        show("What one state and its rollout cost", columns, map(price, CASES), "Processor time, the least of five.")
    rows = []
    for key, (name, (settings, steps)) in zip(("cartpole", "images"), CASES.items(), strict=True):
        if key in chosen:
            rows.append(compared(name, settings, int(steps * options.scale), options.rounds))
    if rows:
        names = ("", "steps/s, not kept", "kept", "wall", "processor, training", "server", "MB per 1,000 updates")
        show("What keeping a run costs", names, rows, f"Medians of {options.rounds} pairs.")
    if "opening" in chosen:
        show(f"A run of {MANY:,} updates on disk", ("", "seconds"), opening(), "Files are in the system's cache.")


def compared(name: str, settings: tuple[str, ...], steps: int, rounds: int) -> tuple[str, ...]:
    pairs = []
    for seed in range(1, rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            pair = {place: run(settings, steps, seed, place) for place in order(seed, folder)}
            pairs.append((pair["off"], pair[folder]))
            print(name, *pairs[-1], flush=True)
    kept = pairs[0][1]
    return (
        name,
        f"{median(off.rate for off, _ in pairs):,.0f}",
        f"{median(on.rate for _, on in pairs):,.0f}",
        f"{median(off.rate / on.rate - 1 for off, on in pairs):+.1%}",
        f"{median(on.training / off.training - 1 for off, on in pairs):+.1%}",
        f"{median((on.server - off.server) / on.training for off, on in pairs):+.1%}",
        f"{median(on.size for _, on in pairs) / 1e6 * 1000 / kept.updates:.1f}",
    )


def order(seed: int, folder: str) -> tuple[str, str]:
    """Which of the two comes first changes."""
    return ("off", folder) if seed % 2 else (folder, "off")


def run(settings: tuple[str, ...], steps: int, seed: int, place: str) -> Cost:
    """Train to the end while a client is there that watches nothing."""
    options = (*settings, "--total-steps", str(steps), "--seed", str(seed))
    server = LiveServer("--paused", "--runs-dir", place, *options, folder=ROOT)
    try:
        with Client(server) as client:
            client.wait_for("paused")
            client.watch([])
            training = min(leaders(server.pid))
            before = processor(training), processor(server.pid)
            start = time.perf_counter()
            client.play()
            client.wait_for("finished")
            seconds = time.perf_counter() - start
            time.sleep(1.0)  # what is still to be written
            costs = processor(training) - before[0], processor(server.pid) - before[1]
        rate, updates = steps_of(server) / seconds, server.run()["update"]
    finally:
        server.stop()
    size = sum(kept.size for kept in Library(Path(place)).runs()) if place != "off" else 0
    return Cost(rate, *costs, size, updates)


def processor(group: int) -> float:
    """Seconds that the living processes of a group have had."""
    seconds = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                seconds += (int(fields[11]) + int(fields[12])) * TICK
    return seconds


def price(name: str) -> tuple[str, ...]:
    """Of one state and its rollout after two updates, and what that comes to at full speed."""
    trainer = Trainer(Settings.parse(IN_WORDS[name]))
    update = None
    for phase in trainer.phases():
        update = phase.update
        if trainer.updates == 2 and not trainer.under_way:
            break
    assert update is not None
    rollout = {"state": None, "rollout": update.rollout.tree()}
    parts = [trees.encode(trainer.state()), trees.encode(rollout)]
    costs = [least(lambda: sent(trees.encode(trainer.state()))), least(lambda: sent(trees.encode(rollout)))]
    sealed = [trees.sealed(part) for part in parts]
    apart = max(EVERY, sum(costs) / SHARE, sum(map(len, parts)) / RATE)
    return (
        name,
        *(f"{cost * 1000:.1f}" for cost in costs),
        f"{sum(least(partial(trees.sealed, part)) for part in parts) * 1000:.1f}",
        f"{sum(map(len, parts)) / 1e6:.2f}",
        f"{sum(map(len, sealed)) / 1e6:.2f}",
        f"{apart:.1f}",
        f"{sum(costs) / apart:.2%}",
    )


def sent(plain: bytes) -> bytes:
    """As it goes over the pipe."""
    return frame.encode({"kind": "state"}, {"state": np.frombuffer(plain, np.uint8)})


def least(action: Callable[[], object]) -> float:
    """Processor seconds."""
    found = []
    for _ in range(5):
        start = time.process_time()
        action()
        found.append(time.process_time() - start)
    return min(found)


def opening() -> list[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "run"
        rng = np.random.default_rng(1)
        with contextlib.closing(Store(place, create=True)) as store, store.writing():
            rows = rng.normal(size=(MANY, len(SERIES_COLUMNS)))
            episodes = np.stack([np.repeat(np.arange(1, MANY + 1), 4), *rng.normal(size=(3, 4 * MANY))], axis=1)
            store.append(SERIES_COLUMNS, 1, rows, episodes)
            store.say(settings={}, created="2026")
        listed = timed(lambda: Library(Path(folder)).runs())
        with contextlib.closing(Store(place)) as store:
            whole, part = timed(store.series), timed(lambda: store.series(MANY - 4096))
            episodes_all = timed(store.episodes)
    return [
        ("listed", f"{listed:.3f}"),
        ("its series read", f"{whole:.3f}"),
        ("its episodes read (400,000)", f"{episodes_all:.3f}"),
        ("the last 4,096 rows", f"{part:.3f}"),
    ]


def timed(action: object) -> float:
    assert callable(action)
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
