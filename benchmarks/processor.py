"""What streaming costs the process that trains, in processor time an update, against `ppo-scope train`, in turns.

Other programs on the machine move processor time less than steps per second: what waits for a core is not counted.
Linux alone tells it of other processes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.client import Client
from benchmarks.shared import ENVS, SETTINGS, STEPS, show
from ppo_scope import cli
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import PROBES
from ppo_scope.worker.clerk import NAME
from tests.live import ROOT, LiveServer, environment

TRAIN, ROWS, EVERYTHING = "ppo-scope train", "streamed, nothing watched", "streamed, all numbers"


@dataclass(frozen=True)
class Cost:
    """Microseconds of processor time an update."""

    thread: float
    """Of the thread that trains."""
    process: float
    """With all other threads of its process."""
    clerk: float = 0.0
    server: float = 0.0

    def __sub__(self, earlier: Cost) -> Cost:
        return Cost(
            self.thread - earlier.thread,
            self.process - earlier.process,
            self.clerk - earlier.clerk,
            self.server - earlier.server,
        )

    def each(self, updates: int) -> Cost:
        """Of one update."""
        return Cost(*(value / updates for value in (self.thread, self.process, self.clerk, self.server)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=400, help="of each run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--alone", metavar="STEPS,SEED", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        train_here(*options.alone.split(","))
        return
    costs: dict[str, list[Cost]] = {TRAIN: [], ROWS: [], EVERYTHING: []}
    for seed in range(1, options.rounds + 1):
        costs[TRAIN].append(trained(options.updates, seed))
        costs[ROWS].append(streamed(options.updates, seed, []))
        costs[EVERYTHING].append(streamed(options.updates, seed, sorted(PROBES)))
    show(
        f"CartPole-v1, {ENVS} environments × {STEPS} steps, {options.updates} updates a run, µs of processor time each",
        ("", "training thread", "range", "its process", "the clerk", "the server", "of train"),
        [row(name, found, costs[TRAIN]) for name, found in costs.items()],
        f"Medians of {options.rounds} rounds in turns.",
    )


def row(name: str, found: list[Cost], whole: list[Cost]) -> tuple[str, ...]:
    """Of the table."""
    threads = [cost.thread for cost in found]
    shares = [train.thread / cost.thread for cost, train in zip(found, whole, strict=True)]
    others = [[getattr(cost, what) for cost in found] for what in ("process", "clerk", "server")]
    return (
        name,
        f"{median(threads):,.0f}",
        f"{min(threads):,.0f} to {max(threads):,.0f}",
        *(f"{median(values):,.0f}" for values in others),
        f"{median(shares):.1%}",
    )


def trained(updates: int, seed: int) -> Cost:
    """`ppo-scope train`, from its first phase to the last."""
    steps = str(updates * ENVS * STEPS)
    command = [sys.executable, "-m", "benchmarks.processor", "--alone", f"{steps},{seed}"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    thread, process = json.loads(done.stdout.splitlines()[-1])
    return Cost(thread, process).each(updates)


def train_here(steps: str, seed: str) -> None:
    """The command itself, in this process."""
    phases, spent = Trainer.phases, Cost(0.0, 0.0)

    def timed(trainer):  # type: ignore[no-untyped-def]
        nonlocal spent
        start = Cost(time.thread_time_ns(), time.process_time_ns())
        yield from phases(trainer)
        spent = Cost(time.thread_time_ns(), time.process_time_ns()) - start

    Trainer.phases = timed  # type: ignore[method-assign]
    sys.argv[1:] = ["train", *SETTINGS, "--total-steps", steps, "--seed", seed]
    cli.main()
    print(json.dumps([spent.thread / 1000, spent.process / 1000]))


def streamed(updates: int, seed: int, probes: list[str]) -> Cost:
    """A run from Play to its end, while a client takes every frame, with what these probes measure."""
    server = LiveServer(
        "--paused", *SETTINGS, "--total-steps", str(updates * ENVS * STEPS), "--seed", str(seed), anew=True
    )
    try:
        with Client(server) as client:
            client.wait_for("paused")
            client.watch(probes)
            before = spent_by(server.pid)
            client.play()
            client.wait_for("finished")
            return (spent_by(server.pid) - before).each(updates)
    finally:
        server.stop()


def spent_by(server: int) -> Cost:
    """By the processes of this server's run so far."""
    clerk = next(pid for pid in everyone() if comm(pid) == NAME[:15] and server in ancestors(pid))
    trainer = parent(clerk)
    thread = int(Path(f"/proc/{trainer}/schedstat").read_text().split()[0]) / 1000
    return Cost(thread, *map(processor_time, (trainer, clerk, server)))


def processor_time(pid: int) -> float:
    """Microseconds, of all threads of a process: its clock, by the number that Linux gives it."""
    return time.clock_gettime_ns(~pid << 3 | 2) / 1000


def everyone() -> list[int]:
    """All processes."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def comm(pid: int) -> str:
    """Its short name; nothing where it has gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def ancestors(pid: int) -> list[int]:
    """The parent, its parent, and so on."""
    found: list[int] = []
    while (pid := parent(pid)) > 1:
        found.append(pid)
    return found


def parent(pid: int) -> int:
    """Of a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


if __name__ == "__main__":
    main()
