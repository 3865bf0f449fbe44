"""`ppo-scope open`: show a run that is kept, or what `record` has written, without training."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ppo_scope.cli.library import add_library, library_there
from ppo_scope.cli.misuse import Misuse, users_mistakes
from ppo_scope.cli.options import Commands, add_place
from ppo_scope.ppo.settings import Settings

if TYPE_CHECKING:
    from ppo_scope.records.library import KeptRun, Library


def add(commands: Commands) -> None:
    """Say what the command takes."""
    opened = commands.add_parser("open", help="show a run that is kept, or a recording, without training")
    opened.set_defaults(run=run)
    opened.add_argument(
        "what", metavar="RUN", help="its identifier, the beginning of it, last, its folder, or a file of `record`"
    )
    add_library(opened)
    add_place(opened)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Serve it until it is ended; the exit code."""
    from ppo_scope.records.recorded import check
    from ppo_scope.server.serve import serve

    path = Path(options.what).expanduser()
    place = {"host": options.host, "port": options.port, "open_browser": not options.no_browser}
    place["embedders"] = options.frame_ancestors
    if path.is_file() or path.suffix == ".rec":
        with users_mistakes():
            check(path)
        return serve(settings, recording=path.resolve(), **place)
    library = library_there(options)
    return serve(settings, shown=_found(options.what, path, library), library=library, **place)


def _found(name: str, folder: Path, library: Library) -> KeptRun:
    from ppo_scope.records.library import look_at

    if folder.is_dir():
        found = look_at(folder.resolve())
    else:
        with users_mistakes():
            found = library.find(name)
    if found.problem:
        raise Misuse(f"{name} cannot be shown: {found.problem}")
    return found
