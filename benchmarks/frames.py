"""Size of a snapshot with every probe on, and the time to measure and to encode it, for growing rollouts."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

from benchmarks.shared import STEPS, show
from ppo_scope.pictures.looks import Looks
from ppo_scope.ppo.phases import Phase, PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.threads import use_one_thread
from ppo_scope.ppo.trainer import Trainer
from ppo_scope.probes.probes import PROBES, measure
from ppo_scope.wire import frame
from ppo_scope.worker.reporter import Attention, Reporter
from tests.moments import moment_at

EVERY_PROBE = frozenset(PROBES)
SAMPLES = (512, 4_096, 65_536)
REPEATS = 30


def main() -> None:
    use_one_thread()
    show(
        "A snapshot after an update, every probe on",
        ("samples in the rollout", "frame, bytes", "measure, ms", "encode, ms"),
        [row(samples) for samples in SAMPLES],
        f"Medians of {REPEATS}. Per-sample arrays are capped at 4,096 samples; measuring covers the whole rollout.",
    )


def row(samples: int) -> tuple[str, str, str, str]:
    settings = Settings(num_envs=samples // STEPS, rollout_steps=STEPS, epochs=1)
    trainer = Trainer(settings)
    try:
        phase = first_update(trainer)
        message = snapshot(trainer, phase)
        header, arrays = frame.decode(message)
        for made in ("sequence", "arrays", "protocol"):
            header.pop(made)
        encoding = timed(lambda: frame.encode(header, arrays))
        measuring = timed(lambda: measure(moment_at(trainer, phase), EVERY_PROBE))
        return f"{samples:,}", f"{len(message):,}", f"{measuring:.2f}", f"{encoding:.3f}"
    finally:
        trainer.close()


def first_update(trainer: Trainer) -> Phase:
    return next(phase for phase in trainer.phases() if phase.kind is PhaseKind.UPDATE)


def snapshot(trainer: Trainer, phase: Phase) -> bytes:
    """The very frame that a page would get."""
    sent: list[bytes] = []
    reporter = Reporter(sent.append, "benchmark")
    reporter.begin(trainer, Looks(trainer))
    reporter.looking.watch(EVERY_PROBE)
    reporter.passed(moment_at(trainer, phase), Attention.SHOWN)
    reporter.end()
    return next(message for message in sent if frame.header(message)["kind"] == "snapshot")


def timed(work: Callable[[], object]) -> float:
    """Median milliseconds."""
    durations = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        durations.append(time.perf_counter() - start)
    return 1000 * median(durations)


if __name__ == "__main__":
    main()
