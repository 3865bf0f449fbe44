"""What crowds without a token cost who leads: a step of the controller, and the server's memory."""

from __future__ import annotations

import argparse
import subprocess
import time
from contextlib import ExitStack
from statistics import median, quantiles

from benchmarks.shared import show
from tests.server.crowds import PROBES, Crowd
from tests.server.scope_page import Page, ServerProcess, wait_for

REAL = "ppo_scope.worker.worker:main"
LONG = "long"  # a scripted run of 50,000 updates: nobody waits for a real one
CROWDS = (
    ("200 who watch everything", "viewers", 200, REAL),
    ("20 who never read", "deaf", 20, REAL),
    ("300 who come and go", "reconnects", 300, REAL),
    ("1,150 idle sockets", "idle", 1150, REAL),
    ("one who toggles what he watches, 90 times a second", "togglers", 1, REAL),
    ("four who ping as fast as they can", "pingers", 4, REAL),
    ("32 connections that flood the list of runs", "flooders", 32, REAL),
    ("30 who ask for everything, a scripted run of 50,000 updates", "askers", 30, LONG),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    rows = [(name, *measured(kind, count, worker, options.steps)) for name, kind, count, worker in CROWDS]
    show(
        "A step of the controller beside a crowd",
        ("crowd", "alone: median ms", "99th p.", "beside it: median ms", "99th p.", "longest", "MB before", "MB after"),
        rows,
        f"{options.steps} steps by update, from the command to the state that follows; resident memory of the server. "
        "The crowd runs on the same machine, and takes its share of it.",
    )


def measured(kind: str, count: int, worker: str, steps: int) -> tuple[str, ...]:
    """Steps in ms alone and beside the crowd, and memory before and after in MB."""
    with ExitStack() as stack:
        server = stack.enter_context(ServerProcess(worker))
        wait_for(lambda: server.run()["state"] == "paused", timeout=60)
        if worker == LONG:
            wait_for(lambda: server.run()["update"] == 50_000)
        page = stack.enter_context(Page(server, cookie=server.cookie()))
        page.wait("lease", holder=True)
        page.ask("watch", led=False, probes=PROBES)  # what the crowd watches, too: it is measured once for all
        alone = [step(page) for _ in range(3 + steps)][3:]
        before = memory(server)
        stack.enter_context(Crowd(kind, count, server.port))
        beside = [step(page) for _ in range(3 + steps)][3:]
        after = memory(server)
    times = (median(alone), last(alone), median(beside), last(beside), max(beside))
    return *(f"{value:.1f}" for value in times), f"{before:.0f}", f"{after:.0f}"


def last(took: list[float]) -> float:
    """Their 99th percentile."""
    return quantiles(took, n=100, method="inclusive")[98]


def step(page: Page) -> float:
    """Milliseconds of one step, from the command until the run has paused again."""
    mark, start = len(page.messages), time.perf_counter()
    reply = page.ask("step", size="update")
    assert reply["type"] == "ack", reply
    page.wait("state", state="paused", since=mark)
    return 1000 * (time.perf_counter() - start)


def memory(server: ServerProcess) -> float:
    """Resident megabytes of the server's own process."""
    found = subprocess.run(["ps", "-o", "rss=", "-p", str(server.process.pid)], capture_output=True, check=True)
    return int(found.stdout) / 1024


if __name__ == "__main__":
    main()
