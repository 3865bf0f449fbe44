"""Steps per second of `ppo-scope train`, of watched runs and of Stable-Baselines3, taking turns.

A client that draws nothing shows what streaming costs; a browser on the same machine takes processor time as well.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from statistics import median

from playwright.sync_api import Browser

from benchmarks.client import Client
from benchmarks.shared import SETTINGS, open_page, show
from ppo_scope.probes.probes import PROBES
from tests.live import COMMAND, ROOT, LiveServer, chromium, environment

TRAIN, BARE, STREAMED, WATCHED, SB3_ONE, SB3_DEFAULT = (
    "ppo-scope train",
    "streamed, nothing watched",
    "streamed, all numbers",
    "watched in Chromium",
    "SB3, 1 thread",
    "SB3, torch's threads",
)
COUNT_REFRESHES = """() => {
    const { dataset } = document.body;
    window.refreshes = 0;
    let drawn = dataset.update;
    new MutationObserver(() => {
        if (dataset.update !== drawn) window.refreshes++;
        drawn = dataset.update;
        if (dataset.state === "finished") window.finished ??= performance.now();
    }).observe(document.body, { attributeFilter: ["data-update", "data-state"] });
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=102_400, help="of each run")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rates: dict[str, list[float]] = {name: [] for name in (TRAIN, BARE, STREAMED, WATCHED, SB3_ONE, SB3_DEFAULT)}
    refreshes: list[float] = []
    with chromium() as browser:
        for seed in range(1, options.rounds + 1):
            rates[TRAIN].append(train(options.steps, seed))
            rates[BARE].append(streamed(options.steps, seed, []))
            rates[STREAMED].append(streamed(options.steps, seed, sorted(PROBES)))
            rate, refreshed = watched(browser, options.steps, seed)
            rates[WATCHED].append(rate)
            refreshes.append(refreshed)
            rates[SB3_ONE].append(sb3(options.steps, seed, "--threads", "1"))
            rates[SB3_DEFAULT].append(sb3(options.steps, seed))
    middle = {name: median(values) for name, values in rates.items()}
    best = max(middle[SB3_ONE], middle[SB3_DEFAULT])
    rows = [
        (
            name,
            f"{middle[name]:,.0f}",
            f"{min(v):,.0f} to {max(v):,.0f}",
            f"{middle[name] / best:.2f}",
            share(v, rates[TRAIN]),
        )
        for name, v in rates.items()
    ]
    show(
        f"CartPole-v1, 4 environments × 128 steps, 4 epochs × 4 minibatches, {options.steps:,} steps a run",
        ("", "steps/s", "range", "× SB3", "of train"),
        rows,
        f"Medians of {options.rounds} rounds; SB3 is Stable-Baselines3, and × its better row. "
        f"The browser refreshed {median(refreshes):.1f} times a second.",
    )


def share(values: list[float], of: list[float]) -> str:
    """Median over the rounds of the one rate relative to the other in the same round."""
    return f"{median(value / whole for value, whole in zip(values, of, strict=True)):.0%}"


def train(steps: int, seed: int) -> float:
    command = [*COMMAND, "train", *SETTINGS, "--total-steps", str(steps), "--seed", str(seed), "--json"]
    summary = json.loads(output_of(command).splitlines()[-1])
    return float(summary["steps_per_second"])


def streamed(steps: int, seed: int, probes: list[str]) -> float:
    """Steps a second from Play to the end, while a client takes every frame, with what these probes measure."""
    server = LiveServer("--paused", *SETTINGS, "--total-steps", str(steps), "--seed", str(seed))
    try:
        with Client(server) as client:
            client.wait_for("paused")
            client.watch(probes)
            start = time.perf_counter()
            client.play()
            client.wait_for("finished")
            seconds = time.perf_counter() - start
        return steps_of(server) / seconds
    finally:
        server.stop()


def watched(browser: Browser, steps: int, seed: int) -> tuple[float, float]:
    """(steps, refreshes) a second, from the click on Play until the page shows the run's end."""
    server = LiveServer("--paused", *SETTINGS, "--total-steps", str(steps), "--seed", str(seed))
    try:
        with open_page(browser, server) as page:
            page.evaluate(COUNT_REFRESHES)
            play = page.get_by_role("button", name="Play")
            start = page.evaluate("performance.now()")
            play.click()
            page.wait_for_selector("body[data-state=finished]", timeout=600_000)  # it looks twice a second
            seconds = (page.evaluate("window.finished") - start) / 1000
            refreshes = page.evaluate("window.refreshes")
        return steps_of(server) / seconds, refreshes / seconds
    finally:
        server.stop()


def steps_of(server: LiveServer) -> float:
    """Steps that the run has trained on, from the last row of its series."""
    run = server.run()
    last = json.loads(server.get(f"api/runs/{run['id']}/series?from={run['update']}"))
    return float(last["rows"][-1][last["columns"].index("steps")])


def sb3(steps: int, seed: int, *arguments: str) -> float:
    command = [sys.executable, "-m", "benchmarks.sb3", "--steps", str(steps), "--seed", str(seed), *arguments]
    return float(output_of(command).splitlines()[-1])


def output_of(command: list[str]) -> str:
    """Standard output of a command that must succeed.

    Raises:
        SystemExit: it failed; with what it said.
    """
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
