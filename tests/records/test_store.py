"""A run on disk: what goes in comes out, and what is damaged, of a later version or foreign is refused."""

from __future__ import annotations

import contextlib
import os
import pickle
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as some
from hypothesis.extra import numpy as some_arrays

from ppo_scope.records import trees
from ppo_scope.records.library import InUse, Library, held, look_at
from ppo_scope.records.store import FILE, CannotRead, KeptState, Store
from ppo_scope.records.tables import VERSION
from ppo_scope.runs.journal import Journal

COLUMNS = ("steps", "loss")


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with contextlib.closing(Store(tmp_path / "run", create=True)) as made:
        yield made


def test_a_series_comes_back_with_columns_that_came_later_and_rows_that_were_replaced(store: Store) -> None:
    with store.writing():
        store.append(COLUMNS, 1, np.array([[10.0, 1.0], [20.0, np.nan]]), np.array([[1.0, 7.0, 3.0, 4.0]]))
    with store.writing():
        store.append((*COLUMNS, "kl"), 2, np.array([[21.0, 2.0, 0.5], [31.0, 3.0, 0.6]]), np.array([[3, 30, 5, 6.0]]))
        store.amend(COLUMNS, 1, np.array([11.0, 1.5]))
    columns, updates, rows = store.series()
    assert columns == (*COLUMNS, "kl")
    np.testing.assert_array_equal(updates, [1, 2, 3])
    np.testing.assert_array_equal(rows, [[11.0, 1.5, np.nan], [21.0, 2.0, 0.5], [31.0, 3.0, 0.6]])
    np.testing.assert_array_equal(store.series(2, 2)[2], rows[1:2])
    np.testing.assert_array_equal(store.episodes(), [[1, 7, 3, 4], [3, 30, 5, 6]])
    assert store.last() == 3


def test_what_is_not_committed_is_not_there(store: Store, tmp_path: Path) -> None:
    with contextlib.suppress(ZeroDivisionError), store.writing():
        store.append(COLUMNS, 1, np.zeros((1, 2)), np.zeros((0, 4)))
        _ = 1 / 0
    with contextlib.closing(Store(tmp_path / "run")) as reader:
        assert reader.last() == 0


def test_the_older_the_farther_apart_are_states_and_a_marked_one_never_goes(store: Store) -> None:
    for update in range(1, 65):
        with store.writing():
            store.keep(update, bytes(100), "fork" if update == 6 else "")
            store.thin(1600)
    kept = [state.update for state in store.states()]
    assert sum(state.size for state in store.states()) <= 1600
    assert 6 in kept and kept[0] == 1 and kept[-1] == 64
    gaps = np.diff([update for update in kept if update != 6])
    assert gaps[0] > gaps[-1] and all(np.diff(gaps) <= 0)
    assert store.state(63) == (kept[kept.index(64) - 1], bytes(100))


def test_a_run_goes_on_from_a_state_whose_rows_are_all_there(store: Store) -> None:
    assert store.resumes_at() is None
    with store.writing():
        store.keep(1, b"")
        store.append(COLUMNS, 1, np.zeros((3, 2)), np.zeros((0, 4)))
        store.keep(4, b"")
        store.keep(6, b"")  # the rows of 4 and 5 were still on their way
    assert store.resumes_at() == 4


def test_a_later_version_and_what_is_no_run_are_refused_in_a_sentence(tmp_path: Path) -> None:
    Store(tmp_path / "run", create=True).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "run" / FILE)) as file:
        file.execute(f"PRAGMA user_version={VERSION + 1}")
    with pytest.raises(CannotRead, match="later version"):
        Store(tmp_path / "run")
    (tmp_path / "run" / FILE).write_bytes(pickle.dumps("no database, however long " * 100))
    with pytest.raises(CannotRead, match="cannot be read"):
        Store(tmp_path / "run")
    with pytest.raises(CannotRead, match="holds no run"):
        Store(tmp_path)


DAMAGED = {
    "no columns": ("columns", "UPDATE columns SET names = 'null'"),
    "columns that are one text": ("columns", "UPDATE columns SET names = '\"ab\"'"),
    "columns that are numbers": ("columns", "UPDATE columns SET names = '[1, 2]'"),
    "columns that are no JSON": ("columns", "UPDATE columns SET names = '['"),
    "a row of another length": ("rows", "UPDATE series SET numbers = x'00112233'"),
    "changes": ("changes", "UPDATE changes SET old = '{'"),
    "events": ("events", "UPDATE events SET said = '3'"),
    "findings": ("findings", "UPDATE judged SET said = 'null'"),
    "facts": ("facts", "UPDATE about SET value = '['"),
}
READ = {
    "columns": Store.series,
    "rows": Store.series,
    "changes": Store.changes,
    "events": Store.events,
    "findings": lambda store: store.judgement(1),
    "facts": Store.about,
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_file_that_somebody_has_written_nonsense_into_is_refused_in_a_sentence(damage: str, store: Store) -> None:
    what, statement = DAMAGED[damage]
    with store.writing():
        store.say(settings={})
        store.append(COLUMNS, 1, np.zeros((1, 2)), np.zeros((0, 4)))
        store.change({"update": 1, "name": "clip_range", "old": 0.2, "new": 0.3})
        store.event("2026-01-02T03:04:05+00:00", 1, "state", {"state": "finished"})
        store.judge(1, {"findings": []})
    with contextlib.closing(sqlite3.connect(store.folder / FILE)) as file, file:
        file.execute(statement)
    with pytest.raises(CannotRead, match=f"cannot be read: its {what} are damaged"):
        READ[what](store)


def test_who_only_looks_keeps_no_run_from_being_deleted(tmp_path: Path) -> None:
    library, looks = Library(tmp_path), threading.Event()
    with contextlib.closing(Store(library.place("aa11"), create=True)) as store, store.writing():
        store.say(settings={}, created="now")
    run = library.find("aa11")

    def look() -> None:
        with held(run.folder):
            looks.set()
            time.sleep(0.2)

    looking = threading.Thread(target=look)
    looking.start()
    looks.wait()
    library.delete(run)
    looking.join()
    assert not library.runs()


def test_nothing_is_left_of_what_is_deleted_while_others_look_at_it(tmp_path: Path) -> None:
    library, over, unreadable = Library(tmp_path), threading.Event(), set()

    def look() -> None:
        while not over.is_set():
            unreadable.update(run.problem for run in library.runs() if "it is no run" not in run.problem)

    looking = [threading.Thread(target=look) for _ in range(6)]
    for thread in looking:
        thread.start()
    try:
        for number in range(20):
            journal = Journal(library.place(str(number)), {"settings": {}}, create=True)
            journal.close()
            journal.wait()
            run = library.run(str(number))
            assert run is not None
            library.delete(run)
            with pytest.raises(CannotRead):
                library.delete(run)
    finally:
        over.set()
        for thread in looking:
            thread.join()
    assert unreadable <= {""} and list(tmp_path.iterdir()) == []


def test_the_library_knows_what_has_become_of_a_run(tmp_path: Path) -> None:
    library = Library(tmp_path)
    for name in ("aa11", "ab22"):
        with contextlib.closing(Store(library.place(name), create=True)) as store, store.writing():
            store.say(settings={"env": name}, created=name)
    assert [run.state for run in library.runs()] == ["interrupted", "interrupted"]
    with held(library.place("aa11")):
        assert library.find("aa").state == "running" and library.find("aa").in_use
        with pytest.raises(InUse):
            library.delete(library.find("aa11"))
        # What it said last; an end is from before it was gone on with, but for its own.
        for said in ("paused", "stalled", "killed", "running", "finished"):
            with contextlib.closing(Store(library.place("aa11"))) as store, store.writing():
                store.event("2026-01-02T03:04:05+00:00", 1, "state", {"state": said})
            assert library.find("aa").state == ("running" if said == "killed" else said)
        assert library.find("aa").state == "finished" and library.find("aa").in_use, (
            "its process is there to be looked at"
        )
    with pytest.raises(CannotRead, match="several"):
        library.find("a")
    with pytest.raises(CannotRead, match="no run 'x'"):
        library.find("x")
    assert library.find("last").id == "ab22"
    library.delete(library.find("ab22"))
    assert [run.id for run in library.runs()] == ["aa11"]


def test_a_run_is_read_again_only_where_something_of_it_has_changed(tmp_path: Path, monkeypatch: Any) -> None:
    library, read = Library(tmp_path), []
    monkeypatch.setattr("ppo_scope.records.library.look_at", lambda place: read.append(place.name) or look_at(place))
    for name in ("a", "b"):
        with contextlib.closing(Store(library.place(name), create=True)) as store, store.writing():
            store.say(settings={"env": name}, created=name)

    def states(*of: str) -> list[str]:
        read.clear()
        found = [run.state for run in library.runs()]
        assert sorted(read) == sorted(of)
        return found

    def written(when: float) -> None:
        for file in tmp_path.glob("*/*"):
            os.utime(file, (when, when))

    assert states("a", "b") == states("a", "b") == ["interrupted"] * 2, (
        "its clock may be too coarse for what comes next"
    )
    written(1e9)
    assert states("a", "b") == states() == ["interrupted"] * 2
    with contextlib.closing(Store(library.place("a"))) as store, store.writing():
        store.event("2026-01-02T03:04:05+00:00", 1, "state", {"state": "failed"})
    assert states("a") == ["interrupted", "failed"]
    written(1e9 + 1)
    assert states("a", "b") == states() == ["interrupted", "failed"]
    with held(library.place("b")):
        assert states("b") == states("b") == ["running", "failed"]
    assert states() == ["interrupted", "failed"]
    library.delete(library.find("a"))
    assert states() == ["interrupted"]
    with contextlib.closing(Store(library.place("a"), create=True)) as store, store.writing():
        store.say(settings={"env": "new"}, created="c")
    assert states("a") == ["interrupted"] * 2


values = some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text()
numbers = some_arrays.arrays(
    some.sampled_from(["float32", "float64", "int64", "uint8", "bool"]),
    some_arrays.array_shapes(min_dims=0, max_side=3),
)


@example("array\0none")
@example(["text\0none", "text\0text\0"])
@given(
    some.recursive(values | numbers, lambda part: some.lists(part, max_size=3) | some.dictionaries(some.text(), part))
)
def test_a_tree_comes_back_as_it_was(tree: Any) -> None:
    def same(one: Any, other: Any) -> bool:
        if isinstance(one, np.ndarray):
            return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
        if isinstance(one, dict):
            return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
        if isinstance(one, list):
            return len(one) == len(other) and all(map(same, one, other))
        return type(one) is type(other) and one == other

    assert same(tree, trees.decode(trees.opened(trees.sealed(trees.encode(tree)))))


def test_a_state_that_is_damaged_cut_off_foreign_or_later_is_refused() -> None:
    plain = trees.encode({"theta": np.arange(100.0)})
    kept = trees.sealed(plain)
    for damaged in (kept[:-1], kept[:60] + b"\0" + kept[61:], b"", pickle.dumps([1])):
        with pytest.raises(trees.Damaged, match="checksum"):
            trees.opened(damaged)
    for foreign in (pickle.dumps([1]), b"", plain[:40], plain[:-8]):
        with pytest.raises(trees.Damaged, match="no state"):
            trees.decode(foreign)
    with pytest.raises(trees.Damaged, match="later version"):
        trees.decode(plain.replace(b'"version":"1"', b'"version":"9"'))


def test_a_rollout_goes_with_its_state(tmp_path: Path) -> None:
    with contextlib.closing(Store(tmp_path / "run", create=True)) as store, store.writing():
        for update in range(1, 6):
            store.keep(update, bytes(100))
            store.keep_rollout(update, bytes(50))
        store.keep_rollout(9, bytes(50))
        store.keep_rollout(7, bytes(70), alone=True)
        assert store.states()[-2:] == [KeptState(5, 150, False, True, True), KeptState(7, 70, False, True, False)]
        store.forget_from(7)
        store.judge(2, {"findings": []})
        assert [(one.update, one.size, one.replayable) for one in store.states()] == [
            (n, 150, True) for n in range(1, 6)
        ]
        assert store.rollout(9) is None, "there is no state that it could follow"
        store.thin(500)
        assert [store.rollout(n) is not None for n in range(1, 6)] == [True, False, True, False, True]
        store.forget_from(5)
        assert [(one.update, one.replayable) for one in store.states()] == [(1, True), (3, True), (5, False)]
        assert store.judgement(1) is None and store.judgement(4) == (2, {"findings": []})
