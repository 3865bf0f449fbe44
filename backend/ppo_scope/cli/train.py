"""`ppo-scope train`: the same engine without a dashboard."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from ppo_scope.cli.evaluations import Evaluations
from ppo_scope.cli.misuse import INTERRUPTED, USAGE_ERROR, Misuse, check_place, complain, users_mistakes
from ppo_scope.cli.options import Commands, add_settings
from ppo_scope.ppo.allocation import keep_memory
from ppo_scope.ppo.settings import Settings

SECONDS = ("environment", "inference", "advantages", "shuffle", "forward", "backward", "step")
"""What the time of a run is divided into; what is left of it is the loop's own."""


def add(commands: Commands) -> None:
    """Say what the command takes."""
    train = commands.add_parser("train", help="train without a dashboard")
    train.set_defaults(run=run)
    train.add_argument("--json", action="store_true", help="end with one JSON object on the last line")
    train.add_argument(
        "--vectorization",
        choices=("sync", "async"),
        default="sync",
        help="async steps the environments in as many processes as there are cores, with the same numbers: quicker "
        "where they take most of the time (default: sync)",
    )
    train.add_argument(
        "--best",
        type=Path,
        metavar="FILE",
        help="keep the weights of the best evaluation there, as NumPy's .npz, named by parameter; needs --eval-every",
    )
    add_settings(train, has_end=True)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Train to the end; the exit code."""
    # Imported here so that `serve` and `--help` do not wait for torch.
    from ppo_scope.ppo.evaluation import Evaluator
    from ppo_scope.ppo.failures import EnvironmentFault
    from ppo_scope.ppo.finite import NotFiniteError, NotFiniteGivenError
    from ppo_scope.ppo.memory import DoesNotFit
    from ppo_scope.ppo.threads import use_one_thread
    from ppo_scope.ppo.trainer import Trainer
    from ppo_scope.stepping.spread import spread

    if settings.total_steps is None:
        raise Misuse("total_steps: train needs to know when to stop, e.g. --total-steps 100000")
    if options.best is not None:
        if settings.eval_every is None:
            raise Misuse("--best: the best weights are found by evaluating, e.g. --eval-every 10")
        check_place("--best", options.best)
    use_one_thread()
    keep_memory()
    with users_mistakes():
        trainer = Trainer(settings, spread=spread if options.vectorization == "async" else None)
    code, start, shares = 0, time.perf_counter(), dict.fromkeys(SECONDS, 0.0)
    evaluations = Evaluations(Evaluator(trainer), options.best)
    try:
        _follow(trainer, evaluations, shares)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except (EnvironmentFault, NotFiniteError, DoesNotFit) as error:
        kept = " The weights are those of the last finished step." if trainer.updates else ""
        complain(f"stopped, {error}.{kept}", getattr(error, "detail", ""))
        code = USAGE_ERROR if isinstance(error, EnvironmentFault | NotFiniteGivenError) else 1
    seconds = time.perf_counter() - start
    trainer.close()
    _summarise(trainer, evaluations, seconds, shares, options.json)
    return code


def _follow(trainer: Any, evaluations: Evaluations, shares: dict[str, float]) -> None:
    """Train to the end; adds what each part of an update has taken to `shares`."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ppo_scope.ppo.phases import PhaseKind

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("steps"),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=4) as progress:
        task = progress.add_task("", total=trainer.settings.total_steps)
        for phase in trainer.phases():
            if phase.kind is PhaseKind.UPDATE:
                for name, seconds in phase.update.seconds().items():
                    shares[name] += seconds
                evaluations.catch_up()
                mean = _return_mean(trainer)
                label = "" if mean is None else f"return {mean:.1f}"
                if (last := evaluations.last) is not None and last.returns:
                    label += f", evaluated {last.mean:.1f}"
                progress.update(task, completed=min(trainer.steps, trainer.settings.total_steps), description=label)


def _return_mean(trainer: Any) -> float | None:
    returns = [episode.episodic_return for episode in trainer.episodes]
    return sum(returns) / len(returns) if returns else None


def _summarise(trainer: Any, evaluations: Evaluations, seconds: float, shares: dict[str, float], as_json: bool) -> None:
    rate, mean = trainer.steps / (seconds - evaluations.seconds), _return_mean(trainer)
    if as_json:
        summary = {
            "steps_per_second": rate,
            "updates": trainer.updates,
            "episodic_return_mean": mean,
            "weights_sha256": trainer.weights_sha256(),
            "settings": trainer.settings.model_dump(),
            "seconds": {"total": seconds, **shares, **evaluations.share()},
            **evaluations.as_json(),
        }
        print(json.dumps(summary))
        return
    shown = (
        "no episode ended" if mean is None else f"mean return of the last {len(trainer.episodes)} episodes {mean:.1f}"
    )
    print(f"{trainer.steps:,} steps in {trainer.updates:,} updates, {rate:,.0f} steps/s; {shown}")
    for line in evaluations.in_words():
        print(line)
