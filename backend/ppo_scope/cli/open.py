"""`ppo-scope open`: show what `record` has written, without training."""

from __future__ import annotations

import argparse
from pathlib import Path

from ppo_scope.cli.misuse import users_mistakes
from ppo_scope.cli.options import Commands, add_place
from ppo_scope.ppo.settings import Settings


def add(commands: Commands) -> None:
    """Say what the command takes."""
    opened = commands.add_parser("open", help="show what `record` has written, without training")
    opened.set_defaults(run=run)
    opened.add_argument("file", metavar="FILE", help="a recording")
    add_place(opened)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Serve the file until it is ended; the exit code."""
    from ppo_scope.records.recorded import check
    from ppo_scope.server.serve import serve

    with users_mistakes():
        check(Path(options.file))
    return serve(
        settings,
        host=options.host,
        port=options.port,
        open_browser=not options.no_browser,
        recording=Path(options.file).resolve(),
        embedders=options.frame_ancestors,
    )
