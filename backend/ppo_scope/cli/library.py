"""The option that says where runs are kept."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ppo_scope.records.library import Library


def add_library(parser: argparse.ArgumentParser, *, off: bool = False) -> None:
    """`off`: whether it may be nowhere."""
    note = "folder that runs are kept in" + (", or off" if off else "") + " (default: in the user's data folder)"
    parser.add_argument("--runs-dir", metavar="DIR", help=note)


def library_of(options: argparse.Namespace) -> Library | None:
    """The one that was asked for."""
    from ppo_scope.records.library import Library, default_folder

    if options.runs_dir == "off":
        return None
    return Library(Path(options.runs_dir).expanduser() if options.runs_dir else default_folder())
