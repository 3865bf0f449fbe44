"""What the clerk measures is what the trainer would have measured, to the byte, whatever happens on the way."""

import os
import pickle
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from ppo_scope.probes.probes import PROBES
from ppo_scope.wire import frame
from ppo_scope.wire.metrics import SERIES_COLUMNS
from ppo_scope.worker.clerk import NAME
from tests import programs
from tests.processes.test_guard import group
from tests.runs.house import SMALL, House
from tests.server.scope_page import SLACK, alive, wait_for
from tests.worker.beside import CASES, STARVED_UPDATES, killed, starved, stopped

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="there is no clerk on one core, or elsewhere"
)
TIMES = ("costs", "shares", "sequence")
TIMELESS = [at for at, name in enumerate(SERIES_COLUMNS) if not name.startswith("seconds_")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    path = tmp_path_factory.mktemp("beside") / "frames"
    done = programs.run("-m", "tests.worker.beside", str(path))
    assert done.returncode == 0, done.stderr
    return pickle.loads(path.read_bytes())


def of(frames, kind):
    return [found for found in map(frame.decode, frames) if found[0]["kind"] == kind]


def told_of_updates(frames):
    """Rows and amendments in the order in which they came, without what a clock tells."""
    return [
        (bool(header.get("amends")), header["first"] + number, row[TIMELESS].tobytes())
        for header, arrays in of(frames, "series")
        for number, row in enumerate(arrays["rows"])
    ]


def ended(frames):
    return np.concatenate([arrays["episodes"] for _, arrays in of(frames, "series") if "episodes" in arrays]).tolist()


def snapshots(frames):
    """By place: the last of each, without its number and what a clock tells."""
    found = {}
    for header, arrays in of(frames, "snapshot"):
        told = {name: value for name, value in header.items() if name not in TIMES}
        told["scalars"] = {n: v for n, v in header["scalars"].items() if not n.startswith("seconds_")}
        place = header["update"], header["phase"], header["epoch"], header["minibatch"]
        found[place] = told, {name: array.tobytes() for name, array in arrays.items()}
    return found


def events(frames):
    """What happened, without the number of a snapshot; of a traceback its end: by which way the loop came there depends
    on when it last looked at the clock.
    """

    def same(name, value):
        if name != "cause" or not value:
            return value
        return {**value, "detail": (value["detail"] or "").splitlines()[-1:]}

    told = (header for header, _ in of(frames, "event"))
    return [{n: same(n, v) for n, v in header.items() if n not in ("sequence", "snapshot")} for header in told]


@pytest.mark.parametrize("case", [*CASES, starved.__name__, killed.__name__, stopped.__name__])
def test_what_is_told_is_the_same_to_the_byte(runs, case):
    run = runs[case]
    beside, alone = run["beside"], run["alone"]
    assert run["weights"][0] == run["weights"][1]
    assert told_of_updates(beside) == told_of_updates(alone)
    assert ended(beside) == ended(alone)
    assert events(beside) == events(alone)
    found, expected = snapshots(beside), snapshots(alone)
    assert found.keys() <= expected.keys(), "some are left out while one is being measured"
    for place, snapshot in found.items():
        assert snapshot == expected[place]
    assert max(found) == max(expected) and run["measured"] and run["gone"]


def test_a_clerk_that_others_keep_from_the_processor_holds_up_nobody(runs):
    measured = runs[starved.__name__]["measured"]
    assert 0 < measured < STARVED_UPDATES / 2, f"{measured}; the trainer measured the rest"


def test_snapshots_of_a_run_at_full_speed_have_every_number(runs):
    headers = [header for header, _ in of(runs["a box, with all that is normalised"]["beside"], "snapshot")]
    measured = [set(header["measured"]) for header in headers if header["phase"] == "update"]
    assert measured and all(PROBES.keys() - {"transitions"} <= names for names in measured)


@pytest.mark.parametrize("which", ["beside", "alone"])
def test_the_rows_up_to_a_snapshot_are_there_before_it(runs, which):
    newest, seen = 0, []
    for header, arrays in map(frame.decode, runs["a box, with all that is normalised"][which]):
        if header["kind"] == "series":
            newest = header["first"] + len(arrays["rows"]) - 1
        elif header["kind"] == "snapshot" and header["phase"] == "update":
            seen.append((header["update"], newest))
    assert seen and all(row >= update for update, row in seen)


def test_a_killed_trainer_takes_its_clerk_along():
    with House() as house:
        house.start(paused=True, **SMALL)
        house.state(state="paused")
        leader = house.run.pid
        assert NAME[:15] in [Path(f"/proc/{pid}/comm").read_text().strip() for pid in group(leader)]
        os.kill(leader, signal.SIGKILL)
        house.state(state="killed")
        wait_for(lambda: not group(leader), SLACK)
        assert not alive(leader)
