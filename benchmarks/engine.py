"""Steps per second of the engine beside Stable-Baselines3, environment by environment, and where the time goes.

An environment that takes most of the time leaves little for anybody to be quicker in: its share is shown, and what it
is to step it on all cores.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from statistics import median
from typing import Any

from benchmarks.shared import ENVS, SETTINGS, show
from benchmarks.throughput import output_of
from tests.live import COMMAND

CASES = (
    ("CartPole-v1", ENVS, 51_200),
    ("CartPole-v1", 64, 409_600),
    ("Acrobot-v1", ENVS, 20_480),
    ("Pendulum-v1", ENVS, 20_480),
    ("LunarLander-v3", ENVS, 20_480),
    ("HalfCheetah-v5", ENVS, 20_480),
    ("LunarLander-v3", 32, 81_920),
    ("HalfCheetah-v5", 32, 81_920),
)
"""Environment, copies, steps of a run."""
EXTRA = {"LunarLander-v3": "Box2D", "HalfCheetah-v5": "mujoco"}
"""The module without which an environment cannot be made."""
WHOLE = {"CartPole-v1"}
"""Those that are one vector environment, which no other process can have a part of."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--env", help="only this one")
    options = parser.parse_args()
    rows, divided, at_four = [], [], 1.0
    for env, envs, steps in CASES:
        name = f"{env} × {envs}"
        if options.env not in (None, env):
            continue
        if env in EXTRA and importlib.util.find_spec(EXTRA[env]) is None:
            rows.append((name, "not installed", "", "", "", "", ""))
            continue
        ours, theirs, spread = compare(env, envs, steps, options.rounds)
        middle = median(run["steps_per_second"] for run in ours)
        if (env, envs) == ("CartPole-v1", ENVS):
            at_four = middle
        seconds = sorted(ours, key=lambda run: run["steps_per_second"])[len(ours) // 2]["seconds"]
        ratio = f"{middle / median(theirs):.2f}"
        own = f"{middle / at_four:.1f}" if env == "CartPole-v1" else ""
        shown = (
            f"{middle:,.0f}",
            f"{median(theirs):,.0f}",
            ratio,
            own,
            f"{seconds['environment'] / seconds['total']:.0%}",
            f"{median(spread) / middle:.2f}" if spread else "",
        )
        rows.append((name, *shown))
        divided.append((name, *division(seconds, steps)))
    note = f"128 steps, 4 epochs × 4 minibatches, 64-64 tanh, one thread each; medians of {options.rounds} rounds"
    show(
        "Engine against Stable-Baselines3",
        ("environment × copies", "steps/s", "SB3", "× SB3", "× own at 4", "in the environment", "async, × own"),
        rows,
        note,
    )
    parts = ("environment", "inference", "advantages", "shuffle", "forward", "backward", "Adam", "rest")
    show("Where the time goes, µs a step", ("environment × copies", *parts), divided, note)


def compare(env: str, envs: int, steps: int, rounds: int) -> tuple[list[dict[str, Any]], list[float], list[float]]:
    """(our summaries, their steps per second, ours with the environments on all cores), taking turns."""
    ours, theirs, spread = [], [], []
    for seed in range(1, rounds + 1):
        common = ["--seed", str(seed)]
        chosen = ["--env", env, "--num-envs", str(envs), "--total-steps", str(steps)]
        command = [*COMMAND, "train", *SETTINGS, *chosen, *common, "--json"]
        ours.append(summary(command))
        if env not in WHOLE:
            spread.append(summary([*command, "--vectorization", "async"])["steps_per_second"])
        peer = [sys.executable, "-m", "benchmarks.sb3", "--env", env, "--envs", str(envs), "--threads", "1"]
        theirs.append(float(output_of([*peer, "--steps", str(max(steps // 5, envs * 256)), *common]).splitlines()[-1]))
    return ours, theirs, spread


def summary(command: list[str]) -> dict[str, Any]:
    """What a training says at its end."""
    found: dict[str, Any] = json.loads(output_of(command).splitlines()[-1])
    return found


def division(seconds: dict[str, float], steps: int) -> list[str]:
    """Microseconds per step of each part, and of what is in none."""
    parts = {name: value for name, value in seconds.items() if name != "total"}
    return [f"{value / steps * 1e6:.1f}" for value in (*parts.values(), seconds["total"] - sum(parts.values()))]


if __name__ == "__main__":
    main()
