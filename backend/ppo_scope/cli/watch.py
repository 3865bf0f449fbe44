"""`ppo-scope watch`: a dashboard for training loops elsewhere, which connect by themselves."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

from ppo_scope.cli.library import add_library, library_of
from ppo_scope.cli.options import Commands, add_place
from ppo_scope.ppo.settings import Settings


def add(commands: Commands) -> None:
    """Say what the command takes."""
    watch = commands.add_parser("watch", help="show training loops elsewhere, which connect by themselves")
    watch.set_defaults(run=run)
    add_place(watch)
    add_library(watch, off=True)
    watch.add_argument("--until-stdin-ends", action="store_true", help=argparse.SUPPRESS)  # with the loop that began it


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Serve until it is ended; the exit code."""
    from ppo_scope.server.serve import serve

    if options.until_stdin_ends:
        threading.Thread(target=_end_with_stdin, daemon=True, name="until stdin ends").start()
    return serve(
        settings,
        host=options.host,
        port=options.port,
        open_browser=not options.no_browser,
        embedders=options.frame_ancestors,
        library=library_of(options),
        waiting=True,
    )


def _end_with_stdin() -> None:
    """Whoever holds the other end is gone, however it ended."""
    while sys.stdin.buffer.read(1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
