"""`ppo-scope delete`: remove a run that is kept."""

from __future__ import annotations

import argparse
import sys

from ppo_scope.cli.library import add_library, library_there
from ppo_scope.cli.misuse import Misuse, printable, users_mistakes
from ppo_scope.cli.options import Commands
from ppo_scope.ppo.settings import Settings


def add(commands: Commands) -> None:
    """Say what the command takes."""
    deleted = commands.add_parser("delete", help="remove a run that is kept, for good")
    deleted.set_defaults(run=run)
    deleted.add_argument("kept", metavar="RUN", help="its identifier, or as much of it as tells it from others")
    deleted.add_argument("--yes", action="store_true", help="do not ask")
    add_library(deleted)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Ask, and remove it; the exit code."""
    from ppo_scope.records.library import InUse
    from ppo_scope.records.store import CannotRead

    library = library_there(options)
    with users_mistakes():
        found = library.find(options.kept)
    about = found.about.get("settings", {})
    what = f"run {found.id} ({about.get('env', 'unreadable')}, {found.last:,} updates, {found.size / 1e6:.1f} MB)"
    what = printable(what)
    if not options.yes:
        if not sys.stdin.isatty():
            raise Misuse(f"delete: {what} would be gone for good; say --yes where nobody can be asked")
        if input(f"Delete {what} for good? [y/N] ").strip().lower() not in ("y", "yes"):
            print("Nothing was deleted.")
            return 1
    try:
        library.delete(found)
    except (InUse, CannotRead) as error:
        raise Misuse(str(error)) from None
    except OSError as error:
        raise Misuse(f"delete: {what} is still there: {error.strerror or error}") from None
    print(f"Deleted {what}.")
    return 0
