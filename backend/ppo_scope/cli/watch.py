"""`ppo-scope watch`: a dashboard for training loops elsewhere, which connect by themselves."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import threading

from ppo_scope.cli.library import add_library, library_of
from ppo_scope.cli.misuse import Misuse
from ppo_scope.cli.options import Commands, add_place
from ppo_scope.ppo.settings import Settings

VARIABLE = "PPO_SCOPE_TOKEN"
LONG_ENOUGH = re.compile(r"[A-Za-z0-9_-]{22,200}")


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
        token=_token(),
    )


def _token() -> str | None:
    """The one in the environment, by which loops find a server that was started anew; None: there is none.

    Raises:
        Misuse: it could be guessed.
    """
    token = os.environ.get(VARIABLE)
    if token and not LONG_ENOUGH.fullmatch(token):
        raise Misuse(f"{VARIABLE} has to be 22 characters or more, of A-Z, a-z, 0-9, - and _: whoever has it controls.")
    return token or None


def _end_with_stdin() -> None:
    """Whoever holds the other end is gone, however it ended."""
    while sys.stdin.buffer.read(1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
