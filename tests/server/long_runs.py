"""A training process that has made a hundred thousand updates when it begins, for tests and benchmarks of the page.

Its rows are made up, of all columns that a real run has; its moments are real ones, of the recording of CartPole, each
at another update.
"""

from functools import cache

import numpy as np

from ppo_scope.records import recorded
from ppo_scope.wire import frame
from ppo_scope.wire.metrics import EPISODE_COLUMNS, SERIES_COLUMNS
from tests.live import ROOT
from tests.server.scripted_workers import Script

UPDATES = 100_000
MOMENTS = 400
"""That are kept, evenly spread over the run."""
PART = 10_000
STEPS_AN_UPDATE = 32
SPIKE = 61_803
"""The one update whose loss, KL and return stick out: what is drawn of the run must show it."""
CHANGES = {20_000: ("clip_range", 0.2, 0.3), 70_000: ("learning_rate", 0.0003, 0.0001)}
HISTORY = [
    {"name": "kl_spike", "title": "A KL spike", "severity": "warning", "since": 61_803, "until": 61_810},
    {
        "name": "critic_constant",
        "title": "The critic is no better than a constant",
        "severity": "note",
        "since": 5,
        "until": 400,
    },
]


def rows_of(first, last):
    """[last − first + 1, columns]: the same values of an update in whatever part it is asked for."""
    updates = np.arange(first, last + 1, dtype=np.float64)
    noise = np.sin(updates * 12.9898) * 43758.5453
    noise -= np.floor(noise)
    rows = np.empty((len(updates), len(SERIES_COLUMNS)))
    for at, name in enumerate(SERIES_COLUMNS):
        rows[:, at] = 0.02 * (1 + np.sin(updates / 9000 + at)) + 0.01 * noise
        rows[updates == SPIKE, at] = 1.0 + at / 100
        if name == "steps":
            rows[:, at] = STEPS_AN_UPDATE * updates
        if name == "episodic_return_mean":
            rows[:, at] = 480 * updates / (updates + 9000) + 15 * noise
            rows[updates == SPIKE, at] = 2.0
    return rows


def episodes_of(first, last):
    """One episode an update."""
    updates = np.arange(first, last + 1, dtype=np.float64)
    returns = rows_of(first, last)[:, SERIES_COLUMNS.index("episodic_return_mean")]
    return np.stack([updates, STEPS_AN_UPDATE * updates, returns, returns], axis=1)


@cache
def recorded_moments():
    """The start and the ends of updates of the recording: (header, arrays) each."""
    whole = recorded.gzip.decompress((ROOT / "frontend" / "recordings" / "cartpole.rec").read_bytes())
    frames = (frame.decode(one) for one in recorded._frames(whole))
    return [(h, arrays) for h, arrays in frames if h["kind"] == "snapshot" and h["phase"] in ("ready", "update")]


class LongScript(Script):
    """Tells all of a long run at once."""

    def snapshot(self, samples=16):
        start, *ends = recorded_moments()
        header, arrays = ends[self.update % len(ends)] if self.update else start
        own = ("protocol", "kind", "run", "sequence", "update", "arrays", "watched")
        rest = {name: value for name, value in header.items() if name not in own}
        history = [spell for spell in HISTORY if spell["since"] <= self.update]
        steps = STEPS_AN_UPDATE * self.update
        return self.send("snapshot", arrays, **rest | {"steps": steps, "history": history, "watched": self.watched})

    def say_state(self, state, cause=None):
        self.state = state
        playing = state == "running"
        self.event("state", state=state, snapshot=self.sequence, pending={}, cause=cause, playing=playing)

    def tell(self, updates):
        """Rows, episodes, changes and some moments of so many updates."""
        for first in range(1, updates + 1, PART):
            last = min(updates, first + PART - 1)
            self.update = last
            arrays = {"rows": rows_of(first, last), "episodes": episodes_of(first, last)}
            self.send(
                "series", arrays, first=first, columns=list(SERIES_COLUMNS), episode_columns=list(EPISODE_COLUMNS)
            )
        for update, (name, old, new) in CHANGES.items():
            self.event("change", first_update=update, name=name, old=old, new=new)
        for update in np.linspace(updates / MOMENTS, updates, MOMENTS).round().astype(int):
            self.update = int(update)
            self.snapshot()

    def train(self, samples=16):
        self.update += 1
        arrays = {"rows": rows_of(self.update, self.update), "episodes": episodes_of(self.update, self.update)}
        self.send(
            "series", arrays, first=self.update, columns=list(SERIES_COLUMNS), episode_columns=list(EPISODE_COLUMNS)
        )
        self.snapshot()


def long(*arguments):
    """Has made them, and goes on when it is told to."""
    script = LongScript(*arguments)
    script.begin()
    script.tell(UPDATES)
    script.say_state(script.state)
    script.live(seconds_per_update=0.03)
