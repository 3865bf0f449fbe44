"""A run that is opened while it begins to go on, and goes on while it is being opened: it is there once."""

import os
import signal
import threading

import pytest

from ppo_scope.records.library import Library
from ppo_scope.runs import supervisor as supervisor_module
from ppo_scope.runs.reopening import reopened, to_show
from tests.kept import run_on_disk
from tests.runs.house import House
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
