"""Disks that are full, folders that cannot be written, and files that are old, foreign or meant ill."""

from __future__ import annotations

import contextlib
import json
import pickle
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppo_scope.records import trees
from ppo_scope.records.export.arrays import write_npz
from ppo_scope.records.library import INTERRUPTED, UNREADABLE, Library, Terms
from ppo_scope.records.loading import load
from ppo_scope.records.store import FILE, CannotRead, Store
from ppo_scope.runs import journal as journals
from ppo_scope.runs.journal import Journal
from ppo_scope.runs.journals import journal_of
from ppo_scope.runs.reopening import forked, reopened, to_show
from tests.kept import run_on_disk
from tests.records.disks import SMALL, made_larger, read_only, small_disk

PAGE = 4096
"""Bytes that SQLite writes at once."""

COLUMNS = ["steps", "loss"]
NO_EPISODES = np.zeros((0, 4))
VERSION_1 = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE columns (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE series ("update" INTEGER PRIMARY KEY, columns INTEGER NOT NULL, numbers BLOB NOT NULL) STRICT;
CREATE TABLE episodes ("update" INTEGER, step REAL, episodic_return REAL, length REAL) STRICT;
CREATE INDEX episodes_by_update ON episodes ("update");
CREATE TABLE changes ("update" INTEGER NOT NULL, name TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL) STRICT;
CREATE TABLE events (at TEXT NOT NULL, "update" INTEGER NOT NULL, what TEXT NOT NULL, said TEXT NOT NULL) STRICT;
CREATE TABLE states (
    "update" INTEGER PRIMARY KEY, size INTEGER NOT NULL, marked INTEGER NOT NULL DEFAULT 0, state BLOB NOT NULL
) STRICT;
INSERT INTO about VALUES ('settings', '{"env": "CartPole-v1", "seed": 3}'), ('created', '"2026-11-01T10:00:00+00:00"');
INSERT INTO columns VALUES (1, '["steps", "loss"]');
PRAGMA user_version=1;
"""
"""As they were; never to be changed."""


def until(true: Any) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def of_version_1(folder: Path) -> Path:
    """A run of one update, with a state as it was kept then."""
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / FILE)) as file:
        file.execute("PRAGMA journal_mode=WAL")
        file.executescript(VERSION_1)
        file.execute("INSERT INTO series VALUES (1, 1, ?)", (np.array([512.0, 0.5]).tobytes(),))
        kept = sealed_as_in_version_1(trees.encode({"theta": np.arange(3.0)}))
        file.execute("INSERT INTO states VALUES (2, ?, 0, ?)", (len(kept), kept))
        file.commit()
    return folder


def sealed_as_in_version_1(plain: bytes) -> bytes:
    import hashlib
    import zlib

    packed = zlib.compress(plain, 1)
    return b"PPO Scope state\n" + hashlib.sha256(packed).digest() + packed


def shows_what_was_kept_in_version_1(place: Path) -> None:
    with contextlib.closing(Store(place)) as store:
        np.testing.assert_array_equal(store.series()[2], [[512.0, 0.5]])
        found = store.state()
        assert found is not None and found[0] == 2
        np.testing.assert_array_equal(trees.decode(trees.opened(found[1]))["theta"], np.arange(3.0))
        assert [(state.update, state.mark, state.replayable) for state in store.states()] == [(2, "", False)]


def test_a_run_of_the_first_version_is_opened_also_where_nothing_can_be_written(tmp_path: Path) -> None:
    of_version_1(tmp_path / "old")
    with read_only(tmp_path) as place:
        (run,) = Library(place).runs()
        assert (run.id, run.state, run.last, run.resumes_at) == ("old", INTERRUPTED, 1, 2)
        shows_what_was_kept_in_version_1(place / "old")
    shows_what_was_kept_in_version_1(tmp_path / "old")
    with contextlib.closing(Store(tmp_path / "old")) as store, store.writing():
        store.judge(1, {"fine": True})
        assert store.judgement(1) == (1, {"fine": True})


def test_a_run_that_was_being_written_is_read_where_nothing_can_be_written(tmp_path: Path) -> None:
    with contextlib.closing(Store(tmp_path / "run", create=True)) as store:
        with store.writing():
            store.append(COLUMNS, 1, np.ones((3, 2)), NO_EPISODES)
        with read_only(tmp_path) as place:
            (run,) = Library(place).runs()
            assert run.last == 3


def test_a_full_disk_costs_states_but_no_row_and_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journals, "EVERY", 0.01)
    monkeypatch.setattr(journals, "AGAIN", 0.05)
    noise = np.random.default_rng(1).bytes(SMALL // 5)
    with small_disk(tmp_path):
        journal = Journal(tmp_path / "run", {"settings": {}}, create=True)
        for update in range(1, 200):
            journal.series(COLUMNS, update, np.full((1, 2), float(update)), NO_EPISODES)
            journal.state(update, noise)
            time.sleep(0.005)
        until(lambda: journal.problem is not None)
        assert "cannot be written to the disk" in caplog.text and "It goes on" in caplog.text
        with contextlib.closing(Store(tmp_path / "run")) as store:
            kept = store.state()
            assert kept is not None and trees.opened(kept[1]) == noise, "what was there before is whole"
        with made_larger(tmp_path):
            journal.state(200, noise)
            until(lambda: journal.problem is None)
            journal.close()
            journal.wait()
            (run,) = Library(tmp_path).runs()
            assert run.last == 199 and run.resumes_at == 200 and run.dropped > 0
            with contextlib.closing(Store(run.folder)) as store:
                assert list(store.series()[1]) == list(range(1, 200))


def test_a_journal_that_the_disk_did_not_take_leaves_nothing_behind_and_can_be_begun_again(tmp_path: Path) -> None:
    with small_disk(tmp_path):
        with pytest.raises((OSError, sqlite3.Error)):
            Journal(tmp_path / "run", {"settings": "x" * 2 * SMALL}, create=True)
        assert not (tmp_path / "run").exists()
        journal = Journal(tmp_path / "run", {"settings": {}}, create=True)
        journal.close()
        journal.wait()
        assert [run.id for run in Library(tmp_path).runs()] == ["run"]


def test_a_run_that_ends_on_a_disk_that_takes_no_state_has_its_rows_and_its_end(tmp_path: Path) -> None:
    with small_disk(tmp_path):
        journal = Journal(tmp_path / "run", {"settings": {}}, create=True)
        journal.series(COLUMNS, 1, np.ones((1, 2)), NO_EPISODES)
        journal.state(2, np.random.default_rng(1).bytes(2 * SMALL))
        journal.event(1, "state", {"state": "finished", "cause": None})
        journal.close()
        journal.wait()
        (run,) = Library(tmp_path).runs()
        assert (run.state, run.last, run.resumes_at, run.dropped) == ("finished", 1, None, 1)


def test_a_run_whose_folder_is_taken_away_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journals, "EVERY", 0.01)
    journal = Journal(tmp_path / "run", {"settings": {}}, create=True)
    shutil.rmtree(tmp_path / "run")
    journal.series(COLUMNS, 1, np.ones((1, 2)), NO_EPISODES)
    until(lambda: journal.problem is not None)
    assert "is not there any more). It goes on" in caplog.text
    journal.close()
    journal.wait()


def test_what_cannot_be_written_is_left_out_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(tmp_path / "run", {"settings": {}}, create=True)
    journal.event(2**80, "state", {"state": "paused"})  # as a loop elsewhere may say
    journal.series(COLUMNS, 1, np.ones((1, 2)), NO_EPISODES)
    journal.close()
    journal.wait()
    (run,) = Library(tmp_path).runs()
    assert (run.last, run.in_use) == (1, False)
    assert caplog.text.count("said what cannot be written") == 1


def test_what_is_thinned_out_is_said_and_what_was_paused_changed_or_forked_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run", {"settings": {}}, create=True, terms=Terms(room=20_000, every=50))
    noise = np.random.default_rng(1).bytes(1000)
    for update in range(1, 121):
        journal.state(update, noise)
        if update == 6:
            journal.change({"update": 6, "name": "clip_range", "old": 0.2, "new": 0.3})
        if update == 33:
            journal.event(33, "state", {"state": "paused"})
            journal.event(33, "state", {"state": "running"})
    journal.event(120, "state", {"state": "finished"})
    journal.close()
    journal.wait()
    (run,) = Library(tmp_path).runs()
    assert run.states < 20 and run.dropped == 120 - run.states
    with contextlib.closing(Store(run.folder)) as store:
        marks = {state.update: state.mark for state in store.states() if state.marked}
        assert marks == {6: "change", 33: "pause", 51: "checkpoint", 101: "checkpoint", 120: "end"}
        assert [said for _, _, what, said in store.events() if what == "thinned"] == [{"room": 20_000}]


def test_pauses_and_changes_go_at_last_where_there_is_no_room_even_for_them(tmp_path: Path) -> None:
    with contextlib.closing(Store(tmp_path / "run", create=True)) as store, store.writing():
        for update, mark in enumerate(["", "pause", "change", "checkpoint", "fork"] * 20, start=1):
            store.keep(update, bytes(100), mark)
        store.thin(6200)
        left = [state.mark for state in store.states()]
        assert left.count("checkpoint") == left.count("fork") == left.count("change") == 20 and left.count("") == 1
        store.thin(100)
        left = [state.mark for state in store.states()]
        assert left.count("checkpoint") == left.count("fork") == 20 and len(left) == 43


def test_whatever_page_of_the_file_is_lost_what_is_whole_is_read_and_the_rest_refused_in_a_sentence(tmp_path):
    file = run_on_disk(tmp_path, 4) / FILE
    whole = file.read_bytes()
    library = Library(tmp_path)
    newest = library.find("last").resumes_at
    from_newest, from_earlier, without_a_state = 0, 0, 0
    for start in range(PAGE, len(whole), 3 * PAGE):  # every third
        file.write_bytes(whole[:start] + bytes(PAGE) + whole[start + PAGE :])
        (kept,) = library.runs()
        for read in (to_show, lambda run: forked(run, None, {}, library), lambda run: load(run.folder)):
            with contextlib.suppress(CannotRead):
                read(kept)
        with contextlib.suppress(CannotRead):
            began = reopened(kept, {}).record.last + 1
            from_newest, from_earlier = from_newest + (began == newest), from_earlier + (began < newest)
        with contextlib.suppress(CannotRead):
            without_a_state += bool(write_npz(load(kept.folder), tmp_path / "run.npz")[1])
    assert from_newest and from_earlier and without_a_state


def test_a_fork_that_ends_before_its_process_has_said_anything_goes_on_as_a_fork(tmp_path):
    """And not as a new run that is called one."""
    run_on_disk(tmp_path, 4)
    library = Library(tmp_path)
    parent = library.find("last")
    begun = forked(parent, 3, {"clip_range": 0.3}, library)
    journal = journal_of(begun, library.terms)
    journal.close()
    journal.wait()
    fork = library.find(begun.record.id)
    on = reopened(fork, {})
    assert on.record.last == 2 and on.record.parent == {"run": parent.id, "update": 3}
    state = trees.decode(on.state)
    assert state["pending"] == {"clip_range": 0.3} and (state["theta"] == trees.decode(begun.state)["theta"]).all()
    with contextlib.closing(sqlite3.connect(fork.folder / FILE)) as file, file:
        file.execute("DELETE FROM states")  # as earlier versions left such a run
    with pytest.raises(CannotRead, match=f"`ppo-scope serve --fork {parent.id}@3` begins it anew"):
        reopened(library.find(begun.record.id), {})


class Loaded:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


def test_a_pickle_is_never_loaded_however_it_is_wrapped(tmp_path: Path) -> None:
    foreign = pickle.dumps(Loaded(tmp_path / "loaded"))
    for kept in (foreign, trees.sealed(foreign), sealed_as_in_version_1(foreign)):
        with pytest.raises(trees.Damaged):
            trees.decode(trees.opened(kept))
    with pytest.raises(trees.Damaged):
        trees.opened(trees.MARK + trees.CHECKSUM(foreign).digest() + foreign)
    assert not (tmp_path / "loaded").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("settings", ["no", "settings"]),
        ("created", {"a": 1}),
        ("parent", {"run": 7}),
        ("parent", "x"),
        ("dropped", {"thinned": "many"}),
    ],
)
def test_a_file_that_says_nonsense_of_itself_is_listed_as_unreadable(tmp_path: Path, name: str, value: Any) -> None:
    with contextlib.closing(Store(tmp_path / "run", create=True)) as store, store.writing():
        store.say(**{"settings": {}, "created": "now", name: value})
    (run,) = Library(tmp_path).runs()
    assert run.state == UNREADABLE and name in run.problem


def test_events_and_facts_that_are_no_json_are_no_end_of_the_list(tmp_path: Path) -> None:
    for number, said in enumerate(("[" * 100_000, "no", json.dumps([1]))):
        with contextlib.closing(Store(tmp_path / str(number), create=True)) as store, store.writing():
            store._connection.execute("INSERT INTO events VALUES ('', 0, 'state', ?)", (said,))
    assert [run.state for run in Library(tmp_path).runs()] == [UNREADABLE] * 3
