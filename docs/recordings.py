"""Trains with a preset and notes how its return rises, for `docs/curves.py` to draw.

`python -m docs.recordings [NAME …]`: all presets where none is named. What was noted so far is kept wherever it is
interrupted. It takes from half a minute to hours, depending on the preset.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from ppo_scope.ppo import presets
from ppo_scope.ppo.evaluation import Evaluator
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.threads import use_one_thread
from ppo_scope.ppo.trainer import Trainer

CURVES = Path(__file__).parent / "curves"
SEED = 1
POINTS = 150
"""Of a curve."""
EVALUATIONS = 25
STEPS = {"acrobot": 200_000, "pendulum": 300_000}
"""Of a preset that has no end."""
STEPS_OF_A_LESSON = 100_000
LONGEST = {"breakout": (100_000, 5, 3)}
"""(steps, evaluations, episodes of each) of a preset whose end is hours away."""


def steps_of(preset: presets.Preset) -> int:
    """How long it is trained: to its end, where it has one."""
    usual = STEPS.get(preset.name, STEPS_OF_A_LESSON)
    return int(preset.settings.get("total_steps", usual))


def record(preset: presets.Preset) -> None:
    """Train, and write what is noted after each evaluation."""
    total = steps_of(preset)
    settings = Settings.parse({**preset.settings, "seed": SEED, "total_steps": total})
    longest, evaluations, episodes = LONGEST.get(preset.name, (total, EVALUATIONS, settings.eval_episodes))
    updates = -(-longest // settings.batch_size)
    settings = settings.changed(eval_every=max(1, updates // evaluations), eval_episodes=episodes)
    trainer = Trainer(settings)
    evaluator = Evaluator(trainer)
    every = max(1, updates // POINTS)
    noted: dict[str, Any] = {"preset": preset.name, "settings": dict(preset.settings), "seed": SEED, "total": total}
    training: list[list[float]] = []
    evaluation: list[list[float]] = []
    spent, start = 0.0, time.process_time()
    for phase in trainer.phases():
        if phase.kind is not PhaseKind.UPDATE:
            continue
        if trainer.episodes and (trainer.updates % every == 0 or trainer.finished):
            returns = [episode.episodic_return for episode in trainer.episodes]
            low, high = np.percentile(returns, [10, 90])
            training.append([trainer.steps, *(_rounded(value) for value in (np.mean(returns), low, high))])
        if evaluator.due:
            spent += time.process_time() - start
            found = evaluator.evaluate()
            start = time.process_time()
            evaluation.append([found.steps, *map(_rounded, (found.mean, min(found.returns), max(found.returns)))])
            _write(
                {
                    **noted,
                    "steps": trainer.steps,
                    "seconds": round(spent),
                    "training": training,
                    "evaluation": evaluation,
                }
            )
            print(preset.name, trainer.steps, *training[-1:], *evaluation[-1:], flush=True)
            if trainer.steps >= longest:
                break
    trainer.close()


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _write(noted: dict[str, Any]) -> None:
    lines = ",\n".join(f" {json.dumps(name)}: {_text(value)}" for name, value in noted.items())
    path = CURVES / f"{noted['preset']}.json"
    path.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def _text(value: Any) -> str:
    """Rows of numbers one below the other."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        return "[\n  " + ",\n  ".join(map(json.dumps, value)) + "\n ]"
    return json.dumps(value)


if __name__ == "__main__":
    use_one_thread()
    for name in sys.argv[1:] or [preset.name for preset in presets.PRESETS]:
        record(presets.find(name))
