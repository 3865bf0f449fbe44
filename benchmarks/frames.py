"""Size of a snapshot with all that is measured at full speed, and the time to measure and to encode it."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from benchmarks.shared import STEPS, show
from ppo_scope.pictures.looks import Looks
from ppo_scope.ppo.phases import Phase, PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.threads import use_one_thread
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.cost import EXPENSIVE, ONLY_AT_REST
from ppo_scope.probes.moment import Moment
from ppo_scope.probes.probes import PROBES, measure, row_values
from ppo_scope.wire import frame
from ppo_scope.worker.reporter import Attention, Reporter
from tests.moments import moment_at

AT_FULL_SPEED = frozenset(PROBES) - ONLY_AT_REST
EVERY_TIME = AT_FULL_SPEED - EXPENSIVE
"""What is measured for every snapshot; the others have a ration of the time."""
CASES: Mapping[str, dict[str, Any]] = {
    "512": {"num_envs": 4},
    "4,096": {"num_envs": 32},
    "65,536": {"num_envs": 512},
    "65,536, 1M weights": {"num_envs": 512, "hidden_sizes": (700, 700), "epochs": 1},
    "512 images": {"env": "tests.environments.pixels:Pixels-v0", "num_envs": 4, "normalize_rewards": False},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--case", action="append", choices=CASES, help="one of them only; may be given several times")
    options = parser.parse_args()
    use_one_thread()
    show(
        "A snapshot at the end of an update, in milliseconds of processor time",
        ("samples in the rollout", "frame, bytes", "the row", "beyond it", "direction", "gradients", "encode"),
        [row(name, options.repeats) for name in options.case or CASES],
        f"Medians of {options.repeats}. The row of the series is measured of every update; beyond it, what a snapshot "
        "measures every time; direction and gradients have a ration of the time.",
    )


def row(name: str, repeats: int) -> tuple[str, ...]:
    trainer = Trainer(Settings.parse({"rollout_steps": STEPS, "epochs": 1, **CASES[name]}))
    try:
        phase = first_update(trainer)
        message = snapshot(trainer, phase)
        header, arrays = frame.decode(message)
        for made in ("sequence", "arrays", "protocol"):
            header.pop(made)

        def begun() -> Moment:
            moment = moment_at(trainer, phase)
            row_values(moment)
            return moment

        times = (
            timed(repeats, row_values, lambda: moment_at(trainer, phase)),
            timed(repeats, lambda moment: measure(moment, EVERY_TIME), begun),
            timed(repeats, PROBES["direction"], begun),
            timed(repeats, PROBES["gradients"], begun),
            timed(repeats, lambda _: frame.encode(header, arrays), begun),
        )
        return name, f"{len(message):,}", *(f"{milliseconds:.2f}" for milliseconds in times)
    finally:
        trainer.close()


def first_update(trainer: Trainer) -> Phase:
    return next(phase for phase in trainer.phases() if phase.kind is PhaseKind.UPDATE)


def snapshot(trainer: Trainer, phase: Phase) -> bytes:
    """The very frame that a page would get."""
    sent: list[bytes] = []
    reporter = Reporter(sent.append, "benchmark")
    reporter.begin(trainer, Looks(trainer))
    reporter.looking.watch(AT_FULL_SPEED)
    reporter.passed(moment_at(trainer, phase), Attention.SHOWN)
    reporter.end()
    return next(message for message in sent if frame.header(message)["kind"] == "snapshot")


def timed(repeats: int, work: Callable[[Moment], object], moment: Callable[[], Moment]) -> float:
    """Median milliseconds of this thread's processor time; each time of a moment of its own."""
    durations = []
    for _ in range(repeats):
        of = moment()
        start = time.thread_time()
        work(of)
        durations.append(time.thread_time() - start)
    return 1000 * median(durations)


if __name__ == "__main__":
    main()
