"""A run that is opened while it begins to go on, and goes on while it is being opened: it is there once."""

import os
import signal
import threading
import time

import pytest

from ppo_scope.records.library import Library
from ppo_scope.runs import attached
from ppo_scope.runs import supervisor as supervisor_module
from ppo_scope.runs.reopening import reopened, to_show
from ppo_scope.runs.supervisor import KEPT_RUNS
from ppo_scope.wire.metrics import SERIES_COLUMNS
from tests.kept import run_on_disk
from tests.runs.house import House
from tests.server.long_runs import episodes_of, rows_of
from tests.server.scope_page import alive, wait_for


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    run_on_disk(folder, 2)
    with House(library=Library(folder)) as house:
        yield house


@pytest.fixture
def kept(house):
    return house.supervisor.library.run("0ffe1610")


def goes_on(house, kept):
    return house.begin(house.supervisor.go_on(reopened(kept, {}), paused=True))


def test_a_run_that_goes_on_while_it_is_being_opened_is_what_one_comes_to(house, kept, monkeypatch):
    reading, read = threading.Event(), threading.Event()

    def slowly(kept):
        reading.set()
        assert read.wait(60)
        return to_show(kept)

    monkeypatch.setattr(supervisor_module, "to_show", slowly)
    opened = house.begin(house.supervisor.open(kept))
    assert reading.wait(60)
    run = goes_on(house, kept).result(60)
    read.set()
    assert opened.result(60) is run is house.supervisor.get(kept.id)
    house.do(run.stop())
    house.do(run.written())


def test_a_run_that_is_opened_while_it_is_on_trial_gives_way_to_it(house, kept):
    house.start()
    coming = goes_on(house, kept)
    house.until(lambda: house.supervisor._candidate)
    shown = house.do(house.supervisor.open(kept))
    assert shown.state == "starting" and not coming.done()
    run = coming.result(60)
    assert house.supervisor.get(kept.id) is run is not shown
    wait_for(lambda: not alive(shown.pid))
    house.do(run.stop())
    house.do(run.written())


def test_a_run_that_dies_after_its_proof_lets_go_of_its_folder_and_says_how_it_ended(house, kept, monkeypatch):
    before = house.start()
    stop = before.stop

    async def killed_meanwhile():
        os.kill(house.supervisor._candidate.pid, signal.SIGKILL)
        await stop()
        await house.supervisor._candidate._done.wait()

    monkeypatch.setattr(before, "stop", killed_meanwhile)
    run = house.start()
    assert run.state == "killed"
    house.do(run.written())
    found = house.supervisor.library.run(run.id)
    assert (found.state, found.in_use) == ("killed", False)


def test_a_loop_that_has_been_away_for_long_is_let_go_of_and_comes_back_to_what_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(attached, "AWAY_SECONDS", 0.2)
    with House(library=Library(tmp_path)) as house:

        def loop(number):
            return house.do(house.supervisor.attach(f"{number:08x}", {"env": "theirs"}, {}))

        first, there = loop(0), loop(1)
        there._process.connect(lambda: None)
        first._writing._journal.series(SERIES_COLUMNS, 1, rows_of(1, 5), episodes_of(1, 5))
        time.sleep(0.3)
        for number in range(2, KEPT_RUNS):
            loop(number)
        assert house.supervisor.get(first.id) is first, "there is room for all"
        loop(KEPT_RUNS)
        assert house.supervisor.get(first.id) is None and house.supervisor.get(there.id) is there
        wait_for(lambda: not house.supervisor.library.run(first.id).in_use)
        assert house.supervisor.library.run(first.id).state == "interrupted", "nobody knows how it ended"
        again = loop(0)
        assert again is not first and again.record.last == 5 and again.describe()["stored"]
