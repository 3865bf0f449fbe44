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
from ppo_scope.cli.runnable import check_module, check_script
from ppo_scope.ppo.settings import Settings

ENDED = "\nppo-scope: the script has ended with code {code}. The page stays until Ctrl-C."
ELSEWHERE = (
    "--paused is said to a script that is run from here. A loop elsewhere waits for Play with paused=True of "
    "ppo_scope.watch, or PPO_SCOPE_PAUSED=1 in its environment."
)
WHOSE = "--insert is said to a script that is run from here: ppo-scope watch --insert SCRIPT."
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
    watch.add_argument("-m", dest="module", nargs=argparse.REMAINDER, metavar="MODULE", help="the same of a module")
    watch.add_argument("--paused", action="store_true", help="the script waits for Play before its first update")
    watch.add_argument(
        "--insert", action="store_true", help="put the lines in that show a script which is not found, in memory"
    )
    watch.add_argument("--until-stdin-ends", action="store_true", help=argparse.SUPPRESS)  # with the loop that began it


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Serve until it is ended; the exit code."""
    if options.module == []:
        raise Misuse("-m: say which module, and its arguments")
    if options.script or options.module:
        return _run_script(options)
    if options.paused:
        raise Misuse(ELSEWHERE)
    if options.insert:
        raise Misuse(WHOSE)
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
    from ppo_scope.attach.connecting.address import PAUSED
    from ppo_scope.attach.connecting.script_news import tell
    from ppo_scope.attach.connecting.server import own_server
    from ppo_scope.wire.attaching import ScriptNews

    name = options.module[0] if options.module else Path(options.script[0]).name
    if options.module:
        check_module(options.module[0])
    else:
        check_script(options.script[0])
    place = ["--host", options.host, *(["--port", str(options.port)] if options.port is not None else [])]
    place += ["--no-browser"] if options.no_browser else []
    place += ["--runs-dir", options.runs_dir] if options.runs_dir else []
    place += [part for origin in options.frame_ancestors for part in ("--frame-ancestors", origin)]
    try:
        link = own_server(*place)  # the script finds it in its environment
    except RuntimeError as problem:
        raise Misuse(str(problem)) from None
    tell(link, ScriptNews(script=name))
    whole = ["-m", *options.module] if options.module else options.script
    if options.insert:
        whole = [child.INSERT, *whole]
    code, ended = child.run(whole, **({PAUSED: "1"} if options.paused else {}))
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
    """Whoever holds the other end is gone, however it ended. (`sys.stdin` has a lock, which a thread that reads from it
    would hold while the interpreter ends: that is fatal.)
    """
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
