"""Kill the trainer, the server or both at a random moment, again and again, and go on each time: after each the run on
the disk is whole and has lost nothing that was committed, and in the end it is to the bit the run that nobody killed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppo_scope.records import trees
from ppo_scope.records.library import KeptRun, Library
from ppo_scope.records.store import FILE, Store
from tests.live import LiveServer
from tests.server.scope_page import leaders

SETTINGS = ("--seed", "5", "--num-envs", "4", "--rollout-steps", "128")
FOR_EVER = ("--total-steps", "1000000000")
KINDS = ("trainer", "server", "both")
LONGEST = 2.5
"""Seconds from the first updates after a start until a kill, at most."""
PATIENCE = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    options = parser.parse_args()
    draws = random.Random(options.seed)
    done: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        torn, whole = Library(Path(folder) / "torn"), Library(Path(folder) / "whole")
        begin: tuple[str, ...] = (*SETTINGS, *FOR_EVER)
        for _ in range(options.times):
            kind = draws.choice(KINDS)
            killed(LiveServer("--runs-dir", str(torn.folder), *begin, anew=True), torn, kind, draws)
            done[kind] += 1
            begin = ("--resume", "last")
            print(f"\r{done.total()} kills, update {torn.find('last').last:,}", end="", flush=True)
        LiveServer("--runs-dir", str(torn.folder), *begin, "--paused", anew=True).stop()
        rows, weights = outcome(torn.find("last"))
        steps = str(round(float(rows[-1, 0])))
        server = LiveServer("--runs-dir", str(whole.folder), *SETTINGS, "--total-steps", steps, anew=True)
        wait(lambda: server.run()["state"] == "finished")
        server.stop()
        expected, expected_weights = outcome(whole.find("last"))
        np.testing.assert_array_equal(rows, expected)
        assert weights == expected_weights, "other weights"
    counts = f"{done['trainer']} of the trainer, {done['server']} of the server, {done['both']} of both at once"
    print(f"\n{done.total()} kills: {counts}.")
    print(f"{len(rows):,} updates: no row is missing, and rows and weights are those of the run that nobody killed.")


def killed(server: LiveServer, library: Library, kind: str, draws: random.Random) -> None:
    """Kill it in the middle of something, and look at what is left.

    Raises:
        AssertionError: something is missing, or not whole.
    """
    at = library.find("last").resumes_at or 1
    wait(lambda: server.run()["update"] > at + 2)
    time.sleep(draws.uniform(0.0, LONGEST))
    trainer = min(leaders(server.pid))
    committed = library.find("last").last
    if kind != "server":
        os.kill(trainer, signal.SIGKILL)
    if kind == "trainer":
        wait(lambda: server.run()["state"] == "killed")
        server.stop()
    else:
        server.kill()
    wait(lambda: all(not run.in_use for run in library.runs()))
    (run,) = library.runs()
    assert run.state == ("killed" if kind == "trainer" else "interrupted"), run
    assert run.resumes_at is not None and run.resumes_at <= run.last + 1
    assert run.last >= committed > 0, f"{committed} updates were committed, {run.last} are there"
    with contextlib.closing(sqlite3.connect(run.folder / FILE)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with contextlib.closing(Store(run.folder)) as store:
        np.testing.assert_array_equal(store.series()[1], np.arange(1, run.last + 1))
        for state in store.states():
            found = store.state(state.update)
            assert found is not None
            trees.decode(trees.opened(found[1]))


def outcome(run: KeptRun) -> tuple[NDArray[np.float64], str]:
    """(rows but for times, before the newest state; the weights' fingerprint in it)."""
    with contextlib.closing(Store(run.folder)) as store:
        found = store.state()
        assert found is not None
        columns, _, rows = store.series(last=found[0] - 1)
        theta = trees.decode(trees.opened(found[1]))["theta"]
    first = [columns.index("steps")]
    counted = first + [n for n, name in enumerate(columns) if not name.startswith(("seconds_", "steps"))]
    return rows[:, counted], hashlib.sha256(theta.tobytes()).hexdigest()


def wait(true: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


if __name__ == "__main__":
    main()
