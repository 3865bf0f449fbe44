"""What being watched costs somebody's PPO: processor time of its process, by turns with and without.

    python -m benchmarks.attached [--of sb3] [--size second] [--turns 100] [--clocks] [absent] [server] [page]

`absent`: the server is not there. `server`: one is, and no page. `page`: somebody looks at seven panels. The process
that measures beside the loop is not counted: of a machine with one core it would take its share. `--clocks`: not by
turns, but by clocks around our hooks, twice as many updates as turns, all of them watched.
"""

import argparse
import os
import subprocess
import sys
import warnings
from types import SimpleNamespace

import torch

from benchmarks.clocks import HOOKS, Clocks
from benchmarks.loops import LOOPS, StableBaselines
from benchmarks.turns import Turns, measured_beside
from tests.attach.elsewhere import Door, nowhere, waiting_server
from tests.live import ROOT, environment
from tests.server.scope_page import Page

PANELS = ["ratio", "samples", "advantages", "values", "minibatches", "policy", "gradients"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("looks", nargs="*", metavar="LOOK", help="absent, server or page; left out: all three")
    parser.add_argument("--of", choices=LOOPS, default="sb3", help="whose loop")
    parser.add_argument("--size", choices=StableBaselines.SIZES, default="small", help="of the loop of sb3")
    parser.add_argument("--turns", type=int, default=100, help="pairs of them")
    parser.add_argument("--clocks", action="store_true", help="around the hooks, in place of turns")
    parser.add_argument("--look-at", metavar="LINK", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.look_at:
        look_at(options.look_at)
        return
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in options.looks or ["absent", "server", "page"]:
        if name == "absent":
            measured(name, nowhere(), options)
            continue
        server = waiting_server()
        if name == "server":
            measured(name, server.url, options)
        else:
            looked_at(server, options)
        server.kill()


def measured(name, link, options, look=lambda: None):
    os.environ["PPO_SCOPE_URL"] = link  # where a library's own config makes the loop
    size = {"size": options.size} if options.of == "sb3" else {}
    about = {"name": f"{options.of} {name}", "look": look, "ready": lambda: measured_beside(loop.watcher)}
    if options.clocks:
        turns = Clocks(wanted=2 * options.turns, **about)
        turns.put_around(HOOKS[options.of])
        loop = LOOPS[options.of](link, **size)
    else:
        loop = LOOPS[options.of](link, **size)
        turns = Turns(watch=loop.watch, pairs=options.turns, **about)
    turns.updates = loop.updates
    loop.run(turns.ended)
    loop.watcher.close()


def looked_at(server, options):
    """The page is a process of its own: what it reads is not the loop's."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.attached", "--look-at", server.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT, env=environment(), text=True) as page:

        def look():
            print("look", file=page.stdin, flush=True)

        measured("page", server.url, options, look)
        page.stdin.close()


def look_at(url):
    """What a page does: it takes every frame, and watches the panels from the first line that it reads on."""
    base, _, token = url.partition("#token=")
    door = Door(SimpleNamespace(base=base, token=token))
    with Page(door, cookie=door.cookie, resume=False) as page:
        page.say(
            type="resume", protocol=3, client="bench", server_epoch=None, run=None, sequence=None, session=door.session
        )
        for line in sys.stdin:
            page.say(type="watch", id=line.strip(), probes=PANELS, environment=None)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # lines to servers that are gone would be tried again
