"""What Health says of whole runs: how often it alarms at sound ones, and whether sick ones are found, cause first.

A sick run is told how to get well by its own finding; the same run with that cure shows whether the advice is good.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import tests.environments.sick  # noqa: F401 - registers environments
from benchmarks.shared import show
from ppo_scope.diagnosis.health import Health
from ppo_scope.diagnosis.judging import SEVERITIES
from ppo_scope.ppo import presets
from ppo_scope.ppo.failures import UnusableEnvironment
from ppo_scope.ppo.finite import NotFiniteError
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.threads import use_one_thread
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import row_values
from tests.moments import moment_at

TABLE = Path(__file__).resolve().parents[1] / "docs" / "health-measured.md"

SOUND = {
    "the default run": 250,
    "cartpole": 250,
    "acrobot": 120,
    "mountain-car": 2500,
    "pendulum": 50,
    "lunar-lander": 120,
    "half-cheetah": 100,
    "too-tight": 200,
}
"""Updates of runs that learn, by preset. Breakout is left out: without a GPU it does not come to learn anything."""

UNSCALED = {"normalize_rewards": False}
CHOICE = {"env": "ppo_scope_tests/Choice-v0", "num_envs": 4}
RANGE = {"env": "ppo_scope_tests/Range-v0"}
RESCALED = {**RANGE, "env_kwargs": {"low": -1.0, "high": 1.0}}
SCALED = {"env": "ppo_scope_tests/ScaledCart-v0"}
PAID = {"env": "ppo_scope_tests/PaidCart-v0", **UNSCALED}


@dataclass(frozen=True)
class Sick:
    """A run with one fault: what Health should put first, what else it should find, and what its advice leads to."""

    name: str
    settings: dict[str, Any]
    leads: str
    finds: tuple[str, ...] = ()
    cure: dict[str, Any] | None = None
    updates: int = 60


SICK = (
    Sick("learning rate 0.1", {"learning_rate": 0.1}, "kl_spike", ("entropy_collapse",), {"learning_rate": 1e-3}, 30),
    Sick(
        "lesson: no exploration",
        dict(presets.find("no-exploration").settings),
        "kl_spike",
        ("entropy_collapse",),
        {"learning_rate": 1e-3, "entropy_coef": 0.01},
        30,
    ),
    Sick("lesson: no leash", dict(presets.find("no-leash").settings), "kl_spike", (), {"objective": "clip"}, 60),
    Sick(
        "rewards × 10⁵",
        {**CHOICE, **UNSCALED, "env_kwargs": {"reward": 1e5}},
        "wild_rewards",
        ("still_policy", "useless_critic"),
        {"normalize_rewards": True},
    ),
    Sick(
        "the same, the other advice",
        {**CHOICE, **UNSCALED, "env_kwargs": {"reward": 1e5}},
        "wild_rewards",
        ("still_policy",),
        {"max_grad_norm": None},
    ),
    Sick(
        "rewards × 10⁵, shared network",
        {**CHOICE, **UNSCALED, "env_kwargs": {"reward": 1e5}, "shared_network": True},
        "wild_rewards",
        ("still_policy",),
        {"normalize_rewards": True},
    ),
    Sick(
        "returns of −10⁶, 17 actions",
        {"env": "ppo_scope_tests/Arm-v0", **UNSCALED},
        "wild_rewards",
        ("still_policy", "useless_critic"),
        {"normalize_rewards": True},
    ),
    Sick("CartPole, rewards × 1000", PAID, "wild_rewards", ("still_policy",), {"normalize_rewards": True}, 80),
    Sick(
        "CartPole, rewards × 10⁻⁵",
        {**PAID, "env_kwargs": {"reward": 1e-5}},
        "wild_rewards",
        ("useless_critic",),
        {"normalize_rewards": True},
        80,
    ),
    Sick(
        "rewards as they are, α = 2.5·10⁻⁴",
        {**UNSCALED, "learning_rate": 2.5e-4},
        "starved_policy",
        (),
        {"normalize_rewards": True},
        80,
    ),
    Sick("norm limit 10⁻⁶", {"max_grad_norm": 1e-6}, "still_policy", (), {"max_grad_norm": 0.5}),
    Sick("norm limit 10⁻⁴", {"max_grad_norm": 1e-4}, "starved_policy", (), {"max_grad_norm": 0.5}),
    Sick("ε = 0", {"clip_range": 0.0}, "still_policy", ("uniform_policy",), {"clip_range": 0.2}),
    Sick("α = 10⁻⁷", {"learning_rate": 1e-7}, "still_policy", ("uniform_policy",), {"learning_rate": 1e-3}),
    Sick(
        "rewards × 10⁻⁶, advantages not normalised",
        {**PAID, "env_kwargs": {"reward": 1e-6}, "normalize_advantages": "off", "entropy_coef": 0.0},
        "wild_rewards",
        (),
        {"normalize_rewards": True},
    ),
    Sick("c₂ = 5", {"entropy_coef": 5.0}, "strong_bonus", ("uniform_policy",), {"entropy_coef": 0.01}),
    Sick("c₂ = 0.5", {"entropy_coef": 0.5}, "strong_bonus", (), {"entropy_coef": 0.01}),
    Sick(
        "value clip 0.01, rewards as they are",
        {**UNSCALED, "value_clip_range": 0.01},
        "tight_value_clip",
        ("useless_critic",),
        {"normalize_rewards": True},
    ),
    Sick(
        "γ = 1, and no episode ends",
        {**presets.find("pendulum").settings, "rollout_steps": 256, "minibatches": 16, "epochs": 4, "discount": 1.0},
        "endless_return",
        (),
        None,
        30,
    ),
    Sick(
        "each step costs 1, and the end is never found",
        {"env": "ppo_scope_tests/Lock-v0", "num_envs": 4, "rollout_steps": 256},
        "no_end",
        (),
        None,
        30,
    ),
    Sick("c₁ = 0", {"value_coef": 0.0}, "useless_critic", (), {"value_coef": 0.5}),
    Sick(
        "observations × 1000", SCALED, "wild_observations", ("saturated_activations",), {"normalize_observations": True}
    ),
    Sick(
        "observations + 10⁴",
        {**SCALED, "env_kwargs": {"by": 1.0, "plus": 1e4}},
        "wild_observations",
        ("saturated_activations",),
        {"normalize_observations": True},
    ),
    Sick(
        "observations × 10⁻⁴",
        {**SCALED, "env_kwargs": {"by": 1e-4}},
        "wild_observations",
        (),
        {"normalize_observations": True},
    ),
    Sick(
        "ReLU and α = 1", {"activation": "relu", "learning_rate": 1.0}, "kl_spike", ("saturated_activations",), None, 20
    ),
    Sick("no reward at all", {**CHOICE, "env_kwargs": {"paid": False, "reward": 0.0}}, "no_signal"),
    Sick("the same reward for everything", {**CHOICE, "env_kwargs": {"paid": False}}, "no_signal"),
    Sick("MountainCar, never at the top", {"env": "MountainCar-v0"}, "no_signal"),
    Sick(
        "FrozenLake, 8 × 8",
        {"env": "FrozenLake-v1", "env_kwargs": {"map_name": "8x8"}},
        "rare_signal",
        (),
        None,
        30,
    ),
    Sick("actions from 0 to 1000", RANGE, "action_reach", (), RESCALED, 80),
    Sick(
        "actions from −0.01 to 0.01",
        {**RANGE, "env_kwargs": {"low": -0.01, "high": 0.01}},
        "wide_deviation",
        ("actions_cut_off",),
        RESCALED,
        80,
    ),
    Sick(
        "σ grows: c₂ = 0.5",
        {**RESCALED, "entropy_coef": 0.5, "learning_rate": 0.01},
        "runaway_deviation",
        ("wide_deviation",),
        {"entropy_coef": 0.0},
    ),
)


@dataclass
class Observed:
    """A run, as Health saw it."""

    updates: int = 0
    said: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(severity, name) → in how many updates."""
    first: dict[str, int] = field(default_factory=dict)
    """Name → the first update in which it was found."""
    leaders: Counter[str] = field(default_factory=Counter)
    returned: float = float("nan")
    explained: list[float] = field(default_factory=list)
    clipped: list[float] = field(default_factory=list)
    """Explained variance and clip fraction of each update."""

    def per_hundred(self, severity: str) -> float:
        """In how many of 100 updates it said something so grave."""
        return 100 * sum(count for (which, _), count in self.said.items() if which == severity) / max(1, self.updates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--only", choices=("sound", "sick"), help="one of the two tables")
    parser.add_argument(
        "--runs", nargs="+", metavar="NAME", help="only these; the tables keep what they have of others"
    )
    parser.add_argument("--write", action="store_true", help=f"into docs/{TABLE.name}, run by run")
    given = parser.parse_args()
    use_one_thread()
    seeds = f"seeds {', '.join(map(str, given.seeds))}"
    told = read(TABLE)
    for part in PARTS:
        rows = []
        for name in part.runs:
            if given.only not in (None, part.which) or name not in (given.runs or part.runs):
                continue
            told[name] = part.row(part.runs[name], given.seeds)
            rows.append(told[name])
            if given.write:
                TABLE.write_text("\n".join(one.table(told, seeds) for one in PARTS), encoding="utf-8")
        if rows:
            show(part.title, part.columns, rows, part.note.format(seeds=seeds))


def read(page: Path) -> dict[str, tuple[str, ...]]:
    """The rows of its tables, by run."""
    rows = (tuple(cell.strip() for cell in line.strip("|").split("|")) for line in page.read_text("utf-8").splitlines())
    return {row[0]: row for row in rows if len(row) > 1}


def observe(
    settings: dict[str, Any], updates: int, enough: Callable[[Observed], bool] = lambda seen: False
) -> Observed:
    """Train, and ask Health after every update, until that is enough."""
    start = time.perf_counter()
    trainer, health, seen = Trainer(Settings.parse(settings)), Health(), Observed()
    try:
        for phase in trainer.phases():
            if phase.kind is not PhaseKind.UPDATE or phase.update is None:
                continue
            moment = moment_at(trainer, phase)
            values = row_values(moment)
            health.take_in(moment, values)
            seen.updates = phase.update.index
            seen.explained.append(values["explained_variance"])
            seen.clipped.append(values["clip_fraction"])
            findings = health.findings()
            for finding in findings:
                seen.said[finding["severity"], finding["name"]] += 1
                seen.first.setdefault(finding["name"], seen.updates)
            if findings:
                seen.leaders[findings[0]["name"]] += 1
            if seen.updates >= updates or enough(seen):
                break
    except NotFiniteError as error:
        print(f"halted: {error}", file=sys.stderr)
    finally:
        trainer.close()
    if trainer.episodes:
        seen.returned = mean(episode.episodic_return for episode in trainer.episodes)
    print(f"{seen.updates} updates in {time.perf_counter() - start:.0f} s: {seen.returned:.6g}", file=sys.stderr)
    return seen


def sound_row(name: str, seeds: Iterable[int]) -> tuple[str, ...]:
    """Of the table of sound runs."""
    settings = {} if name == "the default run" else dict(presets.find(name).settings)
    try:
        runs = [observe({**settings, "seed": seed}, SOUND[name]) for seed in seeds]
    except UnusableEnvironment as error:  # an extra that is not installed
        return name, *[""] * 5, f"not run: {error}"
    said = sum((run.said for run in runs), Counter[tuple[str, str]]())
    updates = sum(run.updates for run in runs)
    words = ", ".join(
        f"{what} ({severity}) {100 * count / updates:.1f}" for (severity, what), count in said.most_common()
    )
    alarms = (f"{mean(run.per_hundred(severity) for run in runs):.1f}" for severity in SEVERITIES)
    return name, f"{runs[0].updates:,}", _returns(runs), *alarms, words or "nothing"


def sick_row(sick: Sick, seeds: Sequence[int]) -> tuple[str, ...]:
    """Of the table of sick runs."""
    ill = [observe({**sick.settings, "seed": seed}, sick.updates) for seed in seeds]
    well = [observe({**sick.settings, **sick.cure, "seed": seed}, sick.updates) for seed in seeds if sick.cure]
    wanted = (sick.leads, *sick.finds)
    missed = [seed for seed, run in zip(seeds, ill, strict=True) if not run.first.keys() >= set(wanted)]
    found = f"{len(ill) - len(missed)} of {len(ill)}{', MISSED' if missed else ''}"
    at = sorted(run.first[sick.leads] for run in ill if sick.leads in run.first)
    leading = mean(100 * run.leaders[sick.leads] / max(1, run.leaders.total()) for run in ill)
    when = "" if not at else str(at[0]) if at[0] == at[-1] else f"{at[0]} to {at[-1]}"
    return sick.name, ", ".join(wanted), found, when, f"{leading:.0f} %", _returns(ill), _returns(well)


def _returns(runs: Iterable[Observed]) -> str:
    return ", ".join(f"{run.returned:,.4g}".replace("-", "−").replace("nan", "none") for run in runs)


def markdown(title: str, note: str, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """The table for the docs."""
    lines = [f"### {title}\n", f"{note[0].upper()}{note[1:]}.\n"]
    columns = tuple(columns)
    lines += [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Part:
    """One of the two tables."""

    which: str
    columns: tuple[str, ...]
    note: str
    runs: dict[str, Any]
    """By name, as `row` takes them."""
    row: Callable[[Any, Sequence[int]], tuple[str, ...]]

    @property
    def title(self) -> str:
        """Above it."""
        return f"{self.which.capitalize()} runs"

    def table(self, told: dict[str, tuple[str, ...]], seeds: str) -> str:
        """For the docs, of what is told of its runs."""
        rows = [told[name] for name in self.runs if name in told]
        return markdown(self.title, self.note.format(seeds=seeds), self.columns, rows)


PARTS = (
    Part(
        "sound",
        ("run", "updates", "return", "errors", "warnings", "notes", "what was said"),
        "in how many of 100 updates, {seeds}; wanted: no error and no warning",
        {name: name for name in SOUND},
        sound_row,
    ),
    Part(
        "sick",
        ("run", "what is found", "runs", "at update", "first in the list", "return", "with its advice"),
        "{seeds}; wanted: found in all, its cause first in the list, a better return with what Health advises",
        {one.name: one for one in SICK},
        sick_row,
    ),
)

if __name__ == "__main__":
    main()
