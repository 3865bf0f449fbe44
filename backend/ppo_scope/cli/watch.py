"""`ppo-scope watch`: a dashboard for an unchanged script, or for loops elsewhere, which connect by themselves."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import sys
import threading
from pathlib import Path

from ppo_scope.cli.library import add_library, library_of
from ppo_scope.cli.misuse import Misuse
from ppo_scope.cli.options import Commands, add_place
from ppo_scope.ppo.settings import Settings

ENDED = "\nppo-scope: the script has ended with code {code}. The page stays until Ctrl-C."
VARIABLE = "PPO_SCOPE_TOKEN"
LONG_ENOUGH = re.compile(r"[A-Za-z0-9_-]{22,200}")


def add(commands: Commands) -> None:
    """Say what the command takes."""
    watch = commands.add_parser("watch", help="show a training script that is not ours, or wait for loops elsewhere")
    watch.set_defaults(run=run)
    add_place(watch)
    add_library(watch, off=True)
    watch.add_argument(
        "script", nargs=argparse.REMAINDER, metavar="SCRIPT [its arguments]", help="what to run and show"
    )
    watch.add_argument("--until-stdin-ends", action="store_true", help=argparse.SUPPRESS)  # with the loop that began it


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Serve until it is ended; the exit code."""
    if options.script:
        return _run_script(options)
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


def _run_script(options: argparse.Namespace) -> int:
    """Run it in a process of its own, shown by a server; its exit code, once the page is not wanted any more."""
    from ppo_scope.attach import child
    from ppo_scope.attach.script_news import tell
    from ppo_scope.attach.server import own_server
    from ppo_scope.wire.attaching import ScriptNews

    if not Path(options.script[0]).is_file():
        raise Misuse(f"There is no script {options.script[0]}. `ppo-scope watch` alone waits for loops elsewhere.")
    place = ["--host", options.host, *(["--port", str(options.port)] if options.port is not None else [])]
    place += ["--no-browser"] if options.no_browser else []
    place += ["--runs-dir", options.runs_dir] if options.runs_dir else []
    place += [part for origin in options.frame_ancestors for part in ("--frame-ancestors", origin)]
    try:
        link = own_server(*place)  # the script finds it in its environment
    except RuntimeError as problem:
        raise Misuse(str(problem)) from None
    name = Path(options.script[0]).name
    tell(link, ScriptNews(script=name))
    code, ended = child.run(options.script)
    if ended:  # with the script, by a signal to both
        return code
    tell(link, ScriptNews(script=name, code=code))
    print(ENDED.format(code=code), file=sys.stderr, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
    return code


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
