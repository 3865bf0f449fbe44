"""What each probe takes from the throughput of a run at full speed.

The run is a real worker behind a real server, watched over the websocket by a client that draws nothing. It never
stops: every few seconds the client asks for another set of probes. Each stretch with a probe lies between two without
any. What counts is the part of its time that the worker spends on measuring and sending, by its own rows of seconds:
that much less is left for training. Steps per second of whole stretches say the same, but on a machine that does other
things as well they differ by more than any probe costs.
"""

from __future__ import annotations

import argparse
from statistics import median, quantiles

from benchmarks.client import Client
from benchmarks.shared import SETTINGS, show
from ppo_scope.probes.cost import EXPENSIVE, ONLY_AT_REST
from ppo_scope.probes.probes import PROBES
from ppo_scope.wire.metrics import SERIES_COLUMNS
from tests.live import LiveServer

ALL = "all together"
SETTLE = 0.3
"""Seconds for a new wish to reach the worker."""
MEASURING = SERIES_COLUMNS.index("seconds_probes")
PARTS = [
    SERIES_COLUMNS.index(f"seconds_{part}")
    for part in ("environment", "inference", "advantages", "shuffle", "forward", "backward", "step", "probes")
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="stretches of each probe")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each stretch")
    options = parser.parse_args()
    wishes = {name: [name] for name in sorted(PROBES)} | {ALL: sorted(PROBES)}
    costs: dict[str, list[float]] = {name: [] for name in wishes}
    base: list[float] = []
    server = LiveServer("--paused", *SETTINGS, "--seed", "1")
    try:
        with Client(server) as client:
            client.wait_for("paused")
            client.watch([])
            client.play()
            client.wait_for("running")
            share(client, [], options.seconds)  # what is slow only once
            before = share(client, [], options.seconds)
            for _ in range(options.rounds):
                for name, wish in wishes.items():
                    looking = share(client, wish, options.seconds)
                    after = share(client, [], options.seconds)
                    costs[name].append(looking - (before + after) / 2)
                    base.append(after)
                    before = after
    finally:
        server.stop()
    show(
        "What a probe takes from the throughput at full speed",
        ("", "of the time", "middle half of the rounds", ""),
        [row(name, values) for name, values in costs.items()],
        f"Medians of {options.rounds} stretches of {options.seconds:g} s; CartPole-v1, 4 environments × 128 steps. "
        f"With no probe at all, scalars, series and progress take {median(base):.1%}.",
    )


def share(client: Client, probes: list[str], seconds: float) -> float:
    """The part of its time that the worker spends on whoever looks, while these are watched."""
    client.watch(probes)
    client.rows_for(SETTLE)
    rows = client.rows_for(seconds)
    return float(rows[:, MEASURING].sum() / rows[:, PARTS].sum())


def row(name: str, values: list[float]) -> tuple[str, str, str, str]:
    low, _, high = quantiles(values, n=4)
    remark = "rationed" if name in EXPENSIVE else "only at rest" if name in ONLY_AT_REST else ""
    return name, f"{median(values):.1%}", f"{low:.1%} to {high:.1%}", remark


if __name__ == "__main__":
    main()
