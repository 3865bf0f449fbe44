"""What the presets reach: mean return of the last 100 episodes, over seeds, beside what was published."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import sqrt
from statistics import mean, stdev
from typing import Any

from benchmarks.shared import show
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import row_values
from tests.live import COMMAND, ROOT, environment
from tests.moments import moment_at


@dataclass(frozen=True)
class Goal:
    """Steps to train for, the return to reach, and who has published what."""

    steps: int
    wanted: float
    published: str


GOALS = {
    "cartpole": Goal(500_000, 490.0, "CleanRL 490 ± 6"),
    "acrobot": Goal(500_000, -86.0, "CleanRL −86 ± 1, RL zoo −73"),
    "mountain-car": Goal(1_000_000, -115.0, "RL zoo −110"),
    "pendulum": Goal(200_000, -200.0, ""),
    "taxi": Goal(150_000, 7.0, ""),
    "lunar-lander": Goal(1_000_000, 200.0, "RL zoo 242 (v2)"),
    "half-cheetah": Goal(1_000_000, 1443.0, "CleanRL 1443 ± 46 (v4)"),
}


LEASHES: dict[str, dict[str, Any]] = {
    "clip, ε = 0.2": {},
    "kl_penalty, β adapted to 0.01": {"objective": "kl_penalty"},
    "kl_penalty, β = 1": {"objective": "kl_penalty", "kl_coef_target": None},
    "none (unclipped)": {"objective": "unclipped"},
    "clip, α adapted to a KL of 0.01": {"desired_kl": 0.01},
    "none (unclipped), α adapted to a KL of 0.01": {"objective": "unclipped", "desired_kl": 0.01},
}
"""What holds the policy near the old one → settings, of CartPole with the defaults."""
STRAINED = {"num_envs": 4, "epochs": 20}
"""As in the lesson without a leash: small rollouts, passed over many times."""
LEASHED = 25_000
"""Steps of each."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", choices=GOALS, default=list(GOALS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--steps", type=int, help="instead of each preset's own number")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs side by side")
    parser.add_argument("--leashes", action="store_true", help="what holds the policy, compared on CartPole, instead")
    parser.add_argument("--strained", action="store_true", help="these with 4 environments and 20 epochs")
    parser.add_argument("options", nargs="*", help="further options of `ppo-scope train`, after --")
    given = parser.parse_args()
    if given.leashes:
        compare_leashes(given.seeds, given.steps or LEASHED, given.strained)
        return
    cases = [(preset, seed) for preset in given.presets for seed in given.seeds]
    with ThreadPoolExecutor(given.jobs) as pool:
        done = list(pool.map(lambda case: run(*case, given.steps, given.options), cases))
    rows = []
    for preset in given.presets:
        found = [result for (name, _), result in zip(cases, done, strict=True) if name == preset]
        rows.append(row(preset, found, given.steps or GOALS[preset].steps))
    show(
        "Mean return of the last 100 episodes",
        ("preset", "steps", "return", "each seed", "wanted", "", "published", "steps/s"),
        rows,
        f"± is the standard error over seeds {', '.join(map(str, given.seeds))}; {given.jobs} runs side by side",
    )


def compare_leashes(seeds: list[int], steps: int, strained: bool) -> None:
    """A table: each leash, and how far it lets the policy go in an update."""
    rows = []
    for name, settings in LEASHES.items():
        found = [trained({**settings, **(STRAINED if strained else {}), "seed": seed}, steps) for seed in seeds]
        returns, kls = zip(*found, strict=True)
        rows.append((name, returned(list(returns)), f"{mean(kls):.3g}", f"{max(kls):.3g}"))
        print(*rows[-1], flush=True)
    note = (
        f"CartPole-v1, {steps:,} steps, {'4 × 128, 20 epochs' if strained else '8 × 128, 4 epochs'}; ± is the standard "
    )
    note += f"error over seeds {', '.join(map(str, seeds))}; KL in the mean over all updates of a run"
    show("Leashes", ("leash", "return", "KL after an update", "of the worst seed"), rows, note)


def trained(settings: dict[str, Any], steps: int) -> tuple[float, float]:
    """(mean return of the last 100 episodes, exact KL(π_old‖π) after an update in the mean over all) of a run."""
    trainer, kls = Trainer(Settings.parse({**settings, "total_steps": steps})), []
    for phase in trainer.phases():
        if phase.kind is PhaseKind.UPDATE:
            kls.append(row_values(moment_at(trainer, phase))["final_kl_exact"])
    trainer.close()
    return mean(episode.episodic_return for episode in trainer.episodes), mean(kls)


def returned(returns: list[float]) -> str:
    """Mean ± standard error, and each."""
    error = stdev(returns) / sqrt(len(returns)) if len(returns) > 1 else 0.0
    return f"{mean(returns):.1f} ± {error:.1f} ({', '.join(f'{value:.0f}' for value in returns)})"


def run(preset: str, seed: int, steps: int | None, options: list[str]) -> dict[str, Any] | str:
    """The summary of a run of a preset, or in one line why there is none."""
    return summary_of(preset, seed, steps or GOALS[preset].steps, ["--preset", preset, *options])


def summary_of(name: str, seed: int, steps: int, options: list[str]) -> dict[str, Any] | str:
    """The summary of a run, or in one line why there is none."""
    command = [*COMMAND, "train", *options, "--total-steps", str(steps), "--seed", str(seed), "--json"]
    start = time.perf_counter()
    ended = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    if ended.returncode:
        return ended.stderr.strip().splitlines()[-1]
    summary: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    reached = summary["episodic_return_mean"]
    print(f"{name} seed {seed}: {reached:.1f} in {time.perf_counter() - start:.0f} s", flush=True)
    return summary


def row(preset: str, found: list[dict[str, Any] | str], steps: int) -> tuple[str, ...]:
    """Of the table."""
    goal = GOALS[preset]
    summaries = [summary for summary in found if not isinstance(summary, str)]
    if not summaries:
        return preset, f"{steps:,}", "not run", str(found[0])[:60], f"{goal.wanted:g}", "", goal.published, ""
    returns = [summary["episodic_return_mean"] for summary in summaries]
    error = stdev(returns) / sqrt(len(returns)) if len(returns) > 1 else 0.0
    return (
        preset,
        f"{steps:,}",
        f"{mean(returns):.1f} ± {error:.1f}",
        ", ".join(f"{value:.0f}" for value in returns),
        f"{goal.wanted:g}",
        "reached" if mean(returns) >= goal.wanted else "MISSED",
        goal.published,
        f"{mean(summary['steps_per_second'] for summary in summaries):,.0f}",
    )


if __name__ == "__main__":
    main()
