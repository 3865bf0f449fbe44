"""What it costs Stable-Baselines3's PPO to be watched: processor time of its process, by turns with and without.

    python -m benchmarks.attached [TURNS]

`absent`: its server is not there. `server`: one is, and no page. `page`: somebody looks at most panels. Each turn is
four updates watched and four that are not, of one model, so that what else the machine does falls on both alike. The
process that measures beside the loop is not counted; of a machine with one core it would take its share.
"""

import os
import statistics
import sys
import time
import warnings

import torch

from ppo_scope.attach.stable_baselines import Watched
from tests.attach.elsewhere import Door, nowhere, waiting_server
from tests.server.scope_page import Page

PANELS = ["ratio", "samples", "advantages", "values", "minibatches", "policy", "gradients"]
UPDATES, STEPS = 4, 128
WARM_SECONDS = 12.0


class Turns:
    """A model that learns, watched by turns."""

    def __init__(self, link):
        from stable_baselines3 import PPO
        from stable_baselines3.common.env_util import make_vec_env

        sizes = {"n_steps": STEPS, "batch_size": STEPS, "n_epochs": 4}
        self.model = PPO("MlpPolicy", make_vec_env("CartPole-v1", 4), seed=1, device="cpu", **sizes)
        self.watched = Watched(self.model, link, False)

    def learn(self, *, watched):
        """Milliseconds of processor time per update."""
        self.watched.watcher.off = not watched
        start = time.process_time()
        self.model.learn(4 * STEPS * UPDATES, reset_num_timesteps=False)
        return (time.process_time() - start) / UPDATES * 1e3


def measured(name, link, turns, look):
    one = Turns(link)
    until = time.monotonic() + WARM_SECONDS
    while time.monotonic() < until:  # until what measures beside is there
        one.learn(watched=True)
    look()
    spent = [(one.learn(watched=True), one.learn(watched=False)) for _ in range(turns)]
    one.watched.watcher.off = False
    one.watched.watcher.close()
    plain = statistics.median(without for _, without in spent)
    more = statistics.median(with_it - without for with_it, without in spent)
    print(f"{name:8} {plain:6.1f} ms an update, {more:+6.2f} ms when watched: {more / plain:+6.1%}", flush=True)


def main(turns):
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    server, looked_at = waiting_server(), waiting_server()
    door = Door(looked_at)
    with Page(door, cookie=door.cookie, resume=False) as page:
        page.say(
            type="resume", protocol=3, client="bench", server_epoch=None, run=None, sequence=None, session=door.session
        )

        def look():
            page.say(type="watch", id=str(time.monotonic()), probes=PANELS, environment=None)

        measured("absent", nowhere(), turns, lambda: None)
        measured("server", server.url, turns, lambda: None)
        measured("page", looked_at.url, turns, look)
    server.kill()
    looked_at.kill()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
    sys.stdout.flush()
    os._exit(0)  # lines to servers that are gone would be tried again
