"""`ppo-scope serve`: train with a dashboard in the browser."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ppo_scope.cli.library import add_library, add_terms, library_of
from ppo_scope.cli.misuse import Misuse, users_mistakes
from ppo_scope.cli.options import Commands, add_place, add_settings, given
from ppo_scope.ppo.settings import Settings

if TYPE_CHECKING:
    from ppo_scope.records.library import Library
    from ppo_scope.runs.reopening import Reopened


def add(commands: Commands) -> None:
    """Say what the command takes."""
    serve = commands.add_parser("serve", help="train with a dashboard in the browser")
    serve.set_defaults(run=run)
    add_place(serve)
    add_library(serve, off=True)
    add_terms(serve)
    serve.add_argument("--resume", metavar="RUN", help="go on with a run that was kept: its identifier, or last")
    serve.add_argument(
        "--fork",
        metavar="RUN[@UPDATE]",
        help="begin a run that branches off from one that was kept, with other settings",
    )
    serve.add_argument("--paused", action="store_true", help="wait for Play or Step before the first rollout")
    add_settings(serve)


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Serve until it is ended; the exit code."""
    from ppo_scope.processes.spawning import warm_up

    warm_up()  # torch is imported there while the server is imported here

    from ppo_scope.runs.known import why_no_device, why_unknown
    from ppo_scope.server.serve import serve

    library = library_of(options)
    reopened = _reopened(options, library) if options.resume is not None or options.fork is not None else None
    settings = reopened.settings if reopened is not None else settings
    if refusal := why_unknown(settings) or why_no_device(settings):
        raise Misuse(refusal)
    return serve(
        settings,
        host=options.host,
        port=options.port,
        open_browser=not options.no_browser,
        paused=options.paused,
        embedders=options.frame_ancestors,
        library=library,
        reopened=reopened,
    )


def _reopened(options: argparse.Namespace, library: Library | None) -> Reopened:
    from ppo_scope.runs.reopening import forked, reopened

    if library is None:
        raise Misuse("With --runs-dir off there are no runs to go on with or to fork.")
    if options.resume is not None and options.fork is not None:
        raise Misuse("--resume and --fork: one of them, please")
    with users_mistakes():
        if options.resume is not None:
            return reopened(library.find(options.resume), given(options))
        name, _, update = options.fork.partition("@")
        if update and not update.isdecimal():
            raise Misuse(f"--fork: {update!r} is no update; say RUN@UPDATE, such as last@120")
        return forked(library.find(name), int(update) if update else None, given(options), library)
