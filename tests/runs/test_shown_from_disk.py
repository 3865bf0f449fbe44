"""What a run from the disk says of itself before anything of it is measured."""

import contextlib

import pytest

from ppo_scope.ppo.settings import Settings
from ppo_scope.records.library import Library
from ppo_scope.records.loading import load
from ppo_scope.records.store import Store
from ppo_scope.runs.journals import Journals
from ppo_scope.runs.reopening import to_show
from ppo_scope.wire.metrics import SERIES_COLUMNS
from ppo_scope.worker.replaying import NothingToShow, recorded
from tests.server.long_runs import episodes_of, rows_of


def test_a_run_from_the_disk_knows_where_it_was_paused(tmp_path):
    with contextlib.closing(Store(tmp_path / "run", create=True)) as store, store.writing():
        store.say(settings=Settings().model_dump(mode="json"), created="2026-01-02T03:04:05+00:00")
        store.append(SERIES_COLUMNS, 1, rows_of(1, 50), episodes_of(1, 50))
        for update, what in ((10, "paused"), (20, "state"), (30, "paused"), (70, "paused")):
            store.event("2026-01-02T03:04:05+00:00", update, what, {"state": "paused"} if what == "state" else {})
    _, record = to_show(Library(tmp_path).find("last"))
    assert record.describe("kept", None)["pauses"] == [10, 30], "the last one is of an update that has no row"


THEIRS = {"env": "theirs", "clip_range": 0.3, "anneal_learning_rate": True}
"""What a loop has told of itself; ours would want to know `total_steps` as well."""


def theirs(folder):
    """What is kept of a loop elsewhere that its server has left."""
    with contextlib.closing(Store(folder / "0123abcd", create=True)) as store, store.writing():
        store.say(settings=THEIRS, created="2026-01-02T03:04:05+00:00", facts={"attached": {"library": "a loop"}})
        store.append(SERIES_COLUMNS, 1, rows_of(1, 50), episodes_of(1, 50))
        store.change({"update": 30, "name": "clip_range", "old": 0.3, "new": 0.1})
        store.change({"update": 51, "name": "clip_range", "old": 0.1, "new": 0.2})


def test_settings_of_a_loop_elsewhere_need_not_be_what_ours_may_be(tmp_path):
    theirs(tmp_path)
    _, record = to_show(Library(tmp_path).find("last"))
    assert record.settings == {**THEIRS, "clip_range": 0.1}
    with pytest.raises(NothingToShow, match="its series are all that there is"):
        recorded(load("last", tmp_path))


def test_a_loop_that_comes_to_another_server_goes_on_with_what_the_first_has_kept(tmp_path):
    theirs(tmp_path)
    record, journal = Journals(Library(tmp_path)).of_attached("0123abcd", THEIRS, {})
    assert journal is not None
    with contextlib.closing(journal):
        assert (record.last, record.created) == (50, "2026-01-02T03:04:05+00:00")
        assert record.changes_made == 2, "so that the loop tells none of them again"
        assert record.settings["clip_range"] == 0.2
        alone, none = Journals(Library(tmp_path)).of_attached("0123abcd", THEIRS, {})
        assert none is None and "in use" in alone.unwritten, "while another server has it"
    journal.wait()


@pytest.mark.parametrize("damaged", [True, False])
def test_a_loop_takes_no_place_of_what_is_not_its_own(tmp_path, damaged):
    place = tmp_path / "0123abcd"
    with contextlib.closing(Store(place, create=True)) as store, store.writing():
        store.say(settings=Settings().model_dump(mode="json"))
    if damaged:
        (place / "run.sqlite").write_bytes(b"nonsense" * 1000)
    before = (place / "run.sqlite").read_bytes()
    record, journal = Journals(Library(tmp_path)).of_attached("0123abcd", THEIRS, {})
    assert journal is None and record.unwritten
    assert (place / "run.sqlite").read_bytes() == before
