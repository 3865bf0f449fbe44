"""What it costs Stable-Baselines3's PPO to be watched: processor time of its process, in turns with and without.

    python -m benchmarks.attached [UPDATES]

`absent`: its server is not there. `server`: one is, and no page. `page`: somebody looks at most panels.
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
TURNS = 3


def train(updates, link):
    """Seconds of processor time."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    sizes = {"n_steps": 128, "batch_size": 128, "n_epochs": 4}
    model = PPO("MlpPolicy", make_vec_env("CartPole-v1", 4), seed=1, device="cpu", **sizes)
    watched = Watched(model, link, False) if link else None
    start = time.process_time()
    model.learn(512 * updates)
    spent = time.process_time() - start
    if watched is not None:
        watched.watcher.close()
    return spent


def main(updates):
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    server, looked_at = waiting_server(), waiting_server()
    door = Door(looked_at)
    with Page(door, cookie=door.cookie, resume=False) as page:
        page.say(
            type="resume", protocol=3, client="bench", server_epoch=None, run=None, sequence=None, session=door.session
        )
        train(2, None)
        found = {"plain": [], "absent": [], "server": [], "page": []}
        links = {"plain": None, "absent": nowhere(), "server": server.url, "page": looked_at.url}
        for _ in range(TURNS):
            for name, link in links.items():
                if name == "page":
                    page.say(type="watch", id=str(time.monotonic()), probes=PANELS, environment=None)
                found[name].append(train(updates, link))
    server.kill()
    looked_at.kill()
    plain = statistics.median(found["plain"])
    for name, spent in found.items():
        median = statistics.median(spent)
        print(f"{name:8} {median:6.2f} s {median / plain - 1:+7.1%}  {[round(each, 2) for each in spent]}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
    sys.stdout.flush()
    os._exit(0)  # lines to servers that are gone would be tried again
