"""What is kept of a run."""

import numpy as np
import pytest

from ppo_scope.records.history import MAX_CHANGES, MAX_GAP, History, Table

COLUMNS = ["loss", "entropy"]


def rows(first, count):
    updates = np.arange(first, first + count, dtype=np.float64)
    return np.stack([updates, -updates], axis=1)


def episodes(*updates):
    return np.array([[update, 10 * update, 1, 1] for update in updates], np.float64).reshape(-1, 4)


@pytest.fixture
def history():
    history = History()
    history.append_series(COLUMNS, 1, rows(1, 3), episodes(1, 1, 3))
    history.append_series(COLUMNS, 4, rows(4, 997), episodes(4, 500, 1000))
    return history


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [(None, None, 1, 1000), (3, 5, 3, 5), (0, 2, 1, 2), (999, 5000, 999, 1000), (1000, 1000, 1000, 1000)],
)
def test_a_slice_is_what_was_appended(history, start, end, first, last):
    part = history.slice(start, end)
    assert part.columns == tuple(COLUMNS)
    assert part.first == first
    assert np.array_equal(part.rows, rows(first, last - first + 1))
    expected = [update for update in (1, 1, 3, 4, 500, 1000) if first <= update <= last]
    assert part.episodes[:, 0].tolist() == expected


@pytest.mark.parametrize(("start", "end"), [(1001, None), (5, 4), (2000, 3000)])
def test_a_slice_of_nothing_is_empty(history, start, end):
    part = history.slice(start, end)
    assert part.rows.shape == (0, 2)
    assert part.episodes.shape == (0, 4)


def test_a_slice_may_be_limited_and_goes_on_where_it_ended(history):
    collected, start = [], None
    while len((part := history.slice(start, limit=300)).rows):
        assert len(part.rows) <= 300
        collected.append(part.rows)
        start = part.first + len(part.rows)
    assert np.array_equal(np.concatenate(collected), rows(1, 1000))


def test_an_empty_history_has_empty_slices():
    part = History().slice(1, 5)
    assert len(part.rows) == len(part.episodes) == 0


def test_a_slice_is_a_copy(history):
    history.slice().rows[:] = 7
    assert np.array_equal(history.slice(1, 3).rows, rows(1, 3))


def test_rows_that_do_not_fit_are_refused_and_those_after_them_are_not(history):
    with pytest.raises(ValueError, match="do not fit"):
        history.append_series(COLUMNS, 1001, rows(1001, 1)[:, :1], episodes(1001))
    assert history.last == 1000
    history.append_series(COLUMNS, 1002, rows(1002, 2), episodes(1003))
    part = history.slice(1000)
    assert (part.first, history.last) == (1000, 1003)
    assert np.isnan(part.rows[1]).all(), "the update whose row was lost"
    assert np.array_equal(part.rows[[0, 2, 3]], np.concatenate([rows(1000, 1), rows(1002, 2)]))
    assert part.episodes[:, 0].tolist() == [1000, 1003]


def test_rows_that_come_late_have_the_place_that_was_left_for_them(history):
    history.append_series(COLUMNS, 1004, rows(1004, 2), episodes(1004))
    assert np.isnan(history.slice(1001, 1003).rows).all()
    part, following = history.page(1000, None, 100, 100)
    assert (part.first, len(part.rows), following) == (1000, 1, 1001), "it ends before what was lost"
    part, following = history.page(following, None, 100, 100)
    assert (part.first, len(part.rows), following) == (1004, 2, None), "and goes on behind it"
    part, following = history.page(1001, 1003, 100, 100)
    assert (len(part.rows), following) == (0, None)
    part, following = history.page(1001, None, 2, 100)
    assert (len(part.rows), following) == (0, 1003)
    history.append_series(COLUMNS, 999, -rows(999, 5), episodes(999, 1002, 1003))
    found = history.page(998, None, 100, 100)[0]
    assert np.array_equal(found.rows, np.concatenate([rows(998, 3), -rows(1001, 3), rows(1004, 2)]))
    assert history.slice(999).episodes[:, 0].tolist() == [1000, 1002, 1003, 1004]


def test_rows_with_other_columns_have_their_values_by_name(history):
    history.append_series(["entropy", "more"], 1001, rows(1001, 1), episodes())
    assert history.columns == ("loss", "entropy", "more")
    found = history.slice(1000).rows
    assert np.array_equal(found, [[1000, -1000, np.nan], [np.nan, 1001, -1001]], equal_nan=True)
    history.append_series(COLUMNS, 1002, rows(1002, 1), episodes())
    assert np.array_equal(history.slice(1002).rows, [[1002, -1002, np.nan]], equal_nan=True)


def test_a_change_that_comes_late_has_its_place_and_one_that_is_known_is_none():
    history = History()
    changes = [{"update": update, "new": new} for update, new in ((1, 1), (2, 2), (2, 3), (4, 4))]
    assert [history.change(changes[at]) for at in (0, 1, 3, 2, 1, 3)] == [True, True, True, True, False, False]
    assert history.change({"update": 3, "new": 0})
    assert [change["update"] for change in history.changes] == [1, 2, 2, 3, 4] and history.changes_made == 5


def test_rows_that_are_there_already_are_kept(history):
    history.append_series(COLUMNS, 999, -rows(999, 3), episodes(999, 1001))
    assert np.array_equal(history.slice(998).rows, np.concatenate([rows(998, 3), -rows(1001, 1)]))
    assert history.slice(998).episodes[:, 0].tolist() == [1000, 1001]


def test_after_a_gap_that_is_too_large_the_table_begins_anew(history):
    first = 1001 + MAX_GAP
    history.append_series(COLUMNS, first, rows(first, 1), episodes())
    assert (history.first, history.last) == (first, first)
    assert np.array_equal(history.slice().rows, rows(first, 1))


def test_changes_are_bounded_and_counted(history):
    for number in range(2 * MAX_CHANGES):
        history.change({"update": number})
    assert (len(history.changes), history.changes_made) == (MAX_CHANGES, 2 * MAX_CHANGES)
    assert history.changes[-1] == {"update": 2 * MAX_CHANGES - 1}


def test_beyond_its_bound_the_older_half_goes():
    history = History(max_rows=100)
    for first in range(1, 1001):
        history.append_series(COLUMNS, first, rows(first, 1), episodes())
        assert history.last == first
        assert history.last - history.first + 1 == len(history.slice().rows) <= 100
    assert history.last - history.first + 1 >= 50
    assert np.array_equal(history.slice().rows, rows(history.first, 1001 - history.first))


@pytest.mark.parametrize("size", [1, 7, 10, 25])
def test_a_table_keeps_the_newest(size):
    table, limit = Table(1, 10), 10
    for first in range(0, 200, size):
        table.append(np.arange(first, first + size, dtype=float)[:, None])
        kept = table.rows[:, 0]
        assert len(kept) <= limit
        assert kept[-1] == first + size - 1
        assert np.array_equal(np.diff(kept), np.ones(len(kept) - 1))
        assert kept[0] == table.dropped


def test_a_sketch_is_of_values_that_are_there_the_newest_among_them(history):
    name = COLUMNS[0]
    values = history.slice().rows[:, 0]
    assert history.sketch(name, 5000) == values.tolist()
    few = history.sketch(name, 5)
    assert len(few) == 5 and (few[0], few[-1]) == (values[0], values[-1]) and set(few) <= set(values)
    assert history.sketch("no such column", 5) == [] == History().sketch(name, 5)


def test_some_columns_of_all_rows_are_taken_as_a_copy():
    history = History()
    assert history.taken(("steps",)).shape == (0, 1)
    history.append_series(["loss", "steps"], 1, np.array([[0.5, 64.0], [0.25, 128.0]]), np.empty((0, 4)))
    history.append_series(["steps", "return"], 3, np.array([[192.0, 20.0]]), np.empty((0, 4)))
    taken = history.taken(("steps", "return", "nothing"))
    assert np.array_equal(taken, [[64, np.nan, np.nan], [128, np.nan, np.nan], [192, 20, np.nan]], equal_nan=True)
    taken[:] = 0
    assert history.taken(("steps",))[0, 0] == 64
