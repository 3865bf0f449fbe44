"""The server that shows a loop: one that is there already, or one of the loop's own, which ends with its process."""

from __future__ import annotations

import atexit
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from ppo_scope.attach.connecting.address import VARIABLE, Address, given
from ppo_scope.opening import way_here

START_SECONDS = 60.0
LINK = re.compile(r"http://\S+/#token=\S+")
UNWATCHED = "The training goes on and is not watched."
LAST_WORDS_SECONDS = 1.0
"""Until what a server that has ended has printed is read."""
LATE = f"PPO Scope's server did not start within {START_SECONDS:.0f} seconds."
ENDED = "PPO Scope's server ended before it could be reached."


def server_of(url: str | None, say: Callable[[str], None]) -> Address | None:
    """The one of this link, of the environment's, or a new one. None: there is none, which was said.

    Raises:
        ValueError: the link is none.
    """
    if url is not None:
        return Address.of(url)
    try:
        return Address.of(given() or own_server("--no-browser"))
    except (ValueError, RuntimeError, OSError) as error:  # what surrounds a training does not end it
        say(f"{error} {UNWATCHED}")
        return None


def own_server(*options: str) -> str:
    """The link of a server that ends with this process; `options`: of `ppo-scope watch`.

    Raises:
        RuntimeError: it did not start; with what it printed.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "ppo_scope", "watch", *options, "--until-stdin-ends"],
        stdin=subprocess.PIPE,  # it ends with this process, which holds the other end
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    atexit.register(process.terminate)
    lines: list[str] = []
    assert process.stdout is not None
    stream = process.stdout

    def read() -> None:
        for line in stream:
            lines.append(line)

    reader = threading.Thread(target=read, daemon=True, name="ppo-scope server")
    reader.start()
    why, until = LATE, time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if found := LINK.search("".join(lines)):
            told = filter(None, [f"\nPPO Scope shows this run: {found[0]}", way_here(found[0]), ""])
            print("\n".join(told), file=sys.stderr, flush=True)
            os.environ[VARIABLE] = found[0]  # another loop of this process is shown there, too
            return found[0]
        if process.poll() is not None:
            reader.join(LAST_WORDS_SECONDS)
            why = ENDED
            break
        time.sleep(0.05)
    raise RuntimeError(f"{why} It printed:\n{''.join(lines)[-2000:]}")
