"""The same runs with a clerk and without, in a process with one thread, from which one can be forked.

`python -m tests.worker.beside FILE` leaves what was sent, by case, pickled.
"""

import os
import pickle
import signal
import sys
import time
from pathlib import Path

from ppo_scope.ppo.settings import Settings
from ppo_scope.ppo.threads import use_one_thread
from ppo_scope.probes import cost
from ppo_scope.probes.probes import PROBES
from ppo_scope.worker import clerk as clerks
from ppo_scope.worker import due
from ppo_scope.worker.clerk import SLOTS
from ppo_scope.worker.worker import Worker

STARVED_UPDATES = 40
SMALL = {"num_envs": 4, "rollout_steps": 32, "hidden_sizes": [16, 16]}
PLAY, PAUSE = {"type": "play"}, {"type": "pause"}


def change(name, value):
    return {"type": "set", "name": name, "value": value}


def step(size, **fields):
    return {"type": "step", "size": size, **fields}


UNTIL = step("until", until={"quantity": "steps", "above": 2500})
ANEW = [{"type": "redo", "settings": {"clip_range": 0.3}}, {"type": "keep", "which": "new"}]
CASES = {
    "discrete, paused, stepped and made anew": (
        {},
        {6: [PAUSE, step("minibatch"), step("update"), *ANEW, PLAY], 14: [PAUSE, UNTIL, step("updates"), PLAY]},
        26,
    ),
    "with other settings on the way": (
        {"normalize_advantages": "batch"},
        {5: [change("epochs", 2)], 9: [change("epochs", 6), change("clip_range", 0.1)], 14: [change("minibatches", 8)]},
        20,
    ),
    "a box, with all that is normalised": (
        {"env": "Pendulum-v1", "normalize_observations": True, "normalize_rewards": True},
        {},
        16,
    ),
    "one network, ended by target_kl": ({"shared_network": True, "target_kl": 1e-4, "activation": "relu"}, {}, 24),
    "rewards alone": ({"objective": "reinforce", "env": "Taxi-v4", "anneal_learning_rate": True}, {}, 16),
    "not finite, and on": (
        {"env": "Pendulum-v1", "learning_rate": 1.0, "entropy_coef": 100.0},
        {},
        60,
    ),
}


class Played:
    """A run that is told things at the first rollout after so many updates, one after the other while it stands."""

    def __init__(self, settings, orders, updates, clerk, disturb=None):
        self.frames, self.clerk = [], clerk
        self._orders, self._updates, self._disturb = dict(orders), updates, disturb
        self._standing = [{"type": "watch", "probes": sorted(PROBES)}, PLAY]
        self.worker = Worker(self._send, self._receive, "run", True, clerk)
        self._halts = 0
        total = updates * SMALL["num_envs"] * SMALL["rollout_steps"]
        self.worker.train(Settings.parse({**SMALL, **settings, "total_steps": total}))

    def _send(self, message):
        self.frames.append(message)

    def _receive(self, timeout):
        if timeout > 0:
            if self._standing:
                return self._standing.pop(0)
            self._halts += 1
            stopped = self._halts > 3 or self.worker.trainer.finished
            return {"type": "stop", "kept": False} if stopped else PLAY
        updates = self.worker.trainer.updates
        if self._disturb is not None and updates > SLOTS + 2:  # some have been answered then
            self._disturb, disturb = None, self._disturb
            disturb(self.clerk.pid)
        if updates in self._orders:
            now, *self._standing = self._orders.pop(updates)
            return now
        return None


def killed(pid):
    os.kill(pid, signal.SIGKILL)


def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    clerks.PATIENCE = 0.2


def starved(pid):
    """Others, to which it gives way, have its core for the rest of the run."""
    core = {min(os.sched_getaffinity(0))}
    os.sched_setaffinity(pid, core)
    for _ in range(6):
        if (other := os.fork()) == 0:
            os.sched_setaffinity(0, core)
            while os.getppid() == STARTED:
                pass
            os._exit(0)
        OTHERS.append(other)


STARTED = os.getpid()
OTHERS: list[int] = []


def main(path):
    use_one_thread()  # as a training process does
    due.QUICK, due.QUICK_SECONDS, due.SECONDS["snapshot"], cost.SHARE = 0, float("inf"), 0.0, 1.0
    cost.SLOW_SECONDS = float("inf")
    found = {}
    for name, case in CASES.items():
        found[name] = with_and_without(*case)
    for disturb in (starved, killed, stopped):
        found[disturb.__name__] = with_and_without({}, {}, 16 if disturb is not starved else STARVED_UPDATES, disturb)
    Path(path).write_bytes(pickle.dumps(found))


def with_and_without(settings, orders, updates, disturb=None):
    clerk = clerks.hired()
    assert clerk is not None
    pid = clerk.pid
    beside = Played(settings, orders, updates, clerk, disturb)
    assert clerk.pid is None, "it has ended with the run"
    while OTHERS:
        os.kill(OTHERS[-1], signal.SIGKILL)
        os.waitpid(OTHERS.pop(), 0)
    alone = Played(settings, orders, updates, None)
    return {
        "beside": beside.frames,
        "alone": alone.frames,
        "weights": (beside.worker.trainer.weights_sha256(), alone.worker.trainer.weights_sha256()),
        "measured": clerk.measured,
        "gone": gone(pid),
    }


def gone(pid):
    end = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    return not Path(f"/proc/{pid}").exists()


if __name__ == "__main__":
    main(sys.argv[1])
