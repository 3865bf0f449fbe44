"""Processes that a program forks, each with a loop of its own; run as a program.

python -m tests.attach.workers
"""

import multiprocessing
import os
import sys

import numpy as np

import ppo_scope

UPDATES = 3


def work(name, failing):
    scope = ppo_scope.Scope(env=name, clip_range=0.2)
    rows = {of: np.ones((4, 2), np.float32) for of in ("actions", "rewards", "log_probs", "advantages")}
    for _ in range(UPDATES):
        scope.rollout(**rows)
        scope.minibatch(samples=[0, 1], log_prob=[0, 0], advantages=[1, -1])
        scope.update()
    if failing:
        raise KeyError("its own")


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):  # on one core nothing is measured beside a loop, by two more processes
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:1]))
    forking = multiprocessing.get_context("fork")
    workers = [forking.Process(target=work, args=(name, name == "fails")) for name in ("ends", "fails")]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    sys.exit([one.exitcode for one in workers] != [0, 1])
