"""`ppo-scope runs`: list what is kept."""

from __future__ import annotations

import argparse

from ppo_scope.cli.library import add_library, library_there
from ppo_scope.cli.misuse import printable
from ppo_scope.cli.options import Commands
from ppo_scope.ppo.settings import Settings

WIDTH = 160
"""Characters of a line where nobody looks at a terminal."""


def add(commands: Commands) -> None:
    """Say what the command takes."""
    listed = commands.add_parser("runs", help="list the runs that are kept")
    listed.set_defaults(run=run)
    add_library(listed)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Print the list; the exit code."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ppo_scope.records.record import script_in

    library = library_there(options)
    kept = library.runs()
    if not kept:
        print(f"No runs are kept in {library.folder}.")
        return 0
    table = Table(box=None, pad_edge=False)
    for name, justify in (("run", "left"), ("environment", "left"), ("seed", "right"), ("state", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for name in ("update", "goes on at", "states", "MB"):
        table.add_column(name, justify="right")
    table.add_column("begun")
    table.add_column("of")
    for one in kept:
        about = one.about.get("settings", {})
        cells = [one.id, about.get("env", "–"), about.get("seed", "–"), one.problem or one.state, one.last]
        states = f"{one.states} of {one.states + one.dropped}" if one.dropped else one.states
        cells += [one.resumes_at or "–", states, f"{one.size / 1e6:.1f}", str(one.about.get("created", "–"))[:16]]
        parent = one.about.get("parent")
        of = f"fork of {parent['run']}@{parent['update']}" if parent else ""
        of = of or (f"sweep {one.about['sweep']}" if one.about.get("sweep") else "")
        cells.append(of or script_in(one.about.get("facts")))
        table.add_row(*(escape(printable(str(cell))) for cell in cells))
    console = Console()
    (console if console.is_terminal else Console(width=WIDTH)).print(table)
    if any(one.dropped for one in kept):
        print("\nOf states, every second one was dropped where there was no room for them (`--keep-mb` of `serve`).")
    goes_on = any(one.resumes_at is not None for one in kept)
    what = "`ppo-scope serve --resume RUN` goes on with one" if goes_on else "`ppo-scope open RUN` shows one"
    print(f"\nKept in {library.folder}. {what}.")
    return 0
