"""`ppo-scope record`: a short run, stepped through, in a file that a page can show."""

from __future__ import annotations

import argparse
from pathlib import Path

from ppo_scope.cli.misuse import Misuse, check_place, complain, users_mistakes
from ppo_scope.cli.options import Commands, add_settings, zero_or_more
from ppo_scope.ppo.allocation import keep_memory
from ppo_scope.ppo.settings import Settings


def add(commands: Commands) -> None:
    """Say what the command takes."""
    record = commands.add_parser("record", help="write a short run, stepped through, to a file that a page can show")
    record.set_defaults(run=run)
    record.add_argument("--out", required=True, metavar="FILE", help="where to write it")
    record.add_argument(
        "--tens", type=zero_or_more, default=3, metavar="N", help="tens of updates between the two in detail"
    )
    add_settings(record)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Train and write; the exit code."""
    from ppo_scope.ppo.threads import use_one_thread
    from ppo_scope.worker.recording import Recorder

    check_place("--out", Path(options.out))
    use_one_thread()
    keep_memory()
    with users_mistakes():
        recorder = Recorder(settings, ["update", *["updates"] * options.tens, "update"])
    try:
        recorder.write(Path(options.out))
    except OSError as error:
        raise Misuse(f"--out {options.out}: cannot be written: {error.strerror}") from None
    print(f"Written to {options.out}. Look at it with: ppo-scope open {options.out}, or drop it onto the page.")
    if recorder.halted is not None:
        complain(f"the run was halted, and the recording ends there. {recorder.halted}", "")
    return 0 if recorder.halted is None else 1
