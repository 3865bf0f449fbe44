"""Training processes that follow a script instead of training: quick to start, and faulty on purpose."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np

from ppo_scope.wire import frame

COLUMNS = ["loss", "applied"]
EPISODES = ["update", "step", "episodic_return", "episodic_length"]


class Script:
    """Speaks the trainer's side of the protocol."""

    def __init__(self, frames, commands, run, settings, paused, trial=False):
        self.frames, self.commands, self.run = frames, commands, run
        self.sequence, self.update, self.state = 0, 0, "paused" if paused else "running"
        self.applied = 0
        self.watched = []
        self.evaluates = False
        if trial:
            self.event("proved")
            while json.loads(self.commands.recv_bytes())["type"] != "begin":
                pass

    def send(self, kind, arrays=None, **header):
        position = {
            "update": self.update,
            "phase": "update",
            "epoch": 0,
            "epochs": 4,
            "minibatch": 0,
            "minibatches": 4,
        }
        if self.update == 0:
            position["phase"] = "ready"
        self.sequence += 1
        whole = {"kind": kind, "run": self.run, "sequence": self.sequence, **position, **header}
        self.frames.send_bytes(frame.encode(whole, arrays or {}))

    def event(self, event, /, **fields):
        self.send("event", event=event, **fields)

    def say_state(self, state, cause=None):
        self.state = state
        playing = state == "running"
        self.event("state", state=state, snapshot=self.sequence, playing=playing, pending={}, cause=cause)

    def begin(self):
        facts = {"device": "cpu", "observation": "Box(4)", "action": "Discrete(2)", "reward_threshold": 475.0}
        self.event("started", **facts)
        self.snapshot()
        self.say_state(self.state)

    def snapshot(self, samples=16):
        self.send("snapshot", {"ratio": np.full((1, samples), self.update, np.float32)}, watched=self.watched)

    def train(self, samples=16):
        self.update += 1
        rows = np.array([[1 / self.update, self.applied]])
        episodes = np.array([[self.update, 10.0 * self.update, 20.0, 20.0]])
        self.send(
            "series",
            {"rows": rows, "episodes": episodes},
            first=self.update,
            columns=COLUMNS,
            episode_columns=EPISODES,
        )
        self.snapshot(samples)

    def obey(self, command):
        """Do as told; False for stop."""
        code, message = None, ""
        match command["type"]:
            case "play":
                self.say_state("running")
            case "pause":
                self.say_state("paused")
            case "step" if self.state == "running":
                code, message = "conflict", "Pause first."
            case "step":
                self.applied += 1
                self.train()
                if self.evaluates:
                    self.event("evaluated", evaluations=[evaluated(self.update)])
                self.say_state("paused")
            case "set":
                fields = {
                    "first_update": self.update + 1,
                    "name": command["name"],
                    "old": 0.2,
                    "new": command["value"],
                }
                self.event("change", **fields)
            case "watch":
                self.watched = command["probes"]
                self.snapshot()
            case "look":
                code, message = "not_found", "Nothing is noted of it."
            case "stop":
                return False
        if command.get("id"):
            self.event("reply", id=command["id"], code=code, message=message)
        return True

    def live(self, seconds_per_update=0.01, samples=16):
        alive = True
        while alive:
            running = self.state == "running"
            try:
                while alive and self.commands.poll(seconds_per_update if running else 0.5):
                    alive = self.obey(json.loads(self.commands.recv_bytes()))
                    running = self.state == "running"
                if running:
                    self.train(samples)
                else:
                    self.send("progress")
            except (EOFError, ConnectionError):
                return


def obedient(*arguments):
    """Does what it is told."""
    script = Script(*arguments)
    script.begin()
    script.live()


def evaluated(update):
    """What an evaluation after this update would be."""
    returns = {"mean": 10.0 * update, "lowest": 9.0 * update, "highest": 11.0 * update}
    return {"update": update, "steps": update, **returns, "episodes": 3, "unfinished": 0, "fault": None, "best": True}


def evaluates(*arguments):
    """The same, and tells of an evaluation after each step."""
    script = Script(*arguments)
    script.evaluates = True
    script.begin()
    script.live()


def heavy(*arguments):
    """Sends big snapshots as fast as it can."""
    script = Script(*arguments)
    script.begin()
    script.live(seconds_per_update=0.002, samples=65_536)


def dies_at_once(*arguments):
    """Ends before its first message."""
    print("a library is missing")
    os._exit(3)


def fails(*arguments):
    """Reports its failure."""
    script = Script(*arguments)
    script.begin()
    script.say_state("failed", {"summary": "KeyError: 'x'", "detail": "Traceback", "remedy": "Restart."})
    sys.exit(1)


def hangs(*arguments):
    """Runs, and then neither reads nor writes, nor heeds a polite signal; its child lives as long as it is let."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    script = Script(*arguments)
    script.begin()
    script.event("started", child=child.pid)
    while True:
        time.sleep(60)


def prints(*arguments):
    """Prints megabytes and dies of it."""
    for number in range(200_000):
        print("noise", number)
    print("the last words", file=sys.stderr, flush=True)
    sys.exit(7)


def babbles(*arguments):
    """Says things that are not in the protocol, then goes on properly."""
    script = Script(*arguments)
    script.frames.send_bytes(b"\xff\xff\xff\xff not a frame")
    script.frames.send_bytes(frame.encode({"kind": "snapshot"}, {}))
    script.event("unheard of")
    script.begin()
    script.live()


def loses(*arguments):
    """Every other row, and every other change of a setting, is lost on the way; they are sent when they are missed."""
    script = Script(*arguments)
    send, obey, kept = script.send, script.obey, []

    def lossy(kind, arrays=None, **header):
        wanted = kind == "series" or header.get("event") == "change"
        if wanted:
            kept.append((kind, arrays, header))
        if wanted and len(kept) % 2:
            script.sequence += 1
        else:
            send(kind, arrays, **header)

    def again(command):
        if command["type"] == "again":
            for kind, arrays, header in kept:
                send(kind, arrays, **header)
        return obey(command)

    script.send, script.obey = lossy, again
    script.begin()
    script.live()


def measures(*arguments):
    """Takes its time whenever it is told what is watched."""
    script = Script(*arguments)
    obey = script.obey

    def slowly(command):
        if command["type"] == "watch":
            time.sleep(0.05)
        return obey(command)

    script.obey = slowly
    script.begin()
    script.live()


def long(*arguments):
    """Has made fifty thousand updates when it begins."""
    script = Script(*arguments)
    script.begin()
    columns = [*COLUMNS, *(f"quantity_{number}" for number in range(38))]
    for first in range(1, 50_000, 5000):
        script.update = first + 4999
        rows = np.arange(first, first + 5000, dtype=np.float64)[:, None] + np.zeros(len(columns))
        rows[:, -1] = np.nan
        episodes = np.stack([np.arange(first, first + 5000.0)] * 4, axis=1)
        script.send(
            "series", {"rows": rows, "episodes": episodes}, first=first, columns=columns, episode_columns=EPISODES
        )
    script.train = lambda samples=16: script.snapshot(samples)
    script.live()


def never_proves(*arguments):
    """Is fine as the first run, and never shows on trial that it trains."""
    if arguments[5:] and arguments[5]:
        time.sleep(600)
    obedient(*arguments)
