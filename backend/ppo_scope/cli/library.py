"""The option that says where runs are kept."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ppo_scope.cli.misuse import Misuse
from ppo_scope.cli.options import above_zero

if TYPE_CHECKING:
    from ppo_scope.records.library import Library


def add_library(parser: argparse.ArgumentParser, *, off: bool = False) -> None:
    """`off`: whether it may be nowhere."""
    note = "folder that runs are kept in" + (", or off" if off else "") + " (default: in the user's data folder)"
    parser.add_argument("--runs-dir", metavar="DIR", help=note)


def add_terms(parser: argparse.ArgumentParser) -> None:
    """How much of a run is kept."""
    parser.add_argument(
        "--keep-mb",
        type=above_zero,
        metavar="N",
        help="megabytes of states that a run keeps: beyond them every second one is dropped (default: 500)",
    )
    parser.add_argument(
        "--checkpoint-every",
        type=above_zero,
        metavar="N",
        help="keep the state after every N updates for good, beside those of about each second that are thinned out",
    )


def library_there(options: argparse.Namespace) -> Library:
    """The one that was asked for, where there has to be one.

    Raises:
        Misuse: there is none.
    """
    library = library_of(options)
    if library is None:
        raise Misuse("--runs-dir off: keeps no runs, so there is none to be found; say where they are kept")
    if library.folder.exists() and not library.folder.is_dir():
        raise Misuse(f"--runs-dir {library.folder}: is no folder")
    return library


def library_of(options: argparse.Namespace) -> Library | None:
    """The one that was asked for."""
    from ppo_scope.records.library import Library, Terms, default_folder

    if options.runs_dir == "off":
        return None
    room, every = getattr(options, "keep_mb", None), getattr(options, "checkpoint_every", None)
    terms = Terms(room * 1000**2 if room else Terms.room, every or 0)
    return Library(Path(options.runs_dir).expanduser() if options.runs_dir else default_folder(), terms)
