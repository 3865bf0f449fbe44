"""ε and ε⁺ of a loop that reads each from a place of its own."""

import pytest

from ppo_scope.attach.clip_ranges import ClipRanges


@pytest.mark.parametrize(
    ("high", "moves", "expected"),
    [
        (0.2, [("clip_range", 0.1)], (0.1, 0.1)),
        (0.28, [("clip_range", 0.1)], (0.1, 0.28)),
        (0.28, [("clip_range_high", 0.5), ("clip_range", 0.1)], (0.1, 0.5)),
        (0.28, [("clip_range_high", None)], (0.2, 0.2)),
        (0.28, [("clip_range_high", None), ("clip_range", 0.1)], (0.1, 0.1)),
        (0.2, [("clip_range_high", 0.2), ("clip_range", 0.1)], (0.1, 0.2)),
    ],
)
def test_what_is_set_on_the_page_arrives_where_the_loop_reads_it(high, moves, expected):
    given = []
    ranges = ClipRanges(0.2, high, lambda *both: given.append(both))
    for name, value in moves:
        ranges.change[name](value)
    assert given[-1] == expected


def test_alike_on_both_sides_it_is_told_as_off():
    assert ClipRanges(0.2, 0.2, print).told == {"clip_range": 0.2, "clip_range_high": None}
    assert ClipRanges(0.2, 0.28, print).told == {"clip_range": 0.2, "clip_range_high": 0.28}
