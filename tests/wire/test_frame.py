"""Frames: what goes in comes out, aligned for a browser that reads in place."""

import json

import numpy as np
import pytest

from ppo_scope.wire import frame
from ppo_scope.wire.frame import PROTOCOL


def test_arrays_and_header_come_back():
    arrays = {
        "mask": np.arange(5, dtype=np.uint8),
        "ratio": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
        "rows": np.ones((0, 4)),
        "index": np.array([1, -2], np.int32),
    }
    header, decoded = frame.decode(frame.encode({"kind": "snapshot", "update": 3}, arrays))
    assert (header["protocol"], header["kind"], header["update"]) == (PROTOCOL, "snapshot", 3)
    for name, array in arrays.items():
        assert decoded[name].dtype == array.dtype
        assert np.array_equal(decoded[name], array)


@pytest.mark.parametrize("text", ["", "a", "ab", "abc", "äö", "ε₁"])
def test_everything_starts_at_a_multiple_of_eight(text):
    message = frame.encode({"text": text}, {"a": np.zeros(3, np.uint8), "b": np.zeros(2), "c": np.zeros(1, np.uint8)})
    start = 4 + int.from_bytes(message[:4], "little")
    assert start % 8 == 0 and len(message) % 8 == 0
    header = json.loads(message[4:start])
    assert header["text"] == text
    assert [described["offset"] % 8 for described in header["arrays"].values()] == [0, 0, 0]


def test_transposed_arrays_travel_in_their_own_order():
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    assert np.array_equal(frame.decode(frame.encode({}, {"a": array}))[1]["a"], array)


def test_scalars_that_are_not_finite_become_null():
    header = frame.header(frame.encode({"scalars": {"a": float("nan"), "b": float("-inf"), "c": None, "d": 0.5}}))
    assert header["scalars"] == {"a": None, "b": None, "c": None, "d": 0.5}


def test_what_a_browser_cannot_read_is_refused():
    with pytest.raises(ValueError, match="'a' has dtype int64"):
        frame.encode({}, {"a": np.zeros(2, np.int64)})
    with pytest.raises(ValueError, match="JSON"):
        frame.encode({"settings": {"x": float("nan")}})


def test_an_array_in_another_byte_order_than_a_browser_reads_is_refused():
    with pytest.raises(ValueError, match="'a' has dtype >f4"):
        frame.encode({"kind": "snapshot"}, {"a": np.zeros(3, np.dtype(">f4"))})


@pytest.mark.parametrize("message", [b"", b"\x05", b"\xff\xff\xff\xff{}", b"\x02\x00\x00\x00[]", b"\x02\x00\x00\x00{x"])
def test_what_is_no_frame_is_refused(message):
    with pytest.raises(ValueError, match=r"not a frame|Expecting"):
        frame.header(message)
