"""What being watched costs Stable-Baselines3's PPO: processor time of its process, by turns with and without.

    python -m benchmarks.attached [--size second] [--turns 100] [absent] [server] [page]

`absent`: the server is not there. `server`: one is, and no page. `page`: somebody looks at seven panels. A pair of
turns is some updates watched and as many that are not, of one model, the other way round in the next pair, so that what
else the machine does falls on both alike. The process that measures beside the loop is not counted: of a machine with
one core it would take its share.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
import warnings
from random import Random
from types import SimpleNamespace

import torch

from ppo_scope.attach.stable_baselines import Watched
from tests.attach.elsewhere import Door, nowhere, waiting_server
from tests.live import ROOT, environment
from tests.server.scope_page import Page

PANELS = ["ratio", "samples", "advantages", "values", "minibatches", "policy", "gradients"]
SIZES = {
    "small": (4, {"n_steps": 128, "batch_size": 128, "n_epochs": 4}),
    "second": (2, {"n_steps": 2048, "batch_size": 64, "n_epochs": 10}),
    "wide": (4, {"n_steps": 512, "batch_size": 256, "n_epochs": 4, "policy_kwargs": {"net_arch": [512, 512]}}),
}
"""Environments, and what their PPO is made with: a short update, the library's own settings, and 536,067 weights."""
UPDATES = {"small": 4, "second": 1, "wide": 1}
"""Of a turn. Of short ones so many as the process beside hears of at once while nobody looks."""
WARM_SECONDS = 12.0
DRAWS = 2000


class Turns:
    """A model that learns, watched by turns."""

    def __init__(self, link, size):
        from stable_baselines3 import PPO
        from stable_baselines3.common.env_util import make_vec_env

        (envs, sizes), self.updates = SIZES[size], UPDATES[size]
        self.steps = envs * sizes["n_steps"] * self.updates
        self.model = PPO("MlpPolicy", make_vec_env("CartPole-v1", envs), seed=1, device="cpu", **sizes)
        self.watched = Watched(self.model, link, False)

    def learn(self, *, watched):
        """Milliseconds of processor time per update."""
        self.watched.watcher.off = not watched
        start = time.process_time_ns()
        self.model.learn(self.steps, reset_num_timesteps=False)
        return (time.process_time_ns() - start) / self.updates / 1e6


def measured(name, link, size, turns, look):
    one = Turns(link, size)
    until = time.monotonic() + WARM_SECONDS
    while time.monotonic() < until:  # until what measures beside is there
        one.learn(watched=True)
    look()
    one.learn(watched=True)
    pairs = []
    for turn in range(turns):
        first = one.learn(watched=turn % 2 == 0)
        second = one.learn(watched=turn % 2 == 1)
        pairs.append((first, second) if turn % 2 == 0 else (second, first))
    one.watched.watcher.off = False
    one.watched.watcher.close()
    show(name, pairs)


def show(name, pairs):
    """One line: (watched, not watched) in milliseconds, by pairs of turns."""
    plain = statistics.median(without for _, without in pairs)
    more = [with_it - without for with_it, without in pairs]
    draw = Random(1)
    drawn = sorted(statistics.median(draw.choices(more, k=len(more))) for _ in range(DRAWS))
    middle = statistics.median(more)
    low, high = drawn[DRAWS // 40], drawn[-DRAWS // 40]
    print(
        f"{name:8} {plain:8.1f} ms an update, {middle:+7.2f} ms when watched: {middle / plain:+6.2%} "
        f"(95 in 100: {low / plain:+.2%} to {high / plain:+.2%}; {len(pairs)} pairs of turns)",
        file=sys.__stdout__,  # a script's own words go elsewhere
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("looks", nargs="*", metavar="LOOK", help="absent, server or page; left out: all three")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--turns", type=int, default=100, help="pairs of them")
    parser.add_argument("--look-at", metavar="LINK", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.look_at:
        look_at(options.look_at)
        return
    looks = options.looks or ["absent", "server", "page"]
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in looks:
        if name == "absent":
            measured(name, nowhere(), options.size, options.turns, lambda: None)
            continue
        server = waiting_server()
        if name == "server":
            measured(name, server.url, options.size, options.turns, lambda: None)
        else:
            looked_at(server, options)
        server.kill()


def looked_at(server, options):
    """The page is a process of its own: what it reads is not the loop's."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.attached", "--look-at", server.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT, env=environment(), text=True) as page:

        def look():
            print("look", file=page.stdin, flush=True)

        measured("page", server.url, options.size, options.turns, look)
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
