"""Steps per second on the CPU and on a GPU, from small networks to images: where a GPU pays.

The time of the CPU grows with the samples and nothing else, so its rollouts are short where it takes long.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import torch

import benchmarks.images  # noqa: F401 - registers the environment
from benchmarks.shared import show
from ppo_scope.ppo.allocation import keep_memory
from ppo_scope.ppo.phases import PhaseKind
from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.threads import use_one_thread
from ppo_scope.ppo.trainer import Trainer

NETWORKS: dict[str, dict[str, Any]] = {
    "64-64": {"env": "CartPole-v1", "hidden_sizes": (64, 64)},
    "256-256": {"env": "CartPole-v1", "hidden_sizes": (256, 256)},
    "1024-1024": {"env": "CartPole-v1", "hidden_sizes": (1024, 1024)},
    "Nature CNN": {"env": "benchmarks.images:Images-v0", "normalize_rewards": False},
}
COPIES = 8, 256, 2048
STEPS = 128
MOST_SAMPLES = {
    "cpu": {"64-64": 2**18, "256-256": 2**15, "1024-1024": 2**12, "Nature CNN": 2**10},
    "cuda": {"64-64": 2**18, "256-256": 2**18, "1024-1024": 2**18, "Nature CNN": 2**15},
}
"""Of a rollout."""


@dataclass(frozen=True)
class Speed:
    """Of whole updates, and where their time went, in seconds."""

    steps_per_second: float
    shares: dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", action="append", choices=NETWORKS)
    parser.add_argument("--copies", action="append", type=int)
    parser.add_argument("--device", action="append", choices=("cpu", "cuda"))
    parser.add_argument("--seconds", type=float, default=2.0, help="at least, of each; and one update at least")
    options = parser.parse_args()
    use_one_thread()
    keep_memory()
    devices = options.device or ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    rows, divided = [], []
    for network in options.network or NETWORKS:
        for copies in options.copies or COPIES:
            found = {device: measured(network, copies, device, options.seconds) for device in devices}
            rates = [found[device].steps_per_second for device in devices]
            faster = f"{rates[1] / rates[0]:.2f}" if len(rates) == 2 else ""
            rows.append((f"{network} × {copies}", *(f"{rate:,.0f}" for rate in rates), faster))
            for device in devices:
                total = sum(found[device].shares.values())
                parts = (f"{seconds / total:.0%}" for seconds in found[device].shares.values())
                divided.append((f"{network} × {copies}, {device}", *parts))
                print(*divided[-1], *rows[-1][1:], flush=True)
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    note = f"steps/s; {STEPS} steps, 4 epochs × 4 minibatches; one thread; {card}, torch {torch.__version__}"
    show("Devices", ("network × copies", *devices, "×" if len(devices) == 2 else ""), rows, note)
    show("Where the time goes", ("network × copies, device", *found[devices[0]].shares), divided, note)


def measured(network: str, copies: int, device: str, at_least: float) -> Speed:
    """The first update, in which a GPU is woken, is not counted."""
    steps = max(1, min(STEPS, MOST_SAMPLES[device][network] // copies))
    chosen = {**NETWORKS[network], "num_envs": copies, "rollout_steps": steps, "device": device}
    trainer = Trainer(Settings.parse(chosen))
    try:
        begin, done, shares = 0.0, 0, dict[str, float]()
        for phase in trainer.phases():
            if phase.kind is not PhaseKind.UPDATE:
                continue
            if device == "cuda":
                torch.cuda.synchronize()
            if begin:
                done += phase.update.rollout.transitions
                for name, seconds in phase.update.seconds().items():
                    shares[name] = shares.get(name, 0.0) + seconds
                if (took := time.perf_counter() - begin) >= at_least:
                    return Speed(done / took, {**shares, "rest": took - sum(shares.values())})
            else:
                begin = time.perf_counter()
        raise AssertionError("a run without an end has ended")
    finally:
        trainer.close()


if __name__ == "__main__":
    main()
