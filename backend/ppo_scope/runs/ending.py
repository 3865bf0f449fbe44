"""Why a training process ended, in the words that the page shows."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

from ppo_scope.wire.codes import RunState
from ppo_scope.wire.run import Cause as CauseTold

CGROUP_FILES = ("memory.events", "memory.oom_control")
"""Where the kernel counts its out-of-memory kills: control groups version 2 and version 1."""


@dataclass(frozen=True)
class Cause:
    """What happened, the evidence, and what to do."""

    summary: str
    detail: str
    remedy: str

    def describe(self) -> CauseTold:
        """As in the protocol."""
        return {"summary": self.summary, "detail": self.detail, "remedy": self.remedy}


@dataclass(frozen=True)
class Ending:
    """The state that a run ends in, and its cause where there is something to explain."""

    state: str
    cause: Cause | None = None


AWAY = Cause(
    "The machine that trained this run, or the way to it, was lost.",
    "",
    "What was measured so far is kept. A sweep goes on with it on another machine by itself.",
)


def classify(exitcode: int | None, *, reported: str, asked: bool, out_of_memory: bool, output: str | None) -> Ending:
    """The ending of a process.

    Args:
        exitcode: as multiprocessing gives it: negative where a signal ended the process; None: it was on another
            machine, and is not reached any more. Of a loop that is somebody else's, that of its script.
        reported: the last state that the process reported about itself.
        asked: the server asked it to stop.
        out_of_memory: the kernel ran out of memory while the process lived.
        output: the tail of what it printed; None: that went elsewhere.
    """
    if reported in {RunState.FAILED, RunState.FINISHED}:  # what ends its process after that makes no other end of it
        return Ending(reported)
    if asked or reported == RunState.STOPPED:  # whether it heard, or was killed for not hearing in time
        return Ending(RunState.STOPPED)
    if exitcode is None:
        return Ending(RunState.KILLED, AWAY)
    if exitcode == -signal.SIGKILL and out_of_memory:
        return Ending(RunState.OUT_OF_MEMORY, _out_of_memory(output or ""))
    if exitcode < 0:
        return Ending(RunState.KILLED, _killed(-exitcode, output or ""))
    return Ending(RunState.FAILED, _failed(exitcode, output))


def _out_of_memory(output: str) -> Cause:
    return Cause(
        "The system ran out of memory and ended the training process.",
        output,
        "Use fewer environments, a shorter rollout or smaller networks, or close other programs; then restart.",
    )


def _killed(number: int, output: str) -> Cause:
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if number in {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}:
        remedy = "Compiled code crashed, usually the environment's or a driver's: see the detail; then restart."
        return Cause(f"The training process crashed ({name}).", output, remedy)
    remedy = "Something outside of PPO Scope ended it. What was measured so far is kept; restart to train again."
    return Cause(f"The training process was killed ({name}).", output, remedy)


def _failed(exitcode: int, output: str | None) -> Cause:
    summary = f"The training process ended by itself (exit code {exitcode}) without saying why."
    if output is None:
        summary = f"Its script has ended (exit code {exitcode}), and this run without saying why."
        if not exitcode:
            summary = "The process that trained it has ended in the midst of an update, without saying why."
        return Cause(summary, "", "What it printed is where it was started. Correct the cause, then restart.")
    remedy = "The detail holds the last lines that it printed. Correct their cause, then restart."
    return Cause(summary, output or "It printed nothing.", remedy)


def shown_no_more(run: str, shown: int) -> Cause:
    """Others are shown from the disk in its place; `shown`: how many may be at once."""
    return Cause(
        f"Run {run} is not shown from the disk any more: others have been opened since, and {shown} are at once.",
        "",
        "Open it again by the list of runs. Nothing of it has changed.",
    )


def made_room(sweep: str) -> Cause:
    """A run of a sweep has finished, and its process is not there to be looked at."""
    return Cause(
        f"It has come to its end, and its process has made room for the next run of the sweep {sweep}.",
        "",
        "Open it by the list of runs, and all of it can be looked at.",
    )


def deleted(run: str) -> Cause:
    """A run that is on show is not on the disk any more."""
    return Cause(
        f"Run {run} has been deleted: it is not on the disk any more.",
        "",
        "Its curves, and what was measured of it, can be looked at until you go to another run.",
    )


def not_proved(seconds: float, at: str, output: str) -> Cause:
    """A run on trial has not shown in time that it trains; `at`: what it was at."""
    return Cause(
        f"The new run has not shown within {seconds:.0f} seconds that it trains. It is still at: {at}.",
        output,
        "Look whether its environment hangs there, or is too slow or too large for this machine.",
    )


def out_of_memory_kills() -> int:
    """How many processes the kernel has ended for want of memory, as far as this process may know."""
    for path in _counters():
        try:
            lines = path.read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return 0


def _counters() -> list[Path]:
    """Candidate files, the most specific first; the last one counts for the whole machine."""
    root, paths = Path("/sys/fs/cgroup"), []
    try:
        groups = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        groups = []
    for group in groups:
        _, controllers, name = group.split(":", 2)
        base = root / controllers if controllers else root
        # Inside a container the path is the host's, while the files appear at the root of the mount.
        paths += [base / name.lstrip("/") / file for file in CGROUP_FILES]
        paths += [base / file for file in CGROUP_FILES]
    return [*paths, Path("/proc/vmstat")]
